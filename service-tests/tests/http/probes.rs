//! Probes: what they answer, when, and how fast.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::app::{Dependencies, Dependency, SECRET, Steered, bare};
use super::support::{start, start_with};
use hardening_service_tests::client::{Client, get, request};
use hardening_service_tests::service::{ready, scrape, secured, until, value};

const LIVE: [&str; 3] = ["/livez", "/live", "/health"];
const READY: [&str; 3] = ["/readyz", "/ready", "/health/ready"];

async fn status(address: SocketAddr, path: &str) -> u16 {
    let reply = get(address, path).await;
    secured(&reply);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    reply.status
}

/// What `?verbose` lists of a check.
async fn listed(address: SocketAddr, name: &str) -> Value {
    let reply = get(address, "/readyz?verbose").await.json();
    let checks = reply["checks"].as_array().expect("checks").clone();
    checks.into_iter().find(|check| check["name"] == name).expect("the check")
}

#[tokio::test]
async fn every_name_is_answered_on_both_listeners() {
    let running = start("").await;
    ready(&running).await;
    for address in [running.addr, running.admin_addr] {
        for path in LIVE.iter().chain(&READY).chain(&["/startupz"]) {
            assert_eq!(status(address, path).await, 200, "{path}");
        }
    }
}

#[tokio::test]
async fn a_startup_check_holds_the_start_and_readiness_back_but_not_liveness() {
    let steered = Steered::new();
    let warm = Dependency::Steered(steered.clone());
    let running = start_with(Dependencies { warm, ..Dependencies::default() }, "").await;
    until("the other checks are up", || async { listed(running.admin_addr, "own").await["up"] == true })
        .await;
    for works in [false, false] {
        for path in LIVE {
            assert_eq!(status(running.addr, path).await, 200, "{path}");
        }
        for path in READY.iter().chain(&["/startupz"]) {
            assert_eq!(status(running.addr, path).await, 503, "{path}");
        }
        steered.end_run(works).await;
    }
    assert_eq!(get(running.addr, "/hello").await.status, 200, "requests are answered all the same");
    steered.end_last_run(true).await;
    ready(&running).await;
    assert_eq!(status(running.addr, "/startupz").await, 200);
    assert_eq!(listed(running.admin_addr, "warm").await["up"], true);
}

#[tokio::test]
async fn readiness_turns_after_as_many_results_in_a_row_as_the_check_says() {
    let steered = Steered::new();
    let own = Dependency::Steered(steered.clone());
    let running = start_with(Dependencies { own, ..Dependencies::default() }, "").await;
    until("started", || async { status(running.addr, "/startupz").await == 200 }).await;
    assert_eq!(status(running.addr, "/readyz").await, 503, "the check has not run");
    for (at, (works, expected)) in [
        (true, 200),
        (false, 200),
        (false, 200),
        (true, 200),
        (false, 200),
        (false, 200),
        (false, 503),
        (false, 503),
        (true, 503),
        (false, 503),
        (true, 503),
        (true, 200),
    ]
    .into_iter()
    .enumerate()
    {
        steered.end_run(works).await;
        for path in READY {
            assert_eq!(status(running.addr, path).await, expected, "result {at}: {path}");
        }
        assert_eq!(status(running.addr, "/livez").await, 200, "result {at}");
        assert_eq!(status(running.addr, "/startupz").await, 200, "result {at}");
        let up = value(&scrape(&running).await, "health_check_up{check=\"own\",kind=\"ready\"}");
        assert_eq!(up, Some(f64::from(u8::from(expected == 200))), "result {at}");
    }
}

#[tokio::test]
async fn a_shared_dependency_that_is_down_is_reported_and_never_a_503() {
    let steered = Steered::new();
    let shared = Dependency::Steered(steered.clone());
    let running = start_with(Dependencies { shared, ..Dependencies::default() }, "").await;
    ready(&running).await;
    for _ in 0..3 {
        steered.end_run(false).await;
        assert_eq!(status(running.addr, "/readyz").await, 200);
    }
    let check = listed(running.admin_addr, "shared").await;
    assert_eq!((&check["up"], &check["kind"]), (&Value::Bool(false), &Value::from("degraded")));
    assert_eq!(
        value(&scrape(&running).await, "health_check_up{check=\"shared\",kind=\"degraded\"}"),
        Some(0.0)
    );
}

#[tokio::test]
async fn verbose_lists_the_checks_and_only_the_admin_listener_says_why() {
    let steered = Steered::new();
    let own = Dependency::Steered(steered.clone());
    let running = start_with(Dependencies { own, ..Dependencies::default() }, "").await;
    for _ in 0..3 {
        steered.end_run(false).await;
    }
    for path in ["/livez", "/readyz", "/startupz"] {
        let (public, admin) = (
            get(running.addr, &format!("{path}?verbose")).await,
            get(running.admin_addr, &format!("{path}?verbose")).await,
        );
        for reply in [&public, &admin] {
            let names: Vec<Value> = reply.json()["checks"]
                .as_array()
                .expect("checks")
                .iter()
                .map(|check| check["name"].clone())
                .collect();
            assert_eq!(names, ["own", "shared", "warm"], "{path}");
        }
        assert!(!public.body.contains(SECRET), "{path}: {}", public.body);
        assert!(admin.body.contains(SECRET), "{path}: {}", admin.body);
    }
    assert_eq!(get(running.addr, "/readyz").await.json(), serde_json::json!({ "status": "not ready" }));
    let quiet = start("[health]\nverbose = false").await;
    assert_eq!(get(quiet.addr, "/livez?verbose").await.json(), serde_json::json!({ "status": "live" }));
    assert!(get(quiet.admin_addr, "/livez?verbose").await.json()["checks"].is_array());
}

#[tokio::test]
async fn i_67_probes_are_quick_while_every_dependency_hangs() {
    let hangs = Dependencies { warm: Dependency::Hangs, own: Dependency::Hangs, shared: Dependency::Hangs };
    let running = start_with(hangs, "").await;
    for address in [running.addr, running.admin_addr] {
        let mut client = Client::connect(address).await;
        for (path, expected) in
            [("/livez", 200), ("/readyz", 503), ("/startupz", 503), ("/readyz?verbose", 503)]
        {
            let mut times = Vec::new();
            for _ in 0..25 {
                let began = Instant::now();
                client.send(request("GET", path, &[], "")).await;
                assert_eq!(client.reply().await.status, expected, "{path}");
                times.push(began.elapsed());
            }
            times.sort_unstable();
            // The median: this machine may be busy with other tests.
            assert!(times[12] < Duration::from_millis(10), "{path}: {times:?}");
        }
    }
}

#[tokio::test]
async fn what_set_up_does_not_provide_stops_the_start_and_is_named() {
    let error = bare().start().await.expect_err("nothing was provided");
    assert_eq!(error.problems().len(), 3, "{error}");
    for (check, problem) in ["own", "shared", "warm"].iter().zip(error.problems()) {
        assert!(problem.contains(&format!("`{check}`")) && problem.contains("Dependencies"), "{problem}");
    }
}
