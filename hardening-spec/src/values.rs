//! The values that keys of several attributes take.

use std::time::Duration;

/// A share of a whole in millionths, so that rates are compared in integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio {
    /// Millionths: `500_000` is 50 %.
    pub millionths: u32,
}

impl Ratio {
    /// A ratio of `millionths` / 1 000 000.
    pub const fn millionths(millionths: u32) -> Self {
        Self { millionths }
    }

    /// A ratio of `percent` %.
    pub const fn percent(percent: u32) -> Self {
        Self { millionths: percent * 10_000 }
    }

    /// Whether `part` of `whole` reaches this ratio; exact, and false for an empty whole.
    pub const fn reached_by(self, part: u64, whole: u64) -> bool {
        whole > 0 && part as u128 * 1_000_000 >= whole as u128 * self.millionths as u128
    }
}

/// `count` events in each `per`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Events in each period; at least 1.
    pub count: u32,
    /// The period; longer than zero.
    pub per: Duration,
}

impl Rate {
    /// A rate of `count` in each `per`.
    pub const fn new(count: u32, per: Duration) -> Self {
        Self { count, per }
    }

    /// How many events one second's worth is, at least 1: the default burst.
    pub const fn one_second(self) -> u32 {
        let per = self.per.as_nanos();
        if per == 0 {
            return 1;
        }
        let events = self.count as u128 * 1_000_000_000 / per;
        if events < 1 {
            1
        } else if events > u32::MAX as u128 {
            u32::MAX
        } else {
            events as u32
        }
    }
}

/// `from..to`, or one value when both are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DurationRange {
    /// The first, shortest value.
    pub from: Duration,
    /// The longest value.
    pub to: Duration,
}

impl DurationRange {
    /// From `from` growing to `to`.
    pub const fn new(from: Duration, to: Duration) -> Self {
        Self { from, to }
    }

    /// Always `value`.
    pub const fn constant(value: Duration) -> Self {
        Self { from: value, to: value }
    }

    /// Whether the range is one value.
    pub const fn is_constant(&self) -> bool {
        self.from.as_nanos() == self.to.as_nanos()
    }
}

/// How a backoff is spread, so that callers that failed together do not return together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    /// Uniform between zero and the delay.
    Full,
    /// Half of the delay, plus uniform up to the other half.
    Equal,
    /// Uniform between the base and three times the previous delay, capped.
    Decorrelated,
    /// The delay itself.
    None,
}
