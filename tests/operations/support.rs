//! Services of these tests in the tests' own process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hardening::{Running, StartError};
use tokio::time::{Instant, sleep};

use crate::app::{Hooks, SCRIPT, Script, office};
use crate::client::{PATIENCE, try_get};
use crate::ports::free;

/// A service whose hooks do these things; the last one of `hooks` runs first.
pub(crate) async fn start_with(
    hooks: Hooks,
    settings: &str,
) -> Result<(Running, Arc<Mutex<Vec<String>>>), StartError> {
    let script = Script { hooks, ran: Arc::default() };
    let ran = Arc::clone(&script.ran);
    let running = SCRIPT.scope(script, office().with_settings(settings).start()).await?;
    Ok((running, ran))
}

/// A service without hooks.
pub(crate) async fn start(settings: &str) -> Running {
    let settings = format!("http.rate_limit = 'none'\n{settings}");
    match start_with(&[], &settings).await {
        Ok((running, _)) => running,
        Err(error) => panic!("{error}"),
    }
}

/// The same on ports that nobody else gets once they are closed.
pub(crate) async fn start_apart(settings: &str) -> Running {
    start(&format!("http.listen = '{}'\nhttp.admin = '{}'\n{settings}", free(), free())).await
}

/// Waits until readiness says `status`.
pub(crate) async fn readiness(address: std::net::SocketAddr, status: u16) {
    until(&format!("/readyz answers {status}"), || async {
        try_get(address, "/readyz").await.is_ok_and(|reply| reply.status == status)
    })
    .await;
}

/// Waits until the service works on so many requests; what the admin listener answers is not among them.
pub(crate) async fn in_flight(admin: std::net::SocketAddr, count: usize) {
    let line = format!("\nhttp_requests_in_flight {count}\n");
    let counted = || async { try_get(admin, "/metrics").await.is_ok_and(|reply| reply.body.contains(&line)) };
    until(&format!("{count} in flight"), counted).await;
}

/// Asks again until it holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Asserts that a moment lies between these many milliseconds after `began`.
#[track_caller]
pub(crate) fn took(began: Instant, least: u64, most: u64) {
    let took = began.elapsed();
    let range = Duration::from_millis(least)..Duration::from_millis(most);
    assert!(range.contains(&took), "it took {took:?}, not {range:?}");
}
