//! What comes after each attempt, and after the last one.

use std::ops::ControlFlow;

use hardening_spec::Refusals;

use super::again::{Keep, Settled};
use super::call::Phase;
use super::patience::patience;
use super::refusal::Reason;
use super::state::OFF;
use super::verdict::Cut;
use super::{Call, Outcome, Verdict};
use crate::__private::FromRejected;
use crate::Rejected;
use crate::clock::{self, NEVER, Nanos};
use crate::context;
use crate::events::{self, Kind};
use crate::policy::circuit_breaker::{self, Permit};
use crate::policy::retry::{Next, Progress, Retry, Stop, random};
use crate::telemetry::calls::{CallOutcome, RetryReason};

impl<'c> Call<'c> {
    /// Takes an attempt's outcome without patterns; `Continue` is the wait for another attempt.
    #[inline(always)]
    pub fn settle_attempt<T, E, M: Keep<Result<T, E>>>(
        &mut self,
        mode: M,
        outcome: Outcome<Result<T, E>>,
    ) -> Settled<'_, 'c, Result<T, E>, M> {
        let verdict = Self::plain_verdict(&outcome);
        self.settle_attempt_as(mode, outcome, verdict)
    }

    /// Takes an attempt's outcome with what its patterns say; `Continue` is the wait for another attempt.
    #[inline(always)]
    pub fn settle_attempt_as<T, E, M: Keep<Result<T, E>>>(
        &mut self,
        _: M,
        outcome: Outcome<Result<T, E>>,
        verdict: Verdict,
    ) -> Settled<'_, 'c, Result<T, E>, M> {
        let (took, in_time) = self.look(&outcome);
        if in_time && verdict.is_plain_success() {
            self.succeed(took);
            return ControlFlow::Break(outcome);
        }
        let verdict = self.fail(took, in_time, verdict);
        // A result that came too late is dropped here, as the body would have been that was cut.
        let outcome = if in_time { outcome } else { Outcome::Refused(Cut(())) };
        match self.repeats(verdict) {
            Some((retry, reason, delay)) => self.go_again::<_, M>(retry, reason, delay, outcome),
            None => ControlFlow::Break(outcome),
        }
    }
}

impl Call<'_> {
    /// Takes the outcome of the only attempt.
    #[inline(always)]
    pub fn settle_only_attempt<T, E>(&mut self, outcome: Outcome<Result<T, E>>) -> Outcome<Result<T, E>> {
        let verdict = Self::plain_verdict(&outcome);
        self.settle_only_attempt_as(outcome, verdict)
    }

    /// Takes the outcome of the only attempt with what its patterns say.
    #[inline(always)]
    pub fn settle_only_attempt_as<T, E>(
        &mut self,
        outcome: Outcome<Result<T, E>>,
        verdict: Verdict,
    ) -> Outcome<Result<T, E>> {
        let (took, in_time) = self.look(&outcome);
        if in_time && verdict.is_plain_success() {
            self.succeed(took);
            return outcome;
        }
        let _ = self.fail(took, in_time, verdict);
        if in_time { outcome } else { Outcome::Refused(Cut(())) }
    }

    /// Counts the call and hands its result to the caller.
    #[inline(always)]
    pub fn finish_call<T, E: FromRejected>(&mut self, settled: Outcome<Result<T, E>>) -> Result<T, E> {
        match settled {
            Outcome::Returned(result) => {
                self.end(self.ended);
                result
            }
            Outcome::Refused(cut) => Err(E::from_rejected(self.end_refused(&cut))),
        }
    }

    /// Counts a call that was refused.
    #[cold]
    fn end_refused(&mut self, cut: &Cut) -> Rejected {
        // What the call carries is gone once it has ended.
        let rejected = self.reason(cut);
        self.end(self.ended);
        rejected
    }

    /// The same, unless the fallback answers for it: then `Continue` with the error. `wanted` is what the
    /// fallback's patterns say of the body's error.
    #[inline(always)]
    pub fn finish_call_or<T, E: FromRejected>(
        &mut self,
        settled: Outcome<Result<T, E>>,
        wanted: bool,
    ) -> ControlFlow<Result<T, E>, E> {
        match settled {
            // Settings may have switched the fallback off.
            Outcome::Returned(Err(error)) if wanted && self.state.fallback_within.get() != OFF => {
                ControlFlow::Continue(error)
            }
            Outcome::Refused(cut) if self.falls_back() => {
                ControlFlow::Continue(E::from_rejected(self.reason(&cut)))
            }
            settled => ControlFlow::Break(self.finish_call(settled)),
        }
    }

    /// Why the call was refused.
    #[cold]
    fn reason(&mut self, _: &Cut) -> Rejected {
        let rejected = self.rejected();
        events::publish(self.state.name, || Kind::Refused(rejected.clone()));
        #[cfg(feature = "service")]
        crate::telemetry::recent::refused(self.state.name, rejected.kind());
        rejected
    }

    /// The refusal of the call, as its caller gets it.
    pub(super) fn rejected(&self) -> Rejected {
        let mut rejected = self.refusal.into_rejected(self.state);
        if let Rejected::LoadFailed { cause, .. } = &mut rejected {
            *cause = self.attached.as_ref().and_then(|attached| attached.cause.clone());
        }
        rejected
    }

    #[inline(always)]
    fn plain_verdict<T, E>(outcome: &Outcome<Result<T, E>>) -> Verdict {
        match outcome {
            Outcome::Returned(result) => Verdict::of(result),
            Outcome::Refused(_) => Verdict::REFUSED,
        }
    }

    /// Looks at the clock; answers how long the attempt took and whether the body returned in time. A result that
    /// came after its time, because the body held its thread, is a timeout.
    #[inline(always)]
    fn look<R>(&mut self, outcome: &Outcome<R>) -> (Nanos, bool) {
        let now = clock::now();
        let took = clock::between(self.now, now);
        self.now = now;
        (took, matches!(outcome, Outcome::Returned(_)) && now <= self.limit)
    }

    /// Closes an attempt that was a plain success.
    #[inline(always)]
    fn succeed(&mut self, took: Nanos) {
        happened!(self, AttemptEnded(self.attempts, "success"));
        self.release(circuit_breaker::Verdict::Success, took);
        self.deposit();
    }

    /// Closes an attempt that was anything else; answers the verdict on it.
    #[cold]
    fn fail(&mut self, took: Nanos, in_time: bool, verdict: Verdict) -> Verdict {
        if self.has_lost_key() {
            self.abandon_attempt();
            return Verdict::REFUSED;
        }
        let verdict = if in_time { verdict } else { Verdict::REFUSED };
        if !in_time && self.refusal.is_none() {
            self.refuse(self.cut());
            self.refusal.ran = true;
        }
        let for_breaker = if in_time { verdict.for_breaker() } else { self.refusal_for_breaker(took) };
        let times = (self.now.saturating_sub(took), self.now);
        let for_breaker = Self::unless_of_the_client(for_breaker, times, self.state.timeout.get());
        self.leave_nested();
        self.release(for_breaker, took);
        self.end_nested();
        self.ended = match self.refusal.reason {
            Reason::None if verdict.ignored() => CallOutcome::Ignored,
            Reason::None if verdict.failed() => CallOutcome::Failure,
            reason => reason.outcome(),
        };
        if matches!(self.phase, Phase::InHand | Phase::Polling) {
            happened!(self, AttemptEnded(self.attempts, self.ended.name()));
            // A success that is not repeated is counted by its call.
            if self.ended != CallOutcome::Success {
                self.state.metrics.attempted(self.ended);
            }
            self.end_attempt_span(self.ended);
            self.deposit();
        }
        verdict
    }

    /// Ends the attempt in hand, the last one unless it is repeated; the first one pays into the retry budget.
    #[inline(always)]
    fn deposit(&mut self) {
        self.phase = Phase::Answering;
        if self.attempts == 1
            && let Some(retry) = &self.state.retry
        {
            retry.deposit(self.now);
        }
    }

    /// The verdict on an attempt that began then, without what the request's client brought about: else anybody could open a circuit,
    /// with bodies that stop and with times that are too short. How long an attempt ran that nobody held up is evidence all the same.
    pub(super) fn unless_of_the_client(
        verdict: circuit_breaker::Verdict,
        (began, now): (Nanos, Nanos),
        timeout: Nanos,
    ) -> circuit_breaker::Verdict {
        use circuit_breaker::Verdict::{Failure, Neither, Unfinished};
        match verdict {
            Failure | Unfinished if context::is_held_up(now) => Neither,
            Failure if context::is_hurried(began, now, timeout) => Unfinished,
            of_dependency => of_dependency,
        }
    }

    /// A cut body is the dependency's failure, a deadline's only if the attempt had a fair share of time; whatever
    /// ended before the body ran is not.
    #[cold]
    fn refusal_for_breaker(&self, took: Nanos) -> circuit_breaker::Verdict {
        let counts = self.state.declared.circuit_breaker.is_some_and(|breaker| breaker.timeouts_count);
        let fair = self.state.timeout.get() == NEVER || took >= self.state.timeout.get() / 2;
        let failed = match self.refusal.reason {
            Reason::Timeout => true,
            #[cfg(feature = "testing")]
            Reason::Injected => return circuit_breaker::Verdict::Failure,
            Reason::DeadlineExceeded => fair,
            _ => false,
        };
        match self.refusal.ran {
            true if failed && counts => circuit_breaker::Verdict::Failure,
            true => circuit_breaker::Verdict::Unfinished,
            false => circuit_breaker::Verdict::Neither,
        }
    }

    /// Whether another attempt follows, why, and after what delay.
    #[cold]
    fn repeats(&mut self, verdict: Verdict) -> Option<(&'static Retry, RetryReason, Nanos)> {
        let (Some(retry), Some(spec)) = (&self.state.retry, &self.state.declared.retry) else { return None };
        let reason = match self.refusal.reason {
            Reason::None if verdict.retryable(spec.idempotent) => RetryReason::Failure,
            #[cfg(feature = "testing")]
            Reason::Injected if spec.idempotent => RetryReason::Failure,
            // What `on` names alone is worth repeating, and it names no refusal.
            Reason::Timeout if spec.idempotent && !spec.narrowed => RetryReason::Timeout,
            // Nothing was done, so repeating is safe; unless the refusal is that of the whole call.
            Reason::RateLimited | Reason::BulkheadFull if !spec.narrowed && self.attempts > 0 => {
                RetryReason::Refused
            }
            _ => return None,
        };
        let asked_for = match self.refusal.reason {
            Reason::None => verdict.asked_for(),
            Reason::RateLimited => Some(self.refusal.retry_after),
            _ => None,
        };
        let progress = Progress {
            attempts: self.attempts,
            started: self.started,
            now: self.now,
            deadline: self.deadline,
            last_delay: self.last_delay,
            asked_for,
        };
        let delay = match retry.next(progress, random()) {
            Next::After(delay) => delay,
            Next::Stop(stop) => {
                let of_deadline = self.deadline < retry.until(self.started);
                if stop == Stop::Time && of_deadline {
                    self.give_up_for_time();
                    if self.state.cache.is_some() {
                        self.attach().out_of_time = true;
                    }
                }
                return None;
            }
        };
        if reason != RetryReason::Refused {
            self.has_run = true;
        } else if !self.has_run && self.now.saturating_add(delay) > patience(self.started, self.deadline) {
            // It would begin so late that its body could not be done.
            return None;
        }
        // What `not_executed` names has done nothing.
        let ran = self.refusal.ran || (self.refusal.is_none() && spec.idempotent);
        if ran && self.state.idempotency.is_some() {
            self.attach().ran = true;
        }
        (self.permit, self.inside) = (Permit::NONE, false);
        Some((retry, reason, delay))
    }

    #[cold]
    fn falls_back(&self) -> bool {
        let kind = match self.refusal.reason {
            Reason::None => return false,
            #[cfg(feature = "testing")]
            Reason::Injected => return self.state.fallback_within.get() != OFF,
            Reason::Timeout => Refusals::TIMEOUT,
            Reason::DeadlineExceeded => Refusals::DEADLINE_EXCEEDED,
            Reason::CircuitOpen => Refusals::CIRCUIT_OPEN,
            Reason::RateLimited if self.attempts > 0 || self.has_joined() => Refusals::ATTEMPT_RATE_LIMITED,
            // Refused before any attempt: the limit of the call itself.
            Reason::RateLimited => Refusals::RATE_LIMITED,
            Reason::BulkheadFull => Refusals::BULKHEAD_FULL,
            Reason::ShuttingDown => Refusals::SHUTTING_DOWN,
            Reason::Unauthenticated => Refusals::UNAUTHENTICATED,
            Reason::Forbidden => Refusals::FORBIDDEN,
            Reason::LoadFailed => Refusals::LOAD_FAILED,
            Reason::IdempotencyConflict
            | Reason::IdempotencyMismatch
            | Reason::IdempotencyForeign
            | Reason::IdempotencyKeyMissing
            | Reason::StoreFull => Refusals::IDEMPOTENCY,
        };
        self.state.fallback_within.get() != OFF
            && self.state.declared.fallback.is_some_and(|fallback| fallback.on_rejected.contains(kind))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::policy::circuit_breaker::Verdict::{Failure, Neither, Success, Unfinished};

    #[tokio::test]
    async fn what_a_client_brings_about_says_nothing_against_the_dependency() {
        let judged = || {
            [Success, Failure, Neither, Unfinished]
                .map(|verdict| Call::unless_of_the_client(verdict, (1, 2), NEVER))
        };
        assert_eq!(judged(), [Success, Failure, Neither, Unfinished]);
        let request = context::Request::default();
        request.upload.awaits(true);
        context::scope(Arc::new(request), None, async {
            assert_eq!(judged(), [Success, Neither, Neither, Neither]);
        })
        .await;
        let hurried = context::Request { hurry: context::Hurry::new(2, 1000), ..context::Request::default() };
        context::scope(Arc::new(hurried), None, async {
            assert_eq!(judged(), [Success, Unfinished, Neither, Unfinished], "how long it ran is known");
        })
        .await;
    }
}
