//! A request that a client sends again, over real sockets.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hardening::{Json, Rejected, idempotent, timeout};
use serde::Deserialize;

use super::support::start;
use hardening_service_tests::client::{Reply, ask, request};
use hardening_service_tests::service::{problem, scrape, until, value};

static PAID: AtomicU32 = AtomicU32::new(0);

#[derive(Deserialize)]
pub(crate) struct Payment {
    cents: u32,
    #[serde(default)]
    takes_ms: u64,
}

#[idempotent]
#[timeout(5s)]
pub(crate) async fn pay(Json(payment): Json<Payment>) -> Result<Response, Rejected> {
    tokio::time::sleep(Duration::from_millis(payment.takes_ms)).await;
    if payment.cents == 0 {
        return Ok((StatusCode::UNPROCESSABLE_ENTITY, "nothing to pay").into_response());
    }
    let number = PAID.fetch_add(1, Ordering::SeqCst) + 1;
    let headers = [("x-payment", number.to_string()), ("location", format!("/payments/{number}"))];
    if payment.cents == 13 {
        return Ok((StatusCode::BAD_GATEWAY, headers, "half done").into_response());
    }
    Ok((StatusCode::CREATED, headers, format!("payment {number} of {}", payment.cents)).into_response())
}

async fn send(addr: std::net::SocketAddr, key: Option<&str>, body: &str) -> Reply {
    let mut headers = vec![("content-type", "application/json")];
    headers.extend(key.map(|key| ("idempotency-key", key)));
    ask(addr, request("POST", "/payments", &headers, body)).await
}

#[tokio::test]
async fn a_payment_is_made_once_however_often_it_is_sent() {
    let running = start("").await;
    let addr = running.addr;
    let told = problem(&send(addr, None, r#"{"cents":5}"#).await, 400);
    assert_eq!(told["type"], "urn:hardening:problem:idempotency-key-missing");
    let first = send(addr, Some("k-1"), r#"{"cents":5}"#).await;
    assert_eq!((first.status, first.header("idempotent-replayed")), (201, None));
    for _ in 0..3 {
        let again = send(addr, Some("k-1"), r#"{"cents":5}"#).await;
        assert_eq!((again.status, &again.body), (201, &first.body));
        for name in ["x-payment", "location", "content-type"] {
            assert_eq!(again.header(name), first.header(name), "{name}");
        }
        assert_eq!(again.header("idempotent-replayed"), Some("true"));
    }
    let told = problem(&send(addr, Some("k-1"), r#"{"cents":6}"#).await, 422);
    assert_eq!(told["type"], "urn:hardening:problem:idempotency-mismatch");
    // The key is the client's, the words of the body as they are: another spelling is another request.
    problem(&send(addr, Some("k-1"), r#"{ "cents":5 }"#).await, 422);
    // What failed half-way is not done again, what was refused may be.
    let failed = send(addr, Some("k-2"), r#"{"cents":13}"#).await;
    assert_eq!(failed.status, 502);
    assert_eq!(
        send(addr, Some("k-2"), r#"{"cents":13}"#).await.header("x-payment"),
        failed.header("x-payment")
    );
    problem(&send(addr, Some("k-3"), r#"{"cents":0}"#).await, 422);
    problem(&send(addr, Some("k-3"), r#"{"cents":0}"#).await, 422);
    // The refused one leaves its key free for what comes next.
    assert_eq!(send(addr, Some("k-3"), r#"{"cents":1}"#).await.status, 201);
    // One at a time.
    let slow = r#"{"cents":7,"takes_ms":1500}"#;
    let running_one = tokio::spawn(async move { send(addr, Some("k-4"), slow).await });
    let under_way = || async { value(&scrape(&running).await, "http_requests_in_flight") == Some(1.0) };
    until("it is under way", under_way).await;
    let conflict = send(addr, Some("k-4"), slow).await;
    problem(&conflict, 409);
    let left: u64 = conflict.header("retry-after").unwrap().parse().unwrap();
    assert!(
        (10..=17).contains(&left),
        "{left}: what is left of its lease, which outlasts the deadline by 2 s"
    );
    let paid = running_one.await.unwrap();
    assert_eq!(paid.status, 201);
    assert_eq!(send(addr, Some("k-4"), slow).await.body, paid.body);
}
