//! Between two attempts: the backoff, and the outcome of the attempt before, which is the call's own when nothing follows.

use std::marker::PhantomData;
use std::ops::{ControlFlow, Deref};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::admit::Wait;
use super::call::Phase;
use super::held::OfCall;
use super::refusal::{Reason, Refusal};
use super::verdict::Cut;
use super::{Call, Outcome};
use crate::clock::{self, NEVER};
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

impl<T, E: Send + Sync> Outcome<Result<T, E>> {
    /// The error may be kept.
    #[inline]
    pub const fn keep_error(&self) -> KeepError {
        KeepError
    }
}

impl<T: Send + Sync, E: Send + Sync> Outcome<Result<T, E>> {
    /// The result may be kept.
    #[inline]
    pub const fn keep_result(&self) -> KeepResult {
        KeepResult
    }
}

/// What an [`Outcome`] dereferences to, for its methods alone: they are found where the outcome has none of its own, and no
/// expansion has to import a trait for them.
#[derive(Debug)]
pub struct NotKept;

impl NotKept {
    /// Nothing may be kept.
    #[inline]
    pub const fn keep_error(&self) -> KeepNothing {
        KeepNothing
    }

    /// Nothing may be kept.
    #[inline]
    pub const fn keep_result(&self) -> KeepNothing {
        KeepNothing
    }
}

impl<R> Deref for Outcome<R> {
    type Target = NotKept;

    #[inline]
    fn deref(&self) -> &NotKept {
        &NotKept
    }
}

/// The end of a call, or the wait for another attempt.
pub type Settled<'a, 'c, R, M> = ControlFlow<Outcome<R>, Again<'a, 'c, R, M>>;

/// How the attempt before a backoff ended.
struct Before<R, M: Keep<R>> {
    kept: M::Kept,
    refusal: Refusal,
    ended: CallOutcome,
    reason: RetryReason,
    /// What was taken from the budget before the backoff.
    reserved: Option<Reserved<'static>>,
    _of: PhantomData<fn() -> R>,
}

impl<'c> Call<'c> {
    /// Prepares another attempt after the delay; the outcome again when the budget, which was looked at, is empty by now.
    #[cold]
    pub(super) fn go_again<R, M: Keep<R>>(
        &mut self,
        retry: &'static Retry,
        reason: RetryReason,
        delay: u64,
        outcome: Outcome<R>,
    ) -> Settled<'_, 'c, R, M> {
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
        let before = Some(Before { kept, refusal, ended, reason, reserved, _of: PhantomData });
        let name = self.state.name;
        let backoff = if self.resume <= self.now {
            // No time passes, and others run all the same.
            Box::pin(Call::<'static>::until_of(name, NEVER, tokio::task::yield_now())) as Backoff
        } else {
            Box::pin(Call::<'static>::until_of(name, self.resume, std::future::pending()))
        };
        ControlFlow::Continue(Again { call: self, before, backoff })
    }

    fn back_off_is_over(&mut self, waited: &Wait) {
        self.now = clock::now();
        self.resume = 0;
        if matches!(waited, Wait::Stopped) {
            self.refuse(Reason::ShuttingDown);
        } else if self.now >= self.deadline {
            self.refuse(Reason::DeadlineExceeded);
        }
    }

    fn take_again<R, M: Keep<R>>(&mut self, before: Before<R, M>) -> ControlFlow<Outcome<R>> {
        let Before { kept, refusal, ended, reason, reserved, .. } = before;
        if self.refusal.is_none() {
            let retry = self.state.retry.as_ref();
            // Where nothing is kept of an error, there is only the attempt to end with.
            let may_end = !M::NOTHING || !refusal.is_none();
            let is_over = may_end && retry.is_some_and(|retry| retry.attempts() <= self.attempts);
            let taken = match reserved {
                _ if is_over => false,
                Some(reserved) => {
                    reserved.spend();
                    true
                }
                None => retry.is_none_or(|retry| retry.budget().withdraw(self.now)),
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

/// A wait that needs nothing of its call, so that the call is there when it is over.
type Backoff = Pin<Box<dyn Future<Output = Wait> + Send + Sync>>;

pin_project! {
    /// The backoff before another attempt, which then begins and is taken from the budget. `Break` is the end of the call, with
    /// the outcome of the attempt before, when others have used the budget up or settings have lowered the attempts meanwhile.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Again<'a, 'c, R, M: Keep<R>> {
        call: &'a mut Call<'c>,
        before: Option<Before<R, M>>,
        backoff: Backoff,
    }
}

impl<R, M: Keep<R>> Future for Again<'_, '_, R, M> {
    type Output = ControlFlow<Outcome<R>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(load) = this.call.attached.as_ref().and_then(|attached| attached.load.as_ref()) {
            load.wait(cx);
        }
        let Poll::Ready(waited) = this.backoff.as_mut().poll(cx) else { return Poll::Pending };
        let Some(before) = this.before.take() else { return Poll::Pending };
        this.call.back_off_is_over(&waited);
        Poll::Ready(this.call.take_again(before))
    }
}

impl<R, M: Keep<R>> OfCall for Again<'_, '_, R, M> {
    fn lose(self: Pin<&mut Self>) -> Self::Output {
        let this = self.project();
        this.call.resume = 0;
        if let Some(before) = this.before.take() {
            this.call.repeated_success(before.ended);
        }
        this.call.lose_key();
        ControlFlow::Break(Outcome::Refused(Cut(())))
    }
}
