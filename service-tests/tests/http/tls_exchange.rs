//! A certificate that is exchanged while the service runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use hardening::Running;
use tokio::time::sleep;

use super::support::start;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::client::{Client, Http2, request};
use hardening_service_tests::service::{scrape, until, value};

/// The certificate that a new connection is shown.
async fn shown(running: &Running, authority: &Authority) -> Vec<u8> {
    let stream = connect(running.addr, &authority.plain_config()).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

async fn reloads(running: &Running, result: &str) -> f64 {
    let series = format!("tls_certificate_reloads_total{{result=\"{result}\"}}");
    value(&scrape(running).await, &series).unwrap()
}

#[tokio::test]
async fn new_connections_see_the_new_certificate_and_old_ones_go_on() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    let before = shown(&running, &authority).await;
    let mut old = Client::over(connect(running.addr, &authority.plain_config()).await.unwrap());
    old.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(old.reply().await.status, 200);

    authority.install(&authority.server());
    until("the new one is in force", || async { reloads(&running, "applied").await >= 1.0 }).await;
    let after = shown(&running, &authority).await;
    assert_ne!(before, after);
    old.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(old.reply().await.status, 200, "the old connection goes on");

    // A key of another certificate: what was in force stays.
    authority.file("key.pem", &authority.server().key);
    until("it is refused", || async { reloads(&running, "refused").await >= 1.0 }).await;
    assert_eq!(shown(&running, &authority).await, after);
    authority.file("certificate.pem", "");
    until("this too", || async { reloads(&running, "refused").await >= 2.0 }).await;
    assert_eq!(shown(&running, &authority).await, after);
    // Mended, it comes into force.
    authority.install(&authority.server());
    until("the mended one is in force", || async { reloads(&running, "applied").await >= 2.0 }).await;
    assert_ne!(shown(&running, &authority).await, after);
}

/// The very moment after the start may be the one in which the files change.
#[tokio::test]
async fn what_is_exchanged_right_after_the_start_is_seen() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    authority.install(&authority.server());
    until("the new one is in force", || async { reloads(&running, "applied").await >= 1.0 }).await;
}

/// New connections, a kept one, and one of HTTP/2 ask all the time while the certificate is exchanged again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_lost_while_certificates_are_exchanged() {
    let authority = Arc::new(Authority::new());
    let settings = format!("[http]\nrate_limit = 'none'\n{}", authority.install(&authority.server()));
    let running = Arc::new(start(&settings).await);
    let (over, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let mut clients = tokio::task::JoinSet::new();
    for kind in 0..3 {
        let (authority, address) = (Arc::clone(&authority), running.addr);
        let (over, asked) = (Arc::clone(&over), Arc::clone(&asked));
        clients.spawn(async move {
            let config = authority.plain_config();
            let mut kept = Client::over(connect(address, &config).await.unwrap());
            let h2 = authority.config(None, rustls::ALL_VERSIONS, &["h2"]);
            let http2 = Http2::over(connect(address, &h2).await.unwrap()).await;
            while !over.load(Ordering::Relaxed) {
                let status = match kind {
                    0 => http2.ask("GET", "/hello", &[], "").await.status,
                    1 => {
                        kept.send(request("GET", "/hello", &[], "")).await;
                        kept.reply().await.status
                    }
                    _ => {
                        let stream = connect(address, &config).await.expect("a handshake");
                        let mut new = Client::over(stream);
                        new.send(request("GET", "/hello", &[], "")).await;
                        new.reply().await.status
                    }
                };
                assert_eq!(status, 200);
                asked.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(5)).await;
            }
        });
    }
    let mut exchanged = 0.0;
    while exchanged < 3.0 {
        authority.install(&authority.server());
        let next = exchanged + 1.0;
        until("it is exchanged", || async { reloads(&running, "applied").await >= next }).await;
        exchanged = reloads(&running, "applied").await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("no request is lost");
    }
    assert!(asked.load(Ordering::Relaxed) > 100, "{asked:?}");
    assert!(reloads(&running, "refused").await < 1.0, "no pair was seen half-written");
}
