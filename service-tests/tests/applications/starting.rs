//! A service whose set-up takes its time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hardening::{Running, StartError};
use hardening_service_tests::client::{self, Reply};
use hardening_service_tests::ports;
use hardening_service_tests::service::{problem, until};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::app::{GATE, slow};

/// A start that waits for its gate, and where it listens.
struct Slow {
    gate: Arc<Notify>,
    addresses: [SocketAddr; 2],
    start: JoinHandle<Result<Running, StartError>>,
}

fn starts(fails: bool) -> Slow {
    let gate = Arc::new(Notify::new());
    let addresses = [(), ()].map(|()| ports::free());
    let settings = format!(
        "[http]\nlisten = '{}'\nadmin = '{}'\nrate_limit = 'none'\n[log]\naccess = false",
        addresses[0], addresses[1]
    );
    let start = GATE.scope((Arc::clone(&gate), fails), slow().with_settings(settings).start());
    Slow { gate, addresses, start: tokio::spawn(start) }
}

/// Whether somebody listens there, and the status of the answer.
async fn status(address: SocketAddr, path: &str) -> Option<u16> {
    tokio::net::TcpStream::connect(address).await.ok()?;
    Some(client::get(address, path).await.status)
}

#[tokio::test]
async fn probes_answer_from_the_first_moment_and_everything_else_may_come_again() {
    let Slow { gate, addresses, start } = starts(false);
    until("somebody answers", || async { status(addresses[0], "/livez").await == Some(200) }).await;
    for address in addresses {
        for (path, expected) in [("/livez", 200), ("/healthz", 200), ("/startupz", 503), ("/readyz", 503)] {
            assert_eq!(status(address, path).await, Some(expected), "{path}");
        }
        for path in ["/hello", "/metrics", "/none", "/"] {
            let reply: Reply = client::get(address, path).await;
            let told = problem(&reply, 503);
            assert_eq!(told["type"], "urn:hardening:problem:starting", "{path}");
            assert!(reply.header("retry-after").is_some(), "{path}");
        }
    }
    assert!(!start.is_finished());
    // Nobody is refused a connection while the one takes over from the other.
    let asks = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.last() != Some(&Some(200)) || seen.len() < 50 {
            seen.push(status(addresses[0], "/hello").await);
            assert!(seen.len() < 5000, "it never serves");
        }
        seen
    });
    tokio::time::sleep(Duration::from_millis(20)).await;
    gate.notify_one();
    let running = start.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    let seen = asks.await.unwrap();
    assert!(seen.iter().all(|status| matches!(status, Some(200 | 503))), "{seen:?}");
    until("it is ready", || async { status(addresses[1], "/readyz").await == Some(200) }).await;
    assert_eq!(client::get(running.addr, "/hello").await.body, "hello");
    assert!(running.shutdown().await.is_clean());
}

#[tokio::test]
async fn nobody_answers_once_set_up_has_failed() {
    let Slow { gate, addresses, start } = starts(true);
    until("somebody answers", || async { status(addresses[1], "/livez").await == Some(200) }).await;
    gate.notify_one();
    let error = start.await.unwrap().unwrap_err().to_string();
    assert!(error.contains("the schema is missing"), "{error}");
    until("nobody listens", || async { status(addresses[0], "/livez").await.is_none() }).await;
}
