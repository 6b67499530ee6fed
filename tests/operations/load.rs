//! \[I-63\] Requests under load while a service ends.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::client::{Load, Tally};
use crate::process::Program;
use crate::support::start;

const PRE_DRAIN: Duration = Duration::from_millis(800);

/// Nobody was lost; until the end of the pre-drain everybody was served, afterwards nobody.
#[track_caller]
fn judge(tally: &Tally, signalled: Instant) {
    let closed = signalled + PRE_DRAIN;
    assert_eq!(tally.lost, Vec::<String>::new());
    assert!(tally.kept > 50, "connections are kept: {}", tally.kept);
    let draining: Vec<_> = tally.served.iter().filter(|began| **began > signalled).collect();
    assert!(draining.len() > 40, "{} of {} were served while draining", draining.len(), tally.served.len());
    let (last, first_refused) = (tally.served.last().unwrap(), tally.refused.first().expect("a refusal"));
    assert!(*first_refused >= closed, "refused {:?} too early", closed - *first_refused);
    assert!(*last + Duration::from_millis(200) > closed, "served until {:?} before the end", closed - *last);
    let late = tally.served.iter().filter(|began| *began > first_refused).count();
    // A connection that was accepted in the same moment is served.
    assert!(*last < *first_refused + Duration::from_millis(50), "{late} were served after a refusal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_a_service_in_the_tests_process_loses_nobody() {
    let service = start("[shutdown]\npre_drain = '800ms'").await;
    let load = Load::start(service.addr, "/sleep/15");
    sleep(Duration::from_millis(600)).await;
    let signalled = Instant::now();
    let report = service.shutdown().await;
    sleep(Duration::from_millis(100)).await;
    judge(&load.end().await, signalled);
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_the_example_loses_nobody_and_exits_with_0() {
    let service = Program::quickstart()
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "800ms")
        .with("HARDENING_SHUTDOWN__DRAIN", "3s")
        .serve()
        .await;
    let load = Load::start(service.addr, "/price/lamp");
    sleep(Duration::from_secs(1)).await;
    let signalled = Instant::now();
    service.signal("TERM");
    let end = service.ended().await;
    sleep(Duration::from_millis(100)).await;
    judge(&load.end().await, signalled);
    assert_eq!((end.code, end.complained.as_str()), (0, ""));
    assert_eq!(end.log().last().unwrap()["message"], "stopped");
}

/// Requests that take longer than the pre-drain are finished in the drain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_what_was_accepted_at_the_last_moment_is_finished() {
    let service = start("[shutdown]\npre_drain = '300ms'\ndrain = '5s'").await;
    let load = Load::start(service.addr, "/sleep/700");
    sleep(Duration::from_millis(200)).await;
    let report = service.shutdown().await;
    let tally = load.end().await;
    assert_eq!(tally.lost, Vec::<String>::new());
    assert!(tally.served.len() >= 8 && report.is_clean(), "{report:?}");
}
