//! Permits that the calls around the current one hold, so that a call which needs a policy that an enclosing call has passed already
//! runs under that call's permit.
//!
//! Without it such a call waits for a permit that its own caller holds, or takes a second one: a half-open circuit is never closed, a
//! bulkhead of 1 never left. The permits are visible while the body of their call is polled; a spawned task sees none of them.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use crate::policy::bulkhead::Bulkhead;

/// A policy with its state. Two keys of a circuit breaker or bulkhead are two states; those of a rate limit share one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    state: usize,
    key: u64,
}

impl Policy {
    pub(crate) fn of<T>(state: &'static T) -> Self {
        Self { state: std::ptr::from_ref(state).addr(), key: 0 }
    }

    /// What tells its state from others.
    pub(crate) fn state(self) -> usize {
        self.state
    }

    pub(crate) fn with_key(self, key: u64) -> Self {
        Self { key, ..self }
    }
}

/// What a call holds of a policy. One call inside it at a time can run under it.
#[derive(Debug)]
pub(crate) struct Permit {
    policy: Policy,
    /// What was charged, of a rate limit.
    cost: u32,
    /// The call that holds it, and the policy's name.
    pub(crate) call: &'static str,
    pub(crate) name: &'static str,
    /// Whose place it is, of a bulkhead.
    place: Option<&'static Bulkhead>,
    /// The permit of a call further out that this one stands for: given back once nobody uses this one any more, be it a call that has
    /// moved elsewhere.
    _under: Option<Loan>,
    /// [`FREE`], [`LENT`], or [`KEPT`].
    used: AtomicU8,
    /// Calls inside that wait for it, or for a permit of their own.
    waiting: Mutex<Vec<Waker>>,
}

/// Nobody uses it.
const FREE: u8 = 0;
/// A call inside does.
const LENT: u8 = 1;
/// A call inside still does, though the call that took it has ended: its place is left with the loan.
const KEPT: u8 = 2;

impl Permit {
    pub(crate) fn new(policy: Policy, cost: u32, call: &'static str, name: &'static str) -> Arc<Self> {
        Arc::new(Self::free(policy, cost, call, name, None))
    }

    /// What a call lends on that uses another call's permit.
    pub(crate) fn under(policy: Policy, loan: Loan, call: &'static str) -> Arc<Self> {
        let name = loan.permit.name;
        Arc::new(Self { _under: Some(loan), ..Self::free(policy, 0, call, name, None) })
    }

    /// A place in a bulkhead.
    pub(crate) fn of_place(bulkhead: &'static Bulkhead, call: &'static str, name: &'static str) -> Arc<Self> {
        Arc::new(Self::free(Policy::of(bulkhead), 0, call, name, Some(bulkhead)))
    }

    fn free(
        policy: Policy,
        cost: u32,
        call: &'static str,
        name: &'static str,
        place: Option<&'static Bulkhead>,
    ) -> Self {
        Self {
            policy,
            cost,
            call,
            name,
            place,
            _under: None,
            used: AtomicU8::new(FREE),
            waiting: Mutex::default(),
        }
    }

    /// The call that took it is about to leave its place, which a call that it began may still be in, moved elsewhere: then that
    /// one keeps it.
    pub(crate) fn is_left(&self) {
        let Some(bulkhead) = self.place else { return };
        if self.used.load(Ordering::Acquire) != LENT {
            return;
        }
        // Before the place is left, so that nobody gets it in between.
        bulkhead.crowd();
        if self.used.compare_exchange(LENT, KEPT, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            bulkhead.leave();
        }
    }

    /// The call that took it is back, with another attempt: answers whether it is in its place again, or still under another call's.
    pub(crate) fn is_taken_back(&self) -> bool {
        let back = || self.used.compare_exchange(KEPT, LENT, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        self.place.is_none() || back()
    }

    /// Whether it is a place, and not the use of another call's.
    pub(crate) fn is_place(&self) -> bool {
        self.place.is_some()
    }

    pub(crate) fn policy(&self) -> Policy {
        self.policy
    }

    fn lend(self: &Arc<Self>) -> Option<Loan> {
        let free = self.used.compare_exchange(FREE, LENT, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        free.then(|| Loan { permit: Arc::clone(self), spent: false })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The use of another call's permit; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Loan {
    permit: Arc<Permit>,
    spent: bool,
}

impl Loan {
    pub(crate) fn permit(&self) -> &Permit {
        &self.permit
    }

    /// Keeps it from being given back, or not: a rate limit's charge covers one call.
    pub(crate) fn spend(&mut self, spent: bool) {
        self.spent = spent;
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if !self.spent {
            if self.permit.used.swap(FREE, Ordering::AcqRel) == KEPT
                && let Some(bulkhead) = self.permit.place
            {
                bulkhead.leave();
            }
            let waiting = std::mem::take(&mut *self.permit.waiting());
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}

thread_local! {
    /// Those of the calls that are being polled on this thread, the outermost first.
    static PERMITS: RefCell<Vec<Arc<Permit>>> = const { RefCell::new(Vec::new()) };
}

/// Looks at the permits of a policy, the innermost first, until `look` has found something. Outside a thread's life there is none.
fn find<R>(policy: Policy, look: impl FnMut(&Arc<Permit>) -> Option<R>) -> Option<R> {
    let of_policy = |permit: &&Arc<Permit>| permit.policy == policy;
    let find =
        |permits: &RefCell<Vec<Arc<Permit>>>| permits.borrow().iter().rev().filter(of_policy).find_map(look);
    PERMITS.try_with(find).ok().flatten()
}

/// Whether an enclosing call holds any permit that is known here.
pub(crate) fn are_held() -> bool {
    PERMITS.try_with(|permits| !permits.borrow().is_empty()).unwrap_or(false)
}

/// The policies whose permits enclosing calls hold.
pub(crate) fn held() -> Vec<Policy> {
    let all =
        |permits: &RefCell<Vec<Arc<Permit>>>| permits.borrow().iter().map(|permit| permit.policy).collect();
    PERMITS.try_with(all).unwrap_or_default()
}

/// Borrows the permit of an enclosing call, if there is one that nobody else uses and that was paid with at least `cost`.
pub(crate) fn borrow(policy: Policy, cost: u32) -> Option<Loan> {
    find(policy, |permit| if permit.cost >= cost { permit.lend() } else { None })
}

/// A permit of an enclosing call, used by another call inside or not: what it lets pass, it lets pass at once.
pub(crate) fn shared(policy: Policy) -> Option<Arc<Permit>> {
    find(policy, |permit| Some(Arc::clone(permit)))
}

/// The same as [`borrow`] for a call that waits: it is woken when one is given back.
pub(crate) fn borrow_later(policy: Policy, waker: &Waker) -> Option<Loan> {
    find(policy, |permit| {
        // Before the look, so that one which is given back in between wakes.
        let mut waiting = permit.waiting();
        if !waiting.iter().any(|known| known.will_wake(waker)) {
            waiting.push(waker.clone());
        }
        drop(waiting);
        permit.lend()
    })
}

/// Shows permits to the calls inside, until it is dropped.
pub(crate) struct Shown(usize);

pub(crate) fn show<'p>(permits: impl IntoIterator<Item = &'p Arc<Permit>>) -> Shown {
    let push = |held: &RefCell<Vec<Arc<Permit>>>| {
        let mut held = held.borrow_mut();
        let before = held.len();
        held.extend(permits.into_iter().cloned());
        before
    };
    Shown(PERMITS.try_with(push).unwrap_or(usize::MAX))
}

impl Drop for Shown {
    fn drop(&mut self) {
        // The last of a permit frees nothing but itself.
        let _ = PERMITS.try_with(|held| held.borrow_mut().truncate(self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static ONE: u64 = 1;
    static OTHER: u64 = 2;

    fn permit(cost: u32) -> Arc<Permit> {
        Permit::new(Policy::of(&ONE), cost, "outer", "policy")
    }

    #[test]
    fn one_at_a_time_uses_a_permit_and_only_where_it_is_shown() {
        let held = permit(1);
        let ask = || borrow(Policy::of(&ONE), 1);
        assert!(ask().is_none() && !are_held());
        let shown = show([&held]);
        assert!(are_held() && borrow(Policy::of(&OTHER), 1).is_none());
        assert!(borrow(Policy::of(&ONE).with_key(7), 1).is_none() && borrow(Policy::of(&ONE), 2).is_none());
        let loan = ask();
        assert!(loan.is_some() && ask().is_none());
        // The innermost comes first, and an outer one helps out.
        let inner = Permit::new(Policy::of(&ONE), 1, "inner", "policy");
        let also = show([&inner]);
        assert_eq!(ask().map(|loan| loan.permit().call), Some("inner"));
        let second = ask();
        drop(loan);
        assert_eq!(ask().map(|loan| loan.permit().call), Some("outer"));
        drop((also, second));
        let mut spent = ask().expect("it was given back");
        spent.spend(true);
        drop(spent);
        assert!(ask().is_none());
        drop(shown);
        assert!(!are_held());
    }
}
