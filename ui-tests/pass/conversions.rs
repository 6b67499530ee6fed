//! Error types of other crates that can report a refusal, also through `?`.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hardening::{Problem, Rejected, deadline, fallback, retry, timeout};

#[timeout(10ms)]
async fn refused(_sku: &str) -> Result<u32, Rejected> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(1)
}

#[timeout(10ms)]
async fn of_io(_sku: &str) -> io::Result<u32> {
    tokio::time::sleep(Duration::from_secs(1)).await;
    Ok(1)
}

#[deadline(1s)]
async fn through_io(sku: &str) -> Result<u32, io::Error> {
    Ok(refused(sku).await?)
}

#[retry(attempts = 2, idempotent)]
#[deadline(1s)]
async fn through_status(sku: &str) -> Result<u32, StatusCode> {
    Ok(refused(sku).await?)
}

#[deadline(1s)]
async fn through_pair(sku: &str) -> Result<u32, (StatusCode, String)> {
    Ok(refused(sku).await?)
}

#[fallback(Err(error.status().into_response()))]
#[deadline(1s)]
async fn through_response(sku: &str) -> Result<u32, Response> {
    Ok(refused(sku).await?)
}

#[deadline(1s)]
async fn through_problem(sku: &str) -> Result<u32, Problem> {
    Ok(refused(sku).await?)
}

#[deadline(1s)]
async fn through_box(sku: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
    Ok(refused(sku).await?)
}

#[deadline(1s)]
async fn through_arc(sku: &str) -> Result<u32, Arc<Rejected>> {
    Ok(refused(sku).await?)
}

#[deadline(1s)]
async fn through_option(sku: &str) -> Result<u32, Option<Rejected>> {
    refused(sku).await.map_err(Some)
}

#[deadline(1s)]
async fn bounded<E: From<Rejected>>(sku: &str) -> Result<u32, E> {
    Ok(refused(sku).await?)
}

#[deadline(1s)]
async fn bounded_by_where<E>(sku: &str) -> Result<u32, E>
where
    E: Error + From<Rejected>,
{
    Ok(refused(sku).await?)
}

/// A bound that implies the conversion.
trait Failure: From<Rejected> {}

impl Failure for io::Error {}

#[deadline(1s)]
async fn bounded_by_implication<E: Failure>(sku: &str) -> Result<u32, E> {
    Ok(refused(sku).await?)
}

#[tokio::test(start_paused = true)]
async fn i_78_refusals_become_the_errors_of_others() {
    for error in [of_io("a").await.unwrap_err(), through_io("a").await.unwrap_err()] {
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let held = error.get_ref().and_then(|held| held.downcast_ref::<Rejected>());
        assert!(matches!(held, Some(Rejected::Timeout { .. })), "{error:?}");
    }
    assert_eq!(through_status("a").await, Err(StatusCode::GATEWAY_TIMEOUT));
    let (status, sentence) = through_pair("a").await.unwrap_err();
    assert_eq!(status, StatusCode::GATEWAY_TIMEOUT);
    assert!(!sentence.contains("refused"), "{sentence}");
    assert_eq!(through_response("a").await.unwrap_err().status(), StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(through_problem("a").await.unwrap_err().status(), StatusCode::GATEWAY_TIMEOUT);
    assert!(through_box("a").await.unwrap_err().is::<Rejected>());
    assert!(through_arc("a").await.is_err());
    assert!(through_option("a").await.unwrap_err().is_some());
    assert!(bounded::<Rejected>("a").await.is_err());
    assert!(bounded_by_where::<io::Error>("a").await.is_err());
    assert!(bounded_by_implication::<io::Error>("a").await.is_err());
}

#[test]
fn i_78_kinds_of_refusals_have_kinds_of_io_errors() {
    let kind = |rejected: Rejected| io::Error::from(rejected).kind();
    let call = "price";
    assert_eq!(kind(Rejected::DeadlineExceeded { call }), io::ErrorKind::TimedOut);
    assert_eq!(kind(Rejected::BulkheadFull { call, limit: 1 }), io::ErrorKind::ResourceBusy);
    let retry_after = Duration::from_secs(1);
    assert_eq!(kind(Rejected::CircuitOpen { circuit: call, retry_after }), io::ErrorKind::ConnectionRefused);
    assert_eq!(kind(Rejected::Forbidden { scope: "a" }), io::ErrorKind::PermissionDenied);
    assert_eq!(kind(Rejected::IdempotencyKeyMissing), io::ErrorKind::InvalidInput);
    assert_eq!(kind(Rejected::ShuttingDown), io::ErrorKind::Other);
}
