//! How an attempt ended: the one outcome that every policy consumes.

use std::time::Duration;

use crate::Rejected;
use crate::clock::{Nanos, nanos};
use crate::policy::circuit_breaker;

/// What came of an attempt, or of a whole call.
#[derive(Debug)]
pub enum Outcome<R> {
    /// The body ran to its end.
    Returned(R),
    /// A policy refused the attempt or cut it.
    Refused(Rejected),
}

/// What the patterns of a call say of one outcome.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Verdict {
    pub(crate) failed: bool,
    pub(crate) ignored: bool,
    retry: bool,
    never_retry: bool,
    not_executed: bool,
    retry_after: Option<Duration>,
}

impl Verdict {
    /// The verdict on a refusal, which no pattern sees.
    pub const REFUSED: Self = Self::plain(true);

    const fn plain(failed: bool) -> Self {
        Self {
            failed,
            ignored: false,
            retry: failed,
            never_retry: false,
            not_executed: false,
            retry_after: None,
        }
    }

    /// The verdict without patterns: an `Err` is a failure, for the breaker and for a retry.
    #[inline]
    pub const fn of<T, E>(result: &Result<T, E>) -> Self {
        Self::plain(result.is_err())
    }

    /// `retry(on = …)`: repeated exactly when it matches.
    pub const fn retry_if(self, matched: bool) -> Self {
        Self { retry: matched, ..self }
    }

    /// `retry(not_on = …)`: not repeated when it matches.
    pub const fn never_retry_if(self, matched: bool) -> Self {
        Self { never_retry: matched, ..self }
    }

    /// `retry(not_executed = …)`: nothing had been done when it matches.
    pub const fn not_executed_if(self, matched: bool) -> Self {
        Self { not_executed: matched, ..self }
    }

    /// `retry(retry_after = …)`: the delay that the other side asks for.
    pub const fn retry_after(self, retry_after: Option<Duration>) -> Self {
        Self { retry_after, ..self }
    }

    /// `circuit_breaker(failure = …)`: a failure exactly when it matches; an `Err` that does not match is the
    /// caller's fault.
    pub const fn failure_if(self, matched: bool) -> Self {
        Self { failed: matched, ignored: self.failed && !matched, ..self }
    }

    /// `circuit_breaker(ignore = …)`: neither success nor failure when it matches.
    pub const fn ignore_if(self, matched: bool) -> Self {
        if matched { Self { ignored: true, failed: true, ..self } } else { self }
    }

    /// Whether the outcome may be repeated, under the evidence that the call gives.
    pub(crate) const fn retryable(&self, idempotent: bool) -> bool {
        self.retry && !self.never_retry && (idempotent || self.not_executed)
    }

    pub(crate) fn asked_for(&self) -> Option<Nanos> {
        self.retry_after.map(nanos)
    }

    #[inline]
    pub(crate) const fn for_breaker(&self) -> circuit_breaker::Verdict {
        match (self.failed, self.ignored) {
            (true, false) => circuit_breaker::Verdict::Failure,
            (true, true) => circuit_breaker::Verdict::Neither,
            (false, _) => circuit_breaker::Verdict::Success,
        }
    }
}
