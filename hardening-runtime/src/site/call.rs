//! One call on its way through its policies.

use std::fmt::Debug;
use std::time::Duration;

use hardening_spec::{MAX_RATE_LIMITS, Per};

use super::State;
use super::span::CallSpans;
use super::verdict::Verdict;
use crate::Rejected;
use crate::clock::{self, NEVER, Nanos, nanos};
use crate::context;
use crate::policy::circuit_breaker::{self, Permit};
use crate::policy::rate_limit::Charge;
use crate::telemetry::calls::CallOutcome;

/// One call. Dropping it before it is finished gives everything back and counts as cancelled, or as panicked
/// when the body was running.
#[must_use]
pub struct Call {
    pub(super) state: &'static State,
    /// When the call began.
    pub(super) started: Nanos,
    /// When everything must be over.
    pub(super) deadline: Nanos,
    /// The last look at the clock.
    pub(super) now: Nanos,
    /// When the attempt in hand must be over.
    pub(super) limit: Nanos,
    /// When the body of the attempt in hand began.
    pub(super) body_started: Nanos,
    /// When the wait in hand ends: a backoff, or a limiter's turn; 0 for none.
    pub(super) resume: Nanos,
    /// The delay before the attempt in hand.
    pub(super) last_delay: Nanos,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// Limits that a wait in hand has charged; they are given back when it is cut short.
    pub(super) reserved: Option<Per>,
    /// Whether a place in the bulkhead is held.
    pub(super) inside: bool,
    /// Whether the body of the attempt in hand was begun.
    pub(super) ran: bool,
    /// Whether the user's code is being polled at this moment; still set when it panics.
    pub(super) polling: bool,
    pub(super) finished: bool,
    pub(super) permit: Option<Permit>,
    pub(super) refusal: Option<Rejected>,
    /// What the patterns said of the last outcome.
    pub(super) verdict: Verdict,
    pub(super) spans: Option<Box<CallSpans>>,
    pub(super) charges: [Charge; MAX_RATE_LIMITS],
}

impl Call {
    #[inline]
    pub(super) fn begin(state: &'static State, charges: [Charge; MAX_RATE_LIMITS]) -> Self {
        let now = clock::now();
        let ambient = context::ambient();
        state.metrics.enter();
        let mut call = Self {
            state,
            started: now,
            deadline: ambient.deadline.min(now.saturating_add(state.deadline)),
            now,
            limit: NEVER,
            body_started: now,
            resume: 0,
            last_delay: 0,
            attempts: 0,
            reserved: None,
            inside: false,
            ran: false,
            polling: false,
            finished: false,
            permit: None,
            refusal: None,
            verdict: Verdict::REFUSED,
            spans: state.spans.open(),
            charges,
        };
        if state.retry.is_some() && !ambient.repeated_by.is_empty() {
            call.warn_of_nested_retry(ambient.repeated_by);
        }
        if state.refuses && now >= call.deadline {
            call.refusal = Some(call.deadline_exceeded());
        } else if state.limits_calls {
            call.charge_limits(Per::Call, call.deadline);
        }
        call
    }

    /// Records an argument on the call's span.
    pub fn record(&self, field: &'static str, value: &dyn Debug) {
        if let Some(spans) = &self.spans {
            spans.record(field, value);
        }
    }

    /// Charges the limits of one kind, all of them or none.
    pub(super) fn charge_limits(&mut self, per: Per, until: Nanos) {
        let mut longest = 0;
        for (at, limit) in self.state.spec.limits() {
            let Some(limiter) = self.state.limits[at].as_ref().filter(|_| limit.per == per) else { continue };
            match limiter.charge(self.charges[at], self.now, until.saturating_sub(self.now)) {
                Ok(delay) => longest = longest.max(delay),
                Err(refusal) => {
                    self.refund_limits(per, at);
                    self.refusal = Some(refusal);
                    return;
                }
            }
        }
        if longest > 0 {
            self.resume = self.now.saturating_add(longest);
            self.reserved = Some(per);
        }
    }

    /// Gives back what the limits of one kind before the one at `end` were charged.
    pub(super) fn refund_limits(&mut self, per: Per, end: usize) {
        for (at, limit) in self.state.spec.limits().take_while(|(at, _)| *at < end) {
            if let Some(limiter) = self.state.limits[at].as_ref().filter(|_| limit.per == per) {
                limiter.refund(self.charges[at], self.now);
            }
        }
    }

    /// Gives back everything that the attempt in hand holds; `verdict` is the breaker's.
    #[inline]
    pub(super) fn release(&mut self, verdict: circuit_breaker::Verdict) {
        if self.inside {
            self.inside = false;
            if let Some(bulkhead) = &self.state.bulkhead {
                bulkhead.leave();
            }
        }
        if let (Some(permit), Some(breaker)) = (self.permit.take(), &self.state.breaker) {
            breaker.record(permit, self.now, verdict, self.now.saturating_sub(self.body_started));
        }
    }

    /// Why an attempt that reached its limit is cut.
    pub(super) fn cut(&self) -> Rejected {
        if self.limit < self.deadline { self.timed_out() } else { self.deadline_exceeded() }
    }

    pub(super) fn timed_out(&self) -> Rejected {
        Rejected::Timeout { call: self.state.name, after: Duration::from_nanos(self.state.timeout) }
    }

    pub(super) fn deadline_exceeded(&self) -> Rejected {
        Rejected::DeadlineExceeded { call: self.state.name }
    }

    /// Counts the call's outcome, once.
    #[inline]
    pub(super) fn end(&mut self, outcome: CallOutcome) {
        if self.finished {
            return;
        }
        self.finished = true;
        self.state.metrics.finish(outcome, self.now.saturating_sub(self.started));
        if let Some(spans) = &mut self.spans {
            spans.end(outcome.name(), self.attempts);
        }
    }

    #[cold]
    fn warn_of_nested_retry(&self, outer: &'static str) {
        if self.state.metrics.first_nested_retry() {
            tracing::warn!(
                call = self.state.name,
                outer,
                "a call that retries is made inside an attempt of another call that retries: attempts multiply"
            );
        }
    }

    #[cold]
    fn abandon(&mut self) {
        self.now = clock::now();
        let (outcome, verdict) = if self.polling {
            (CallOutcome::Panicked, circuit_breaker::Verdict::Failure)
        } else {
            (CallOutcome::Cancelled, circuit_breaker::Verdict::Neither)
        };
        if let Some(per) = self.reserved.take() {
            self.refund_limits(per, MAX_RATE_LIMITS);
        }
        if self.ran {
            self.state.metrics.attempted(outcome);
        }
        self.release(verdict);
        self.end(outcome);
    }

    /// The longest a fallback may take, as a moment.
    pub(super) fn fallback_limit(&self) -> Nanos {
        let within = self.state.spec.fallback.map_or(NEVER, |fallback| nanos(fallback.within));
        clock::now().saturating_add(within).min(context::ambient().deadline)
    }
}

impl Drop for Call {
    #[inline]
    fn drop(&mut self) {
        if !self.finished {
            self.abandon();
        }
    }
}
