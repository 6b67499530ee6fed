//! How long a result is served.

use hardening_spec::CacheSpec;

use crate::clock::{Nanos, nanos};
use crate::tunable::Tunable;

/// The times of a cache.
#[derive(Debug, Default)]
pub struct Times {
    ttl: Tunable,
    /// Millionths of `ttl` by which it is spread.
    jitter: Tunable,
    while_revalidate: Tunable,
    if_error: Tunable,
    refresh_timeout: Tunable,
    /// How long an error is kept; 0 for not at all.
    negative: Tunable,
}

/// How old a result is, as far as anybody cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Served as it is.
    Fresh,
    /// Served, and loaded anew meanwhile.
    Stale,
    /// Served only when loading it anew fails.
    Spare,
    /// Never served.
    Dead,
}

impl Times {
    /// The times of `spec`.
    pub fn new(spec: &CacheSpec) -> Self {
        let times = Self::default();
        times.tune(spec);
        times
    }

    /// Other times from now on. Until when a result is fresh was settled when it came; how long it serves beyond that follows.
    pub fn tune(&self, spec: &CacheSpec) {
        self.ttl.set(nanos(spec.ttl));
        self.jitter.set(spec.jitter.millionths.into());
        self.while_revalidate.set(nanos(spec.stale_while_revalidate));
        self.if_error.set(nanos(spec.stale_if_error));
        self.refresh_timeout.set(nanos(spec.refresh_timeout));
        self.negative.set(spec.negative.map_or(0, nanos));
    }

    /// Until when a result of `now` is fresh; `random` is uniform in 0..1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a spread that is off by a millionth is as good"
    )]
    pub fn fresh_until(&self, now: Nanos, random: f64) -> Nanos {
        let share = f64::from(self.jitter.count()) / 1_000_000.0 * random;
        // Spread downwards alone: nothing is older than `ttl` says.
        let early = (self.ttl.get() as f64 * share) as Nanos;
        now.saturating_add(self.ttl.get().saturating_sub(early))
    }

    /// Until when an error of `now` is kept.
    pub fn error_until(&self, now: Nanos) -> Nanos {
        now.saturating_add(self.negative.get())
    }

    /// The age of a result that was fresh until then.
    #[inline]
    pub fn age(&self, fresh_until: Nanos, now: Nanos) -> Age {
        if now < fresh_until {
            return Age::Fresh;
        }
        let past = now - fresh_until;
        if past < self.while_revalidate.get() {
            Age::Stale
        } else if past < self.if_error.get() {
            Age::Spare
        } else {
            Age::Dead
        }
    }

    /// Whether a refresh that began then would have ended by itself, if it was polled.
    pub fn refresh_is_lost(&self, began: Nanos, now: Nanos) -> bool {
        // Its time begins with its first poll, which may come a little later.
        now.saturating_sub(began) > self.refresh_timeout.get().saturating_mul(2)
    }

    /// Whether a result that was fresh until then may stand in for a load that failed.
    pub fn spares(&self, fresh_until: Nanos, now: Nanos) -> bool {
        now < fresh_until.saturating_add(self.if_error.get())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn i_60_nothing_older_than_its_times_is_served() {
        let spec = CacheSpec {
            stale_while_revalidate: Duration::from_nanos(10),
            stale_if_error: Duration::from_nanos(30),
            ..CacheSpec::new(Duration::from_nanos(100))
        };
        let times = Times::new(&spec);
        for random in [0.0, 0.3, 0.999] {
            let until = times.fresh_until(1000, random);
            assert!((1095..=1100).contains(&until), "{until}");
            for (now, age) in [
                (until - 1, Age::Fresh),
                (until, Age::Stale),
                (until + 9, Age::Stale),
                (until + 10, Age::Spare),
                (until + 29, Age::Spare),
                (until + 30, Age::Dead),
            ] {
                assert_eq!(times.age(until, now), age, "{now}");
                assert_eq!(times.spares(until, now), age != Age::Dead, "{now}");
            }
        }
    }
}
