//! What went wrong with a request, and whether the other side may have seen it.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use ::http::StatusCode;

use crate::Rejected;

type Source = Box<dyn StdError + Send + Sync>;

/// Why there is no client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError(pub(super) String);

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for BuildError {}

/// Whether the other side has seen a request: the evidence that a retry needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// No byte of it was sent: it may be repeated.
    No,
    /// It had a connection; some of it may have been acted upon.
    Maybe,
    /// It was answered.
    Yes,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The request cannot be sent: its address, a header field or its body is none.
    Invalid,
    /// There was no connection: the name, the network or the TLS handshake.
    Connect,
    /// It took longer than the client's timeout or the request's own.
    Timeout,
    /// The deadline around it passed.
    DeadlineExceeded,
    /// The connection broke, or what came was no HTTP.
    Broken,
    /// The answer's body is larger than the client's limit.
    TooLarge,
    /// The answer's body is not the JSON that was asked for.
    Json,
    /// The answer's status, where that is an error to who asked.
    Status(StatusCode),
    /// A policy refused the call that the request is made in.
    Rejected,
}

impl Kind {
    /// Its name on spans.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::Broken => "broken",
            Self::TooLarge => "too_large",
            Self::Json => "json",
            Self::Status(_) => "status",
            Self::Rejected => "rejected",
        }
    }
}

/// A request without a usable answer.
///
/// It is written without the query and the fields of the request, which may hold secrets.
///
/// ```
/// use hardening_runtime::connect::http::{Client, Error, Sent};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let error: Error = Client::new().get("http://127.0.0.1:9/?key=1").send().await.unwrap_err();
/// assert_eq!(error.sent(), Sent::No);
/// assert_eq!(error.to_string(), "GET http://127.0.0.1:9/: cannot connect");
/// # }
/// ```
#[derive(Debug)]
pub struct Error(Box<Inner>);

#[derive(Debug)]
struct Inner {
    kind: Kind,
    sent: Sent,
    /// The method and the address, as far as they may be shown.
    request: String,
    source: Option<Source>,
    retry_after: Option<Duration>,
}

impl Error {
    pub(super) fn new(kind: Kind, sent: Sent, request: &str, source: Option<Source>) -> Self {
        Self(Box::new(Inner { kind, sent, request: request.to_owned(), source, retry_after: None }))
    }

    /// The other side asks to wait for so long.
    pub(super) fn asks_for(mut self, wait: Option<Duration>) -> Self {
        self.0.retry_after = wait;
        self
    }

    /// How long the other side asks to wait before the next request, where its status is the error: for
    /// `#[retry(retry_after = error.retry_after())]`.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What went wrong.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether the other side has seen the request.
    pub fn sent(&self) -> Sent {
        self.0.sent
    }

    /// Whether certainly no byte of it was sent, for `#[retry(not_executed = …)]`.
    pub fn was_not_sent(&self) -> bool {
        self.0.sent == Sent::No
    }

    /// Whether the request itself is none, so that nothing was asked of anybody.
    pub(crate) fn is_invalid(&self) -> bool {
        self.0.kind == Kind::Invalid
    }

    /// The status, where it is one that makes the error.
    pub fn status(&self) -> Option<StatusCode> {
        match self.0.kind {
            Kind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// What it says, and what caused it, down to the first cause: which certificate, which name, which port. For operators alone,
    /// who can mend that.
    #[cfg(feature = "jwt")]
    pub(crate) fn with_causes(&self) -> String {
        let mut text = self.to_string();
        for cause in crate::telemetry::recorded::causes(self) {
            // Some errors say the text of their cause themselves.
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
        }
        text
    }

    /// The refusal, where a policy refused the call.
    pub fn rejected(&self) -> Option<&Rejected> {
        self.0.source.as_ref()?.downcast_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { kind, request, .. } = &*self.0;
        if !request.is_empty() {
            write!(f, "{request}: ")?;
        }
        match kind {
            Kind::Invalid => f.write_str("the request cannot be sent"),
            Kind::Connect => f.write_str("cannot connect"),
            Kind::Timeout => f.write_str("no answer within the timeout"),
            Kind::DeadlineExceeded => f.write_str("no answer before the deadline"),
            Kind::Broken => f.write_str("the connection broke"),
            Kind::TooLarge => f.write_str("the answer's body is larger than the limit"),
            Kind::Json => f.write_str("the answer's body is not the JSON that was asked for"),
            Kind::Status(status) => write!(f, "answered {status}"),
            Kind::Rejected => f.write_str("a policy refused the call"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::new(Kind::Rejected, Sent::No, "", Some(Box::new(rejected)))
    }
}
