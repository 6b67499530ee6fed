//! When an extra execution is due.

use std::sync::Arc;
use std::time::Duration;

use hardening_cores::policy::budget::Budget;
use hardening_cores::policy::hedge::{Extra, Hedge};
use hardening_spec::{After, HedgeSpec, Ratio};

use super::support::{MILLI, Nanos, SECOND};

const NEVER: Nanos = Nanos::MAX;

fn after(percent: u32) -> HedgeSpec {
    HedgeSpec::new(After::Percentile(Ratio::percent(percent)))
}

fn fixed(nanos: Nanos) -> HedgeSpec {
    HedgeSpec::new(After::Duration(Duration::from_nanos(nanos)))
}

#[test]
fn i_31_a_written_delay_is_that_delay_whatever_is_left() {
    let hedge = Hedge::new(&fixed(7), 0);
    (0..200).for_each(|_| hedge.learn(SECOND, 1));
    assert_eq!((hedge.delay(1, 2), hedge.delay(SECOND, NEVER), hedge.max()), (Some(7), Some(7), 1));
    hedge.tune(Some(&after(50)));
    assert_eq!(hedge.delay(1, NEVER), None, "nothing was learnt while nobody asked");
    assert_eq!(Hedge::new(&fixed(NEVER), 0).delay(0, 9), Some(NEVER - 1), "a delay, however long");
}

#[test]
fn i_31_a_percentile_is_known_from_a_hundred_on_and_read_ten_times_a_second() {
    let hedge = Hedge::new(&after(50), 0);
    let learn = |took, calls| (0..calls).for_each(|_| hedge.learn(took, 0));
    let delay = |now| hedge.delay(now, NEVER).map(|delay| (delay + MILLI / 2) / MILLI);
    learn(20 * MILLI, 99);
    assert_eq!((delay(0), delay(1)), (None, None));
    learn(20 * MILLI, 1);
    assert_eq!((delay(0), delay(50 * MILLI)), (Some(20), Some(20)), "looked at again at once");
    learn(80 * MILLI, 900);
    assert_eq!(delay(100 * MILLI), Some(20));
    assert_eq!((delay(100 * MILLI + 1), delay(100 * MILLI + 2)), (Some(80), Some(80)));
    hedge.tune(Some(&after(5)));
    assert_eq!(delay(100 * MILLI + 3), Some(20), "another percentile is read at once");
    // Never longer than half of what is left, never shorter than a millisecond.
    hedge.tune(Some(&after(99)));
    let left = |left| hedge.delay(SECOND, left);
    assert_eq!([left(100 * MILLI), left(11 * MILLI), left(0)], [50 * MILLI, 5_500_000, MILLI].map(Some));
    let quick = Hedge::new(&after(50), 0);
    (0..100).for_each(|_| quick.learn(2000, 0));
    assert_eq!(quick.delay(1, NEVER), Some(MILLI));
}

#[test]
fn i_31_what_became_of_extra_executions_is_counted() {
    let shared = Arc::new(Budget::of_hedges(Ratio::percent(50), 0));
    let hedge = Hedge::sharing(&HedgeSpec { max: 3, ..fixed(1) }, Arc::clone(&shared), 0);
    assert!(std::ptr::eq(hedge.budget(), &raw const *shared) && hedge.max() == 3);
    for (times, extra) in Extra::ALL.into_iter().enumerate() {
        (0..times + 2).for_each(|_| hedge.count(extra));
    }
    assert_eq!(Extra::ALL.map(|extra| hedge.counted(extra)), [2, 3, 4, 5]);
    assert_eq!(Extra::ALL.map(Extra::name), ["sent", "won", "over_budget", "refused"]);
    hedge.tune(None);
    assert_eq!(hedge.max(), 0);
    hedge.tune(Some(&HedgeSpec { max: 2, ..fixed(1) }));
    assert_eq!(hedge.max(), 2);
}
