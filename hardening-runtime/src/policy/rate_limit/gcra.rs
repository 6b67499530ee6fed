//! The generic cell rate algorithm (ITU-T I.371, virtual scheduling): one theoretical arrival time.

use hardening_spec::Rate;
use hardening_spec::rules::MAX_BURST_TIME;

use crate::clock::Nanos;

/// The longest time in which a burst may come back, in nanoseconds. Arrival times stay below 2^63 with it, whatever is
/// charged.
pub(super) const MAX_TOLERANCE: Nanos = MAX_BURST_TIME.as_secs() * 1_000_000_000;
const _: () = assert!(MAX_TOLERANCE < 1 << 62);

/// The numbers of one limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gcra {
    /// Nanoseconds that one unit of cost takes, rounded up so that the rate is never exceeded.
    pub(super) emission: Nanos,
    /// The burst in nanoseconds.
    pub(super) tolerance: Nanos,
    /// The burst in units.
    pub(super) burst: u32,
}

/// What the algorithm says of one arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// Admitted.
    Conforms {
        /// The new theoretical arrival time.
        tat: Nanos,
    },
    /// Refused; the state stays as it is.
    Exceeds {
        /// When the same arrival would conform; `None` if it costs more than the burst.
        retry_after: Option<Nanos>,
    },
}

impl Gcra {
    /// No limit.
    pub(super) const OFF: Self = Self { emission: 0, tolerance: Nanos::MAX, burst: u32::MAX };

    /// A limit of `rate` with `burst` units at once. Numbers beyond [`MAX_BURST_TIME`], which the rules refuse wherever they
    /// are written, become a smaller burst: never one that admits more.
    pub fn new(rate: Rate, burst: u32) -> Self {
        let emission = rate.per.as_nanos().div_ceil(u128::from(rate.count.max(1)));
        let emission = u64::try_from(emission).unwrap_or(MAX_TOLERANCE).clamp(1, MAX_TOLERANCE);
        let most = u32::try_from(MAX_TOLERANCE / emission).unwrap_or(u32::MAX);
        let burst = burst.min(most);
        Self { emission, tolerance: emission * u64::from(burst), burst }
    }

    /// Whether nothing is limited.
    pub(super) const fn is_off(&self) -> bool {
        self.emission == 0
    }

    /// The burst in units.
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// What `cost` units add to the theoretical arrival time.
    #[inline(always)]
    pub const fn charge(&self, cost: u32) -> Nanos {
        self.emission.saturating_mul(cost as u64)
    }

    /// Decides about `cost` units arriving at `now`.
    #[inline(always)]
    pub fn decide(&self, tat: Nanos, now: Nanos, cost: u32) -> Arrival {
        let tat = tat.max(now).saturating_add(self.charge(cost));
        let ahead = tat - now;
        if ahead <= self.tolerance {
            Arrival::Conforms { tat }
        } else {
            let retry_after = (cost <= self.burst).then(|| ahead - self.tolerance);
            Arrival::Exceeds { retry_after }
        }
    }

    /// The same, charging what conforms.
    #[inline(always)]
    pub(super) fn charge_at(&self, tat: &mut Nanos, now: Nanos, cost: u32) -> Arrival {
        let arrival = self.decide(*tat, now, cost);
        if let Arrival::Conforms { tat: next } = arrival {
            *tat = next;
        }
        arrival
    }

    /// The new arrival time when one unit conforms at `now`: [`Gcra::decide`] for the most frequent case.
    #[inline(always)]
    pub const fn next_one(&self, tat: Nanos, now: Nanos) -> Option<Nanos> {
        let from = if tat > now { tat } else { now };
        let next = from.saturating_add(self.emission);
        if next - now <= self.tolerance { Some(next) } else { None }
    }

    /// Units that would be admitted at `now`.
    pub fn remaining(&self, tat: Nanos, now: Nanos) -> u32 {
        let left = self.tolerance.saturating_sub(tat.saturating_sub(now)) / self.emission.max(1);
        u32::try_from(left).unwrap_or(self.burst)
    }
}
