//! How fast a route spends its error budget: rates of errors over pairs of windows, after "Alerting on SLOs" of the Site
//! Reliability Workbook (multiple windows, multiple burn rates).
//!
//! Counters are sampled once a minute. The increase over a window of `n` minutes is the sum of what the counters grew by
//! from each sample to the next, of the last `n` samples; where a counter has fallen it has begun again at zero, so what it
//! shows is what it grew by. The first sample of a route says what was before it, and counts for nothing. A window that
//! reaches back further than the samples do is measured by those there are. The rules of [`super::rules`] are the same sums
//! in Prometheus' language.

use std::collections::VecDeque;

/// Two windows and the speed at which the budget must be spent over both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pair {
    /// The window that tells how much is spent, in minutes.
    pub(super) long: usize,
    /// The window that tells whether it is still being spent, in minutes.
    pub(super) short: usize,
    /// Tenths of the speed at which the budget would last for its whole period.
    pub(super) tenths: u32,
}

/// Of a budget for 30 days the first is 2 % spent within an hour, the second 5 % within six.
pub(super) const PAIRS: [Pair; 2] =
    [Pair { long: 60, short: 5, tenths: 144 }, Pair { long: 360, short: 30, tenths: 60 }];

/// Fewer errors than this in the long window are no alert, whatever their share.
pub(super) const LEAST_ERRORS: u64 = 10;

/// Samples that are kept: those of the longest window, and the one before it.
const KEPT: usize = 361;

const _: () = assert!(PAIRS[0].long < KEPT && PAIRS[1].long < KEPT);

impl Pair {
    /// How many times faster than it may a budget is spent.
    pub(super) fn factor(self) -> f64 {
        f64::from(self.tenths) / 10.0
    }

    /// The rate of errors that must be exceeded, for a budget in millionths of the requests.
    pub(super) fn threshold(self, budget: u32) -> f64 {
        // One rounding, so that its shortest decimal is the exact product.
        f64::from(self.tenths) * f64::from(budget) / 1e7
    }
}

/// Requests that were answered, and those of them that failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) errors: u64,
}

impl Counts {
    /// The share of errors; no number where there were no requests, which exceeds nothing.
    pub(super) fn rate(self) -> f64 {
        self.errors as f64 / self.requests as f64
    }
}

/// The counters of one route, minute by minute.
#[derive(Debug, Default)]
pub(super) struct Samples {
    /// What the counters showed last.
    shown: Counts,
    /// What they have grown by since the first sample, at each sample; the last [`KEPT`].
    grown: VecDeque<Counts>,
}

/// What the windows of a pair hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Burn {
    pub(super) long: Counts,
    pub(super) short: Counts,
    /// Whether the budget is spent too fast.
    pub(super) fires: bool,
}

impl Samples {
    /// What the counters show a minute after the last sample.
    pub(super) fn push(&mut self, shown: Counts) {
        let before = std::mem::replace(&mut self.shown, shown);
        let grown = self.grown.back().map_or_else(Counts::default, |grown| Counts {
            requests: grown.requests + growth(before.requests, shown.requests),
            errors: grown.errors + growth(before.errors, shown.errors),
        });
        if self.grown.len() == KEPT {
            self.grown.pop_front();
        }
        self.grown.push_back(grown);
    }

    /// What the counters have grown by in the last `minutes`, or since the first sample if that is later.
    pub(super) fn within(&self, minutes: usize) -> Counts {
        let Some(now) = self.grown.back() else { return Counts::default() };
        let before = self.grown[self.grown.len().saturating_sub(minutes + 1)];
        Counts { requests: now.requests - before.requests, errors: now.errors - before.errors }
    }

    /// Whether both windows of a pair show a rate above the pair's, with errors enough; for a budget in millionths.
    pub(super) fn burn(&self, pair: Pair, budget: u32) -> Burn {
        let (long, short) = (self.within(pair.long), self.within(pair.short));
        let threshold = pair.threshold(budget);
        let fires = long.rate() > threshold && short.rate() > threshold && long.errors >= LEAST_ERRORS;
        Burn { long, short, fires }
    }
}

/// What a counter has grown by; one that has fallen has begun again.
fn growth(before: u64, now: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}
