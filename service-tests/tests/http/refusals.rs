//! Handlers under policies: each refusal over HTTP, without the names of what refused.

use serde_json::json;

use super::app::SECRET;
use super::support::start;
use hardening_service_tests::client::{Client, get, request};
use hardening_service_tests::service::{comes_again, problem, scrape, until, value};

#[tokio::test]
async fn each_refusal_has_its_status_and_tells_nothing_of_the_internals() {
    let running = start("").await;
    for (kind, status, retry_after) in [
        ("timeout", 504, None),
        ("deadline_exceeded", 504, None),
        ("circuit_open", 503, Some("2")),
        ("rate_limited", 429, Some("1")),
        ("bulkhead_full", 503, None),
        ("store_unavailable", 503, None),
        ("idempotency_conflict", 409, Some("7")),
        ("idempotency_mismatch", 422, None),
        ("idempotency_key_missing", 400, None),
        ("load_failed", 503, None),
        ("unauthenticated", 401, None),
        ("forbidden", 403, None),
        ("shutting_down", 503, None),
    ] {
        let reply = get(running.addr, &format!("/refused/{kind}")).await;
        let told = problem(&reply, status);
        let due: Option<u64> = retry_after.map(|due: &str| due.parse().unwrap());
        match due {
            Some(due) => comes_again(reply.header("retry-after"), due, 8),
            None => assert_eq!(reply.header("retry-after"), None, "{kind}"),
        }
        // Without `[auth]` nobody takes a credential, so none is asked for.
        assert_eq!(reply.header("www-authenticate"), None, "{kind}");
        let policies = reply.json().get("violated-policies").cloned();
        assert_eq!(policies, (status == 429).then(|| json!(["operation"])), "{kind}");
        assert!(told["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{kind}: {told}");
        assert!(!reply.body.contains(SECRET), "{kind}: {told}");
    }
}

#[tokio::test]
async fn policies_on_handlers_answer_for_themselves() {
    let running = start("").await;
    for (path, kind) in [("/timeout", "timeout"), ("/deadline", "deadline-exceeded")] {
        let reply = get(running.addr, path).await;
        let told = problem(&reply, 504);
        assert_eq!(told["type"], format!("urn:hardening:problem:{kind}"));
        assert!(!reply.body.contains("app::") && !reply.body.contains("50ms"), "{}", reply.body);
    }
    assert_eq!(get(running.addr, "/retried").await.body, "done");
}

#[tokio::test]
async fn an_open_circuit_is_503_and_says_when_to_come_back() {
    let running = start("").await;
    for _ in 0..2 {
        let reply = get(running.addr, "/breaker").await;
        problem(&reply, 503);
        assert_eq!(reply.header("retry-after"), None);
    }
    let reply = get(running.addr, "/breaker").await;
    assert_eq!(problem(&reply, 503)["type"], "urn:hardening:problem:circuit-open");
    let wait: u64 = reply.header("retry-after").expect("a wait").parse().expect("seconds");
    assert!((1..=33).contains(&wait), "{wait}");
    let metrics = scrape(&running).await;
    let series = "hardening_circuit_state{circuit=\"app::broken\",state=\"open\"}";
    assert_eq!(value(&metrics, series), Some(1.0));
    assert_eq!(
        value(&metrics, "hardening_calls_total{call=\"app::broken\",outcome=\"circuit_open\"}"),
        Some(1.0)
    );
}

#[tokio::test]
async fn a_full_bulkhead_is_503_until_the_one_inside_leaves() {
    let running = start("").await;
    let inside = || async { value(&scrape(&running).await, "hardening_in_flight{call=\"app::narrow\"}") };
    let mut first = Client::connect(running.addr).await;
    first.send(request("GET", "/bulkhead", &[], "")).await;
    until("one inside", || async { inside().await == Some(1.0) }).await;
    let told = problem(&get(running.addr, "/bulkhead").await, 503);
    assert_eq!(told["type"], "urn:hardening:problem:overloaded");
    drop(first);
    until("none inside", || async { inside().await == Some(0.0) }).await;
}
