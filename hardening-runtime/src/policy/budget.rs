//! A budget: extra executions as a share of calls, so that an outage is not answered with a storm.
//!
//! Each call pays its share, each extra execution takes one whole token, and what was paid is forgotten after ten seconds
//! (Finagle's `RetryBudget`). Of retries thirty in ten seconds are free, so that rare calls may be repeated. All numbers are whole, so a share of 30 % is exactly
//! that. A budget may be shared, by retries and hedges of every function that asks one dependency.

use std::sync::PoisonError;

use hardening_spec::Ratio;

use crate::clock::Nanos;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use crate::tunable::Tunable;

/// One extra execution in the smallest units.
const TOKEN: u64 = 1_000_000;
/// What was paid is kept in so many parts, a power of two.
const SLICES: usize = 8;
/// The length of one part; all together are ten seconds.
const SLICE: Nanos = 10_000_000_000 / SLICES as u64;
/// Retries in ten seconds that are free.
const RESERVE: u64 = 30;

/// The extra executions that may still be made.
#[derive(Debug)]
pub struct Budget {
    /// What one call pays.
    share: Tunable,
    /// What is free in ten seconds.
    reserve: u64,
    /// 1 while there is no bound.
    unbounded: Tunable,
    /// Calls, and what was taken, in each slice.
    calls: [AtomicU64; SLICES],
    taken: [AtomicU64; SLICES],
    /// What is free once.
    gift: AtomicU64,
    /// The slice that is counted in, and when it ends.
    current: AtomicUsize,
    ends: AtomicU64,
    /// Held by whoever takes, and while the slices turn.
    taking: Mutex<()>,
}

/// An extra execution that was taken before it begins.
#[derive(Debug)]
pub struct Reserved<'b> {
    /// `None` where there is no bound.
    budget: Option<&'b Budget>,
    /// What of it was free once.
    gift: u64,
    /// When the slice that it was taken in ends.
    ends: Nanos,
}

impl Reserved<'_> {
    /// It begins.
    pub fn spend(mut self) {
        self.budget = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some(budget) = self.budget {
            budget.give_back(self.gift, self.ends);
        }
    }
}

impl Budget {
    /// A budget of retries: `share` of the calls and thirty; `None` for no bound.
    pub fn new(share: Option<Ratio>, now: Nanos) -> Self {
        let budget = Self::with(RESERVE * TOKEN, 0, now);
        budget.tune(share);
        budget
    }

    /// A budget of hedges: `share` of the calls and nothing else but one to begin with, since a share of few calls is nothing.
    pub fn of_hedges(share: Ratio, now: Nanos) -> Self {
        let budget = Self::with(0, TOKEN, now);
        budget.tune(Some(share));
        budget
    }

    fn with(reserve: u64, gift: u64, now: Nanos) -> Self {
        Self {
            share: Tunable::default(),
            reserve,
            unbounded: Tunable::default(),
            calls: Default::default(),
            taken: Default::default(),
            gift: AtomicU64::new(gift),
            current: AtomicUsize::new(0),
            ends: AtomicU64::new(now.saturating_add(SLICE)),
            taking: Mutex::new(()),
        }
    }

    /// Another share from now on, `None` for no bound; what was counted stays.
    pub fn tune(&self, share: Option<Ratio>) {
        self.share.set(share.map_or(0, |share| share.millionths.into()));
        self.unbounded.set(share.is_none().into());
    }

    /// Pays for one call.
    #[inline(always)]
    pub fn deposit(&self, now: Nanos) {
        if now >= self.ends.load(Ordering::Relaxed) {
            self.turn(now);
        }
        let current = self.current.load(Ordering::Relaxed) % SLICES;
        self.calls[current].fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    fn turn(&self, now: Nanos) {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn_to(now);
    }

    /// Forgets the slices that are older than ten seconds.
    fn turn_to(&self, now: Nanos) {
        let ends = self.ends.load(Ordering::Relaxed);
        if now < ends {
            return;
        }
        let over = (now - ends) / SLICE + 1;
        for _ in 0..over.min(SLICES as u64) {
            let next = (self.current.load(Ordering::Relaxed) + 1) % SLICES;
            self.calls[next].store(0, Ordering::Relaxed);
            self.taken[next].store(0, Ordering::Relaxed);
            self.current.store(next, Ordering::Relaxed);
        }
        self.ends.store(ends.saturating_add(over.saturating_mul(SLICE)), Ordering::Relaxed);
    }

    /// Whether there is an extra execution to take now. Nothing is taken.
    pub fn has(&self, now: Nanos) -> bool {
        self.left(now) != Some(0)
    }

    /// Takes one extra execution, which is given back when the answer is dropped before it has begun; `None` when there is none.
    pub fn reserve(&self, now: Nanos) -> Option<Reserved<'_>> {
        if self.unbounded.get() != 0 {
            return Some(Reserved { budget: None, gift: 0, ends: 0 });
        }
        self.take(now).map(|(gift, ends)| Reserved { budget: Some(self), gift, ends })
    }

    /// Gives back what was taken in the slice that ends at `ends`, unless that is forgotten anyway.
    fn give_back(&self, gift: u64, ends: Nanos) {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let turned = self.ends.load(Ordering::Relaxed).saturating_sub(ends) / SLICE;
        self.gift.fetch_add(gift, Ordering::Relaxed);
        let Some(back) = usize::try_from(turned).ok().filter(|back| *back < SLICES) else { return };
        let slice = (self.current.load(Ordering::Relaxed) + SLICES - back) % SLICES;
        let less = |taken: u64| Some(taken.saturating_sub(TOKEN - gift));
        let _ = self.taken[slice].fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Takes one extra execution; false when there is none.
    pub fn withdraw(&self, now: Nanos) -> bool {
        self.unbounded.get() != 0 || self.take(now).is_some()
    }

    /// Takes one, from what is free once or from the slice whose end it answers.
    fn take(&self, now: Nanos) -> Option<(u64, Nanos)> {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        self.turn_to(now);
        if self.held() < TOKEN {
            return None;
        }
        let gift = self.gift.swap(0, Ordering::Relaxed);
        let current = self.current.load(Ordering::Relaxed) % SLICES;
        self.taken[current].fetch_add(TOKEN - gift, Ordering::Relaxed);
        Some((gift, self.ends.load(Ordering::Relaxed)))
    }

    /// What may be taken now.
    fn held(&self) -> u64 {
        let sum =
            |slices: &[AtomicU64]| slices.iter().map(|slice| slice.load(Ordering::Relaxed)).sum::<u64>();
        let paid = sum(&self.calls).saturating_mul(self.share.get()).saturating_add(self.reserve);
        paid.saturating_sub(sum(&self.taken)) + self.gift.load(Ordering::Relaxed)
    }

    /// Forgets everything that was paid and taken.
    #[cfg(feature = "testing")]
    pub(crate) fn reset(&self, now: Nanos) {
        let _taking = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        for slice in self.calls.iter().chain(&self.taken) {
            slice.store(0, Ordering::Relaxed);
        }
        // What is free once belongs to a budget without a reserve.
        self.gift.store(if self.reserve == 0 { TOKEN } else { 0 }, Ordering::Relaxed);
        self.ends.store(now.saturating_add(SLICE), Ordering::Relaxed);
    }

    /// Whole extra executions left; `None` where there is no bound.
    pub fn left(&self, now: Nanos) -> Option<u64> {
        if self.unbounded.get() != 0 {
            return None;
        }
        self.turn(now);
        Some(self.held() / TOKEN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    /// Every call asks for an extra execution, a thousand times a second: a full outage. Answers when calls and extras were.
    fn outage(budget: &Budget, seconds: u64) -> (Vec<Nanos>, Vec<Nanos>) {
        let (mut calls, mut extras) = (Vec::new(), Vec::new());
        for at in 0..seconds * 1000 {
            let now = at * SECOND / 1000;
            budget.deposit(now);
            calls.push(now);
            if budget.withdraw(now) {
                extras.push(now);
            }
        }
        (calls, extras)
    }

    fn within(times: &[Nanos], end: Nanos) -> u64 {
        times.iter().filter(|at| **at <= end && **at + 10 * SECOND > end).count() as u64
    }

    #[test]
    fn i_28_retries_are_an_exact_share_of_the_calls_of_ten_seconds_and_the_reserve() {
        for percent in [1, 10, 20, 30, 40, 60, 70, 90, 100] {
            let budget = Budget::new(Some(Ratio::percent(percent)), 0);
            let (calls, extras) = outage(&budget, 60);
            for end in (10..60).map(|second| second * SECOND) {
                let calls = within(&calls, end);
                let slice = calls.div_ceil(SLICES as u64) * u64::from(percent) / 100 + 4;
                let most = calls * u64::from(percent) / 100 + RESERVE + slice;
                assert!(within(&extras, end) <= most, "{percent} % at {end}");
            }
            // In the long run it is the share and the reserve, no more and no less.
            let least = 60_000 * u64::from(percent) / 100;
            let wanted = least + 7 * RESERVE;
            let extras = extras.len() as u64;
            assert!(
                extras <= wanted.min(60_000) && extras >= least.min(59_900),
                "{percent} %: {extras} of {wanted}"
            );
        }
    }

    #[test]
    fn i_31_hedges_are_a_share_of_the_calls_of_ten_seconds_and_one() {
        for percent in [1, 5, 10, 30, 50] {
            let budget = Budget::of_hedges(Ratio::percent(percent), 0);
            let (calls, extras) = outage(&budget, 60);
            for end in (10..60).map(|second| second * SECOND) {
                let calls = within(&calls, end);
                let slice = calls.div_ceil(SLICES as u64) * u64::from(percent) / 100;
                assert!(
                    within(&extras, end) <= calls * u64::from(percent) / 100 + 1 + slice,
                    "{percent} % at {end}"
                );
            }
            let (all, wanted) = (extras.len() as u64, 600 * u64::from(percent));
            assert!(all.abs_diff(wanted) <= 2, "{percent} %: {all} of {wanted}");
        }
    }

    #[test]
    fn what_is_not_taken_is_forgotten() {
        let budget = Budget::of_hedges(Ratio::percent(50), 0);
        (0..1000).for_each(|_| budget.deposit(SECOND));
        assert!(budget.left(SECOND).is_some_and(|left| left == 501));
        assert_eq!(budget.left(12 * SECOND), Some(1), "what is free once is not forgotten");
        assert!(budget.withdraw(12 * SECOND) && !budget.withdraw(12 * SECOND));
        let retries = Budget::new(Some(Ratio::percent(20)), 0);
        assert_eq!(retries.left(1000 * SECOND), Some(RESERVE), "the reserve comes back with time");
    }

    #[test]
    fn without_a_bound_everything_may_be_repeated() {
        let budget = Budget::new(None, 0);
        assert!((0..10_000).all(|_| budget.withdraw(0)) && budget.left(0).is_none());
        budget.tune(Some(Ratio::percent(10)));
        assert_eq!((0..10_000).filter(|_| budget.withdraw(0)).count(), 30);
    }

    #[test]
    fn a_look_takes_nothing_and_what_is_given_back_was_not_taken() {
        let budget = Budget::new(Some(Ratio::percent(20)), 0);
        assert!((0..100).all(|_| budget.has(0)));
        let reserved: Vec<_> = (0..RESERVE).map(|_| budget.reserve(0).expect("free")).collect();
        assert!(!budget.has(0) && budget.reserve(0).is_none());
        drop(reserved);
        assert_eq!(budget.left(0), Some(RESERVE));
        for later in [0, SECOND, 2 * SECOND, 9 * SECOND, 11 * SECOND, 100 * SECOND] {
            let budget = Budget::new(Some(Ratio::percent(20)), 0);
            let (spent, kept) = (budget.reserve(0).expect("free"), budget.reserve(0).expect("free"));
            spent.spend();
            let newer = (0..3).filter(|_| budget.withdraw(later)).count() as u64;
            drop(kept);
            // Forgotten with its slice, it is not given back twice.
            let forgotten = u64::from(later < 10 * SECOND);
            assert_eq!(budget.left(later), Some(RESERVE - newer - forgotten), "after {later}");
        }
        let hedges = Budget::of_hedges(Ratio::percent(50), 0);
        drop(hedges.reserve(0).expect("the gift"));
        assert_eq!((hedges.left(0), hedges.withdraw(0), hedges.left(0)), (Some(1), true, Some(0)));
        // What was free once was not paid for, so nothing that was paid for comes back with it.
        let hedges = Budget::of_hedges(Ratio::percent(100), 0);
        (0..3).for_each(|_| hedges.deposit(0));
        let gift = hedges.reserve(0).expect("the gift");
        assert!(hedges.withdraw(0) && hedges.withdraw(0));
        drop(gift);
        assert_eq!(hedges.left(0), Some(2));
        let unbounded = Budget::new(None, 0);
        assert!((0..100).all(|_| unbounded.has(0) && unbounded.reserve(0).is_some()));
    }

    #[test]
    fn threads_take_no_more_than_there_is() {
        let budget = Budget::new(Some(Ratio::percent(50)), 0);
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        budget.deposit(0);
                        taken.fetch_add(budget.withdraw(0).into(), Ordering::Relaxed);
                    }
                });
            }
        });
        let left = budget.left(0).expect("a bound");
        assert_eq!(taken.load(Ordering::Relaxed) + left, 20_000 + RESERVE);
    }
}
