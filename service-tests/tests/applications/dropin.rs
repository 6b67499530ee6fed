//! What works in an axum application works here.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hardening_service_tests::client::{self, request};

use super::app::{pages, panics};
use super::support::start;

#[tokio::test]
async fn handlers_know_the_peer_and_the_id() {
    let (running, _) = start("").await;
    let peer = client::get(running.addr, "/peer").await.body;
    assert!(peer.starts_with("127.0.0.1:"), "{peer}");
    let reply = client::get_with(running.addr, "/id", &[("x-request-id", "abc-1")]).await;
    assert_eq!(reply.body, "abc-1 abc-1");
    for wrong in [&[][..], &[("x-request-id", "not well formed")]] {
        let reply = client::get_with(running.addr, "/id", wrong).await;
        let id = reply.header("x-request-id").unwrap().to_owned();
        assert_eq!(reply.body, format!("{id} {id}"));
    }
}

#[tokio::test]
async fn a_probe_s_path_may_be_a_route() {
    let (running, _) = start("").await;
    assert_eq!(client::get(running.addr, "/health").await.body, "mine");
    assert!(client::get(running.admin_addr, "/health").await.body.contains("live"));
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(client::get(running.addr, path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn credentials_that_nobody_takes_are_not_asked_for() {
    let (running, _) = start("").await;
    let reply = client::get(running.addr, "/unauthenticated").await;
    assert_eq!((reply.status, reply.header("www-authenticate")), (401, None));
}

#[tokio::test]
async fn a_panic_in_set_up_fails_the_start_in_one_line() {
    let error = panics().with_settings("").start().await.unwrap_err().to_string();
    assert!(error.contains("set-up panicked: no such table") && error.lines().count() == 1, "{error}");
}

#[tokio::test]
async fn a_body_that_fails_is_logged_with_its_cause() {
    let (running, _) = start("").await;
    let seen = Arc::new(AtomicBool::new(false));
    let _guard = seen_in_log(Arc::clone(&seen));
    let mut client = client::Client::connect(running.addr).await;
    client.send(request("GET", "/breaks", &[("connection", "close")], "")).await;
    let _ = client.rest().await;
    assert!(seen.load(Ordering::Relaxed), "no line tells of it");
}

/// Notes whether a line tells of the cause; on this thread, where the service runs as well.
fn seen_in_log(seen: Arc<AtomicBool>) -> tracing::subscriber::DefaultGuard {
    struct Looks(Arc<AtomicBool>);

    impl tracing::field::Visit for Looks {
        fn record_debug(&mut self, _: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            if format!("{value:?}").contains("the disk is gone") {
                self.0.store(true, Ordering::Relaxed);
            }
        }
    }

    struct Subscriber(Arc<AtomicBool>);

    impl tracing::Subscriber for Subscriber {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            event.record(&mut Looks(Arc::clone(&self.0)));
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    tracing::subscriber::set_default(Subscriber(seen))
}

#[tokio::test]
async fn a_service_that_is_run_inside_a_runtime_says_what_to_call_and_fails() {
    assert_eq!(pages().with_settings("[http]\nlisten = '127.0.0.1:0'").run(), ExitCode::FAILURE);
}
