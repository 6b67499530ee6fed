//! The body of a function that is instrumented alone.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::Call;
use super::attempt::Part;
use super::call::Phase;
use crate::clock;
use crate::telemetry::calls::CallOutcome;

/// A body that runs as it is, inside its span and under the deadline of what surrounds it.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Observed<'a, 'c, F, J> {
    body: Pin<&'a mut F>,
    /// Says whether an answer is a failure.
    failed: Option<J>,
    call: &'a mut Call<'c>,
}

/// Says whether an answer is a failure.
type Judge<R> = fn(&R) -> bool;

/// What is pinned is elsewhere.
impl<F, J> Unpin for Observed<'_, '_, F, J> {}

impl<'c> Call<'c> {
    /// Runs the body.
    pub fn run_observed<'a, F: Future>(
        &'a mut self,
        body: Pin<&'a mut F>,
    ) -> Observed<'a, 'c, F, Judge<F::Output>> {
        self.run_observed_judged(body, |_| false)
    }

    /// The same for a function whose `Err` is a failure.
    pub fn run_observed_result<'a, T, E, F>(
        &'a mut self,
        body: Pin<&'a mut F>,
    ) -> Observed<'a, 'c, F, Judge<Result<T, E>>>
    where
        F: Future<Output = Result<T, E>>,
    {
        self.run_observed_judged(body, Result::is_err)
    }

    /// The same for a function whose type may be an alias of a `Result`; `failed` knows.
    pub fn run_observed_judged<'a, F: Future, J: FnOnce(&F::Output) -> bool>(
        &'a mut self,
        body: Pin<&'a mut F>,
        failed: J,
    ) -> Observed<'a, 'c, F, J> {
        self.attempts = 1;
        self.phase = Phase::InHand;
        #[cfg(feature = "testing")]
        self.decide_fault();
        Observed { body, failed: Some(failed), call: self }
    }

    fn close_observed(&mut self, failed: bool) {
        self.now = clock::now();
        let outcome = if failed { CallOutcome::Failure } else { CallOutcome::Success };
        if failed {
            self.state.metrics.attempted(outcome);
        }
        self.end(outcome);
    }
}

impl<F: Future, J: FnOnce(&F::Output) -> bool> Future for Observed<'_, '_, F, J> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let call = &mut *this.call;
        // An error cannot be injected here.
        #[cfg(feature = "testing")]
        if call.poll_fault(cx).is_pending() {
            return Poll::Pending;
        }
        let deadline = call.deadline;
        let Poll::Ready(answer) =
            call.poll_inside(deadline, Part::Attempt, cx, |cx| this.body.as_mut().poll(cx))
        else {
            return Poll::Pending;
        };
        let failed = this.failed.take().is_some_and(|failed| failed(&answer));
        call.close_observed(failed);
        Poll::Ready(answer)
    }
}
