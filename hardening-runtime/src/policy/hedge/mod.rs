//! `#[hedged]`: a second execution of a body that takes longer than most.
//!
//! Source: Dean and Barroso, "The Tail at Scale"; the first success wins, the others are dropped.

mod latency;

use std::sync::atomic::{AtomicU64, Ordering};

use hardening_spec::{After, HedgeSpec, Ratio};

pub use latency::{ENOUGH, Latencies};

use crate::clock::{Nanos, nanos};

/// One extra execution in the smallest units.
const TOKEN: u64 = 1_000_000;
/// The shortest delay that a percentile may give.
const SHORTEST: Nanos = 1_000_000;
/// A percentile is read anew after so long.
const READ_EVERY: Nanos = 100_000_000;

/// What became of an extra execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extra {
    /// It was begun.
    Sent,
    /// It won.
    Won,
    /// It was due, and the budget was used up.
    OverBudget,
    /// It was due, and a limit or the bulkhead had no room.
    Refused,
}

impl Extra {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Sent, Self::Won, Self::OverBudget, Self::Refused];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Won => "won",
            Self::OverBudget => "over_budget",
            Self::Refused => "refused",
        }
    }
}

/// The hedging of one call site.
#[derive(Debug)]
pub struct Hedge {
    after: After,
    max: u32,
    budget: Share,
    latencies: Latencies,
    /// The delay that a percentile gave last, and when; 0 for none.
    delay: AtomicU64,
    read: AtomicU64,
    counts: [AtomicU64; Extra::ALL.len()],
}

impl Hedge {
    /// The hedging of `spec`.
    pub fn new(spec: &HedgeSpec, now: Nanos) -> Self {
        Self {
            after: spec.after,
            max: spec.max,
            budget: Share::new(spec.budget, now),
            latencies: Latencies::new(now),
            delay: AtomicU64::new(0),
            read: AtomicU64::new(0),
            counts: Default::default(),
        }
    }

    /// The most extra executions of one call.
    pub const fn max(&self) -> u32 {
        self.max
    }

    /// How long to wait for a success before an extra execution, when `left` is left of the call's time; `None` while
    /// a percentile is not known.
    pub fn delay(&self, now: Nanos, left: Nanos) -> Option<Nanos> {
        match self.after {
            After::Duration(after) => Some(nanos(after)),
            After::Percentile(share) => {
                let read = self.read.load(Ordering::Acquire);
                if read == 0 || now >= read.saturating_add(READ_EVERY) {
                    let delay = self.latencies.quantile(share.millionths, now).unwrap_or(0);
                    self.delay.store(delay, Ordering::Relaxed);
                    // Soon again while there are too few samples.
                    self.read.store(if delay == 0 { 0 } else { now.max(1) }, Ordering::Release);
                }
                match self.delay.load(Ordering::Relaxed) {
                    0 => None,
                    delay => Some(delay.clamp(SHORTEST, (left / 2).max(SHORTEST))),
                }
            }
        }
    }

    /// Pays for one call.
    pub fn deposit(&self, now: Nanos) {
        self.budget.deposit(now);
    }

    /// Takes one extra execution; false when there is none.
    pub fn withdraw(&self, now: Nanos) -> bool {
        self.budget.withdraw(now)
    }

    /// Learns how long an execution took, or how long it had run when another was faster.
    pub fn learn(&self, took: Nanos, now: Nanos) {
        if matches!(self.after, After::Percentile(_)) {
            self.latencies.record(took, now);
        }
    }

    /// Counts an extra execution.
    pub fn count(&self, extra: Extra) {
        self.counts[extra as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Extra executions with this end.
    pub fn counted(&self, extra: Extra) -> u64 {
        self.counts[extra as usize].load(Ordering::Relaxed)
    }
}

/// Extra executions as a share of calls of the last ten seconds, so that slowness everywhere is not answered with
/// twice the load. It refills from calls alone, never from a clock.
#[derive(Debug)]
struct Share {
    each: u64,
    /// Tokens paid in by the calls of this period and of the one before.
    saved: [AtomicU64; 2],
    period: AtomicU64,
}

/// Half of what the budget looks back on.
const PERIOD: Nanos = 5_000_000_000;

impl Share {
    fn new(share: Ratio, now: Nanos) -> Self {
        Self {
            each: u64::from(share.millionths),
            // One is free: a share of few calls is nothing.
            saved: [AtomicU64::new(TOKEN), AtomicU64::new(0)],
            period: AtomicU64::new(now / PERIOD),
        }
    }

    /// The index of the period's tokens; what is older than the period before is forgotten.
    fn at(&self, now: Nanos) -> usize {
        let period = now / PERIOD;
        let known = self.period.load(Ordering::Acquire);
        if period > known
            && self.period.compare_exchange(known, period, Ordering::AcqRel, Ordering::Acquire).is_ok()
        {
            self.saved[(period & 1) as usize].store(0, Ordering::Release);
            if period > known + 1 {
                self.saved[(known & 1) as usize].store(0, Ordering::Release);
            }
        }
        (period & 1) as usize
    }

    fn deposit(&self, now: Nanos) {
        self.saved[self.at(now)].fetch_add(self.each, Ordering::Relaxed);
    }

    fn withdraw(&self, now: Nanos) -> bool {
        let at = self.at(now);
        // What ends first is spent first; one token may be made up of both.
        let (old, new) = (&self.saved[at ^ 1], &self.saved[at]);
        let mut before = old.load(Ordering::Acquire);
        loop {
            let part = before.min(TOKEN);
            let rest = TOKEN - part;
            if rest > 0
                && new
                    .fetch_update(Ordering::AcqRel, Ordering::Acquire, |saved| saved.checked_sub(rest))
                    .is_err()
            {
                return false;
            }
            match old.compare_exchange(before, before - part, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return true,
                Err(changed) => {
                    new.fetch_add(rest, Ordering::AcqRel);
                    before = changed;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn i_31_extra_executions_are_a_share_of_the_calls_of_ten_seconds_and_one() {
        for percent in [1, 5, 10, 30, 50] {
            let share = Share::new(Ratio::percent(percent), 0);
            let mut extras: Vec<Nanos> = Vec::new();
            let mut calls: Vec<Nanos> = Vec::new();
            // Every call asks for an extra execution: a full outage.
            for at in 0..60_000_u64 {
                let now = at * SECOND / 1000;
                share.deposit(now);
                calls.push(now);
                if share.withdraw(now) {
                    extras.push(now);
                }
            }
            for end in (10..60).map(|second| second * SECOND) {
                let within = |times: &[Nanos]| {
                    times.iter().filter(|at| **at <= end && **at + 10 * SECOND > end).count() as u64
                };
                let most = within(&calls) * u64::from(percent) / 100 + 1;
                assert!(within(&extras) <= most, "{percent} % at {end}");
            }
            // In the long run it is the share, and not less.
            let (all, wanted) = (extras.len() as u64, 600 * u64::from(percent));
            assert!(all.abs_diff(wanted) <= 2, "{percent} %: {all} of {wanted}");
        }
    }

    #[test]
    fn what_is_not_spent_is_forgotten() {
        let share = Share::new(Ratio::percent(50), 0);
        (0..1000).for_each(|_| share.deposit(SECOND));
        let spent = (0..2000).filter(|_| share.withdraw(30 * SECOND)).count();
        assert_eq!(spent, 0);
    }
}
