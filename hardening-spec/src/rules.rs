//! The rules between the numbers of a call, for attributes at compile time and settings at start-up.
//!
//! A rule judges values alone. What was *written* (a missing key, a key without the one it needs) is
//! judged where it was written.

mod begins;
mod kept;
mod limits;
mod odd;

use std::time::Duration;

pub use self::limits::MAX_BURST_TIME;
use crate::units::show;
use crate::{
    AdaptiveSpec, After, BulkheadSpec, CallSpec, CircuitBreakerSpec, DurationRange, HedgeSpec, Ratio,
    RetrySpec, ThrottleSpec, Window,
};

/// The most calls a count window may hold.
pub const MAX_WINDOW_CALLS: u32 = 65_535;
/// The most probes a half-open circuit may admit.
pub const MAX_PROBES: u32 = 255;
/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The combination cannot work: it does not compile, and does not start.
    Error,
    /// It works, but hardly as meant: reported in the manifest, at start-up and by the tools.
    Warning,
}

/// One broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it can work at all.
    pub severity: Severity,
    /// The attribute to change.
    pub policy: &'static str,
    /// Which of several attributes of that name, counted from 0 in written order.
    pub index: usize,
    /// The key to change.
    pub key: &'static str,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// Judges `spec`. `known` says whether the value of a policy's key is what stands in `spec`; an
/// attribute whose duration is a const expression knows it only to the compiler, and the rules that
/// need it are then skipped.
pub fn check(spec: &CallSpec, known: &dyn Fn(&str, &str) -> bool) -> Vec<Finding> {
    let mut rules = Rules { known, policy: "", index: 0, found: Vec::new() };
    rules.limits_of_time(spec);
    rules.odd_limits_of_time(spec);
    if let Some(retry) = &spec.retry {
        rules.of("retry", 0).retry(retry);
        rules.odd_retry(retry);
        rules.last_attempt(spec, retry);
    }
    if let Some(breaker) = &spec.circuit_breaker {
        rules.of("circuit_breaker", 0).circuit_breaker(breaker, spec);
        rules.odd_circuit_breaker(breaker, spec.timeout);
    }
    for (index, limit) in spec.limits() {
        rules.of("rate_limited", index).rate_limited(limit, spec);
    }
    if let Some(bulkhead) = &spec.bulkhead {
        rules.of("bulkhead", 0).bulkhead(bulkhead, spec);
    }
    if let Some(fallback) = &spec.fallback {
        rules.of("fallback", 0).error(
            fallback.within.is_zero() && known("fallback", "within"),
            "within",
            || "a fallback that may take no time never answers: write a duration above 0".into(),
        );
    }
    if let Some(idempotent) = &spec.idempotent {
        rules.of("idempotent", 0).idempotent(idempotent);
    }
    if let Some(hedge) = &spec.hedged {
        rules.of("hedged", 0).hedged(hedge, spec);
        rules.odd_hedged(hedge);
        rules.last_execution(hedge, spec);
    }
    if let Some(cache) = &spec.cached {
        rules.of("cached", 0).cached(cache);
    }
    rules.found
}

struct Rules<'a> {
    known: &'a dyn Fn(&str, &str) -> bool,
    policy: &'static str,
    index: usize,
    found: Vec<Finding>,
}

impl Rules<'_> {
    fn of(&mut self, policy: &'static str, index: usize) -> &mut Self {
        (self.policy, self.index) = (policy, index);
        self
    }

    fn known(&self, key: &str) -> bool {
        (self.known)(self.policy, key)
    }

    fn add(&mut self, severity: Severity, broken: bool, key: &'static str, message: impl FnOnce() -> String) {
        if broken {
            let (policy, index) = (self.policy, self.index);
            self.found.push(Finding { severity, policy, index, key, message: message() });
        }
    }

    fn error(&mut self, broken: bool, key: &'static str, message: impl FnOnce() -> String) {
        self.add(Severity::Error, broken, key, message);
    }

    fn warning(&mut self, broken: bool, key: &'static str, message: impl FnOnce() -> String) {
        self.add(Severity::Warning, broken, key, message);
    }

    fn hedged(&mut self, hedge: &HedgeSpec, spec: &CallSpec) {
        let cut = spec.timeout.map(|timeout| (timeout, "the first is cut"));
        let over = spec.deadline.map(|deadline| (deadline, "the call is over"));
        let shortest = cut.into_iter().chain(over).min_by_key(|(limit, _)| *limit);
        if let (After::Duration(after), Some((limit, ends)), true) =
            (hedge.after, shortest, self.known("after"))
        {
            self.error(after >= limit && !limit.is_zero(), "after", || {
                let (after, limit) = (show(after), show(limit));
                format!(
                    "an extra execution after {after} never begins, since {ends} after {limit}: \
                     write a duration below {limit}"
                )
            });
        }
        self.error(hedge.max == 0, "max", || "0 extra executions are none: write at least 1".into());
        self.share(
            Some(hedge.budget).filter(|_| self.known("budget")),
            "budget",
            "a budget of 0 % forbids every extra execution",
        );
    }

    fn limits_of_time(&mut self, spec: &CallSpec) {
        let zero = |limit: Option<Duration>| limit.is_some_and(|limit| limit.is_zero());
        self.of("timeout", 0).error(zero(spec.timeout), "after", || {
            "a timeout of zero refuses every attempt: write a duration above 0".into()
        });
        self.of("deadline", 0).error(zero(spec.deadline), "after", || {
            "a deadline of zero refuses every call: write a duration above 0".into()
        });
        if let (Some(timeout), Some(deadline)) = (spec.timeout, spec.deadline) {
            self.of("timeout", 0).error(timeout > deadline && !deadline.is_zero(), "after", || {
                let (timeout, deadline) = (show(timeout), show(deadline));
                format!(
                    "one attempt may take {timeout}, the whole call only {deadline}: \
                     the timeout never strikes; write a timeout of at most {deadline}"
                )
            });
        }
    }

    fn retry(&mut self, retry: &RetrySpec) {
        let RetrySpec { attempts, backoff, factor, budget, max_duration, .. } = *retry;
        self.error(attempts == 0, "attempts", || {
            "0 attempts never run the body: `attempts` counts the first one, so write at least 1".into()
        });
        self.warning(attempts == 1, "attempts", || {
            "1 attempt is never repeated: `attempts` counts the first one, so write at least 2".into()
        });
        self.error(factor.is_nan() || factor < 1.0 || factor.is_infinite(), "factor", || {
            format!("a factor of {factor} makes the delays shorter: write at least 1")
        });
        self.share(budget.filter(|_| self.known("budget")), "budget", "a budget of 0 % forbids every retry");
        let known_backoff = self.known("backoff");
        self.range(backoff, "backoff");
        self.warning(known_backoff && backoff.from.is_zero() && !backoff.to.is_zero(), "backoff", || {
            "a backoff that starts at zero never grows: write a first delay above 0".into()
        });
        let Some(most) = max_duration else { return };
        self.error(most.is_zero(), "max_duration", || {
            "a `max_duration` of zero forbids every retry: write a duration above 0".into()
        });
        self.error(known_backoff && !most.is_zero() && most <= backoff.from, "max_duration", || {
            let (most, first) = (show(most), show(backoff.from));
            format!(
                "no attempt starts after {most}, and the first delay is {first}: \
                 no retry could ever run; write a `max_duration` above {first}"
            )
        });
    }

    fn circuit_breaker(&mut self, breaker: &CircuitBreakerSpec, spec: &CallSpec) {
        let CircuitBreakerSpec { failure_rate, window, min_calls, consecutive, slow_call, slow_rate, .. } =
            *breaker;
        self.share(Some(failure_rate), "failure_rate", "a failure rate of 0 % would always be reached");
        self.share(Some(slow_rate), "slow_rate", "a slow rate of 0 % would always be reached");
        self.error(
            slow_call.is_none() && self.known("slow_call") && slow_rate != CircuitBreakerSpec::DEFAULT.slow_rate,
            "slow_rate",
            || "`slow_rate` needs `slow_call`, the duration from which a call is slow: write `slow_call = 1s`".into(),
        );
        self.error(min_calls == 0, "min_calls", || {
            "a share of 0 calls means nothing: write a `min_calls` of at least 1".into()
        });
        if self.known("window") {
            self.window(window, min_calls, spec.timeout);
        }
        self.warning((1..10).contains(&min_calls), "min_calls", || {
            format!("a share of {min_calls} calls is mostly chance: write a `min_calls` of at least 10")
        });
        self.error(consecutive == Some(0), "consecutive", || {
            "0 failures in a row are always reached: write at least 1, or leave `consecutive` out".into()
        });
        self.error(slow_call.is_some_and(|slow| slow.is_zero()), "slow_call", || {
            "from zero on every call is slow: write a duration above 0".into()
        });
        let cut = spec.timeout.into_iter().chain(spec.deadline).min();
        if let (Some(slow), Some(cut)) = (slow_call, cut) {
            self.warning(slow >= cut, "slow_call", || {
                format!("a call is cut after {} and never counted as slow", show(cut))
            });
        }
        self.error(self.known("open_for") && breaker.open_for.from.is_zero(), "open_for", || {
            "a circuit that is open for no time never protects: write a duration above 0".into()
        });
        self.range(breaker.open_for, "open_for");
        self.error(!(1..=MAX_PROBES).contains(&breaker.probes), "probes", || {
            format!("{} probes: write 1 to {MAX_PROBES}", breaker.probes)
        });
        self.bound(breaker.keyed, breaker.max_keys);
        if let Some(ThrottleSpec { multiplier }) = breaker.adaptive {
            self.error(!(multiplier > 1.0 && multiplier <= 100.0), "multiplier", || {
                format!("a multiplier of {multiplier}: write more than 1 and at most 100, such as `2`")
            });
            self.error(matches!(window, Window::Calls(_)), "window", || {
                "an adaptive share looks back on a time: write a duration such as `30s`".into()
            });
        }
        self.error(breaker.probe_timeout.is_some_and(|limit| limit.is_zero()), "probe_timeout", || {
            "a probe that may take no time always fails: write a duration above 0".into()
        });
    }

    fn window(&mut self, window: Window, min_calls: u32, timeout: Option<Duration>) {
        match window {
            Window::Calls(calls) => {
                self.error(!(1..=MAX_WINDOW_CALLS).contains(&calls), "window", || {
                    format!("a window of {calls} calls: write 1 to {MAX_WINDOW_CALLS}")
                });
                self.error(calls > 0 && min_calls > calls, "min_calls", || {
                    format!(
                        "a window of the last {calls} calls never holds {min_calls}, so the circuit never opens: \
                         write a `min_calls` of at most {calls}"
                    )
                });
            }
            Window::Time(length) => {
                self.error(length.is_zero(), "window", || {
                    "a window of zero holds nothing: write a duration above 0".into()
                });
                let Some(timeout) = timeout else { return };
                let least = timeout.saturating_mul(4);
                self.warning(!length.is_zero() && length < least, "window", || {
                    let (length, least) = (show(length), show(least));
                    format!("a window of {length} is shorter than 4 × the timeout: write at least {least}")
                });
            }
        }
    }

    fn bulkhead(&mut self, bulkhead: &BulkheadSpec, spec: &CallSpec) {
        let BulkheadSpec { max, queue, max_wait, adaptive, keyed, max_keys } = *bulkhead;
        self.error(max == 0, "max", || "a bulkhead of 0 admits nothing: write at least 1".into());
        self.bound(keyed, max_keys);
        if let Some(AdaptiveSpec { min, initial }) = adaptive {
            self.error(min == 0, "min", || {
                "a limit of 0 admits nothing and never rises: write at least 1".into()
            });
            self.error(min > max && max > 0, "min", || {
                format!("the lowest limit is {min} and the highest {max}: write a `min` of at most {max}")
            });
            self.error(min <= max && !(min..=max).contains(&initial), "initial", || {
                format!("a limit between {min} and {max} cannot begin with {initial}")
            });
        }
        let Some(wait) = max_wait else { return };
        self.error(queue == 0, "max_wait", || {
            "nobody waits without a queue: write `queue = …` too, or leave `max_wait` out".into()
        });
        self.error(wait.is_zero() && queue > 0, "max_wait", || {
            "a queue in which nobody may wait: write a duration above 0, or leave `queue` out".into()
        });
        let timeout = spec.timeout.map(|timeout| (timeout, "timeout"));
        let deadline = spec.deadline.map(|deadline| (deadline, "deadline"));
        let shortest = timeout.into_iter().chain(deadline).min_by_key(|(limit, _)| *limit);
        let Some((limit, name)) = shortest else { return };
        self.warning(wait > limit / 2, "max_wait", || {
            let (half, limit) = (show(limit / 2), show(limit));
            format!("a call waits for at most half of the {name} of {limit}: write at most {half}")
        });
    }

    /// A bound on keys is above 0, and means nothing without keys.
    fn bound(&mut self, keyed: bool, max_keys: u32) {
        self.error(max_keys == 0, "max_keys", || "0 keys leave nothing to hold: write at least 1".into());
        self.error(!keyed && max_keys != 10_000, "max_keys", || {
            "`max_keys` bounds the values of `key`: write `key = …` too, or leave it out".into()
        });
    }

    /// A share lies above 0 and at most at 100 %.
    fn share(&mut self, share: Option<Ratio>, key: &'static str, zero: &str) {
        let Some(Ratio { millionths }) = share else { return };
        self.error(millionths == 0, key, || format!("{zero}: write a ratio above 0, such as `50%`"));
        self.error(millionths > 1_000_000, key, || "a ratio is at most 100 %".into());
    }

    fn range(&mut self, range: DurationRange, key: &'static str) {
        self.error(self.known(key) && range.from > range.to, key, || {
            format!("the range is reversed: write `{}..{}`", show(range.to), show(range.from))
        });
    }
}

#[cfg(test)]
mod tests;
