//! Probes, and the checks behind them.

use std::time::Duration;

use super::app;
use super::support::{eventually, get, send, start};
use tokio::time::Instant;

#[tokio::test]
async fn probes_and_their_aliases_answer_on_both_listeners() {
    let service = start("").await;
    eventually("ready", || async { get(service.addr, "/readyz").await.status == 200 }).await;
    for address in [service.addr, service.admin_addr] {
        for path in ["/livez", "/readyz", "/startupz", "/health", "/live", "/ready", "/health/ready"] {
            let answer = get(address, path).await;
            assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{path}");
            assert!(answer.json()["status"].is_string());
        }
        send(address, "POST /livez HTTP/1.1", "").await.problem(405);
    }
    get(service.admin_addr, "/nowhere").await.problem(404);
}

#[tokio::test]
async fn readiness_follows_its_own_resources_and_no_shared_dependency() {
    let service = start("").await;
    eventually("ready", || async { get(service.addr, "/readyz").await.status == 200 }).await;
    send(service.addr, "POST /resource/false HTTP/1.1", "").await;
    eventually("not ready", || async { get(service.addr, "/readyz").await.status == 503 }).await;
    assert_eq!(get(service.addr, "/livez").await.status, 200);
    let public = get(service.addr, "/readyz?verbose").await;
    let admin = get(service.admin_addr, "/readyz?verbose").await;
    assert!(!public.body.contains("/srv/secret"), "reasons are for the admin: {public:?}");
    assert!(admin.body.contains("/srv/secret"), "{admin:?}");
    let checks = admin.json()["checks"].clone();
    let names: Vec<&str> =
        checks.as_array().unwrap().iter().map(|check| check["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["hanging", "resource"]);
    assert_eq!((&checks[1]["up"], &checks[1]["kind"]), (&false.into(), &"ready".into()));
    let metrics = get(service.admin_addr, "/metrics").await.body;
    assert!(metrics.contains("health_check_up{check=\"resource\",kind=\"ready\"} 0"), "{metrics}");
    send(service.addr, "POST /resource/true HTTP/1.1", "").await;
    eventually("ready again", || async { get(service.addr, "/readyz").await.status == 200 }).await;
}

#[tokio::test]
async fn i_67_probes_answer_at_once_while_every_dependency_hangs() {
    let service = start("").await;
    eventually("ready", || async { get(service.addr, "/readyz").await.status == 200 }).await;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..50 {
        let began = Instant::now();
        assert_eq!(get(service.addr, "/readyz").await.status, 200);
        times.push(began.elapsed());
    }
    times.sort();
    // Half of them, so that a busy machine is no failure; a probe that waited for the check would take 10 s.
    assert!(times[25] < Duration::from_millis(10), "{:?}", times[25]);
}

#[tokio::test]
async fn a_check_without_its_provision_stops_the_start_by_name() {
    let error = app::forgetful().start().await.unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`resource`") && text.contains("Resource") && text.contains("setup.provide"),
        "{text}"
    );
}

#[tokio::test]
async fn a_failing_set_up_stops_the_start_with_its_reason() {
    let error = app::failing().start().await.unwrap_err().to_string();
    assert!(error.contains("set-up failed") && error.contains("127.0.0.1:5432"), "{error}");
}
