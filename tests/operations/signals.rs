//! Signals to a process.

use tokio::time::Instant;

use crate::client::{get, is_refused};
use crate::process::{Process, Program};
use crate::support::{in_flight, readiness, took, until};

/// A process with long stages, and one request that takes longer than the test does.
async fn patient(stuck: &'static str) -> (Process, tokio::task::JoinHandle<u16>) {
    let service = Program::office("office")
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "9s")
        .with("HARDENING_SHUTDOWN__DRAIN", "9s")
        .serve()
        .await;
    let address = service.addr;
    let request = tokio::spawn(async move { get(address, stuck).await.status });
    readiness(address, 200).await;
    if stuck != "/" {
        in_flight(service.admin_addr, 1).await;
    }
    (service, request)
}

#[tokio::test]
async fn i_64_sigterm_again_goes_on_to_the_drain_and_then_to_the_end() {
    let (service, request) = patient("/stuck").await;
    let began = Instant::now();
    service.signal("TERM");
    readiness(service.addr, 503).await;
    assert!(!is_refused(service.addr).await);
    service.signal("TERM");
    until("refused", || is_refused(service.addr)).await;
    assert!(!request.is_finished());
    service.signal("TERM");
    let end = service.ended().await;
    took(began, 0, 3000);
    assert_eq!((end.code, request.await.unwrap()), (1, 503));
    let last = end.log().pop().unwrap();
    assert_eq!(last["level"], "ERROR");
    assert!(last["still_running"].as_str().unwrap().contains("1 × /stuck"), "{last}");
}

#[tokio::test]
async fn i_64_sigint_has_no_pre_drain_and_still_finishes_what_was_accepted() {
    let (service, request) = patient("/sleep/3000").await;
    let (began, address) = (Instant::now(), service.addr);
    service.signal("INT");
    until("refused", || is_refused(address)).await;
    assert!(!request.is_finished(), "it ends long before the pre-drain would");
    let end = service.ended().await;
    took(began, 0, 9000);
    assert_eq!((end.code, end.complained.as_str(), request.await.unwrap()), (0, "", 200));
    let stages: Vec<_> =
        end.log().iter().filter_map(|line| line["stage"].as_str().map(str::to_owned)).collect();
    assert_eq!(stages, ["Draining", "Hooks", "Done"]);
}

#[tokio::test]
async fn i_64_sigint_ends_the_pre_drain_of_sigterm() {
    let (service, request) = patient("/").await;
    assert_eq!(request.await.unwrap(), 200);
    let began = Instant::now();
    service.signal("TERM");
    readiness(service.addr, 503).await;
    service.signal("INT");
    assert_eq!(service.ended().await.code, 0);
    took(began, 0, 2000);
}

#[tokio::test]
async fn i_66_an_idle_process_ends_with_0_after_its_pre_drain() {
    let service = Program::quickstart()
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "500ms")
        .with("HARDENING_SHUTDOWN__DRAIN", "9s")
        .serve()
        .await;
    let began = Instant::now();
    service.signal("TERM");
    let end = service.ended().await;
    took(began, 500, 5000);
    assert_eq!((end.code, end.complained.as_str()), (0, ""));
    let log = end.log();
    let stages: Vec<_> = log.iter().filter_map(|line| line["stage"].as_str()).collect();
    assert_eq!(stages, ["PreDrain", "Draining", "Hooks", "Done"]);
    assert_eq!(log.last().unwrap()["message"], "stopped");
}

/// A long backoff ends when requests have had all the time they have, and the caller still gets its answer.
#[tokio::test]
async fn calls_in_backoff_end_with_shutting_down() {
    let service = Program::office("office")
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "0s")
        .with("HARDENING_SHUTDOWN__DRAIN", "400ms")
        .serve()
        .await;
    let address = service.addr;
    let waiting = tokio::spawn(async move { get(address, "/calls/patient").await });
    let failed = "\nhardening_attempts_total{call=\"office::patient\",outcome=\"failure\"} 1\n";
    until("in backoff", || async { get(service.admin_addr, "/metrics").await.body.contains(failed) }).await;
    let began = Instant::now();
    service.signal("TERM");
    let reply = waiting.await.unwrap();
    took(began, 400, 1500);
    assert_eq!((reply.status, reply.body.as_str()), (200, "1: shutting_down"));
    let end = service.ended().await;
    assert_eq!(end.code, 1);
    assert!(end.log().pop().unwrap()["still_running"].as_str().unwrap().contains("1 × /calls/{name}"));
}

/// Who is under way finishes; who waits to try again is told when the time for that is over, and nobody tries again.
#[tokio::test]
async fn gap_04_those_in_flight_finish_and_those_in_backoff_are_told() {
    let service = Program::office("office")
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "0s")
        .with("HARDENING_SHUTDOWN__DRAIN", "1500ms")
        .serve()
        .await;
    let address = service.addr;
    let ask = |path: &'static str| tokio::spawn(async move { get(address, path).await });
    let waiting: Vec<_> = (0..3).map(|_| ask("/calls/patient")).collect();
    let running: Vec<_> = (0..5).map(|_| ask("/calls/steady")).collect();
    in_flight(service.admin_addr, 8).await;
    service.signal("TERM");
    for (calls, end) in [(running, ": done"), (waiting, ": shutting_down")] {
        for call in calls {
            let reply = call.await.unwrap();
            assert!(reply.status == 200 && reply.body.ends_with(end), "{reply:?}");
        }
    }
    // Eight bodies began before the signal, and none after it.
    let log = service.ended().await.log();
    assert!(
        !log.iter().any(|line| line["message"].as_str().is_some_and(|text| text.contains("panic"))),
        "{log:#?}"
    );
}
