//! Between two attempts: the backoff, and the outcome of the attempt before, which is the call's own when nothing follows.

use std::marker::PhantomData;
use std::ops::ControlFlow;

use super::admit::Waiting;
use super::call::Phase;
use super::refusal::{Reason, Refusal};
use super::verdict::Cut;
use super::{Call, Outcome};
use crate::events::{self, Kind};
use crate::policy::budget::Reserved;
use crate::policy::retry::Retry;
use crate::telemetry::calls::{CallOutcome, RetryReason};

/// What is kept of an outcome during a backoff. A future holds what it keeps, so what other threads must not see is not kept:
/// where an error is not `Send` and `Sync`, the retry takes from its budget before the backoff, which it then never needs to
/// give up, and gives it back when its caller leaves.
pub trait Keep<R> {
    /// What is kept.
    type Kept;
    /// Whether nothing is.
    const NOTHING: bool;

    /// Keeps it.
    fn keep(outcome: Outcome<R>) -> Self::Kept;
    /// The outcome again.
    fn outcome(kept: Self::Kept) -> Outcome<R>;
}

/// The error, where nothing else is repeated.
#[derive(Clone, Copy, Debug)]
pub struct KeepError;

/// The whole result, where an `Ok` is repeated too.
#[derive(Clone, Copy, Debug)]
pub struct KeepResult;

/// Nothing.
#[derive(Clone, Copy, Debug)]
pub struct KeepNothing;

impl<T, E> Keep<Result<T, E>> for KeepError {
    type Kept = Option<E>;
    const NOTHING: bool = false;

    fn keep(outcome: Outcome<Result<T, E>>) -> Self::Kept {
        match outcome {
            Outcome::Returned(result) => result.err(),
            Outcome::Refused(_) => None,
        }
    }

    fn outcome(kept: Self::Kept) -> Outcome<Result<T, E>> {
        kept.map_or(Outcome::Refused(Cut(())), |error| Outcome::Returned(Err(error)))
    }
}

impl<R> Keep<R> for KeepResult {
    type Kept = Outcome<R>;
    const NOTHING: bool = false;

    fn keep(outcome: Outcome<R>) -> Self::Kept {
        outcome
    }

    fn outcome(kept: Self::Kept) -> Outcome<R> {
        kept
    }
}

impl<R> Keep<R> for KeepNothing {
    type Kept = ();
    const NOTHING: bool = true;

    fn keep(_: Outcome<R>) -> Self::Kept {}

    fn outcome((): Self::Kept) -> Outcome<R> {
        Outcome::Refused(Cut(()))
    }
}

/// Knows a type, whether values of it may be kept, and nothing else.
#[derive(Debug)]
pub struct Keeper<K>(PhantomData<fn() -> K>);

impl<T, E> Outcome<Result<T, E>> {
    /// Whether the error may be kept.
    pub fn error_keeper(&self) -> Keeper<E> {
        Keeper(PhantomData)
    }

    /// Whether the result may be kept.
    pub fn result_keeper(&self) -> Keeper<Result<T, E>> {
        Keeper(PhantomData)
    }
}

impl<K: Send + Sync> Keeper<K> {
    /// It may.
    #[inline]
    pub const fn error(self) -> KeepError {
        KeepError
    }

    /// It may.
    #[inline]
    pub const fn result(self) -> KeepResult {
        KeepResult
    }
}

/// Answers where a [`Keeper`] has no answer of its own: it may not.
pub trait KeepsNothing: Sized {
    /// It may not.
    fn error(self) -> KeepNothing {
        KeepNothing
    }

    /// It may not.
    fn result(self) -> KeepNothing {
        KeepNothing
    }
}

impl<K> KeepsNothing for Keeper<K> {}

/// The end of a call, or another attempt.
pub type Settled<R, M> = ControlFlow<Outcome<R>, Again<R, M>>;

/// Another attempt is due after a backoff; until then, how the one before ended.
#[must_use]
pub struct Again<R, M: Keep<R>> {
    kept: M::Kept,
    refusal: Refusal,
    ended: CallOutcome,
    reason: RetryReason,
    /// What was taken from the budget before the backoff.
    reserved: Option<Reserved<'static>>,
    _of: PhantomData<fn() -> R>,
}

impl Call<'_> {
    /// Prepares another attempt after the delay; the outcome again when the budget, which was looked at, is empty by now.
    #[cold]
    pub(super) fn go_again<R, M: Keep<R>>(
        &mut self,
        retry: &'static Retry,
        reason: RetryReason,
        delay: u64,
        outcome: Outcome<R>,
    ) -> Settled<R, M> {
        let reserved = if M::NOTHING {
            let Some(reserved) = retry.budget().reserve(self.now) else { return ControlFlow::Break(outcome) };
            Some(reserved)
        } else {
            None
        };
        let refusal = std::mem::replace(&mut self.refusal, Refusal::NONE);
        self.phase = Phase::Between;
        self.last_delay = delay;
        // A moment even where there is no delay: nothing is repeated without letting others run.
        self.resume = self.now.saturating_add(delay).max(1);
        let (kept, ended) = (M::keep(outcome), self.ended);
        ControlFlow::Continue(Again { kept, refusal, ended, reason, reserved, _of: PhantomData })
    }

    /// The backoff before another attempt.
    #[cold]
    pub fn back_off(&mut self) -> Waiting<'_> {
        Waiting::new(async {
            self.pause().await;
            if self.refusal.is_none() && self.now >= self.deadline {
                self.refuse(Reason::DeadlineExceeded);
            }
        })
    }

    /// Begins another attempt once the backoff is over and takes it from the budget. `Break` is the end of the call, with the
    /// outcome of the attempt before, when others have used the budget up meanwhile.
    #[cold]
    pub fn begin_again<R, M: Keep<R>>(&mut self, again: Again<R, M>) -> ControlFlow<Outcome<R>> {
        let Again { kept, refusal, ended, reason, reserved, .. } = again;
        if self.refusal.is_none() {
            let taken = match reserved {
                Some(reserved) => {
                    reserved.spend();
                    true
                }
                None => self.state.retry.as_ref().is_none_or(|retry| retry.budget().withdraw(self.now)),
            };
            if !taken {
                (self.refusal, self.phase) = (refusal, Phase::Answering);
                return ControlFlow::Break(M::outcome(kept));
            }
            let (attempt, delay) = (self.attempts + 1, std::time::Duration::from_nanos(self.last_delay));
            happened!(self, Retried(delay));
            events::publish(self.state.name, || Kind::Retried { attempt, reason, delay });
            self.attach().attempt = self.state.attempts.of(attempt);
            self.warn_of_nested_retry();
            self.state.metrics.retried(reason);
        }
        self.repeated_success(ended);
        self.ended = CallOutcome::Success;
        ControlFlow::Continue(())
    }

    /// Counts a success that is not the end of its call; that one is counted by the call.
    fn repeated_success(&self, ended: CallOutcome) {
        if ended == CallOutcome::Success {
            self.state.metrics.attempted(CallOutcome::Success);
        }
    }

    /// The same when the caller leaves during the backoff.
    pub(super) fn leave_between(&self) {
        if self.phase == Phase::Between && self.attempts > 0 && self.resume != 0 {
            self.repeated_success(self.ended);
        }
    }
}
