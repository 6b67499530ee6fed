//! Services of these tests in the tests' own process.

use std::net::SocketAddr;

use hardening::{Running, StartError};
use tokio::time::{Duration, Instant, sleep};

use crate::app::{Deeds, JOURNAL, Journal, post};
use crate::client::{PATIENCE, get};

/// The service whose tasks do these things.
pub(crate) async fn start(deeds: Deeds, settings: &str) -> Result<(Running, Journal), StartError> {
    let journal = Journal { deeds, ..Journal::default() };
    let settings = format!("http.rate_limit = 'none'\n{settings}");
    let running = JOURNAL.scope(journal.clone(), post().with_settings(settings).start()).await?;
    Ok((running, journal))
}

/// Asks again until it holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "not in time: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the metrics have this line.
pub(crate) async fn metric(admin: SocketAddr, line: &str) {
    let has = || async { get(admin, "/metrics").await.body.lines().any(|written| written == line) };
    until(line, has).await;
}
