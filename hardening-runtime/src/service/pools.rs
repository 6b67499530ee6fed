//! Pools of connections, of whatever kind: their state when metrics are read, and how long somebody waited.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::clock::nanos;
use crate::telemetry::histogram::Histogram;
use crate::telemetry::text::{Family, label};

/// The connections of a pool at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Somebody has them.
    pub in_use: u32,
    /// Open, and nobody has them.
    pub idle: u32,
    /// The most that there may be.
    pub max: u32,
}

/// Takes down how long somebody waited for a connection of one pool.
#[derive(Clone, Debug, Default)]
pub struct PoolWaits(Arc<Histogram>);

impl PoolWaits {
    /// One that waited this long, whether it got a connection or not.
    pub fn record(&self, waited: Duration) {
        self.0.record(nanos(waited));
    }
}

/// One pool of a service.
pub(crate) struct Pool {
    pub(super) name: String,
    pub(super) state: Box<dyn Fn() -> PoolState + Send + Sync>,
    pub(super) waits: PoolWaits,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pool").field(&self.name).finish()
    }
}

/// Writes their metrics. The states of a pool add up to the most that there may be.
pub(super) fn render(pools: &[Pool], out: &mut String) {
    let mut family =
        Family::gauge(out, "db_pool_connections", "Places of a pool of connections by their state.");
    for pool in pools {
        // The program's own code: what it panics with must not take the other metrics away.
        let Ok(PoolState { in_use, idle, max }) = catch_unwind(AssertUnwindSafe(|| (pool.state)())) else {
            continue;
        };
        let unopened = max.saturating_sub(in_use).saturating_sub(idle);
        for (state, count) in [("in_use", in_use), ("idle", idle), ("unopened", unopened)] {
            family.sample(&[("pool", &pool.name), ("state", state)], count);
        }
    }
    let help = "How long somebody waited for a connection of a pool.";
    let mut family = Family::histogram(out, "db_pool_wait_seconds", help);
    for pool in pools {
        family.distribution(&label("pool", &pool.name), &pool.waits.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_shows_its_places_and_its_waits() {
        let waits = PoolWaits::default();
        waits.record(Duration::from_millis(2));
        let full = || PoolState { in_use: 3, idle: 1, max: 10 };
        let pools = [
            Pool { name: "primary".to_owned(), state: Box::new(full), waits },
            Pool { name: "torn".to_owned(), state: Box::new(|| panic!("gone")), waits: PoolWaits::default() },
        ];
        let mut out = String::new();
        render(&pools, &mut out);
        for line in [
            "db_pool_connections{pool=\"primary\",state=\"in_use\"} 3",
            "db_pool_connections{pool=\"primary\",state=\"idle\"} 1",
            "db_pool_connections{pool=\"primary\",state=\"unopened\"} 6",
            "db_pool_wait_seconds_bucket{pool=\"primary\",le=\"0.001\"} 0",
            "db_pool_wait_seconds_bucket{pool=\"primary\",le=\"0.0025\"} 1",
            "db_pool_wait_seconds_count{pool=\"torn\"} 0",
        ] {
            assert!(out.lines().any(|written| written == line), "{line} not in\n{out}");
        }
    }
}
