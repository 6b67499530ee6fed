//! The service that is replaced.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hardening::{hardened, hardened_service, timeout};
use tokio::time::sleep;

/// What every request is answered.
pub(crate) const ANSWER: &str = "here it is";

#[hardened_service(name = "replaced")]
pub(crate) async fn service() -> Router {
    Router::new().route("/work", get(work))
}

#[hardened]
#[timeout(5s)]
async fn work() -> Result<&'static str, hardening::Rejected> {
    // Long enough that a replacement always finds requests under way.
    sleep(Duration::from_millis(20)).await;
    Ok(ANSWER)
}
