//! Tasks from the start to the end.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::app::Deeds;
use crate::client::{get, try_get};
use crate::process::Program;
use crate::support::{metric, start, until};

/// Asks on a connection of its own, and waits until it is being answered.
async fn asked(
    address: std::net::SocketAddr,
    admin: std::net::SocketAddr,
    path: &'static str,
) -> tokio::task::JoinHandle<()> {
    let asking = tokio::spawn(async move { drop(try_get(address, path).await) });
    metric(admin, "http_requests_in_flight 1").await;
    asking
}

#[tokio::test]
async fn tasks_end_by_their_order_after_requests_and_before_hooks() {
    let (service, journal) = start(Deeds::default(), "").await.unwrap();
    let request = asked(service.addr, service.admin_addr, "/sleep/300").await;
    let report = service.shutdown().await;
    request.await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let mut entries = journal.noted();
    entries.retain(|entry| entry != "flaky begins");
    assert_eq!(entries, ["consumer drains", "answered", "consumer ends", "relay ends", "hook"]);
}

#[tokio::test]
async fn a_task_that_ignores_the_stop_is_named_and_cut_and_the_others_have_their_turn() {
    let deeds = Deeds { stubborn: true, ..Deeds::default() };
    let (service, journal) = start(deeds, "shutdown.tasks = '600ms'").await.unwrap();
    let began = Instant::now();
    let report = service.shutdown().await;
    assert_eq!(report.still_running, ["task stubborn"]);
    assert_eq!(report.failed, Vec::<String>::new());
    assert!(began.elapsed() >= Duration::from_millis(500), "it had its time: {:?}", began.elapsed());
    let entries = journal.noted();
    assert!(entries.ends_with(&["relay ends".to_owned(), "hook".to_owned()]), "{entries:?}");
}

#[tokio::test]
async fn a_task_that_fails_while_it_is_stopped_makes_the_end_a_failure() {
    let (service, _) = start(Deeds { fails: true, ..Deeds::default() }, "").await.unwrap();
    let report = service.shutdown().await;
    assert_eq!(report.failed, ["task relay: cannot flush with password=[redacted]"]);
}

#[tokio::test]
async fn a_task_that_panics_begins_again_and_is_counted() {
    let (service, journal) = start(Deeds { panics: 3, ..Deeds::default() }, "").await.unwrap();
    let admin = service.admin_addr;
    metric(admin, "background_task_restarts_total{task=\"flaky\",reason=\"panic\"} 3").await;
    let runs = || journal.noted().iter().filter(|entry| *entry == "flaky begins").count();
    until("its last run", || async { runs() == 4 }).await;
    metric(admin, "background_task_up{task=\"flaky\"} 1").await;
    let listed = || async {
        let told: Value = serde_json::from_str(&get(admin, "/readyz?verbose").await.body).unwrap();
        told["tasks"].as_array().unwrap().iter().find(|task| task["name"] == "flaky").cloned().unwrap()
    };
    until("done", || async { listed().await["state"] == "done" }).await;
    let flaky = listed().await;
    assert_eq!((&flaky["up"], &flaky["restarts"]), (&true.into(), &3.into()), "{flaky}");
    assert_eq!(flaky["error"], "no connection with password=[redacted]");
    let public = get(service.addr, "/readyz?verbose").await.body;
    assert!(public.contains("flaky") && !public.contains("no connection"), "{public}");
    assert!(service.shutdown().await.is_clean());
}

#[tokio::test]
async fn what_is_still_running_is_told_while_the_service_ends() {
    let service = Program::office("lingering")
        .with("STUBBORN", "yes")
        .with("HARDENING_SHUTDOWN__PRE_DRAIN", "0s")
        .with("HARDENING_SHUTDOWN__DRAIN", "20s")
        .with("HARDENING_SHUTDOWN__TASKS", "20s")
        .with("HARDENING_SHUTDOWN__HOOKS", "20s")
        .with("HARDENING_SHUTDOWN__GRACE", "90s")
        .serve()
        .await;
    let admin = service.admin_addr;
    metric(admin, "shutdown_stage{stage=\"serving\"} 1").await;
    assert!(!get(admin, "/metrics").await.body.contains("shutdown_still_running"));
    let request = asked(service.addr, admin, "/stuck").await;
    service.signal("TERM");
    metric(admin, "shutdown_stage{stage=\"draining\"} 1").await;
    for what in ["/stuck", "call stuck", "task stubborn", "task relay"] {
        metric(admin, &format!("shutdown_still_running{{what=\"{what}\"}} 1")).await;
    }
    service.signal("TERM");
    metric(admin, "shutdown_stage{stage=\"tasks\"} 1").await;
    until("relay has ended", || async {
        !get(admin, "/metrics").await.body.contains("{what=\"task relay\"}")
    })
    .await;
    metric(admin, "shutdown_still_running{what=\"task stubborn\"} 1").await;
    service.signal("TERM");
    metric(admin, "shutdown_stage{stage=\"hooks\"} 1").await;
    metric(admin, "shutdown_still_running{what=\"hook flush\"} 1").await;
    service.signal("TERM");
    let end = service.ended().await;
    request.await.unwrap();
    assert_eq!(end.code, 1);
    let last = end.log().pop().unwrap();
    let still = last["still_running"].as_str().unwrap();
    for what in ["1 × /stuck", "1 × call stuck", "task stubborn", "hook flush"] {
        assert!(still.contains(what), "{what}: {last}");
    }
    assert!(!still.contains("task relay"), "{last}");
}

#[tokio::test]
async fn what_tasks_need_and_set_up_forgot_stops_the_start_by_name() {
    let error = crate::app::forgetful().start().await.unwrap_err();
    for task in ["consumer", "relay", "stubborn", "flaky"] {
        let named = |problem: &&String| {
            problem.contains(&format!("the background task `{task}` takes a `"))
                && problem.contains("Journal")
        };
        assert_eq!(error.problems().iter().filter(named).count(), 1, "{error}");
    }
}
