//! What comes after each attempt, and after the last one.

use std::future::poll_fn;
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use hardening_spec::Refusals;
use tokio::time::sleep_until;

use super::{Call, Outcome, Verdict};
use crate::Rejected;
use crate::clock::{self, Nanos};
use crate::policy::circuit_breaker;
use crate::policy::retry::{Next, Progress, random};
use crate::telemetry::calls::{CallOutcome, RetryReason};

impl Call {
    /// Takes an attempt's outcome without patterns; `Continue` asks for another attempt.
    #[inline]
    pub fn settle<T, E>(&mut self, outcome: Outcome<Result<T, E>>) -> ControlFlow<Outcome<Result<T, E>>> {
        let verdict = Self::plain_verdict(&outcome);
        self.settle_as(outcome, verdict)
    }

    /// Takes an attempt's outcome with what its patterns say; `Continue` asks for another attempt.
    #[inline]
    pub fn settle_as<T, E>(
        &mut self,
        outcome: Outcome<Result<T, E>>,
        verdict: Verdict,
    ) -> ControlFlow<Outcome<Result<T, E>>> {
        let outcome = self.close_attempt(outcome, verdict);
        let refusal = match &outcome {
            Outcome::Returned(_) if !self.verdict.failed && !self.verdict.retryable(true) => None,
            Outcome::Returned(_) => Some(None),
            Outcome::Refused(refusal) => Some(Some(refusal)),
        };
        match refusal {
            Some(refusal) if self.repeats(refusal) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(outcome),
        }
    }

    /// Takes the outcome of the only attempt.
    #[inline]
    pub fn settle_once<T, E>(&mut self, outcome: Outcome<Result<T, E>>) -> Outcome<Result<T, E>> {
        let verdict = Self::plain_verdict(&outcome);
        self.close_attempt(outcome, verdict)
    }

    /// Takes the outcome of the only attempt with what its patterns say.
    #[inline]
    pub fn settle_once_as<T, E>(&mut self, outcome: Outcome<Result<T, E>>, verdict: Verdict) -> Outcome<Result<T, E>> {
        self.close_attempt(outcome, verdict)
    }

    /// Counts the call and hands its result to the caller.
    #[inline]
    pub fn finish<T, E: From<Rejected>>(&mut self, settled: Outcome<Result<T, E>>) -> Result<T, E> {
        self.end(self.outcome_of(&settled));
        match settled {
            Outcome::Returned(result) => result,
            Outcome::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// The same, unless the fallback answers for it: then `Continue` with the error. `wanted` is what the
    /// fallback's patterns say of the body's error.
    #[inline]
    pub fn finish_or<T, E: From<Rejected>>(
        &mut self,
        settled: Outcome<Result<T, E>>,
        wanted: bool,
    ) -> ControlFlow<Result<T, E>, E> {
        match settled {
            Outcome::Returned(Err(error)) if wanted => ControlFlow::Continue(error),
            Outcome::Refused(refusal) if self.falls_back_on(&refusal) => ControlFlow::Continue(refusal.into()),
            settled => ControlFlow::Break(self.finish(settled)),
        }
    }

    /// Runs the fallback under its own limit and finishes the call with it.
    ///
    /// # Errors
    /// The fallback's own, or [`Rejected::Timeout`] when it takes longer than `within`.
    pub async fn fallback<T, E: From<Rejected>>(
        mut self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let limit = self.fallback_limit();
        let mut answer = pin!(answer);
        let mut timer = pin!(clock::instant(limit).map(sleep_until));
        let answered = poll_fn(|cx| {
            let polled = self.poll_inside(limit, || answer.as_mut().poll(cx));
            if let Poll::Ready(result) = polled {
                return Poll::Ready(Some(result));
            }
            timer.as_mut().as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx)).map(|()| None)
        })
        .await;
        self.now = clock::now();
        let Some(result) = answered else {
            self.end(CallOutcome::Failure);
            let within = self.state.spec.fallback.map_or(Duration::ZERO, |fallback| fallback.within);
            return Err(Rejected::Timeout { call: self.state.name, after: within }.into());
        };
        self.end(if result.is_ok() { CallOutcome::Fallback } else { CallOutcome::Failure });
        result
    }

    /// Runs the body of a function that is instrumented alone.
    pub async fn observe<R>(mut self, body: impl Future<Output = R>) -> R {
        let result = self.run_observed(body).await;
        self.close_observed(false);
        result
    }

    /// The same for a function whose `Err` is a failure.
    ///
    /// # Errors
    /// The body's own.
    pub async fn observe_result<T, E>(mut self, body: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let result = self.run_observed(body).await;
        self.close_observed(result.is_err());
        result
    }

    async fn run_observed<R>(&mut self, body: impl Future<Output = R>) -> R {
        self.attempts = 1;
        self.ran = true;
        if let Some(spans) = &mut self.spans {
            spans.begin_attempt(1);
        }
        let mut body = pin!(body);
        poll_fn(|cx| self.poll_inside(self.deadline, || body.as_mut().poll(cx))).await
    }

    fn close_observed(&mut self, failed: bool) {
        self.now = clock::now();
        let outcome = if failed { CallOutcome::Failure } else { CallOutcome::Success };
        self.state.metrics.attempted(outcome);
        if let Some(spans) = &mut self.spans {
            spans.end_attempt(outcome.name());
        }
        self.end(outcome);
    }

    #[inline]
    fn plain_verdict<T, E>(outcome: &Outcome<Result<T, E>>) -> Verdict {
        match outcome {
            Outcome::Returned(result) => Verdict::of(result),
            Outcome::Refused(_) => Verdict::REFUSED,
        }
    }

    /// Gives everything back, feeds the breaker, counts the attempt. A result that came after its time, because
    /// the body held its thread, is a timeout.
    #[inline]
    fn close_attempt<T, E>(
        &mut self,
        outcome: Outcome<Result<T, E>>,
        verdict: Verdict,
    ) -> Outcome<Result<T, E>> {
        self.now = clock::now();
        let outcome = match outcome {
            Outcome::Returned(_) if self.now > self.limit => Outcome::Refused(self.cut()),
            outcome => outcome,
        };
        self.verdict = match &outcome {
            Outcome::Returned(_) => verdict,
            Outcome::Refused(_) => Verdict::REFUSED,
        };
        let for_breaker = match &outcome {
            Outcome::Returned(_) => verdict.for_breaker(),
            Outcome::Refused(refusal) => self.refusal_for_breaker(refusal),
        };
        self.release(for_breaker);
        if self.attempts > 0 {
            self.count_attempt(self.outcome_of(&outcome));
        }
        outcome
    }

    #[inline]
    fn count_attempt(&mut self, outcome: CallOutcome) {
        self.state.metrics.attempted(outcome);
        if let Some(spans) = &mut self.spans {
            spans.end_attempt(outcome.name());
        }
        if self.attempts == 1
            && let Some(retry) = &self.state.retry
        {
            retry.deposit();
        }
    }

    #[inline]
    fn outcome_of<T, E>(&self, outcome: &Outcome<Result<T, E>>) -> CallOutcome {
        match outcome {
            Outcome::Returned(_) if !self.verdict.failed && !self.verdict.ignored => CallOutcome::Success,
            Outcome::Returned(_) if self.verdict.ignored => CallOutcome::Ignored,
            Outcome::Returned(_) => CallOutcome::Failure,
            Outcome::Refused(refusal) => CallOutcome::of(refusal),
        }
    }

    /// A cut body is the dependency's failure, a deadline's only if the attempt had a fair share of time; whatever
    /// ended before the body ran is not.
    #[cold]
    fn refusal_for_breaker(&self, refusal: &Rejected) -> circuit_breaker::Verdict {
        let took = self.now.saturating_sub(self.body_started);
        let counts = self.state.spec.circuit_breaker.is_some_and(|breaker| breaker.timeouts_count);
        let failed = match refusal {
            Rejected::Timeout { .. } => self.ran && counts,
            Rejected::DeadlineExceeded { .. } => {
                self.ran && counts && (self.state.spec.timeout.is_none() || took >= self.state.timeout / 2)
            }
            _ => false,
        };
        if failed { circuit_breaker::Verdict::Failure } else { circuit_breaker::Verdict::Neither }
    }

    /// Whether another attempt follows; if so, its delay has begun.
    #[cold]
    fn repeats(&mut self, refusal: Option<&Rejected>) -> bool {
        let (Some(retry), Some(spec)) = (&self.state.retry, &self.state.spec.retry) else { return false };
        let reason = match refusal {
            None if self.verdict.retryable(spec.idempotent) => RetryReason::Failure,
            // The timeout of an attempt, not that of a call that was refused before any.
            Some(Rejected::Timeout { .. }) if spec.idempotent => RetryReason::Timeout,
            // Nothing was done, so repeating is safe; unless `on` says what alone is worth it.
            Some(Rejected::RateLimited { .. } | Rejected::BulkheadFull { .. })
                if !spec.narrowed && self.attempts > 0 =>
            {
                RetryReason::Refused
            }
            _ => return false,
        };
        let asked_for = match refusal {
            None => self.verdict.asked_for(),
            Some(refusal) => refusal.retry_after().map(clock::nanos),
        };
        let progress = Progress {
            attempts: self.attempts,
            started: self.started,
            now: self.now,
            deadline: self.deadline,
            last_delay: self.last_delay,
            asked_for,
        };
        match retry.next(progress, random()) {
            Next::Stop(_) => false,
            Next::After(delay) => {
                self.wait(delay);
                self.state.metrics.retried(reason);
                true
            }
        }
    }

    fn wait(&mut self, delay: Nanos) {
        self.last_delay = delay;
        if delay > 0 {
            self.resume = self.now.saturating_add(delay);
        }
    }

    fn falls_back_on(&self, refusal: &Rejected) -> bool {
        let kind = match refusal.as_refusal() {
            // Refused before any attempt: the limit of the call itself.
            Refusals::RATE_LIMITED if self.attempts > 0 => Refusals::ATTEMPT_RATE_LIMITED,
            kind => kind,
        };
        let on = self.state.spec.fallback.map_or(Refusals::NONE, |fallback| fallback.on_rejected);
        kind != Refusals::NONE && on.contains(kind)
    }
}
