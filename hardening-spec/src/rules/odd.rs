//! The rules on numbers that work, but hardly as meant, and on numbers of keys that came later.

use std::time::Duration;

use super::Rules;
use crate::units::show;
use crate::{CallSpec, CircuitBreakerSpec, HedgeSpec, Jitter, RetrySpec, Window};

/// Below this a busy moment of the process is longer than what it limits.
const SHORTEST_LIMIT: Duration = Duration::from_millis(10);
/// Below this a circuit breaker sees a moment, not a dependency.
const SHORTEST_LOOK: Duration = Duration::from_millis(500);
/// Nobody waits longer than this for an answer.
const LONGEST_BACKOFF: Duration = Duration::from_hours(24);
/// More extra executions than this are a load test.
const MOST_HEDGES: u32 = 10;

impl Rules<'_> {
    pub(super) fn odd_limits_of_time(&mut self, spec: &CallSpec) {
        for (policy, limit) in [("timeout", spec.timeout), ("deadline", spec.deadline)] {
            let Some(limit) = limit.filter(|limit| !limit.is_zero()) else { continue };
            self.of(policy, 0).warning(limit < SHORTEST_LIMIT, "after", || {
                let limit = show(limit);
                format!(
                    "a busy process is held up for longer than {limit} at times, and then nothing is in time: \
                     write at least {}",
                    show(SHORTEST_LIMIT)
                )
            });
        }
    }

    pub(super) fn odd_retry(&mut self, retry: &RetrySpec) {
        let RetrySpec { backoff, factor, jitter, max_retry_after, .. } = *retry;
        let known = self.known("backoff");
        self.warning(known && backoff.from.max(backoff.to) > LONGEST_BACKOFF, "backoff", || {
            let longest = show(backoff.from.max(backoff.to));
            format!("nobody waits {longest} for a second attempt: write at most {}", show(LONGEST_BACKOFF))
        });
        let grows = (factor - RetrySpec::DEFAULT.factor).abs() > f64::EPSILON;
        self.warning(grows && known && backoff.from == backoff.to, "factor", || {
            format!(
                "a constant backoff of {0} does not grow: write a range such as `{0}..2s`",
                show(backoff.from)
            )
        });
        self.warning(grows && jitter == Jitter::Decorrelated, "factor", || {
            "`jitter = decorrelated` grows from the delay before and knows no factor: leave `factor` out"
                .into()
        });
        self.error(max_retry_after.is_zero() && self.known("max_retry_after"), "max_retry_after", || {
            "a `max_retry_after` of zero gives up whenever the other side asks for a delay: write a duration above 0".into()
        });
    }

    pub(super) fn odd_circuit_breaker(&mut self, breaker: &CircuitBreakerSpec, timeout: Option<Duration>) {
        let short = |length: Duration| !length.is_zero() && length < SHORTEST_LOOK;
        let least = show(SHORTEST_LOOK);
        if let Window::Time(window) = breaker.window {
            self.warning(short(window) && self.known("window"), "window", || {
                format!(
                    "a window of {} holds hardly any calls and forgets a failure at once: write at least {least}",
                    show(window)
                )
            });
        }
        self.warning(short(breaker.open_for.from) && self.known("open_for"), "open_for", || {
            let open = show(breaker.open_for.from);
            format!("a dependency that fails is asked again after {open}, before it can recover: write at least {least}")
        });
        self.error(breaker.ramp.is_some_and(|ramp| ramp.is_zero()), "ramp", || {
            "a ramp of no time admits everything at once: write a duration above 0, or leave `ramp` out"
                .into()
        });
        if let (Some(probe), Some(timeout)) = (breaker.probe_timeout, timeout) {
            self.warning(probe > timeout, "probe_timeout", || {
                let (probe, timeout) = (show(probe), show(timeout));
                format!("a probe is cut after {timeout}, so {probe} are never over: write at most {timeout}, or leave it out")
            });
        }
    }

    pub(super) fn odd_hedged(&mut self, hedge: &HedgeSpec) {
        self.warning(hedge.max > MOST_HEDGES, "max", || {
            let max = hedge.max;
            format!(
                "a slow call is begun {max} times more, and each of them is load: write at most {MOST_HEDGES}"
            )
        });
    }
}
