//! A key that is held while its request is run.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use crate::clock;
use crate::policy::idempotency::{Claim, Idempotency};

/// The right to run a request that is answered with a `T`.
#[derive(Debug)]
pub struct Held<T> {
    pub(super) claim: Claim,
    pub(super) kept: &'static Idempotency,
    /// Says that a 204 can stand in the place of this answer.
    pub(super) is_success: Option<fn(&T) -> bool>,
}

impl<T> Held<T> {
    /// Runs the request for as long as the key is held; `None` when it was lost.
    pub fn during<F: Future>(&mut self, run: F) -> Holding<'_, F> {
        Holding { claim: &mut self.claim, kept: self.kept, run, timer: None }
    }
}

pin_project! {
    /// A run that keeps its key by being polled. Held up for longer than its lease, it may find that another has taken
    /// over: then it is not polled again.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Holding<'h, F> {
        claim: &'h mut Claim,
        kept: &'static Idempotency,
        #[pin]
        run: F,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F: Future> Future for Holding<'_, F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // First of all: a run that has lost its key does nothing more.
        if !extends(this.claim, this.kept) {
            return Poll::Ready(None);
        }
        if let Poll::Ready(output) = this.run.poll(cx) {
            return Poll::Ready(Some(output));
        }
        loop {
            let Some(beat) = clock::instant(this.claim.beat) else { return Poll::Pending };
            match this.timer.as_mut().as_pin_mut() {
                Some(timer) if timer.deadline() == beat => {}
                Some(timer) => timer.reset(beat),
                None => this.timer.set(Some(sleep_until(beat))),
            }
            let rang = this.timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready());
            if !rang {
                return Poll::Pending;
            }
            if !extends(this.claim, this.kept) {
                return Poll::Ready(None);
            }
        }
    }
}

/// Extends the lease when it is time; false when it is lost.
fn extends(claim: &mut Claim, kept: &Idempotency) -> bool {
    let now = clock::now();
    now < claim.beat || kept.store.extend(claim, now)
}
