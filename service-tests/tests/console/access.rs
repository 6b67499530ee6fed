//! Who may read, and who may act.

use std::time::Duration;

use hardening_service_tests::client::{ask, get, request};
use hardening_service_tests::service::{scrape, value};
use serde_json::json;

use super::app::{Operator, TOKEN, orders, start, start_with};

const WRONG: &str = "incorrect-horse-battery";

#[tokio::test]
async fn the_page_is_served_whole_by_the_binary_under_a_strict_policy() {
    let running = start().await;
    let anybody = Operator::with(&running, None);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/console", "text/html; charset=utf-8"),
        ("/console/console.css", "text/css; charset=utf-8"),
        ("/console/console.js", "text/javascript; charset=utf-8"),
        ("/console/icon.svg", "image/svg+xml"),
    ] {
        let reply = anybody.ask("GET", path, &[], "").await;
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{path}");
        let policy = reply.header("content-security-policy").expect("a policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
        for outside in ["http://", "https://", "//cdn", "innerHTML", "style=", "onclick="] {
            let allowed = outside == "http://" && reply.body.contains("http://www.w3.org/2000/svg");
            assert!(allowed || !reply.body.contains(outside), "{path} has {outside}");
        }
    }
    let reply = anybody.ask("POST", "/console", &[], "{}").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET,HEAD")));
    assert_eq!(anybody.ask("GET", "/console/other", &[], "").await.status, 404);
    assert_eq!(get(running.addr, "/console").await.status, 404, "not on the service's own listener");
    running.shutdown().await;
}

#[tokio::test]
async fn without_a_token_the_console_is_read_and_nobody_acts() {
    let running = start_with("").await;
    let operator = Operator::with(&running, None);
    let state = operator.state().await;
    assert_eq!((&state["access"]["has_token"], &state["access"]["can_act"]), (&json!(false), &json!(false)));
    for token in [None, Some(TOKEN), Some("")] {
        let reply = Operator::with(&running, token).act("drain", json!({})).await;
        assert_eq!(reply.status, 403, "{reply:#?}");
        let detail = reply.json()["detail"].to_string();
        assert!(detail.contains("[admin] token") && detail.contains("HARDENING_ADMIN__TOKEN"), "{detail}");
    }
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, "admin_actions_total{action=\"drain\",result=\"denied\"}"), Some(3.0));
    running.shutdown().await;
}

#[tokio::test]
async fn only_the_token_acts_and_wrong_ones_are_slowed_and_noted() {
    let running = start().await;
    let none = Operator::with(&running, None).act("verify", json!({})).await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer")));
    let began = tokio::time::Instant::now();
    let wrong = Operator::with(&running, Some(WRONG)).act("verify", json!({})).await;
    assert_eq!(wrong.status, 401);
    assert!(began.elapsed() >= Duration::from_millis(250), "{:?}", began.elapsed());
    let near = TOKEN.to_uppercase();
    assert_eq!(Operator::with(&running, Some(&near)).act("verify", json!({})).await.status, 401);
    let operator = Operator::of(&running);
    operator.does("verify", json!({})).await;
    let state = operator.state().await;
    assert_eq!(state["access"]["can_act"], true);
    let audit = state["audit"].as_array().expect("records");
    let seen: Vec<_> =
        audit.iter().rev().map(|entry| (&entry["action"], &entry["result"], &entry["who"])).collect();
    let (verify, denied, unknown) = (json!("verify"), json!("denied"), json!("unknown"));
    let (applied, admin) = (json!("applied"), json!("admin token"));
    let refused = (&verify, &denied, &unknown);
    assert_eq!(seen, [refused, refused, refused, (&verify, &applied, &admin)]);
    assert!(
        audit.iter().all(|entry| entry["client"] == "127.0.0.1" && entry["request_id"] != ""),
        "{audit:#?}"
    );
    assert!(!state.to_string().contains(WRONG) && !state.to_string().contains(TOKEN));
    running.shutdown().await;
}

#[tokio::test]
async fn after_ten_wrong_tokens_a_client_waits_and_who_has_the_token_is_let_in() {
    let running = start().await;
    let (right, wrong) = (Operator::of(&running), Operator::with(&running, Some(WRONG)));
    for _ in 0..15 {
        assert_eq!(right.act("verify", json!({})).await.status, 200, "right ones take nothing");
    }
    let mut statuses = Vec::new();
    for _ in 0..11 {
        statuses.push(wrong.ask("GET", "/console/api/state", &[], "").await.status);
    }
    assert_eq!(statuses, [vec![401; 10], vec![429]].concat(), "reading is no way around it");
    let reply = wrong.act("verify", json!({})).await;
    assert_eq!(reply.status, 429);
    assert!(reply.header("retry-after").is_some(), "{reply:#?}");
    // Every process of this machine has its address, the operator's browser too.
    let began = tokio::time::Instant::now();
    assert_eq!(right.act("verify", json!({})).await.status, 200);
    assert!(
        began.elapsed() >= Duration::from_millis(250),
        "it waits as wrong ones do: {:?}",
        began.elapsed()
    );
    assert_eq!(right.state().await["access"]["can_act"], true);
    running.shutdown().await;
}

#[tokio::test]
async fn a_crowd_of_guessers_guesses_slowly_and_keeps_nobody_out() {
    let running = start().await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut crowd = tokio::task::JoinSet::new();
    let address = running.admin_addr;
    for _ in 0..40 {
        let stop = std::sync::Arc::clone(&stop);
        crowd.spawn(async move {
            let (bearer, mut looked) = (format!("Bearer {WRONG}"), 0);
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                let fields = [("authorization", bearer.as_str()), ("connection", "close")];
                let reply = ask(address, request("GET", "/console/api/state", &fields, "")).await;
                assert!(matches!(reply.status, 401 | 429), "{reply:?}");
                looked += 1;
            }
            looked
        });
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let began = tokio::time::Instant::now();
    assert_eq!(Operator::of(&running).act("verify", json!({})).await.status, 200);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let mut looked = 0;
    while let Some(one) = crowd.join_next().await {
        looked += one.unwrap();
    }
    let most = 40 + 10 + 17 * (began.elapsed().as_secs() + 2);
    assert!(looked <= most, "{looked} guesses in {:?}", began.elapsed());
    running.shutdown().await;
}

#[tokio::test]
async fn what_strangers_and_mistakes_leave_in_the_audit_pushes_out_no_change() {
    let running = start().await;
    let (operator, stranger) = (Operator::of(&running), Operator::with(&running, None));
    operator.set(&["call", "app::recalled", "retry", "attempts"], json!(3)).await;
    let mut statuses = Vec::new();
    for _ in 0..300 {
        statuses.push(stranger.act("drain", json!({})).await.status);
    }
    assert_eq!(statuses, [vec![401; 10], vec![429; 290]].concat(), "they wait after ten");
    // Whoever has the token is not kept out by those who have none, and waits after many mistakes of their own.
    let mut statuses = Vec::new();
    for _ in 0..70 {
        statuses.push(operator.act("set", json!({ "path": ["nowhere"], "value": 1 })).await.status);
    }
    let mistakes = statuses.iter().filter(|status| **status == 422).count();
    assert!((60..=62).contains(&mistakes) && statuses[..60] == [422; 60], "{statuses:?}");
    for _ in 0..300 {
        operator.does("verify", json!({})).await;
    }
    let state = operator.state().await;
    let audit = state["audit"].as_array().expect("records");
    let kept = |result: &str, action: &str| {
        audit.iter().filter(|entry| entry["result"] == result && entry["action"] == action).count()
    };
    assert_eq!((kept("applied", "set"), kept("applied", "verify"), audit.len()), (1, 100, 101), "{audit:#?}");
    let metrics = scrape(&running).await;
    for (series, count) in [("denied", 10.0), ("throttled", 290.0)] {
        let series = format!("admin_actions_total{{action=\"drain\",result=\"{series}\"}}");
        assert_eq!(value(&metrics, &series), Some(count));
    }
    running.shutdown().await;
}

#[tokio::test]
async fn requests_for_other_hosts_and_of_other_pages_are_refused() {
    let running = start_with(&format!("[admin]\ntoken = '{TOKEN}'\nhosts = ['ops.example']\n")).await;
    let operator = Operator::of(&running);
    let port = running.admin_addr.port();
    let verify = "/console/api/actions/verify";
    let own = format!("http://127.0.0.1:{port}");
    let elsewhere = format!("evil.example:{port}");
    let named = format!("ops.example:{port}");
    for (fields, status) in [
        (&[("host", elsewhere.as_str())][..], 403),
        (&[("host", named.as_str())], 200),
        (&[("host", "localhost")], 200),
        (&[("origin", own.as_str())], 200),
        (&[("origin", "http://evil.example")], 403),
        (&[("origin", "null")], 403),
        (&[("sec-fetch-site", "cross-site")], 403),
        (&[("sec-fetch-site", "same-site")], 403),
        (&[("sec-fetch-site", "same-origin"), ("origin", own.as_str())], 200),
        (&[("content-type", "text/plain")], 415),
        (&[("content-type", "application/x-www-form-urlencoded")], 415),
    ] {
        let reply = operator.ask("POST", verify, fields, "{}").await;
        assert_eq!(reply.status, status, "{fields:?}: {reply:#?}");
        assert_eq!(reply.header("access-control-allow-origin"), None);
    }
    let read = |host: &'static str| async move { host };
    let foreign = read("evil.example").await;
    for path in ["/", "/console", "/console/console.js", "/console/api/state", "/console/api/configuration"] {
        let reply = operator.ask("GET", path, &[("host", foreign)], "").await;
        assert_eq!(reply.status, 403, "{path}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn no_page_of_an_allowed_origin_reads_the_admin_listener() {
    let running = start_with("http.cors_origins = ['*']\n").await;
    let anybody = Operator::with(&running, None);
    for path in ["/metrics", "/console/api/state"] {
        let reply = anybody.ask("GET", path, &[("origin", "https://shop.example")], "").await;
        assert_eq!(reply.header("access-control-allow-origin"), None, "{path}");
    }
    running.shutdown().await;
}

#[tokio::test]
async fn where_others_reach_the_listener_reading_needs_the_token() {
    let http = "http.admin = '0.0.0.0:0'\n";
    let running = start_with(&format!("{http}[admin]\ntoken = '{TOKEN}'\n")).await;
    for path in ["/console/api/state", "/console/api/configuration"] {
        assert_eq!(Operator::with(&running, None).ask("GET", path, &[], "").await.status, 401, "{path}");
        assert_eq!(Operator::of(&running).ask("GET", path, &[], "").await.status, 200, "{path}");
    }
    assert_eq!(Operator::with(&running, None).ask("GET", "/console", &[], "").await.status, 200);
    running.shutdown().await;
    let running = start_with(http).await;
    let reply = Operator::with(&running, None).ask("GET", "/console/api/state", &[], "").await;
    assert_eq!(reply.status, 403, "{reply:#?}");
    assert!(reply.body.contains("[admin] token") && reply.body.contains("[admin] open"), "{reply:#?}");
    running.shutdown().await;
    let running = start_with(&format!("{http}[admin]\nopen = 'always'\n")).await;
    Operator::with(&running, None).state().await;
    running.shutdown().await;
    let running = start_with("[admin]\nopen = 'never'\n").await;
    assert_eq!(Operator::with(&running, None).ask("GET", "/console/api/state", &[], "").await.status, 403);
    running.shutdown().await;
}

#[tokio::test]
async fn bodies_that_are_too_long_or_no_object_are_refused() {
    let running = start().await;
    let operator = Operator::of(&running);
    let long = format!("{{\"path\": \"{}\"}}", "x".repeat(17 * 1024));
    for (body, status) in [(long.as_str(), 413), ("[]", 400), ("{", 400), ("1", 400)] {
        let reply = operator.ask("POST", "/console/api/actions/set", &[], body).await;
        assert_eq!(reply.status, status, "{reply:#?}");
    }
    let reply = operator.ask("GET", "/console/api/actions/set", &[], "").await;
    assert_eq!((reply.status, reply.header("allow")), (405, Some("POST")));
    assert_eq!(operator.act("read", json!({})).await.status, 404);
    assert_eq!(operator.act("explode", json!({})).await.status, 404);
    running.shutdown().await;
}

#[tokio::test]
async fn a_token_that_is_none_stops_the_start_and_is_not_repeated() {
    for token in
        ["'short-secret'", "'with a blank inside it'", "1234567890123456789", "['hunter2-hunter2-hunter2']"]
    {
        let started = orders().with_settings(format!("[admin]\ntoken = {token}\n")).start().await;
        let error = started.expect_err("a refusal").to_string();
        assert!(
            error.contains("[admin] token") && !error.contains(token.trim_matches(['\'', '[', ']'])),
            "{error}"
        );
        assert!(token.starts_with('1') || error.contains("at least 16"), "{error}");
    }
}
