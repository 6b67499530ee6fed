//! One execution of a hedged call: its body, or what a test has put into its place.

use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// The fault that a test put into the place of a body.
#[cfg(feature = "testing")]
type Fault = Option<crate::testing::Pending>;
#[cfg(not(feature = "testing"))]
type Fault = ();

pin_project! {
    /// The body, unless a test has put a fault into its place: then `None`.
    pub(super) struct MayFail<F> {
        fault: Fault,
        #[pin]
        body: F,
    }
}

impl<F> MayFail<F> {
    #[cfg(feature = "testing")]
    pub(super) fn new(call: &'static str, body: F) -> Self {
        Self { fault: crate::testing::decide(call), body }
    }

    #[cfg(not(feature = "testing"))]
    pub(super) fn new(_: &'static str, body: F) -> Self {
        Self { fault: (), body }
    }
}

impl<F: Future> Future for MayFail<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        #[cfg(feature = "testing")]
        if let Some(fault) = this.fault {
            match fault.poll(cx) {
                Poll::Ready(Ok(())) => *this.fault = None,
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => return Poll::Pending,
            }
        }
        this.body.poll(cx).map(Some)
    }
}

/// The first execution, until it has ended.
pub(super) type First<'a, F> = Option<MayFail<Running<'a, F>>>;

/// A body in its caller's hands. Dropping this drops the body and what it holds: others may wait for that.
pub(super) struct Running<'a, F>(pub(super) Pin<&'a mut Option<F>>);

impl<F: Future> Future for Running<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Once it has ended, nobody polls it.
        self.0.as_mut().as_pin_mut().map_or(Poll::Pending, |body| body.poll(cx))
    }
}

impl<F> Drop for Running<'_, F> {
    fn drop(&mut self) {
        self.0.set(None);
    }
}
