//! The body under its time limit.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::call::Phase;
use super::held::OfCall;
use super::loading::Loading;
use super::span::Attached;
use super::verdict::Cut;
use super::{Call, Outcome};
use crate::clock::{self, NEVER, Nanos};
use crate::context::{Ambient, Entered, ambient};

pin_project! {
    /// The body of an attempt, polled inside its span and under its deadline. The timer is armed only once the
    /// body has to wait.
    #[must_use = "a future does nothing unless it is awaited"]
    ///
    /// The body stays where it was pinned, in its caller's future: a future in a type of ours is one more layer at each
    /// level of a chain of calls, and the compiler has a limit on those.
    pub struct Attempt<'a, 'c, F> {
        call: &'a mut Call<'c>,
        body: Pin<&'a mut F>,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<'c> Call<'c> {
    /// Runs the body, unless the attempt was refused.
    #[inline(always)]
    pub fn run_attempt<'a, F: Future>(&'a mut self, body: Pin<&'a mut F>) -> Attempt<'a, 'c, F> {
        #[cfg(feature = "testing")]
        self.decide_fault();
        Attempt { call: self, body, timer: None }
    }

    /// Polls the user's code as this part of the call.
    #[inline(always)]
    pub(super) fn poll_inside<R>(
        &mut self,
        deadline: Nanos,
        part: Part,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let in_attempt = part != Part::Fallback;
        let outer = ambient();
        let first = if in_attempt { self.state.attempts.first() } else { None };
        let attempt = if first.is_some() { first } else { outer.attempt };
        let _entered = Entered::new(Ambient { deadline: deadline.min(outer.deadline), attempt });
        self.phase = if in_attempt { Phase::Polling } else { Phase::Answering };
        let polled = match &mut *self.attached {
            None => poll(cx),
            Some(attached) => poll_attached(attached, self.attempts, part, cx, poll),
        };
        // Once the user's code has answered, only the user's patterns come before the next step.
        if polled.is_pending() {
            self.phase = if in_attempt { Phase::InHand } else { Phase::Between };
        }
        polled
    }

    /// Says that a body which was cut is dropped before anything else happens: what its destructors do is done by the user's code,
    /// and a panic of theirs is one of the call and of its load.
    #[cold]
    pub(super) fn drops_body(&mut self, cx: &Context<'_>) {
        self.phase = Phase::Polling;
        if let Some(load) = self.attached.as_ref().and_then(|attached| attached.load.as_ref()) {
            load.begin_poll(cx);
        }
    }
}

#[cfg(feature = "testing")]
impl Call<'_> {
    /// Decides whether a fault takes the place of the body that is about to begin.
    pub(super) fn decide_fault(&mut self) {
        if !self.refusal.is_none() {
            return;
        }
        happened!(self, BodyBegun(self.attempts));
        if let Some(fault) = crate::testing::decide(self.state.name) {
            self.attach().fault = Some(fault);
        }
    }

    /// Ready when there is no fault, or when it is over.
    pub(super) fn poll_fault(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), crate::testing::Injected>> {
        let Some(mut fault) = self.attached.as_mut().and_then(|attached| attached.fault.take()) else {
            return Poll::Ready(Ok(()));
        };
        self.phase = Phase::Polling;
        let polled = fault.poll(cx);
        if polled.is_pending() {
            self.phase = Phase::InHand;
            self.attach().fault = Some(fault);
        }
        polled
    }
}

impl<F: Future> Future for Attempt<'_, '_, F> {
    type Output = Outcome<F::Output>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let call = this.call;
        if !call.refusal.is_none() {
            return Poll::Ready(Outcome::Refused(Cut(())));
        }
        let body = this.body.as_mut();
        let limit = call.limit;
        #[cfg(feature = "testing")]
        let fault = match call.poll_fault(cx) {
            Poll::Ready(Err(_)) => {
                call.refuse(super::refusal::Reason::Injected);
                call.refusal.ran = true;
                return Poll::Ready(Outcome::Refused(Cut(())));
            }
            fault => fault.is_pending(),
        };
        #[cfg(not(feature = "testing"))]
        let fault = false;
        if !fault && let Poll::Ready(result) = call.poll_inside(limit, Part::Attempt, cx, |cx| body.poll(cx))
        {
            return Poll::Ready(Outcome::Returned(result));
        }
        if limit == NEVER || wait_for(this.timer, limit, call.state.name, cx).is_pending() {
            return Poll::Pending;
        }
        call.refuse(call.cut());
        call.refusal.ran = true;
        call.drops_body(cx);
        Poll::Ready(Outcome::Refused(Cut(())))
    }
}

impl<F: Future> OfCall for Attempt<'_, '_, F> {
    fn lose(self: Pin<&mut Self>) -> Self::Output {
        self.project().call.lose_key();
        Outcome::Refused(Cut(()))
    }
}

/// What of a call some of the user's code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The body of the attempt in hand.
    Attempt,
    /// The same body once more, beside that.
    Beside,
    /// What answers in place of a failure: it runs once, so nothing that it calls is repeated by this call.
    Fallback,
}

#[cold]
fn poll_attached<R>(
    attached: &mut Attached,
    attempt: u32,
    part: Part,
    cx: &mut Context<'_>,
    poll: impl FnOnce(&mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    let in_attempt = part != Part::Fallback;
    let _shown = attached.nested.show();
    let later = attached.attempt.filter(|_| in_attempt);
    let _later = later.map(|attempt| Entered::new(Ambient { attempt: Some(attempt), ..ambient() }));
    let loading = attached.load.as_ref().map(|mark| Loading::enter(mark, cx));
    let polled = match &mut attached.spans {
        None => poll(cx),
        Some(spans) => {
            let span = if in_attempt { spans.attempt(attempt) } else { spans.call() };
            span.in_scope(|| poll(cx))
        }
    };
    if let Some(loading) = loading {
        loading.leave(&polled);
    }
    if polled.is_ready() && in_attempt {
        attached.nested.leave();
    }
    polled
}

#[cold]
fn wait_for(
    mut timer: Pin<&mut Option<Sleep>>,
    limit: Nanos,
    call: &'static str,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if timer.is_none() {
        timer.set(clock::timer(limit, call));
    }
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}
