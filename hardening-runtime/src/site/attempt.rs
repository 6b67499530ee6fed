//! The body under its time limit.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use super::{Call, Outcome};
use crate::clock::{self, NEVER, Nanos};
use crate::context::{Ambient, Entered, ambient};

pin_project! {
    /// The body of an attempt, polled inside its span and under its deadline. The timer is armed only once the
    /// body has to wait.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Attempt<'c, F> {
        call: &'c mut Call,
        #[pin]
        body: F,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl Call {
    /// Runs the body, unless the attempt was refused.
    #[inline]
    pub fn attempt<F: Future>(&mut self, body: F) -> Attempt<'_, F> {
        Attempt { call: self, body, timer: None }
    }

    /// Polls the user's code as part of this call.
    #[inline]
    pub(super) fn poll_inside<R>(&mut self, deadline: Nanos, poll: impl FnOnce() -> Poll<R>) -> Poll<R> {
        let outer = ambient();
        let repeated_by = if self.state.retry.is_some() { self.state.name } else { outer.repeated_by };
        let _entered = Entered::new(Ambient { deadline: deadline.min(outer.deadline), repeated_by });
        self.polling = true;
        let polled = match &self.spans {
            None => poll(),
            Some(spans) => spans.attempt().in_scope(poll),
        };
        self.polling = false;
        polled
    }
}

impl<F: Future> Future for Attempt<'_, F> {
    type Output = Outcome<F::Output>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let call = this.call;
        if let Some(refusal) = call.refusal.take() {
            return Poll::Ready(Outcome::Refused(refusal));
        }
        call.ran = true;
        let body = this.body;
        let limit = call.limit;
        if let Poll::Ready(result) = call.poll_inside(limit, || body.poll(cx)) {
            return Poll::Ready(Outcome::Returned(result));
        }
        if limit == NEVER { Poll::Pending } else { wait_for(this.timer, limit, cx).map(|()| Outcome::Refused(call.cut())) }
    }
}

#[cold]
fn wait_for(mut timer: Pin<&mut Option<Sleep>>, limit: Nanos, cx: &mut Context<'_>) -> Poll<()> {
    if timer.is_none() {
        let Some(instant) = clock::instant(limit) else { return Poll::Pending };
        timer.set(Some(sleep_until(instant)));
    }
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}
