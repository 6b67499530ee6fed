//! How an attempt ended: the one outcome that every policy consumes.

use std::time::Duration;

use crate::clock::{NEVER, Nanos, nanos};
use crate::policy::circuit_breaker;

/// What came of an attempt, or of a whole call.
#[derive(Debug)]
pub enum Outcome<R> {
    /// The body ran to its end.
    Returned(R),
    /// A policy refused the attempt or cut it; why is known to the call.
    Refused(Cut),
}

impl<T, E> Outcome<Result<T, E>> {
    /// What `patterns` make of the body's result; a refusal is not shown to them.
    #[inline]
    pub fn judge_with(&self, patterns: impl FnOnce(&Result<T, E>, Verdict) -> Verdict) -> Verdict {
        match self {
            Self::Returned(result) => patterns(result, Verdict::of(result)),
            Self::Refused(_) => Verdict::REFUSED,
        }
    }

    /// Whether the body returned something that `pattern` matches.
    #[inline]
    pub fn is_judged(&self, pattern: impl FnOnce(&Result<T, E>) -> bool) -> bool {
        match self {
            Self::Returned(result) => pattern(result),
            Self::Refused(_) => false,
        }
    }

    /// Whether `patterns` want the fallback for the body's result; what they say of a refusal is not asked.
    #[inline]
    pub fn wants_fallback(&self, patterns: impl FnOnce(&Result<T, E>) -> bool) -> bool {
        match self {
            Self::Returned(result) => patterns(result),
            Self::Refused(_) => true,
        }
    }
}

/// Proof that the call knows why it refused.
#[derive(Debug)]
pub struct Cut(pub(super) ());

/// What the patterns of a call say of one outcome.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct Verdict {
    flags: u8,
    /// The delay that the other side asked for, [`NEVER`] if it asked for none.
    asked_for: Nanos,
}

const FAILED: u8 = 1;
const RETRY: u8 = 1 << 1;
const IGNORED: u8 = 1 << 2;
const NEVER_RETRY: u8 = 1 << 3;
const NOT_EXECUTED: u8 = 1 << 4;

impl Verdict {
    /// The verdict on a refusal, which no pattern sees.
    pub const REFUSED: Self = Self { flags: FAILED | RETRY, asked_for: NEVER };

    /// The verdict without patterns: an `Err` is a failure, for the breaker and for a retry.
    #[inline(always)]
    pub const fn of<T, E>(result: &Result<T, E>) -> Self {
        Self { flags: if result.is_err() { FAILED | RETRY } else { 0 }, asked_for: NEVER }
    }

    const fn with(self, flag: u8, set: bool) -> Self {
        Self { flags: if set { self.flags | flag } else { self.flags & !flag }, ..self }
    }

    /// `retry(on = …)`: repeated exactly when it matches.
    pub const fn retry_if(self, matched: bool) -> Self {
        self.with(RETRY, matched)
    }

    /// `retry(not_on = …)`: not repeated when it matches.
    pub const fn never_retry_if(self, matched: bool) -> Self {
        self.with(NEVER_RETRY, matched)
    }

    /// `retry(not_executed = …)`: nothing had been done when it matches.
    pub const fn not_executed_if(self, matched: bool) -> Self {
        self.with(NOT_EXECUTED, matched)
    }

    /// `retry(retry_after = …)`: the delay that the other side asks for.
    pub const fn retry_after(self, retry_after: Option<Duration>) -> Self {
        let asked_for = match retry_after {
            // One less than "asked for none": a delay that long ends the call.
            Some(delay) => match nanos(delay) {
                NEVER => NEVER - 1,
                delay => delay,
            },
            None => NEVER,
        };
        Self { asked_for, ..self }
    }

    /// `circuit_breaker(failure = …)`: a failure exactly when it matches; an `Err` that does not match is the
    /// caller's fault and says nothing against the dependency.
    pub const fn failure_if(self, matched: bool) -> Self {
        if matched { self.with(FAILED, true) } else { self.with(IGNORED, self.failed()).with(FAILED, false) }
    }

    /// `circuit_breaker(ignore = …)`: neither success nor failure when it matches.
    pub const fn ignore_if(self, matched: bool) -> Self {
        if matched { self.with(IGNORED, true).with(FAILED, true) } else { self }
    }

    /// A plain success: nothing to repeat, nothing to explain.
    #[inline(always)]
    pub(crate) const fn is_plain_success(self) -> bool {
        self.flags == 0
    }

    pub(crate) const fn failed(self) -> bool {
        self.flags & FAILED != 0
    }

    pub(crate) const fn ignored(self) -> bool {
        self.flags & IGNORED != 0
    }

    /// Whether the outcome may be repeated, under the evidence that the call gives.
    pub(crate) const fn retryable(self, idempotent: bool) -> bool {
        let asked = self.flags & RETRY != 0 && self.flags & NEVER_RETRY == 0;
        asked && (idempotent || self.flags & NOT_EXECUTED != 0)
    }

    pub(crate) const fn asked_for(self) -> Option<Nanos> {
        if self.asked_for == NEVER { None } else { Some(self.asked_for) }
    }

    pub(crate) const fn for_breaker(self) -> circuit_breaker::Verdict {
        match (self.failed(), self.ignored()) {
            (true, false) => circuit_breaker::Verdict::Failure,
            (true, true) => circuit_breaker::Verdict::Neither,
            (false, _) => circuit_breaker::Verdict::Success,
        }
    }
}
