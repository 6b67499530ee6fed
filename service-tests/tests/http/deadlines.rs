//! The deadline of a request: the service's own, and what clients ask for.

use std::time::Duration;

use tokio::time::Instant;

use super::support::start;
use hardening_service_tests::client::{Http2, get, get_with};
use hardening_service_tests::service::problem;

const ASKED: &str = "x-request-timeout-ms";

#[tokio::test]
async fn an_answer_that_is_not_ready_by_the_deadline_is_504() {
    let running = start("[http]\nrequest_timeout = '200ms'").await;
    let began = Instant::now();
    let told = problem(&get(running.addr, "/slow").await, 504);
    let took = began.elapsed();
    assert_eq!(told["type"], "urn:hardening:problem:deadline-exceeded");
    assert!(took >= Duration::from_millis(195) && took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test]
async fn clients_lower_the_deadline() {
    let running = start("").await;
    for (name, asked) in [(ASKED, "150"), ("grpc-timeout", "150m")] {
        let began = Instant::now();
        problem(&get_with(running.addr, "/slow", &[(name, asked)]).await, 504);
        let took = began.elapsed();
        assert!(took >= Duration::from_millis(145) && took < Duration::from_secs(2), "{name}: {took:?}");
    }
    let http2 = Http2::connect(running.addr).await;
    problem(&http2.ask("GET", "/slow", &[(ASKED, "150")], "").await, 504);
}

#[tokio::test]
async fn clients_never_raise_the_deadline() {
    let running = start("[http]\nrequest_timeout = '200ms'").await;
    for asked in ["60000", "99999999999999999999999999"] {
        let began = Instant::now();
        problem(&get_with(running.addr, "/slow", &[(ASKED, asked)]).await, 504);
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_504_at_once() {
    let running = start("").await;
    problem(&get_with(running.addr, "/hello", &[(ASKED, "0")]).await, 504);
}

#[tokio::test]
async fn the_handler_sees_what_is_left() {
    let running = start("[http]\nrequest_timeout = '10s'").await;
    for (fields, longest) in [
        (&[][..], 10_000),
        (&[(ASKED, "4000")], 4000),
        (&[(ASKED, "60000")], 10_000),
        (&[(ASKED, "4000"), ("grpc-timeout", "3S")], 3000),
    ] {
        let left =
            get_with(running.addr, "/about", fields).await.json()["left_ms"].as_u64().expect("a deadline");
        assert!(left <= longest && left + 2000 > longest, "{fields:?}: {left} of {longest}");
    }
}

#[tokio::test]
async fn calls_inside_the_handler_keep_the_clients_deadline() {
    let running = start("").await;
    let began = Instant::now();
    problem(&get_with(running.addr, "/inherited", &[(ASKED, "150")]).await, 504);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_timeout_that_cannot_be_read_is_400_and_says_what_its_field_holds() {
    let running = start("").await;
    for (name, asked) in [
        (ASKED, "soon"),
        (ASKED, "-1"),
        (ASKED, "+1"),
        (ASKED, "1e9"),
        (ASKED, "1.5"),
        (ASKED, ""),
        (ASKED, "1s"),
        (ASKED, "0x10"),
        (ASKED, "\u{e9}"),
        ("grpc-timeout", "5"),
        ("grpc-timeout", "123456789S"),
    ] {
        let told = problem(&get_with(running.addr, "/hello", &[(name, asked)]).await, 400);
        let form =
            if name == ASKED { "a whole number of milliseconds" } else { "at most eight digits and one of" };
        let detail = told["detail"].as_str().unwrap();
        assert!(detail.starts_with(&format!("`{name}` is not a timeout: {form}")), "{asked}: {detail}");
    }
}
