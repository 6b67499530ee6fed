//! The stages of a shutdown, seen from outside.

use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::client::{Connection, get, is_refused, try_get};
use crate::support::{in_flight, readiness, start, start_apart, start_with, took, until};

#[tokio::test]
async fn i_63_readiness_turns_at_once_and_everything_else_is_served() {
    let service = start("[shutdown]\npre_drain = '9s'").await;
    readiness(service.admin_addr, 200).await;
    let mut kept = Connection::open(service.addr).await.unwrap();
    assert!(!kept.get("/").await.unwrap().is_last());
    service.terminate();
    readiness(service.addr, 503).await;
    for address in [service.addr, service.admin_addr] {
        for (path, status) in [("/readyz", 503), ("/livez", 200), ("/health/ready", 503), ("/health", 200)] {
            assert_eq!(get(address, path).await.status, status, "{path}");
        }
    }
    let reply = get(service.addr, "/").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "here"));
    assert_eq!(get(service.admin_addr, "/metrics").await.status, 200);
    // Who has kept a connection is told to let it go.
    let last = kept.get("/").await.unwrap();
    assert!(last.status == 200 && last.is_last(), "{last:?}");
    assert!(kept.is_closed().await);
    // All of it was within the pre-drain.
    let stage = get(service.admin_addr, "/metrics").await.body;
    assert!(stage.contains("\nshutdown_stage{stage=\"pre_drain\"} 1\n"), "{stage}");
}

#[tokio::test]
async fn i_63_after_the_pre_drain_connections_are_refused_and_the_admin_listener_stays() {
    let service = start_apart("[shutdown]\npre_drain = '100ms'\ndrain = '5s'").await;
    let address = service.addr;
    let slow = tokio::spawn(async move { get(address, "/sleep/3000").await });
    in_flight(service.admin_addr, 1).await;
    service.terminate();
    until("refused", || is_refused(address)).await;
    assert_eq!(get(service.admin_addr, "/readyz").await.status, 503);
    assert_eq!(get(service.admin_addr, "/livez").await.status, 200);
    assert!(get(service.admin_addr, "/metrics").await.body.contains("\nhttp_requests_in_flight 1\n"));
    assert!(!slow.is_finished());
    let slow = slow.await.unwrap();
    assert_eq!((slow.status, slow.body.as_str()), (200, "slept"));
    assert!(slow.is_last());
    let report = service.shutdown().await;
    assert!(report.is_clean(), "{report:?}");
}

/// HTTP/2 says `GOAWAY` and finishes its streams, those that began in the pre-drain too.
#[tokio::test]
async fn i_63_streams_of_http2_are_finished_and_their_connection_ends() {
    let mut service = start_apart("[shutdown]\npre_drain = '9s'\ndrain = '9s'").await;
    let stream = TokioIo::new(TcpStream::connect(service.addr).await.unwrap());
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream);
    let (mut sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let mut ask = |path: &str| {
        let request =
            hyper::Request::get(format!("http://localhost{path}")).body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(request)
    };
    let before = tokio::spawn(ask("/sleep/3000"));
    in_flight(service.admin_addr, 1).await;
    service.terminate();
    readiness(service.addr, 503).await;
    let during = tokio::spawn(ask("/sleep/2800"));
    in_flight(service.admin_addr, 2).await;
    // The second word ends the pre-drain.
    service.terminate();
    until("refused", || is_refused(service.addr)).await;
    for answer in [before, during] {
        let answer = answer.await.unwrap().unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "slept");
    }
    // Nothing else is waited for, or the drain would end only after its 9 s, with a report that names it.
    let report = service.ended().await;
    assert!(report.is_clean(), "{report:?}");
    connection.await.unwrap().unwrap();
}

#[tokio::test]
async fn i_64_a_second_word_ends_the_pre_drain_and_a_third_the_drain() {
    let service = start_apart("[shutdown]\npre_drain = '9s'\ndrain = '9s'").await;
    let address = service.addr;
    let stuck = tokio::spawn(async move { get(address, "/stuck").await });
    readiness(service.addr, 200).await;
    in_flight(service.admin_addr, 1).await;
    let began = Instant::now();
    service.terminate();
    readiness(address, 503).await;
    assert!(!is_refused(address).await, "one word alone closes nothing");
    service.terminate();
    until("refused", || is_refused(address)).await;
    assert!(!stuck.is_finished(), "two words cut nobody off");
    let report = service.shutdown().await;
    took(began, 0, 2000);
    assert_eq!(report.still_running, ["1 × /stuck"]);
    assert_eq!(stuck.await.unwrap().status, 503);
}

#[tokio::test]
async fn i_65_requests_beyond_the_drain_are_answered_with_503_and_named_with_their_number() {
    let service = start("[shutdown]\ndrain = '300ms'\nhooks = '500ms'").await;
    let address = service.addr;
    let stuck: Vec<_> = ["/stuck", "/sleep/60000", "/stuck"]
        .into_iter()
        .map(|path| tokio::spawn(async move { get(address, path).await }))
        .collect();
    in_flight(service.admin_addr, 3).await;
    let began = Instant::now();
    let mut report = service.shutdown().await;
    took(began, 300, 1500);
    report.still_running.sort();
    assert_eq!(report.still_running, ["1 × /sleep/{ms}", "2 × /stuck"]);
    assert!(!report.is_clean());
    for one in stuck {
        let reply = one.await.unwrap();
        assert_eq!((reply.status, reply.header("content-type")), (503, Some("application/problem+json")));
        assert!(reply.body.contains("shutting-down"), "{reply:?}");
    }
}

#[tokio::test]
async fn i_66_an_idle_service_ends_with_its_pre_drain() {
    for pre_drain in [0, 400] {
        let service = start(&format!("[shutdown]\npre_drain = '{pre_drain}ms'\ndrain = '9s'")).await;
        // Time passes only where everything waits for it, so it is that of the stages and not the machine's.
        tokio::time::pause();
        let began = Instant::now();
        let report = service.shutdown().await;
        assert!(report.is_clean(), "{report:?}");
        took(began, pre_drain, pre_drain + 250);
        tokio::time::resume();
    }
}

/// Connections that say nothing, or not enough, or are kept, do not hold it up.
#[tokio::test]
async fn i_66_idle_connections_keep_nothing() {
    let service = start("[shutdown]\npre_drain = '100ms'\ndrain = '9s'").await;
    let silent = TcpStream::connect(service.addr).await.unwrap();
    let halting = TcpStream::connect(service.addr).await.unwrap();
    assert_eq!(halting.try_write(b"GET / HTTP/1.1\r\nho").unwrap(), 18);
    let mut kept = Connection::open(service.addr).await.unwrap();
    kept.get("/").await.unwrap();
    let began = Instant::now();
    let report = service.shutdown().await;
    took(began, 100, 1500);
    assert!(report.is_clean(), "{report:?}");
    assert!(kept.is_closed().await);
    drop((silent, halting));
}

#[tokio::test]
async fn a_service_that_ended_is_gone_and_its_ports_are_free() {
    let service = start_apart("").await;
    let (public, admin) = (service.addr, service.admin_addr);
    let settings = format!("http.listen = '{public}'\nhttp.admin = '{admin}'");
    let refused = start_with(&[], &settings).await.unwrap_err();
    assert!(refused.to_string().contains("the port is in use"), "{refused}");
    service.shutdown().await;
    assert!(is_refused(public).await);
    until("refused", || is_refused(admin)).await;
    let again = start(&settings).await;
    assert_eq!(try_get(again.addr, "/").await.unwrap().body, "here");
}
