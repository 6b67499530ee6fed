//! A certificate that is exchanged while the service runs.

use hardening::Running;

use super::support::start;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::client::{Client, request};
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
