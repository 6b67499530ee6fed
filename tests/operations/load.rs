//! \[I-63\] Requests under load while a service ends.

use std::time::Duration;

use tokio::time::Instant;

use crate::client::{Load, Tally};
use crate::process::Program;
use crate::support::{in_flight, readiness, start};

/// Nobody was lost; until the end of the pre-drain everybody was served, afterwards nobody.
#[track_caller]
fn judge(tally: &Tally, signalled: Instant, closed: Instant) {
    assert_eq!(tally.lost, Vec::<String>::new());
    assert!(tally.kept > 50, "connections are kept: {}", tally.kept);
    let draining = tally.served.iter().filter(|began| (signalled..closed).contains(*began)).count();
    assert!(draining > 40, "{draining} of {} were served while draining", tally.served.len());
    let (last, first_refused) = (tally.served.last().unwrap(), tally.refused.first().expect("a refusal"));
    assert!(*first_refused >= closed, "refused {:?} too early", closed - *first_refused);
    let late = tally.served.iter().filter(|began| *began > first_refused).count();
    // A connection that was accepted in the same moment is served.
    assert!(*last < *first_refused + Duration::from_millis(50), "{late} were served after a refusal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_a_service_in_the_tests_process_loses_nobody() {
    let mut service = start("[shutdown]\npre_drain = '9s'\ndrain = '9s'").await;
    let load = Load::start(service.addr, "/sleep/15");
    load.serves(100).await;
    let signalled = Instant::now();
    service.terminate();
    readiness(service.admin_addr, 503).await;
    load.serves(60).await;
    let closed = Instant::now();
    // The second word ends the pre-drain.
    service.terminate();
    let report = service.ended().await;
    load.refuses(16).await;
    judge(&load.end().await, signalled, closed);
    assert!(report.is_clean(), "{report:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_the_example_loses_nobody_and_exits_with_0() {
    let service = Program::quickstart()
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "9s")
        .with("HARDENING_SHUTDOWN__DRAIN", "9s")
        .serve()
        .await;
    let load = Load::start(service.addr, "/price/lamp");
    load.serves(100).await;
    let signalled = Instant::now();
    service.signal("TERM");
    readiness(service.admin_addr, 503).await;
    load.serves(60).await;
    let closed = Instant::now();
    service.signal("TERM");
    let end = service.ended().await;
    load.refuses(16).await;
    judge(&load.end().await, signalled, closed);
    assert_eq!((end.code, end.complained.as_str()), (0, ""));
    assert_eq!(end.log().last().unwrap()["message"], "stopped");
}

/// Requests that take longer than the pre-drain are finished in the drain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_63_what_was_accepted_at_the_last_moment_is_finished() {
    let service = start("[shutdown]\npre_drain = '300ms'\ndrain = '5s'").await;
    let load = Load::start(service.addr, "/sleep/700");
    in_flight(service.admin_addr, 8).await;
    let report = service.shutdown().await;
    let tally = load.end().await;
    assert_eq!(tally.lost, Vec::<String>::new());
    assert!(tally.served.len() >= 8 && report.is_clean(), "{report:?}");
}
