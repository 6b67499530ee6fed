//! `#[hedged]`: a second execution of a body that takes longer than most.
//!
//! Source: Dean and Barroso, "The Tail at Scale"; the first success wins, the others are dropped.

mod latency;

use std::sync::Arc;

use hardening_spec::{After, HedgeSpec};

pub use latency::{ENOUGH, Latencies};

use super::budget::Budget;
use crate::clock::{NEVER, Nanos, nanos};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::tunable::Tunable;

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
    /// A delay in nanoseconds, [`NEVER`] for a percentile.
    after: Tunable,
    /// The share of the recent successes, in millionths.
    percentile: Tunable,
    max: Tunable,
    budget: Arc<Budget>,
    latencies: Latencies,
    /// The delay that a percentile gave last, and when; 0 for none.
    delay: AtomicU64,
    read: AtomicU64,
    counts: [AtomicU64; Extra::ALL.len()],
}

impl Hedge {
    /// The hedging of `spec` with a budget of its own.
    pub fn new(spec: &HedgeSpec, now: Nanos) -> Self {
        Self::sharing(spec, Arc::new(Budget::of_hedges(spec.budget, now)), now)
    }

    /// The hedging of `spec` with a budget that others share.
    pub fn sharing(spec: &HedgeSpec, budget: Arc<Budget>, now: Nanos) -> Self {
        let hedge = Self {
            after: Tunable::default(),
            percentile: Tunable::default(),
            max: Tunable::default(),
            budget,
            latencies: Latencies::new(now),
            delay: AtomicU64::new(0),
            read: AtomicU64::new(0),
            counts: Default::default(),
        };
        hedge.tune(Some(spec));
        hedge
    }

    /// Puts other numbers in force, `None` for no extra execution; the budget is tuned apart.
    pub fn tune(&self, spec: Option<&HedgeSpec>) {
        let Some(spec) = spec else {
            self.max.set(0);
            return;
        };
        match spec.after {
            After::Duration(after) => self.after.set(nanos(after).min(NEVER - 1)),
            After::Percentile(share) => {
                self.percentile.set(share.millionths.into());
                self.after.set(NEVER);
                self.read.store(0, Ordering::Release);
            }
        }
        self.max.set(spec.max.into());
    }

    /// Forgets what it has learnt and paid.
    #[cfg(feature = "testing")]
    pub(crate) fn reset(&self, now: Nanos) {
        self.budget.reset(now);
        self.latencies.reset(now);
        self.delay.store(0, Ordering::Relaxed);
        self.read.store(0, Ordering::Release);
    }

    /// The budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// The most extra executions of one call.
    pub fn max(&self) -> u32 {
        self.max.count()
    }

    /// How long to wait for a success before an extra execution, when `left` is left of the call's time; `None` while
    /// a percentile is not known.
    pub fn delay(&self, now: Nanos, left: Nanos) -> Option<Nanos> {
        match self.after.get() {
            NEVER => {
                let read = self.read.load(Ordering::Acquire);
                if read == 0 || now >= read.saturating_add(READ_EVERY) {
                    let delay = self.latencies.quantile(self.percentile.count(), now).unwrap_or(0);
                    self.delay.store(delay, Ordering::Relaxed);
                    // Soon again while there are too few samples.
                    self.read.store(if delay == 0 { 0 } else { now.max(1) }, Ordering::Release);
                }
                match self.delay.load(Ordering::Relaxed) {
                    0 => None,
                    delay => Some(delay.clamp(SHORTEST, (left / 2).max(SHORTEST))),
                }
            }
            after => Some(after),
        }
    }

    /// Learns how long an execution took, or how long it had run when another was faster.
    pub fn learn(&self, took: Nanos, now: Nanos) {
        if self.after.get() == NEVER {
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
