//! The one task that sends spans.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until};

use super::{Counts, Record, otlp};
use crate::connect::http::Client;
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
    /// Whether the last request failed: each change is said once.
    failing: bool,
}

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
        let (every, asked, failing) = (telemetry.export_every, None, false);
        let batch = BATCH.min(telemetry.queue as usize);
        Ok(Self { client, url, fields, resource, every, batch, queue, flushes, asked, counts, failing })
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
                Ok(rejected) => break Ok(rejected.min(count)),
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
            Ok(rejected) => {
                exported.fetch_add(count - rejected, Ordering::Relaxed);
                failed.fetch_add(rejected, Ordering::Relaxed);
                if mem::take(&mut self.failing) {
                    tracing::info!("the receiver of traces takes spans again");
                }
            }
            Err(why) => {
                failed.fetch_add(count, Ordering::Relaxed);
                self.failed(&why);
            }
        }
    }

    fn failed(&mut self, why: &str) {
        if !mem::replace(&mut self.failing, true) {
            tracing::warn!(
                why,
                "the receiver of traces does not take spans; what the queue cannot hold is lost"
            );
        }
    }

    /// Sends once; answers how many spans were not taken.
    async fn send(&self, body: Vec<u8>) -> Result<u64, Refused> {
        let mut request = self.client.post(&self.url).header("content-type", "application/x-protobuf");
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
            return Ok(otlp::rejected(answer.bytes()));
        }
        // The statuses that the protocol lets one repeat.
        let asked = answer.headers().get(http::header::RETRY_AFTER).and_then(|after| after.to_str().ok());
        let asked = asked.and_then(|seconds| seconds.parse().ok()).map(Duration::from_secs);
        let again = match (status.as_u16(), asked) {
            (429 | 502 | 503 | 504, Some(wait)) => Again::After(wait),
            (429 | 502 | 503 | 504, None) => Again::Later,
            _ => Again::Never,
        };
        Err(Refused { why: format!("it answers {status}"), again })
    }
}
