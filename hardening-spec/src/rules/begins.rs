//! The rules on attempts and executions that can never begin.

use std::time::Duration;

use super::Rules;
use crate::units::show;
use crate::{After, CallSpec, HedgeSpec, Jitter, Per, RateLimitSpec, RetrySpec};

impl Rules<'_> {
    pub(super) fn last_attempt(&mut self, spec: &CallSpec, retry: &RetrySpec) {
        if retry.attempts < 2 {
            return;
        }
        // That `max_duration` ends the attempts sooner is what it is for.
        let Some(deadline) = spec.deadline.filter(|deadline| !deadline.is_zero()) else { return };
        self.last_attempt_by_limits(spec, retry, deadline);
        // What was refused by a limit is repeated when that has room, and whoever is told another delay follows that.
        let by_backoff =
            self.known("backoff") && !retry.told && (retry.narrowed || !self.charges_attempts(spec));
        let least = if by_backoff { shortest_first_delay(retry) } else { Duration::ZERO };
        if self.second_attempt_never_fits(spec, least)
            || by_backoff && self.last_attempt_by_backoff(spec, retry, deadline)
        {
            return;
        }
        self.last_attempts_may_not_fit(spec, retry);
    }

    /// Whether a limit charges attempts. The numbers of one that is shared may not be known.
    fn charges_attempts(&self, spec: &CallSpec) -> bool {
        spec.limits().any(|(_, limit)| limit.per == Per::Attempt) || !(self.known)("rate_limited", "rate")
    }

    /// Judges the attempts by the shortest delays between them; answers whether it has found something.
    fn last_attempt_by_backoff(&mut self, spec: &CallSpec, retry: &RetrySpec, deadline: Duration) -> bool {
        let (last, next) = last_before(retry, deadline);
        if last >= retry.attempts {
            return false;
        }
        let (deadline, next) = (show(deadline), show(next));
        if last > 1 {
            let attempts = retry.attempts;
            self.warning(true, "attempts", || {
                format!(
                    "attempt {last} of {attempts} is the last that can begin: the delays before the next one take at least {next}, \
                     and the deadline is {deadline}; write a shorter backoff, or `attempts = {last}`"
                )
            });
            return true;
        }
        // Otherwise the rule that counts the timeout has found it.
        let alone = spec.timeout.is_none();
        self.error(alone, "backoff", || {
            format!(
                "no second attempt can ever begin: the first delay is at least {next}, and the deadline is {deadline}; write a \
                 shorter first delay"
            )
        });
        alone
    }

    /// Judges the attempts by the turns that each limit has for one call within the time.
    fn last_attempt_by_limits(&mut self, spec: &CallSpec, retry: &RetrySpec, deadline: Duration) {
        for (_, charged) in spec.limits().filter(|(_, charged)| charged.per == Per::Attempt) {
            let Some(interval) = interval(charged) else { continue };
            // Of a limit that nobody else uses: the burst, and what comes back before the time is over.
            let units = u128::from(charged.burst()) + (deadline.as_nanos() - 1) / interval;
            let turns = units / u128::from(charged.cost.max(1));
            let attempts = retry.attempts;
            self.warning(turns > 0 && turns < u128::from(attempts), "attempts", || {
                format!(
                    "attempt {turns} of {attempts} is the last that can begin: each takes a turn of the limit per attempt, which has \
                     no more than {turns} for one call within the deadline of {}; write `attempts = {turns}`, or a larger burst",
                    show(deadline)
                )
            });
        }
    }

    /// Judges two attempts by the time that they take together.
    fn second_attempt_never_fits(&mut self, spec: &CallSpec, least: Duration) -> bool {
        let Some((timeout, deadline)) = self.times(spec) else { return false };
        let two = timeout.saturating_mul(2).saturating_add(least);
        let never = two > deadline;
        self.error(never, "attempts", || {
            let (timeout, half) = (show(timeout), show(deadline.saturating_sub(least) / 2));
            format!(
                "a second attempt can never fit: timeout {timeout} + backoff of at least {} + timeout {timeout} = {}, \
                 and the deadline is {}; write a timeout of at most {half}",
                show(least),
                show(two),
                show(deadline),
            )
        });
        never
    }

    /// Judges all attempts by the time that they may take together.
    fn last_attempts_may_not_fit(&mut self, spec: &CallSpec, retry: &RetrySpec) {
        let Some((timeout, deadline)) = self.times(spec) else { return };
        let waits = longest_delays(retry);
        let all = timeout.saturating_mul(retry.attempts).saturating_add(waits);
        self.warning(all > deadline, "attempts", || {
            format!(
                "the last attempts may not fit: {} × timeout {} + backoffs of up to {} = {}, and the deadline is {}",
                retry.attempts,
                show(timeout),
                show(waits),
                show(all),
                show(deadline),
            )
        });
    }

    /// The times of an attempt and of all, where both are limited and the backoff between them is known.
    fn times(&self, spec: &CallSpec) -> Option<(Duration, Duration)> {
        let times = spec.timeout.zip(spec.deadline)?;
        (self.known("backoff") && times.0 <= times.1).then_some(times)
    }

    pub(super) fn last_execution(&mut self, hedge: &HedgeSpec, spec: &CallSpec) {
        let alone = spec.bulkhead.is_some_and(|bulkhead| bulkhead.max == 1);
        self.warning(alone, "max", || {
            "an extra execution needs a place of its own in the bulkhead, which has 1: none ever begins; write a bulkhead of \
             more places"
                .into()
        });
        let cut = spec.timeout.map(|timeout| (timeout, "the first is cut"));
        let over = spec.deadline.map(|deadline| (deadline, "the call is over"));
        let shortest = cut.into_iter().chain(over).min_by_key(|(limit, _)| *limit);
        let after = match hedge.after {
            After::Duration(after) if self.known("after") => Some(after),
            After::Duration(_) => None,
            // It gives less than the time that is left.
            After::Percentile(_) => shortest.map(|(limit, _)| limit),
        };
        let Some(after) = after else { return };
        self.last_execution_by_limits(hedge, after, spec);
        let in_time = |limit| after < limit && !after.is_zero();
        let Some((limit, ends)) = shortest.filter(|(limit, _)| in_time(*limit)) else { return };
        let fits = (limit.as_nanos() - 1) / after.as_nanos();
        self.warning(u128::from(hedge.max) > fits, "max", || {
            let (max, all, limit) = (hedge.max, show(after.saturating_mul(hedge.max)), show(limit));
            format!(
                "the last of {max} extra executions would begin after {all}, and {ends} after {limit}: \
                 unless others fail, no more than {fits} begin"
            )
        });
    }

    /// Judges the extra executions by the turns that each limit has for them: one that is refused is the last.
    fn last_execution_by_limits(&mut self, hedge: &HedgeSpec, after: Duration, spec: &CallSpec) {
        for (_, charged) in spec.limits().filter(|(_, charged)| charged.per == Per::Attempt) {
            let Some(interval) = interval(charged) else { continue };
            let (cost, burst) = (u128::from(charged.cost), u128::from(charged.burst()));
            // What each of them takes beyond what has come back when it is due; the burst pays for it, after the first execution.
            let Some(takes) = (interval * cost).checked_sub(after.as_nanos()).filter(|takes| *takes > 0)
            else {
                continue;
            };
            let fits = interval * burst.saturating_sub(cost) / takes;
            self.warning(cost <= burst && fits < u128::from(hedge.max), "max", || {
                let begin = if fits == 0 { "none ever begins".into() } else { format!("no more than {fits} begin") };
                format!(
                    "each extra execution takes a turn of its own of the limit per attempt, at once or not at all, and of a burst of \
                     {burst} too little is back by then: {begin}; write a larger burst"
                )
            });
        }
    }
}

/// The time in which one unit of a limit comes back.
fn interval(limit: &RateLimitSpec) -> Option<u128> {
    let interval = limit.rate.per.as_nanos().checked_div(u128::from(limit.rate.count))?;
    (interval > 0).then_some(interval)
}

/// The least that can pass between the first attempt and the second.
fn shortest_first_delay(retry: &RetrySpec) -> Duration {
    match retry.jitter {
        Jitter::Full => Duration::ZERO,
        Jitter::Equal => retry.backoff.from / 2,
        Jitter::Decorrelated | Jitter::None => retry.backoff.from,
    }
}

/// The last attempt that can begin before the deadline, and the least after which the next one would; of the attempts that there are.
#[allow(clippy::cast_sign_loss, reason = "a factor below 1 is another rule's, and nothing grows by it")]
fn last_before(retry: &RetrySpec, deadline: Duration) -> (u32, Duration) {
    let limit = deadline.as_nanos();
    let mut delay = shortest_first_delay(retry).as_nanos();
    let cap = match retry.jitter {
        Jitter::Equal => retry.backoff.to.as_nanos() / 2,
        Jitter::None => retry.backoff.to.as_nanos(),
        // The shortest of these do not grow.
        Jitter::Full | Jitter::Decorrelated => delay,
    };
    if delay == 0 {
        return (retry.attempts, Duration::ZERO);
    }
    let (mut last, mut begins) = (1, delay);
    while last < retry.attempts && begins < limit {
        let next = ((delay as f64 * retry.factor) as u128).min(cap);
        if next <= delay {
            // What no longer grows need not be counted one by one.
            let rest = retry.attempts - last;
            let more = (limit - begins).div_ceil(delay).min(u128::from(rest));
            last += u32::try_from(more).unwrap_or(rest);
            begins += more * delay;
            break;
        }
        delay = next;
        last += 1;
        begins += delay;
    }
    (last, rounded(Duration::from_nanos_u128(begins).as_secs_f64()))
}

/// The most that all delays can take together.
fn longest_delays(retry: &RetrySpec) -> Duration {
    let (cap, factor) = (retry.backoff.to.as_secs_f64(), retry.factor);
    let growth = if retry.jitter == Jitter::Decorrelated { 3.0 } else { factor };
    let mut delay = retry.backoff.from.as_secs_f64();
    let mut sum = 0.0;
    for done in 1..retry.attempts {
        // What no longer grows need not be counted one by one.
        let next = (delay * growth).min(cap);
        if next <= delay || delay >= cap {
            sum += delay.min(cap) * f64::from(retry.attempts - done);
            break;
        }
        sum += delay;
        delay = next;
    }
    rounded(sum)
}

/// To the microsecond, so that messages show the numbers that were written.
fn rounded(seconds: f64) -> Duration {
    Duration::try_from_secs_f64((seconds * 1e6).round() / 1e6).unwrap_or(Duration::MAX)
}
