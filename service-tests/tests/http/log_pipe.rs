//! A log that nobody reads: the pipe is full, and the service answers, ends in time, and says afterwards what is missing.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hardening::{Setup, hardened_service};
use serde_json::Value;
use tokio::time::Instant;

use super::app::Dependencies;
use hardening_service_tests::child::{Child, End, main_of};
use hardening_service_tests::client::{Client, ask, request};
use hardening_service_tests::service::value;

const NAME: &str = "log_pipe::child_main";
const TOKEN: &str = "a-token-of-sixteen-characters-or-more";

#[test]
fn child_main() {
    main_of(NAME, talkative);
}

/// A service whose routes write long lines.
#[hardened_service(name = "talkative")]
async fn talkative(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    let filler = || "x".repeat(1000);
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/info", get(async move || tracing::info!(filler = filler(), "usual")))
        .route("/warn", get(async move || tracing::warn!(filler = filler(), "grave")))
        .route("/panic", get(async || -> &'static str { panic!("on purpose") }))
        .route("/block", get(block))
}

#[expect(clippy::disallowed_methods, reason = "on purpose: it holds a thread of the runtime")]
async fn block() {
    std::thread::sleep(Duration::from_mins(1));
}

/// More than a pipe (64 KiB) and the queue of these tests take, in lines of 1 KB.
const MANY: usize = 400;

async fn started(variables: &[(&str, &str)]) -> Child {
    let variables = [variables, &[("HARDENING_LOG__QUEUE", "128KiB"), ("HARDENING_ADMIN__TOKEN", TOKEN)]];
    let child = Child::start(NAME, &variables.concat()).await;
    child.stop_reading();
    child
}

/// Asks for `path` so often, on one connection.
async fn many(child: &Child, path: &str, count: usize) {
    let mut client = Client::connect(child.addr).await;
    for _ in 0..count {
        client.send(request("GET", path, &[], "")).await;
        assert_eq!(client.reply().await.status, 200);
    }
}

async fn acts(child: &Child, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let fields = [("content-type", "application/json"), ("authorization", &bearer)];
    let text = request("POST", "/console/api/actions/verify", &fields, "{}");
    ask(child.admin_addr, text).await.status
}

async fn dropped(child: &Child) -> f64 {
    let reply = ask(child.admin_addr, request("GET", "/metrics", &[], "")).await;
    value(&reply.body, "hardening_log_lines_dropped_total").expect("the series is there")
}

fn said<'e>(end: &'e End, message: &str) -> Vec<&'e Value> {
    end.log.iter().filter(|line| line["message"] == message).collect()
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_no_request_and_one_line_says_what_is_missing() {
    let child = started(&[]).await;
    let before = dropped(&child).await;
    assert!(before < 1.0, "{before}");
    many(&child, "/info", MANY).await;
    let usual = dropped(&child).await;
    assert!(usual > 0.0, "the queue is full of usual lines");
    // Where usual lines find no room, grave ones and the audit do.
    many(&child, "/warn", 10).await;
    for token in [TOKEN, "a-token-that-is-not-the-one"] {
        acts(&child, token).await;
    }
    // The reserve is used up as well, and the audit still is whole.
    many(&child, "/warn", MANY).await;
    for _ in 0..20 {
        assert_eq!(acts(&child, TOKEN).await, 200);
    }
    for path in ["/livez", "/readyz"] {
        assert_eq!(ask(child.addr, request("GET", path, &[], "")).await.status, 200, "{path}");
    }
    let all = dropped(&child).await;
    child.read_again();
    child.terminate().await;
    let end = child.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.complained);
    let grave = said(&end, "grave").len();
    assert!((10..MANY).contains(&grave), "{grave}");
    assert_eq!(said(&end, "admin action").len(), 22);
    let told = said(&end, "log lines were dropped because standard output was not read fast enough");
    assert_eq!(told.len(), 1, "{told:?}");
    // Probes are not logged, and each other request has one line of access and mostly one of its own.
    assert!(told[0]["dropped"].as_f64() >= Some(all), "{} {all}", told[0]);
    assert!(told[0]["dropped_warnings"].as_u64() > Some(0), "{}", told[0]);
    assert_eq!((&told[0]["level"], &told[0]["target"]), (&"WARN".into(), &"hardening::log".into()));
    assert_eq!(said(&end, "stopped").len(), 1);
}

#[tokio::test]
async fn lines_for_people_are_dropped_and_counted_as_well() {
    let child = started(&[("HARDENING_LOG__FORMAT", "pretty")]).await;
    many(&child, "/info", MANY).await;
    assert!(dropped(&child).await > 0.0);
    child.read_again();
    child.terminate().await;
    let end = child.ended().await;
    assert_eq!(end.code, Some(0));
    let told = end.said.lines().filter(|line| line.contains("log lines were dropped"));
    assert_eq!(told.count(), 1, "{}", end.said);
}

#[tokio::test]
async fn a_log_that_nobody_reads_does_not_hold_the_end() {
    let mut child = started(&[]).await;
    many(&child, "/info", MANY).await;
    let began = Instant::now();
    child.terminate().await;
    assert_eq!(child.exit_code().await, Some(0));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn the_watchdog_ends_a_process_whose_standard_error_nobody_reads() {
    // Panics are told on standard error where the log is off.
    let off = [
        ("RUST_LOG", "info,hardening_runtime::service::panics=off"),
        ("HARDENING_SHUTDOWN__GRACE", "3s"),
        ("HARDENING_SHUTDOWN__DRAIN", "1s"),
    ];
    let hooks = [("HARDENING_SHUTDOWN__HOOKS", "500ms"), ("HARDENING_LOG__QUEUE", "128KiB")];
    let mut child = Child::start(NAME, &[off.as_slice(), &hooks].concat()).await;
    child.stop_reading();
    for _ in 0..1500 {
        let reply = ask(child.addr, request("GET", "/panic", &[], "")).await;
        assert_eq!(reply.status, 500);
    }
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let mut blocked = Vec::new();
    for _ in 0..=threads {
        let mut client = Client::connect(child.addr).await;
        client.send(request("GET", "/block", &[], "")).await;
        blocked.push(client);
    }
    let began = Instant::now();
    child.terminate().await;
    assert_eq!(child.exit_code().await, Some(1));
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}
