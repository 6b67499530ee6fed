//! The one task that sends spans.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use super::otlp::Answer;
use super::{Counts, Record, otlp};
use crate::clock;
use crate::connect::http::Client;
use crate::once_a_minute::OnceAMinute;
use crate::settings::{Telemetry, forms};

/// The most spans of one request; the queue's bound where that is smaller.
const BATCH: usize = 512;
/// How often one request is sent.
const TRIES: u32 = 3;
/// The wait before the second try; the third waits twice as long. Each is shortened by up to a half at random.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait that a receiver may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Takes spans from the queue and sends them.
#[derive(Debug)]
pub(crate) struct Exporter {
    client: Client,
    url: String,
    fields: Vec<(HeaderName, HeaderValue)>,
    resource: Vec<u8>,
    every: Duration,
    batch: usize,
    queue: mpsc::Receiver<Record>,
    flushes: mpsc::Receiver<oneshot::Sender<()>>,
    /// Who waits for the last span; from then on nothing is waited for.
    asked: Option<oneshot::Sender<()>>,
    counts: Arc<Counts>,
    /// Whether the last spans were not taken, and what was said of that: each change is said once.
    state: State,
    /// When it may be said again that its word has changed and nothing else.
    other_word: OnceAMinute,
}

/// How the receiver has answered last.
#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    /// It takes all spans.
    #[default]
    Takes,
    /// It takes all spans, and has something to say.
    Warns(String),
    /// It refuses some, and says why.
    Refuses(String),
    /// It takes none, or does not answer.
    Fails,
}

/// The longest word of a receiver that is told.
const LONGEST_WORD: usize = 300;
/// What exports name as their client, as the specification of exporters asks.
const USER_AGENT: &str =
    concat!("hardening/", env!("CARGO_PKG_VERSION"), " OTel-OTLP-Exporter-Rust/", env!("CARGO_PKG_VERSION"));

/// Why a receiver took nothing.
struct Refused {
    why: String,
    again: Again,
}

/// Whether a request may be repeated.
enum Again {
    Never,
    Later,
    /// As the receiver asks.
    After(Duration),
}

impl Exporter {
    pub(super) fn new(
        telemetry: &Telemetry,
        resource: Vec<u8>,
        queue: mpsc::Receiver<Record>,
        flushes: mpsc::Receiver<oneshot::Sender<()>>,
        counts: Arc<Counts>,
    ) -> Result<Self, String> {
        let endpoint = telemetry.otlp_endpoint.trim_end_matches('/');
        let url = if endpoint.ends_with("/v1/traces") {
            endpoint.to_owned()
        } else {
            format!("{endpoint}/v1/traces")
        };
        let client = Client::builder()
            .connect_timeout(telemetry.export_timeout)
            .timeout(telemetry.export_timeout)
            .body_limit(64 << 10)
            .unseen();
        let client = client.build().map_err(|error| error.to_string())?;
        client.speaks(&url)?;
        let fields = forms::fields_of(telemetry.otlp_headers.reveal()).unwrap_or_default();
        let (every, asked, state) = (telemetry.export_every, None, State::default());
        let batch = BATCH.min(telemetry.queue as usize);
        Ok(Self {
            client,
            url,
            fields,
            resource,
            every,
            batch,
            queue,
            flushes,
            asked,
            counts,
            state,
            other_word: OnceAMinute::default(),
        })
    }

    /// Sends until nobody has spans any more, or it is dropped.
    pub(crate) async fn run(mut self) {
        let most = self.batch;
        let mut batch = Vec::with_capacity(most);
        let mut due = Instant::now();
        loop {
            // Whenever it is full it is sent at once.
            let room = most - batch.len();
            tokio::select! {
                biased;
                Some(done) = self.flushes.recv() => {
                    self.asked = Some(done);
                    self.flush(&mut batch).await;
                }
                () = sleep_until(due), if !batch.is_empty() => self.export(&mut batch).await,
                received = self.queue.recv_many(&mut batch, room) => {
                    if received == 0 {
                        return;
                    }
                    if batch.len() == received {
                        due = Instant::now() + self.every;
                    }
                    if batch.len() >= self.batch {
                        self.export(&mut batch).await;
                    }
                }
            }
            if self.asked.is_some() {
                self.flush(&mut batch).await;
            }
        }
    }

    /// Sends everything that waits, and says so.
    async fn flush(&mut self, batch: &mut Vec<Record>) {
        while let Ok(record) = self.queue.try_recv() {
            batch.push(record);
            if batch.len() >= self.batch {
                self.export(batch).await;
            }
        }
        if !batch.is_empty() {
            self.export(batch).await;
        }
        if let Some(done) = self.asked.take() {
            // Whoever asked may have given up.
            let _ = done.send(());
        }
    }

    async fn export(&mut self, batch: &mut Vec<Record>) {
        let records = mem::take(batch);
        let count = records.len() as u64;
        let body = otlp::request(&self.resource, &records);
        drop(records);
        let mut tried = 0;
        let result = loop {
            tried += 1;
            match self.send(body.clone()).await {
                Ok(answer) => break Ok(answer),
                Err(Refused { again: again @ (Again::Later | Again::After(_)), why })
                    if tried < TRIES && self.asked.is_none() =>
                {
                    let usual = BACKOFF.mul_f64(f64::from(tried) * (0.5 + fastrand::f64() / 2.0));
                    let wait = if let Again::After(wait) = again { wait.min(LONGEST_WAIT) } else { usual };
                    self.failed(&why);
                    tokio::select! {
                        () = sleep(wait) => {}
                        Some(done) = self.flushes.recv() => self.asked = Some(done),
                    }
                }
                Err(Refused { why, .. }) => break Err(why),
            }
        };
        let Counts { exported, failed, .. } = &*self.counts;
        match result {
            Ok(Answer { rejected, said }) => {
                let rejected = rejected.min(count);
                exported.fetch_add(count - rejected, Ordering::Relaxed);
                failed.fetch_add(rejected, Ordering::Relaxed);
                self.answered(rejected, count, &said);
            }
            Err(why) => {
                failed.fetch_add(count, Ordering::Relaxed);
                self.failed(&why);
            }
        }
    }

    /// Says what the receiver says, once for as long as it says the same.
    fn answered(&mut self, rejected: u64, count: u64, said: &str) {
        let said = said[..said.floor_char_boundary(LONGEST_WORD)].to_owned();
        let now = match (rejected, said.is_empty()) {
            (0, true) => State::Takes,
            (0, false) => State::Warns(said),
            _ => State::Refuses(said),
        };
        let before = mem::replace(&mut self.state, now);
        let same = mem::discriminant(&before) == mem::discriminant(&self.state);
        // Some put into each word how many spans it is about.
        if before == self.state || same && !self.other_word.is_due(clock::now()) {
            return;
        }
        if rejected == 0 && matches!(before, State::Refuses(_) | State::Fails) {
            tracing::info!("the receiver of traces takes spans again");
        }
        match &self.state {
            State::Warns(said) => {
                tracing::warn!(said, "the receiver of traces takes spans and has something to say");
            }
            State::Refuses(said) => {
                tracing::warn!(
                    said,
                    rejected,
                    of = count,
                    "the receiver of traces refuses spans, which are lost"
                );
            }
            State::Takes | State::Fails => {}
        }
    }

    fn failed(&mut self, why: &str) {
        if mem::replace(&mut self.state, State::Fails) != State::Fails {
            tracing::warn!(
                why,
                "the receiver of traces does not take spans; what the queue cannot hold is lost"
            );
        }
    }

    /// Sends once; answers what the receiver says of spans that it has read.
    async fn send(&self, body: Vec<u8>) -> Result<Answer, Refused> {
        let mut request = self.client.post(&self.url).header("content-type", "application/x-protobuf");
        if !self.fields.iter().any(|(name, _)| name == http::header::USER_AGENT) {
            request = request.header("user-agent", USER_AGENT);
        }
        for (name, value) in &self.fields {
            request = request.header(name, value);
        }
        let sent = request.body(body).send().await;
        let answer = sent.map_err(|error| {
            let causes =
                std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let why = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            Refused { why, again: Again::Later }
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(otlp::answer(answer.bytes()));
        }
        // The statuses that the protocol lets one repeat.
        let again = match (status.as_u16(), answer.retry_after()) {
            (429 | 502 | 503 | 504, Some(wait)) => Again::After(wait),
            (429 | 502 | 503 | 504, None) => Again::Later,
            _ => Again::Never,
        };
        Err(Refused { why: format!("it answers {status}"), again })
    }
}
