//! The executions of a hedged call, and how each of them ended.

use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::clock::Nanos;
use crate::context::Attempt;
use crate::context::permits::Permit;
use crate::policy::bulkhead::Bulkhead;

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

/// How an execution ended.
pub(super) enum End<R> {
    Returned(R),
    /// Its time was over.
    Cut,
}

/// How the first execution ended without being a success. Only an error of its own is kept while others run.
pub(super) enum Failed<E> {
    Returned(E),
    #[cfg(feature = "testing")]
    Injected,
    /// Its time was over.
    Cut,
}

/// An execution beside the first.
pub(super) struct Other<F> {
    pub(super) body: Pin<Box<F>>,
    pub(super) timer: Option<Pin<Box<Sleep>>>,
    pub(super) began: Nanos,
    pub(super) limit: Nanos,
    /// What the body sees of it.
    pub(super) attempt: Option<&'static Attempt>,
    /// Dropped with it.
    pub(super) place: Place,
}

/// A place in the bulkhead, where there is one.
#[derive(Default)]
pub(super) struct Place {
    pub(super) bulkhead: Option<&'static Bulkhead>,
    /// What lends it to the calls inside.
    pub(super) permit: Option<Arc<Permit>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(permit) = &self.permit {
            permit.is_left();
        }
        if let Some(bulkhead) = self.bulkhead {
            bulkhead.leave();
        }
    }
}

/// What runs beside the first execution.
pub struct Race<F, E> {
    /// Nothing. The compiler asks first of this whether a body can be sent, and knows it when it comes to those in boxes in a
    /// list, which are so many types deep that its limit would be reached in a chain of calls.
    pub(super) _body: PhantomData<F>,
    pub(super) others: Vec<Other<MayFail<F>>>,
    pub(super) alarm: Option<Pin<Box<Sleep>>>,
    pub(super) begun: u32,
    /// An execution has failed since the last one was begun.
    pub(super) failed: bool,
    /// The first execution ended without being a success.
    pub(super) first_end: Option<Failed<E>>,
}

impl<F, E> Race<F, E> {
    pub(super) const fn new() -> Self {
        Self { _body: PhantomData, others: Vec::new(), alarm: None, begun: 0, failed: false, first_end: None }
    }
}
