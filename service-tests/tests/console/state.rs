//! What the console shows.

use hardening_service_tests::client::get;
use hardening_service_tests::service::until;
use serde_json::{Value, json};

use super::app::{MARKUP, Operator, TOKEN, named, number, start, start_with};

#[tokio::test]
async fn calls_limits_and_events_are_shown_as_they_are_counted() {
    let running = start().await;
    let operator = Operator::of(&running);
    for _ in 0..3 {
        assert_eq!(get(running.addr, "/price").await.status, 200);
    }
    let before = operator.state().await;
    let before = named(&before["limits"], "app::narrow").clone();
    let statuses = [get(running.addr, "/narrow").await.status, get(running.addr, "/narrow").await.status];
    assert_eq!(statuses, [200, 200]);
    for _ in 0..5 {
        assert_eq!(get(running.addr, "/narrow").await.status, 429);
    }
    let state = operator.state().await;
    let route = named(&state["routes"], "/price");
    let answered = route["outcomes"]["200"].as_u64().expect("answers");
    assert!(
        answered >= 3 && route["below"].as_array().expect("a histogram").last() == Some(&json!(answered))
    );
    assert_eq!(route["in_flight"], 0);
    assert_eq!(route["limits"]["body_limit"], json!({ "value": "1MiB", "own": false }));
    assert_eq!(named(&state["routes"], "/narrow")["outcomes"]["429"], 5);
    let price = named(&state["calls"], "app::price");
    let successes = price["outcomes"]["success"].as_u64().expect("successes");
    assert!(successes >= 3, "{price:#}");
    let below = price["below"].as_array().expect("a histogram");
    assert_eq!(below.len(), state["bounds_ms"].as_array().expect("bounds").len() + 1);
    assert_eq!(below.last(), Some(&json!(successes)));
    let limit = named(&state["limits"], "app::narrow");
    assert_eq!((&limit["rate"], &limit["burst"], &limit["on"]), (&json!("2/h"), &json!(2), &json!(true)));
    assert_eq!(limit["refused"].as_u64(), before["refused"].as_u64().map(|count| count + 5));
    let refusals = state["refusals"].as_array().expect("refusals");
    let refused = refusals.iter().find(|entry| entry["call"] == "app::narrow").expect("its refusals");
    assert_eq!((&refused["kind"], refused["count"].as_u64() >= Some(5)), (&json!("rate_limited"), true));
    assert_eq!(named(&state["bulkheads"], "app::stock")["places"], 8);
    let shared = named(&state["circuits"], "WAREHOUSE");
    assert_eq!((&shared["path"], &shared["state"]), (&json!(["policy", "WAREHOUSE"]), &json!("closed")));
    assert_eq!(state["service"]["stage"], "Serving");
    assert_eq!(state["tasks"].as_array().map(Vec::len), Some(2));
    running.shutdown().await;
}

#[tokio::test]
async fn every_value_has_its_origin_and_secrets_are_hidden() {
    let running = start_with(&format!(
        "http.body_limit = '2MiB'\nhttp.uri_limit = '${{CARGO_PKG_VERSION_MAJOR}}9KiB'\n[admin]\ntoken = '{TOKEN}'\n\
         [call.\"app::price\"]\ntimeout = '400ms'\n"
    ))
    .await;
    let configuration = Operator::of(&running).configuration().await;
    let settings = configuration["settings"].as_array().expect("settings");
    let of = |section: &str, key: &str| -> (Value, Value) {
        let found = settings.iter().find(|entry| entry["section"] == section && entry["key"] == key);
        let found = found.unwrap_or_else(|| panic!("no {key}"));
        (found["value"].clone(), found["origin"].clone())
    };
    let line = |line: u32| json!(format!("the settings given in code:{line}"));
    assert_eq!(of("http", "body_limit"), (json!("2MiB"), line(3)));
    assert_eq!(of("http", "idle_timeout"), (json!("1m15s"), json!("default")));
    assert_eq!(of("http", "uri_limit"), (json!("[redacted]"), line(4)), "what a reference stands for");
    assert_eq!(of("admin", "token"), (json!("[redacted]"), line(6)));
    let timeout = number(&configuration, "app::price", "timeout", "after");
    assert_eq!(
        (&timeout["value"], &timeout["origin"], &timeout["source"]),
        (&json!("400ms"), &line(8), &json!("file"))
    );
    let attempts = number(&configuration, "app::recalled", "retry", "attempts");
    assert_eq!((&attempts["value"], &attempts["source"]), (&json!("3"), &json!("attribute")));
    assert!(attempts["origin"].as_str().expect("a place").contains("console/app.rs:"), "{attempts:#}");
    assert!(attempts["path"].is_array(), "{attempts:#}");
    let known = number(&configuration, "app::recalled", "retry", "idempotent");
    assert_eq!(known["path"], Value::Null, "stands at the attribute alone");
    let shared = &named(&configuration["calls"], "app::ship")["policies"];
    let shared =
        shared.as_array().expect("policies").iter().find(|entry| entry["policy"] == "circuit_breaker");
    assert_eq!(shared.expect("a breaker")["shared"], "WAREHOUSE");
    assert!(!configuration.to_string().contains(TOKEN));
    running.shutdown().await;
}

#[tokio::test]
async fn checks_are_shown_with_their_errors_and_names_as_they_are() {
    let running = start().await;
    let operator = Operator::of(&running);
    until("down", || async { named(&operator.state().await["checks"], "warehouse")["error"].is_string() })
        .await;
    let state = operator.state().await;
    let check = named(&state["checks"], "warehouse");
    assert_eq!((&check["up"], &check["error"]), (&json!(false), &json!(format!("refused {MARKUP}"))));
    named(&state["calls"], MARKUP);
    running.shutdown().await;
}

#[tokio::test]
async fn the_console_answers_until_the_drain_is_over() {
    let running = start().await;
    let operator = Operator::of(&running);
    let slow = tokio::spawn(get(running.addr, "/stock"));
    let done = operator.does("drain", json!({})).await;
    assert_eq!(done["was"], "Serving");
    let state = operator.ask("GET", "/console/api/state", &[], "").await;
    if state.status == 200 {
        assert_ne!(state.json()["service"]["stage"], "Serving");
    }
    let mut running = running;
    assert!(running.ended().await.is_clean());
    assert!(matches!(slow.await.expect("an answer").status, 200), "what was accepted is answered");
}

#[tokio::test]
async fn tasks_are_shown_with_their_errors_and_no_secret() {
    let running = start().await;
    let operator = Operator::of(&running);
    until("failed", || async { named(&operator.state().await["tasks"], "broken")["error"].is_string() })
        .await;
    let state = operator.state().await;
    let (relay, broken) = (named(&state["tasks"], "relay"), named(&state["tasks"], "broken"));
    assert_eq!((&relay["up"], &relay["restarts"]), (&json!(true), &json!(0)));
    let why = broken["error"].as_str().expect("an error");
    assert!(why.contains("lost") && !why.contains("hunter2"), "{why}");
    assert_eq!(broken["up"], json!(false));
    running.shutdown().await;
}
