//! The rules of rate limits.

use std::time::Duration;

use super::Rules;
use crate::units::show;
use crate::{CallSpec, Per, RateLimitSpec};

/// The longest time in which the whole burst of a rate limit may come back: 100 years.
pub const MAX_BURST_TIME: Duration = Duration::from_hours(100 * 365 * 24);

impl Rules<'_> {
    pub(super) fn rate_limited(&mut self, limit: &RateLimitSpec, spec: &CallSpec) {
        let RateLimitSpec { rate, burst, keyed, max_keys, wait, per, cost } = *limit;
        self.error(rate.count == 0, "rate", || "a rate of 0 refuses everything: write at least 1".into());
        self.error(rate.per.is_zero(), "rate", || "a rate's period is longer than zero".into());
        self.error(!rate.per.is_zero() && rate.per.as_nanos() < u128::from(rate.count), "rate", || {
            "a rate above one in a nanosecond limits nothing".into()
        });
        self.error(burst == Some(0), "burst", || "a burst of 0 admits nothing: write at least 1".into());
        self.burst_time(limit);
        let burst = limit.burst();
        self.error(cost > burst && burst > 0, "cost", || {
            format!("a call that costs {cost} never fits a burst of {burst}: write `burst = {cost}` or more")
        });
        self.bound(keyed, max_keys);
        let timeout = spec.timeout.filter(|_| per == Per::Attempt).map(|timeout| (timeout, "timeout"));
        let deadline = spec.deadline.map(|deadline| (deadline, "deadline"));
        let shortest = timeout.into_iter().chain(deadline).min_by_key(|(limit, _)| *limit);
        if let (Some((limit, name)), true) = (shortest, self.known("wait")) {
            self.warning(wait > limit / 2 && !limit.is_zero(), "wait", || {
                let (limit, half) = (show(limit), show(limit / 2));
                format!(
                    "a turn is waited for at most half of the {name} of {limit}, so that the body has the rest: \
                     no wait is longer than {half}"
                )
            });
        }
    }

    /// What a limit holds must fit into the numbers that count it.
    fn burst_time(&mut self, limit: &RateLimitSpec) {
        if limit.rate.count == 0 {
            return;
        }
        // One unit's time is rounded up, as the limiter does.
        let unit = limit.rate.per.as_nanos().div_ceil(u128::from(limit.rate.count));
        let most = MAX_BURST_TIME.as_nanos();
        self.error(unit > most, "rate", || {
            "one unit takes more than 100 years to come back, the longest time that is counted: write a higher rate"
                .into()
        });
        let burst = u128::from(limit.burst());
        self.error(unit <= most && unit * burst > most, "burst", || {
            format!(
                "a burst of {burst} takes more than 100 years to come back, the longest time that is counted: \
                 write a burst of at most {}, or a higher rate",
                most / unit.max(1)
            )
        });
    }
}
