//! One `with_…` for each key that an attribute may write, so that a specification reads in a few lines.

use std::time::Duration;

use crate::{
    BulkheadSpec, CacheSpec, CallSpec, CircuitBreakerSpec, CircuitMode, DurationRange, FallbackSpec,
    HedgeSpec, IdempotentSpec, Jitter, MAX_RATE_LIMITS, OnTakeover, Per, Rate, RateLimitSpec, Ratio,
    Refusals, RetrySpec, Window,
};

/// Each line: the method, its argument, and the field that it sets.
macro_rules! builders {
    ($($spec:ident { $($method:ident($value:ident: $type:ty) => $field:ident = $set:expr;)* })*) => {$(
        impl $spec {
            $(
                #[doc = concat!("The same with another `", stringify!($field), "`.")]
                #[must_use]
                pub const fn $method(self, $value: $type) -> Self {
                    Self { $field: $set, ..self }
                }
            )*
        }
    )*};
}

builders! {
    CallSpec {
        with_requires(scope: &'static str) => requires = Some(scope);
        with_timeout(limit: Duration) => timeout = Some(limit);
        with_deadline(limit: Duration) => deadline = Some(limit);
        with_retry(retry: RetrySpec) => retry = Some(retry);
        with_circuit_breaker(breaker: CircuitBreakerSpec) => circuit_breaker = Some(breaker);
        with_idempotent(idempotent: IdempotentSpec) => idempotent = Some(idempotent);
        with_hedged(hedge: HedgeSpec) => hedged = Some(hedge);
        with_cached(cache: CacheSpec) => cached = Some(cache);
        with_bulkhead(bulkhead: BulkheadSpec) => bulkhead = Some(bulkhead);
        with_fallback(fallback: FallbackSpec) => fallback = Some(fallback);
    }
    RetrySpec {
        with_attempts(attempts: u32) => attempts = attempts;
        with_backoff(backoff: DurationRange) => backoff = backoff;
        with_factor(factor: f64) => factor = factor;
        with_jitter(jitter: Jitter) => jitter = jitter;
        with_idempotent(idempotent: bool) => idempotent = idempotent;
        with_narrowed(narrowed: bool) => narrowed = narrowed;
        with_told(told: bool) => told = told;
        with_budget(budget: Option<Ratio>) => budget = budget;
        with_max_duration(limit: Duration) => max_duration = Some(limit);
        with_max_retry_after(limit: Duration) => max_retry_after = limit;
    }
    CircuitBreakerSpec {
        with_failure_rate(rate: Ratio) => failure_rate = rate;
        with_window(window: Window) => window = window;
        with_min_calls(calls: u32) => min_calls = calls;
        with_consecutive(failures: u32) => consecutive = Some(failures);
        with_slow_call(length: Duration) => slow_call = Some(length);
        with_slow_rate(rate: Ratio) => slow_rate = rate;
        with_open_for(range: DurationRange) => open_for = range;
        with_probes(probes: u32) => probes = probes;
        with_probe_timeout(limit: Duration) => probe_timeout = Some(limit);
        with_ramp(length: Duration) => ramp = Some(length);
        with_timeouts(count: bool) => timeouts_count = count;
        with_mode(mode: CircuitMode) => mode = mode;
        with_key(keyed: bool) => keyed = keyed;
        with_max_keys(keys: u32) => max_keys = keys;
    }
    RateLimitSpec {
        with_burst(burst: u32) => burst = Some(burst);
        with_key(keyed: bool) => keyed = keyed;
        with_max_keys(keys: u32) => max_keys = keys;
        with_wait(wait: Duration) => wait = wait;
        with_per(per: Per) => per = per;
        with_cost(cost: u32) => cost = cost;
    }
    BulkheadSpec {
        with_max(max: u32) => max = max;
        with_key(keyed: bool) => keyed = keyed;
        with_max_keys(keys: u32) => max_keys = keys;
        with_queue(queue: u32) => queue = queue;
        with_max_wait(wait: Duration) => max_wait = Some(wait);
    }
    IdempotentSpec {
        with_ttl(ttl: Duration) => ttl = ttl;
        with_max_keys(keys: u32) => max_keys = keys;
        with_max_bytes(bytes: u64) => max_bytes = Some(bytes);
        with_lease(lease: Duration) => lease = Some(lease);
        with_on_takeover(then: OnTakeover) => on_takeover = then;
    }
    HedgeSpec {
        with_max(extra: u32) => max = extra;
        with_budget(budget: Ratio) => budget = budget;
    }
    CacheSpec {
        with_max_entries(entries: u32) => max_entries = entries;
        with_max_bytes(bytes: u64) => max_bytes = Some(bytes);
        with_jitter(jitter: Ratio) => jitter = jitter;
        with_stale_while_revalidate(length: Duration) => stale_while_revalidate = length;
        with_stale_if_error(length: Duration) => stale_if_error = length;
        with_refresh_timeout(limit: Duration) => refresh_timeout = limit;
        with_negative(ttl: Duration) => negative = Some(ttl);
    }
    FallbackSpec {
        with_within(limit: Duration) => within = limit;
        with_on_rejected(kinds: Refusals) => on_rejected = kinds;
    }
}

/// Each unit of time: its name in the methods, and the constructor of a duration.
macro_rules! units {
    ($($unit:ident = $from:ident, $rate:ident;)*) => {
        impl DurationRange {
            $(
                #[doc = concat!("From `from` to `to` ", stringify!($unit), ".")]
                pub const fn $unit(from: u64, to: u64) -> Self {
                    Self::new(Duration::$from(from), Duration::$from(to))
                }
            )*
        }

        impl Window {
            $(
                #[doc = concat!("The last so many ", stringify!($unit), ".")]
                pub const fn $unit(length: u64) -> Self {
                    Self::Time(Duration::$from(length))
                }
            )*
        }

        impl Rate {
            $(
                #[doc = concat!("`count` in each `period` ", stringify!($unit), ".")]
                pub const fn $rate(count: u32, period: u64) -> Self {
                    Self::new(count, Duration::$from(period))
                }
            )*
        }
    };
}

units! {
    secs = from_secs, per_secs;
    millis = from_millis, per_millis;
    micros = from_micros, per_micros;
    nanos = from_nanos, per_nanos;
}

impl CallSpec {
    /// The same with one more rate limit, behind those it has.
    ///
    /// # Panics
    /// When it has [`MAX_RATE_LIMITS`].
    #[must_use]
    pub const fn with_rate_limited(mut self, limit: RateLimitSpec) -> Self {
        let mut at = 0;
        while at < MAX_RATE_LIMITS && self.rate_limits[at].is_some() {
            at += 1;
        }
        self.rate_limits[at] = Some(limit);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_keep_their_order() {
        let limits = [1, 2, 3, 4].map(|count| RateLimitSpec::new(Rate::new(count, Duration::from_secs(1))));
        let spec = limits.into_iter().fold(CallSpec::NONE, CallSpec::with_rate_limited);
        assert_eq!(spec.rate_limits, limits.map(Some));
    }

    #[test]
    fn each_unit_is_its_own() {
        assert_eq!(DurationRange::millis(1, 2), DurationRange::micros(1_000, 2_000));
        assert_eq!(Window::secs(1), Window::Time(Duration::from_secs(1)));
        assert_eq!(Rate::per_nanos(3, 7), Rate::new(3, Duration::from_nanos(7)));
    }

    #[test]
    fn what_is_set_is_set_and_the_rest_is_kept() {
        let retry = RetrySpec::DEFAULT.with_attempts(5).with_idempotent(true);
        let spec = CallSpec::NONE.with_timeout(Duration::from_secs(1)).with_retry(retry);
        assert_eq!(spec.timeout, Some(Duration::from_secs(1)));
        assert_eq!(spec.retry, Some(RetrySpec { attempts: 5, idempotent: true, ..RetrySpec::DEFAULT }));
        assert_eq!((spec.deadline, spec.bulkhead, spec.fallback), (None, None, None));
    }
}
