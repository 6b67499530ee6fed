//! A key that is held while its request is run.

use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep_until};

use crate::clock;
use crate::policy::idempotency::{Claim, Idempotency};

/// The right to run a request that is answered with a `T`, which is kept as `K` says. What cannot be kept is reported once
/// where the kind is the same at the beginning and at the end.
#[derive(Debug)]
pub struct Held<T, K> {
    pub(super) claim: Claim,
    pub(super) kept: &'static Idempotency,
    /// Says that a 204 can stand in the place of this answer.
    pub(super) is_success: Option<fn(&T) -> bool>,
    lost: bool,
    kind: PhantomData<fn() -> K>,
}

/// A future of a call, which the call can end when its key is lost.
pub trait OfCall: Future {
    /// Ends it.
    fn lose(self: Pin<&mut Self>) -> Self::Output;
}

impl<T, K> Held<T, K> {
    pub(super) fn new(claim: Claim, kept: &'static Idempotency, is_success: Option<fn(&T) -> bool>) -> Self {
        Self { claim, kept, is_success, lost: false, kind: PhantomData }
    }

    /// Runs a part of the call for as long as the key is held.
    pub fn while_held<F: OfCall>(&mut self, run: F) -> During<'_, F> {
        During { claim: &mut self.claim, lost: &mut self.lost, kept: self.kept, run, timer: None }
    }

    /// Runs anything else for as long as the key is held; `None` when it was lost.
    pub async fn while_alive<F: Future>(&mut self, run: F) -> Option<F::Output> {
        self.while_held(Anything { run }).await
    }
}

pin_project! {
    /// A run that keeps its key by being polled. Held up for longer than its lease, it may find that another has taken
    /// over: then it is not polled again.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct During<'h, F> {
        claim: &'h mut Claim,
        // Found by an earlier part of the same call.
        lost: &'h mut bool,
        kept: &'static Idempotency,
        #[pin]
        run: F,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F: OfCall> Future for During<'_, F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // First of all: a run that has lost its key does nothing more.
        if **this.lost || !extends(this.claim, this.kept) {
            **this.lost = true;
            return Poll::Ready(this.run.lose());
        }
        if let Poll::Ready(output) = this.run.as_mut().poll(cx) {
            return Poll::Ready(output);
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
                **this.lost = true;
                return Poll::Ready(this.run.lose());
            }
        }
    }
}

pin_project! {
    /// A future that is no part of the call's attempts.
    struct Anything<F> {
        #[pin]
        run: F,
    }
}

impl<F: Future> Future for Anything<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().run.poll(cx).map(Some)
    }
}

impl<F: Future> OfCall for Anything<F> {
    fn lose(self: Pin<&mut Self>) -> Self::Output {
        None
    }
}

/// Extends the lease when it is time; false when it is lost.
fn extends(claim: &mut Claim, kept: &Idempotency) -> bool {
    let now = clock::now();
    now < claim.beat || kept.store.extend(claim, now)
}
