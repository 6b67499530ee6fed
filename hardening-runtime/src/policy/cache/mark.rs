//! The progress of one load: whether its leader is still polled, and which other loads it waits for.

use std::sync::{Arc, PoisonError};
use std::task::{Context, Waker};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::clock::Nanos;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The progress of one load, shared by its leader and its followers.
#[derive(Debug, Default)]
pub struct Mark {
    /// Odd while the leader's body is polled; each poll makes it larger.
    polls: AtomicU64,
    /// Wakes the leader.
    waker: Mutex<Option<Waker>>,
    /// The loads that calls inside this one wait for.
    waits_for: Mutex<Vec<Arc<Mark>>>,
    /// The bulkheads in which calls inside this one wait for a place, by their addresses.
    places: Mutex<Vec<usize>>,
    wants: Notify,
    /// How often a call inside this load asked for it.
    recursions: AtomicU32,
    /// The deadline for which a call inside this load gave up, 0 for none.
    gave_up_for: AtomicU64,
    /// The latest deadline that code inside this load has asked for, 0 for none.
    knows_of: AtomicU64,
}

/// What a follower knows of its leader.
#[derive(Clone, Copy, Debug)]
pub struct Watched {
    polls: u64,
    asked: bool,
}

impl Mark {
    /// Begins a poll of the leader.
    pub fn begin_poll(&self, cx: &Context<'_>) {
        {
            let mut waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *waker {
                Some(waker) => waker.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
        }
        self.polls.fetch_or(1, Ordering::AcqRel);
    }

    /// Ends a poll that left the leader waiting. After any other poll, the next step comes before the leader's caller
    /// does anything else.
    pub fn suspend(&self) {
        let polls = self.polls.load(Ordering::Acquire);
        // Only the leader's own polls change it.
        self.polls.store((polls | 1) + 1, Ordering::Release);
    }

    /// A poll of the leader that only waits.
    pub fn wait(&self, cx: &Context<'_>) {
        self.begin_poll(cx);
        self.suspend();
    }

    /// Whether the leader is polled at this moment, or its poll was ended by a panic.
    pub fn is_polled(&self) -> bool {
        self.polls.load(Ordering::Acquire) % 2 == 1
    }

    /// Begins to watch the leader.
    pub fn watch(&self) -> Watched {
        Watched { polls: self.polls.load(Ordering::Acquire), asked: false }
    }

    /// Looks whether the leader was polled since the last look, and wakes it when it was not; false when it was not
    /// polled although it was woken.
    pub fn is_driven(&self, watched: &mut Watched) -> bool {
        let polls = self.polls.load(Ordering::Acquire);
        if polls % 2 == 1 || polls != watched.polls {
            *watched = Watched { polls, asked: false };
            return true;
        }
        if watched.asked {
            return false;
        }
        watched.asked = true;
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    /// Counts a call inside this load that asked for it; answers how many did before.
    pub fn recurse(&self) -> u32 {
        self.recursions.fetch_add(1, Ordering::Relaxed)
    }

    /// A call inside this load gives up, since it has no time left before this deadline; 0 takes that back.
    pub fn gives_up_for(&self, deadline: Nanos) {
        self.gave_up_for.store(deadline, Ordering::Release);
    }

    /// Whether a call inside this load gave up for this deadline in the last poll.
    pub fn gave_up_for(&self, deadline: Nanos) -> bool {
        self.gave_up_for.load(Ordering::Acquire) == deadline
    }

    /// Code inside this load has asked for this deadline, or a call inside it has given up for it; 0 says nothing.
    pub fn learns_of(&self, deadline: Nanos) {
        if deadline > 0 {
            self.knows_of.fetch_max(deadline, Ordering::AcqRel);
        }
    }

    /// Whether code inside this load may have kept this deadline, which is the latest that there is inside it.
    pub fn knows_of(&self, deadline: Nanos) -> bool {
        self.knows_of.load(Ordering::Acquire) == deadline
    }

    /// A call inside this load begins to wait for a place.
    pub fn begin_to_want(&self, place: usize) {
        self.places.lock().unwrap_or_else(PoisonError::into_inner).push(place);
        self.wants.notify_waiters();
    }

    /// Completes when a call inside this load begins to wait for a place, from the moment on at which it is enabled.
    pub fn wants_more(&self) -> Notified<'_> {
        self.wants.notified()
    }

    /// It waits no longer.
    pub fn end_to_want(&self, place: usize) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = places.iter().position(|wanted| *wanted == place) {
            places.swap_remove(at);
        }
    }

    /// Whether a call inside this load, or inside one that it waits for, waits for one of these places.
    pub fn wants_any(self: &Arc<Self>, places: &[usize]) -> bool {
        let wants = |mark: &Self| {
            let wanted = mark.places.lock().unwrap_or_else(PoisonError::into_inner);
            wanted.iter().any(|place| places.contains(place))
        };
        !places.is_empty() && self.any(|mark| wants(mark))
    }

    /// Whether this load, or one that it waits for, is among `loads`.
    fn leads_to(self: &Arc<Self>, loads: &[Arc<Self>]) -> bool {
        self.any(|mark| loads.iter().any(|load| Arc::ptr_eq(load, mark)))
    }

    /// Whether something holds for this load, or for one that it waits for.
    fn any(self: &Arc<Self>, holds: impl Fn(&Arc<Self>) -> bool) -> bool {
        let mut open = vec![Arc::clone(self)];
        let mut seen: Vec<Arc<Self>> = Vec::new();
        while let Some(mark) = open.pop() {
            if holds(&mark) {
                return true;
            }
            if seen.iter().any(|known| Arc::ptr_eq(known, &mark)) {
                continue;
            }
            open.extend(mark.waits_for.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
            seen.push(mark);
        }
        false
    }
}

/// The wait of a call inside some loads for another load, until it is dropped.
#[derive(Debug)]
pub struct Edge {
    from: Vec<Arc<Mark>>,
    to: Arc<Mark>,
}

impl Edge {
    /// Begins the wait of a call inside the loads `from`; `None` when it would wait for itself.
    pub fn new(from: Vec<Arc<Mark>>, to: &Arc<Mark>) -> Option<Self> {
        let edge = Self { from, to: Arc::clone(to) };
        // Before the look, so that of two calls that begin to wait for each other one sees the other's.
        for mark in &edge.from {
            mark.waits_for.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(to));
        }
        (!to.leads_to(&edge.from)).then_some(edge)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        for mark in &self.from {
            let mut waits_for = mark.waits_for.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = waits_for.iter().position(|waited_for| Arc::ptr_eq(waited_for, &self.to)) {
                waits_for.swap_remove(at);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leader_that_is_polled_is_driven_and_one_that_ignores_its_waker_is_not() {
        let mark = Mark::default();
        let cx = Context::from_waker(Waker::noop());
        let mut watched = mark.watch();
        assert!(mark.is_driven(&mut watched), "it has not been asked yet");
        assert!(!mark.is_driven(&mut watched));
        mark.begin_poll(&cx);
        assert!(mark.is_polled());
        assert!(mark.is_driven(&mut watched) && mark.is_driven(&mut watched), "it is polled now");
        mark.suspend();
        assert!(!mark.is_polled());
        assert!(mark.is_driven(&mut watched), "it was polled since");
        assert!(mark.is_driven(&mut watched) && !mark.is_driven(&mut watched));
        mark.begin_poll(&cx);
        mark.begin_poll(&cx);
        mark.suspend();
        assert!(!mark.is_polled() && mark.is_driven(&mut watched));
    }

    #[test]
    fn a_load_wants_the_places_that_calls_inside_it_and_inside_others_wait_for() {
        let [one, two] = [(); 2].map(|()| Arc::new(Mark::default()));
        let edge = Edge::new(vec![Arc::clone(&one)], &two);
        two.begin_to_want(7);
        two.begin_to_want(7);
        assert!(one.wants_any(&[6, 7]) && two.wants_any(&[7]) && !one.wants_any(&[6]) && !one.wants_any(&[]));
        two.end_to_want(7);
        assert!(one.wants_any(&[7]), "one of two calls waits still");
        two.end_to_want(7);
        two.end_to_want(7);
        assert!(!one.wants_any(&[7]));
        two.begin_to_want(7);
        drop(edge);
        assert!(!one.wants_any(&[7]) && two.wants_any(&[7]));
    }

    #[test]
    fn a_wait_that_closes_a_circle_is_refused_and_leaves_no_trace() {
        let [one, two, three] = [(); 3].map(|()| Arc::new(Mark::default()));
        assert!(Edge::new(vec![Arc::clone(&one)], &one).is_none());
        let first = Edge::new(vec![Arc::clone(&one)], &two);
        let second = Edge::new(vec![Arc::clone(&two)], &three);
        assert!(first.is_some() && second.is_some());
        assert!(Edge::new(vec![Arc::clone(&three)], &one).is_none());
        assert!(Edge::new(Vec::new(), &one).is_some(), "a call outside of loads waits for any");
        drop(second);
        assert!(Edge::new(vec![Arc::clone(&three)], &one).is_some());
        assert!(three.waits_for.lock().unwrap().is_empty());
    }
}
