//! The fallback: what a call answers instead of an error.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::Call;
use super::attempt::Part;
use crate::__private::FromRejected;
use crate::Rejected;
use crate::clock::{self, Nanos};
use crate::events::{self, Kind};
use crate::telemetry::calls::CallOutcome;

pin_project! {
    /// The answer of a fallback, within its own limit and that of what surrounds the call.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Fallback<'a, 'c, F, E> {
        answer: Pin<&'a mut F>,
        // A bound of the future would be reported once more where it is awaited.
        refused: fn(Rejected) -> E,
        limit: Nanos,
        // Whether the limit is that of what surrounds the call.
        surrounding: bool,
        #[pin]
        timer: Option<Sleep>,
        call: &'a mut Call<'c>,
    }
}

impl<'c> Call<'c> {
    /// Runs the fallback under its own limit and finishes the call with it.
    ///
    /// It answers with its own error, with [`Rejected::Timeout`] when it takes longer than `within`, or with
    /// [`Rejected::DeadlineExceeded`] when the deadline of what surrounds the call comes first.
    pub fn run_fallback<'a, F, T, E>(&'a mut self, answer: Pin<&'a mut F>) -> Fallback<'a, 'c, F, E>
    where
        F: Future<Output = Result<T, E>>,
        E: FromRejected,
    {
        happened!(self, FallenBack);
        events::publish(self.state.name, || Kind::FellBack);
        let (limit, surrounding) = self.fallback_limit();
        let timer = clock::timer(limit, self.state.name);
        Fallback { answer, refused: E::from_rejected, limit, surrounding, timer, call: self }
    }

    fn finish_fallback<T, E>(
        &mut self,
        answered: Option<Result<T, E>>,
        refused: fn(Rejected) -> E,
        surrounding: bool,
    ) -> Result<T, E> {
        self.now = clock::now();
        let Some(result) = answered else {
            self.end(CallOutcome::Failure);
            let call = self.state.name;
            let within = Duration::from_nanos(self.state.fallback_within.get());
            let rejected = if surrounding {
                Rejected::DeadlineExceeded { call }
            } else {
                Rejected::Timeout { call, after: within }
            };
            return Err(refused(rejected));
        };
        self.end(if result.is_ok() { CallOutcome::Fallback } else { CallOutcome::Failure });
        result
    }
}

impl<T, E, F: Future<Output = Result<T, E>>> Future for Fallback<'_, '_, F, E> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (call, answer) = (this.call, this.answer);
        let answered = match call.poll_inside(*this.limit, Part::Fallback, cx, |cx| answer.as_mut().poll(cx))
        {
            Poll::Ready(result) => Some(result),
            Poll::Pending => {
                let Some(timer) = this.timer.as_pin_mut() else { return Poll::Pending };
                if timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                None
            }
        };
        Poll::Ready(call.finish_fallback(answered, *this.refused, *this.surrounding))
    }
}
