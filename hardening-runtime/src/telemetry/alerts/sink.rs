//! One who is told: a bounded queue, and a task that empties it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::message::{Message, signature};
use crate::connect::http::{Client, Error};

/// Messages that may wait for one who is told.
const QUEUE: usize = 64;
/// How often a message is sent.
const TRIES: u32 = 3;
/// The wait before the second try; the third waits twice as long.
const BACKOFF: Duration = Duration::from_secs(1);
/// The longest wait that a receiver may ask for: what comes after waits as well.
const LONGEST: Duration = Duration::from_mins(1);

/// The form that somebody reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Slack,
    Discord,
    Json,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::Slack, Self::Discord, Self::Json];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::Discord => "discord",
            Self::Json => "json",
        }
    }
}

/// What became of the messages of one kind.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) delivered: AtomicU64,
    /// Nobody took it, tried as often as it is.
    pub(super) failed: AtomicU64,
    /// The queue was full.
    pub(super) dropped: AtomicU64,
}

/// Where one who is told is reached.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) kind: Kind,
    queue: mpsc::Sender<Arc<Message>>,
    waiting: watch::Sender<usize>,
    counts: Arc<Counts>,
}

/// The other end of a [`Sink`]. Its address may hold a secret, so nothing of it is ever written.
pub(super) struct Sender {
    kind: Kind,
    client: Client,
    url: String,
    /// The key of the signature.
    key: Arc<[u8]>,
    queue: mpsc::Receiver<Arc<Message>>,
    waiting: watch::Sender<usize>,
    counts: Arc<Counts>,
}

pub(super) fn pair(
    kind: Kind,
    client: &Client,
    url: &str,
    key: &Arc<[u8]>,
    counts: &Arc<Counts>,
) -> (Sink, Sender) {
    let (tell, queue) = mpsc::channel(QUEUE);
    let waiting = watch::Sender::new(0);
    let sender = Sender {
        kind,
        client: client.clone(),
        url: url.to_owned(),
        key: Arc::clone(key),
        queue,
        waiting: waiting.clone(),
        counts: Arc::clone(counts),
    };
    (Sink { kind, queue: tell, waiting, counts: Arc::clone(counts) }, sender)
}

impl Sink {
    /// Puts a message into the queue, or drops it.
    pub(super) fn tell(&self, message: &Arc<Message>) {
        self.waiting.send_modify(|count| *count += 1);
        if self.queue.try_send(Arc::clone(message)).is_err() {
            self.waiting.send_modify(|count| *count -= 1);
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Completes once nothing waits.
    pub(super) async fn emptied(&self) {
        // It lives as long as this does.
        let _ = self.waiting.subscribe().wait_for(|count| *count == 0).await;
    }
}

impl Sender {
    /// Sends until nobody can tell anything any more.
    pub(super) async fn run(mut self) {
        while let Some(message) = self.queue.recv().await {
            let count = match self.deliver(&message).await {
                Ok(()) => &self.counts.delivered,
                Err(why) => {
                    tracing::warn!(sink = self.kind.name(), why, "an alert was not delivered");
                    &self.counts.failed
                }
            };
            count.fetch_add(1, Ordering::Relaxed);
            self.waiting.send_modify(|count| *count -= 1);
        }
    }

    async fn deliver(&self, message: &Message) -> Result<(), String> {
        let body = match self.kind {
            Kind::Slack => message.slack(),
            Kind::Discord => message.discord(),
            Kind::Json => message.json(),
        };
        let body = body.to_string();
        let mut tried = 0;
        loop {
            tried += 1;
            let mut request = self.client.post(&self.url).header("content-type", "application/json");
            if self.kind == Kind::Json {
                request = request
                    .header("webhook-id", &message.id)
                    .header("webhook-timestamp", message.at.to_string())
                    .header(
                        "webhook-signature",
                        signature(&self.key, &message.id, message.at, body.as_bytes()),
                    );
            }
            let (why, again, asked) = match request.body(body.clone()).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => {
                    let status = answer.status();
                    let again = status.is_server_error() || status.as_u16() == 429;
                    (format!("it answers {status}"), again, answer.retry_after())
                }
                Err(error) => (without_address(&error), true, None),
            };
            if !again || tried == TRIES {
                return Err(why);
            }
            sleep(asked.unwrap_or_default().clamp(BACKOFF * tried, LONGEST)).await;
        }
    }
}

/// What went wrong, without the address, whose path is the secret of most webhooks.
fn without_address(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    format!("{:?}: {}", error.kind(), causes.join(": "))
}
