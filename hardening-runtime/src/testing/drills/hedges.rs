//! Executions side by side.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use hardening_spec::units::brief;
use hardening_spec::{After, HedgeSpec, Per};
use tokio::time::{Instant, sleep, timeout};

use super::super::drill::{allowed, begin, charges};
use super::{Drill, Kept, TICK, that};
use crate::Rejected;
use crate::policy::hedge::ENOUGH;
use crate::site::Site;

/// How long a body takes, none for one that hangs.
type Takes = Option<Duration>;

/// What a call's executions did.
#[derive(Default)]
struct Executions {
    begun: Cell<u32>,
    inside: Cell<u32>,
}

struct Inside<'e>(&'e Executions);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.inside.set(self.0.inside.get() - 1);
    }
}

impl Executions {
    /// One execution, which answers with its number.
    async fn run(&self, first: Takes, others: Takes) -> Result<u32, Rejected> {
        let number = self.begun.get() + 1;
        self.begun.set(number);
        self.inside.set(self.inside.get() + 1);
        let _inside = Inside(self);
        match if number == 1 { first } else { others } {
            Some(Duration::ZERO) => {}
            Some(takes) => sleep(takes).await,
            None => std::future::pending().await,
        }
        Ok(number)
    }
}

/// Calls `site` once, as the expansion of `#[hedged]` would.
async fn call(
    site: &'static Site,
    key: u64,
    executions: &Executions,
    (first, others): (Takes, Takes),
) -> Result<u32, Rejected> {
    let charges = charges(site.declared(), key);
    let mut call = begin(site, &charges);
    if call.must_wait_for_turn() {
        call.wait_for_turn().await;
    }
    let begin = || executions.run(first, others);
    let (outcome, rest) = call.run_hedged(pin!(begin()), begin).await;
    let outcome = if rest.is_over() { outcome } else { call.run_others(rest, outcome).await };
    let settled = call.settle_only_attempt(outcome);
    call.finish_call(settled)
}

impl Drill<'_> {
    /// How long bodies take from which a percentile is learnt: they end well before they are cut, and so may the second
    /// execution of one that does not.
    fn usual(&self) -> Duration {
        let limits = [self.spec.timeout, self.spec.deadline];
        let limit = limits.into_iter().flatten().min().unwrap_or(Duration::MAX);
        (limit / 4).min(TICK * 5)
    }

    /// Why no second execution can ever begin, or none in a drill.
    pub(super) fn no_room_for_two(&self, hedge: &HedgeSpec) -> Option<&'static str> {
        let one_place = self.spec.bulkhead.is_some_and(|bulkhead| bulkhead.max < 2);
        let mut attempts = self.spec.limits().filter(|(_, limit)| limit.per == Per::Attempt);
        if one_place {
            Some("its bulkhead has one place")
        } else if attempts.any(|(_, limit)| limit.burst() < 2) {
            Some("its limit admits one attempt at once")
        } else if matches!(hedge.after, After::Percentile(_)) && self.usual() < TICK / 2 {
            Some("its time is too short to learn from")
        } else {
            None
        }
    }

    /// One call with every limit full and the circuit closed.
    async fn hedge(&self, executions: &Executions, takes: (Takes, Takes)) -> Result<u32, Rejected> {
        self.site.state().reset_limits();
        self.site.state().reset_circuits();
        allowed(self.site, call(self.site, self.key, executions, takes)).await
    }

    pub(super) async fn hedged(&mut self, hedge: &HedgeSpec) -> Kept {
        const SLOW: u32 = 200;
        self.key += 1;
        let mut calls = 0;
        let after = match hedge.after {
            After::Duration(after) => after,
            // What most calls take has to be learnt first.
            After::Percentile(_) => {
                let usual = self.usual();
                for _ in 0..ENOUGH {
                    let _ = self.hedge(&Executions::default(), (Some(usual), Some(usual))).await;
                    calls += 1;
                }
                usual * 2
            }
        };
        let executions = Executions::default();
        let began = Instant::now();
        let hanging = self.hedge(&executions, (None, Some(Duration::ZERO)));
        let result = timeout(after + Duration::from_hours(1), hanging).await;
        let took = began.elapsed();
        let begun = executions.begun.get();
        that(matches!(result, Ok(Ok(2))) && begun == 2, || {
            format!("a body that hangs had {begun} executions and ended with {result:?}")
        })?;
        that(took <= after + TICK, || format!("the second execution began after {}", brief(took)))?;
        that(executions.inside.get() == 0, || "the execution that lost went on".to_owned())?;
        let mut extra = 1;
        let slow = Some(after + TICK * 5);
        for _ in 0..SLOW {
            let executions = Executions::default();
            let _ = self.hedge(&executions, (slow, slow)).await;
            extra += u64::from(executions.begun.get().saturating_sub(1));
        }
        calls += 1 + u64::from(SLOW);
        // One is free, and of a budget that retries share thirty in ten seconds.
        let windows = began.elapsed().as_secs() / 10 + 2;
        let free = if self.site.state().shares_budget { 30 * windows } else { 1 };
        let most = calls * u64::from(hedge.budget.millionths) / 1_000_000 + free;
        that(extra <= most, || format!("{calls} slow calls had {extra} extra executions, not {most} at most"))
    }
}
