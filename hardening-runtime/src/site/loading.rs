//! The loads that the current thread polls at this moment, and what a load that failed hands to those who waited for it.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use crate::clock::Nanos;
use crate::context;
use crate::context::permits::Policy;
use crate::policy::cache::{Edge, Failure, Mark};
use crate::telemetry::redact;

thread_local! {
    /// The loads around what this thread polls, the innermost last.
    static LOADING: RefCell<Vec<Arc<Mark>>> = const { RefCell::new(Vec::new()) };
}

/// A poll of a load's body, until it is dropped.
pub(super) struct Loading {
    mark: Arc<Mark>,
    /// The deadline that the code around it has asked for.
    asked: Nanos,
}

impl Loading {
    pub(super) fn enter(mark: &Arc<Mark>, cx: &Context<'_>) -> Self {
        mark.begin_poll(cx);
        LOADING.with_borrow_mut(|loading| loading.push(Arc::clone(mark)));
        Self { mark: Arc::clone(mark), asked: context::replace_asked(0) }
    }

    /// Ends the poll; what has answered is still in the hands of its call.
    pub(super) fn leave<R>(self, polled: &Poll<R>) {
        if polled.is_pending() {
            // Whatever gave up, the body goes on.
            self.mark.gives_up_for(0);
            self.mark.suspend();
        }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        LOADING.with_borrow_mut(Vec::pop);
        let asked = context::replace_asked(self.asked);
        self.mark.learns_of(asked);
        context::replace_asked(asked.max(self.asked));
    }
}

/// Begins to wait for a load; `None` when the calls around this one would wait for themselves.
pub(super) fn wait_for(load: &Arc<Mark>) -> Option<Edge> {
    Edge::new(LOADING.with_borrow(Clone::clone), load)
}

/// The wait of a call inside some loads for a place in a bulkhead, until it is dropped.
pub(super) struct Wants {
    loads: Vec<Arc<Mark>>,
    place: usize,
}

/// Begins to wait for a place; `own` is the load of the call that waits. `None` outside of loads.
pub(super) fn want(place: Policy, own: Option<Arc<Mark>>) -> Option<Wants> {
    let mut loads = LOADING.with_borrow(Clone::clone);
    loads.extend(own);
    let place = place.state();
    for load in &loads {
        load.begin_to_want(place);
    }
    (!loads.is_empty()).then_some(Wants { loads, place })
}

impl Drop for Wants {
    fn drop(&mut self) {
        for load in &self.loads {
            load.end_to_want(self.place);
        }
    }
}

/// Tells the loads around the current call that it gives up for want of time: its deadline is that of its caller.
pub(super) fn give_up_for(deadline: Nanos) {
    // Outside a thread's life there is no load.
    let _ = LOADING.try_with(|loading| {
        for mark in loading.borrow().iter() {
            mark.gives_up_for(deadline);
            mark.learns_of(deadline);
        }
    });
}

/// How the failure of a load whose function returns `Err(E)` reaches those who waited for it.
#[derive(Debug)]
pub struct Handed<E> {
    /// The error itself, where it may be handed out more than once.
    shared: Option<Shared<E>>,
    /// What it says.
    text: fn(&E) -> Option<String>,
}

#[derive(Debug)]
struct Shared<E> {
    keep: fn(&E) -> Box<dyn Any + Send>,
    hand_out: fn(&(dyn Any + Send)) -> Option<E>,
}

impl<E> Handed<E> {
    /// Whether those who waited get the error itself.
    pub(super) const fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    pub(super) fn failure(&self, error: &E) -> Failure {
        match &self.shared {
            Some(shared) => Failure::Itself(Mutex::new((shared.keep)(error))),
            None => Failure::Text((self.text)(error).map(|text| redact::text(&text).into())),
        }
    }

    /// The error of a failure that was shared.
    pub(super) fn error(&self, failure: &Failure) -> Option<E> {
        let (Some(shared), Failure::Itself(error)) = (&self.shared, failure) else { return None };
        (shared.hand_out)(&**error.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Finds out how the failure of a function that returns `R` is handed out: by the first of the traits below that holds
/// for its error as it is written.
#[derive(Debug)]
pub struct Fails<R>(PhantomData<fn() -> R>);

impl<R> Fails<R> {
    /// Of this type.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "only expansions name it")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

/// The error itself.
pub trait HandsOut<E> {
    /// How it is handed out.
    fn handed(&self) -> Handed<E>;
}

impl<T, E: Clone + Send + 'static> HandsOut<E> for &&&Fails<Result<T, E>> {
    fn handed(&self) -> Handed<E> {
        let keep: fn(&E) -> Box<dyn Any + Send> = |error| Box::new(error.clone());
        let shared = Shared { keep, hand_out: |kept| kept.downcast_ref::<E>().cloned() };
        Handed { shared: Some(shared), text: |_| None }
    }
}

/// What it displays.
pub trait HandsOutText<E> {
    /// How it is handed out.
    fn handed(&self) -> Handed<E>;
}

impl<T, E: Display> HandsOutText<E> for &&Fails<Result<T, E>> {
    fn handed(&self) -> Handed<E> {
        Handed { shared: None, text: |error| Some(error.to_string()) }
    }
}

/// What `{:?}` shows of it.
pub trait HandsOutDebug<E> {
    /// How it is handed out.
    fn handed(&self) -> Handed<E>;
}

impl<T, E: Debug> HandsOutDebug<E> for &Fails<Result<T, E>> {
    fn handed(&self) -> Handed<E> {
        Handed { shared: None, text: |error| Some(format!("{error:?}")) }
    }
}

/// Nothing.
pub trait HandsOutNothing {
    /// How it is handed out.
    fn handed<E>(&self) -> Handed<E>;
}

impl<R> HandsOutNothing for Fails<R> {
    fn handed<E>(&self) -> Handed<E> {
        Handed { shared: None, text: |_| None }
    }
}
