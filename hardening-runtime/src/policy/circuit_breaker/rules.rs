//! The numbers of a breaker, shared by the circuits of one call's keys.

use std::time::Duration;

use hardening_spec::{CircuitBreakerSpec, Ratio};

use super::transitions::Transitions;
use super::window::Counts;
use super::word::Mode;
use crate::clock::{Nanos, nanos};
use crate::tunable::Tunable;

/// All calls, in millionths.
pub(super) const ALL: u64 = 1_000_000;
/// The share that is admitted first after closing.
pub(super) const LEAST: u64 = ALL / 10;

/// What opens a circuit, for how long, and what closes it again.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) name: &'static str,
    failure_rate: Tunable,
    min_calls: Tunable,
    /// 0 for none.
    consecutive: Tunable,
    /// [`Nanos::MAX`] for none.
    pub(super) slow_call: Tunable,
    slow_rate: Tunable,
    open_from: Tunable,
    open_to: Tunable,
    probes: Tunable,
    pub(super) probe_timeout: Tunable,
    /// Whether a probe that is called off after its time has failed; not where timeouts are none of the dependency's business.
    lateness_counts: Tunable,
    /// 0 for none.
    pub(super) ramp: Tunable,
    /// The mode that attributes or settings give, as a number.
    pub(super) mode: Tunable,
    pub(super) transitions: Transitions,
}

impl Rules {
    pub(super) fn new(name: &'static str, spec: &CircuitBreakerSpec, timeout: Option<Duration>) -> Self {
        let rules = Self {
            name,
            failure_rate: Tunable::default(),
            min_calls: Tunable::default(),
            consecutive: Tunable::default(),
            slow_call: Tunable::default(),
            slow_rate: Tunable::default(),
            open_from: Tunable::default(),
            open_to: Tunable::default(),
            probes: Tunable::default(),
            probe_timeout: Tunable::default(),
            lateness_counts: Tunable::default(),
            ramp: Tunable::default(),
            mode: Tunable::new(Mode::Automatic as u64),
            transitions: Transitions::default(),
        };
        rules.tune(spec, timeout);
        rules
    }

    /// Puts other numbers in force.
    pub(super) fn tune(&self, spec: &CircuitBreakerSpec, timeout: Option<Duration>) {
        self.failure_rate.set(spec.failure_rate.millionths.into());
        self.min_calls.set(spec.min_calls.into());
        self.consecutive.set(spec.consecutive.unwrap_or(0).into());
        self.slow_call.set(spec.slow_call.map_or(Nanos::MAX, nanos));
        self.slow_rate.set(spec.slow_rate.millionths.into());
        self.open_from.set(nanos(spec.open_for.from));
        self.open_to.set(nanos(spec.open_for.to));
        self.probes.set(spec.probes.into());
        let probe_timeout = spec.probe_timeout.or(timeout).unwrap_or(Duration::from_secs(10));
        self.probe_timeout.set(nanos(probe_timeout));
        self.lateness_counts.set(spec.timeouts_count.into());
        self.ramp.set(spec.ramp.map_or(0, nanos));
    }

    /// Whether so many failures in a row open the circuit.
    pub(super) fn trips_in_a_row(&self, streak: u32) -> bool {
        let limit = self.consecutive.count();
        limit > 0 && streak >= limit
    }

    /// Whether what the window holds opens the circuit.
    #[inline]
    pub(super) fn trips(&self, counts: Counts) -> bool {
        let reached = |rate: Ratio, part| rate.reached_by(part, counts.calls);
        counts.calls >= self.min_calls.get()
            && (reached(self.failure_rate.ratio(), counts.failed)
                || (self.slow_call.get() != Nanos::MAX && reached(self.slow_rate.ratio(), counts.slow)))
    }

    /// Whether a probe of which nothing is known has failed when its time is over.
    pub(super) fn lateness_counts(&self) -> bool {
        self.lateness_counts.get() != 0
    }

    /// Whether calls in flight may be slow.
    pub(super) fn watches(&self) -> bool {
        self.slow_call.get() != Nanos::MAX
    }

    /// The share of the calls that is admitted so long after closing, in millionths; `None` once it is all of them.
    pub(super) fn share(&self, since: Nanos) -> Option<u64> {
        let ramp = self.ramp.get();
        let grown = (since < ramp).then(|| u128::from(ALL - LEAST) * u128::from(since) / u128::from(ramp))?;
        // At most a million.
        Some(LEAST + grown as u64)
    }

    /// How long the first opening lasts.
    pub(super) fn first_period(&self) -> Nanos {
        self.open_from.get()
    }

    /// How long any opening may last.
    pub(super) fn longest_period(&self) -> Nanos {
        self.open_to.get()
    }

    /// How long the opening after `opens` others in a row lasts; `random` is uniform in 0..1.
    pub(super) fn open_period(&self, opens: u8, random: f64) -> Nanos {
        let (from, to) = (self.open_from.get(), self.open_to.get());
        if from == to {
            return from;
        }
        let doubled =
            from.checked_shl(u32::from(opens)).filter(|period| period >> opens == from).unwrap_or(to);
        let middle = doubled.min(to) as f64;
        // Within what is written: at either end the spread is towards the other.
        let (least, most) = ((middle * 0.8).max(from as f64), (middle * 1.2).min(to as f64));
        // Between two positive numbers of nanoseconds.
        #[allow(clippy::cast_sign_loss)]
        let period = (least + (most - least) * random) as Nanos;
        period.max(from).min(to)
    }

    /// The mode that attributes or settings give.
    pub(super) fn mode(&self) -> Mode {
        // One of four.
        Mode::of(self.mode.get() as u8)
    }

    /// Calls admitted half-open.
    pub(super) fn probes(&self) -> u8 {
        u8::try_from(self.probes.get()).unwrap_or(u8::MAX)
    }
}
