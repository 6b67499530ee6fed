//! What the invariants share.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hardening::{Rejected, telemetry};

/// Nanoseconds, as policies count them.
pub(crate) type Nanos = u64;

pub(crate) const MILLI: Nanos = 1_000_000;

/// What a body, or a policy around it, fails with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The body failed.
    Failed,
    /// A policy refused.
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// Polls once; `Some` when the future is ready.
pub(crate) async fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// What a scrape shows. It brings every circuit of the process up to its clock, so it reads the machine's: a test whose paused
/// clock is far ahead would end the probes of other tests.
pub(crate) fn scraped() -> String {
    let scrape = || {
        let mut text = String::new();
        telemetry::calls::render(&mut text);
        text
    };
    std::thread::scope(|scope| scope.spawn(scrape).join()).unwrap()
}

/// The value of a series.
pub(crate) fn metric(series: &str) -> u64 {
    let text = scraped();
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no series {series}")).parse().unwrap()
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
