//! The issuer's keys change, it goes away and comes back, and clients make names of keys up.

use std::sync::Arc;

use hardening::Running;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::gate::{ask, count, start, total};
use super::issuer::{Issuer, Signer, claims, settings_at};
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::{get, request};
use hardening_service_tests::service::{problem, scrape, until, value};

async fn status(running: &Running, signer: &Signer) -> u16 {
    show(running, &signer.sign(&claims(&json!({})))).await
}

async fn show(running: &Running, token: &str) -> u16 {
    ask(running, "/me", &[("authorization", &format!("Bearer {token}"))]).await.status
}

#[tokio::test]
async fn a_new_key_is_fetched_when_the_first_token_comes_and_an_old_one_ends() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let issuer = Issuer::start(&[&old]).await;
    let running = start(&(issuer.settings() + "jwks_refresh = '300ms'\n")).await;
    assert_eq!(status(&running, &old).await, 200);
    issuer.publish(&[&old, &new]);
    assert_eq!(status(&running, &new).await, 200, "at once");
    assert_eq!(status(&running, &old).await, 200);
    // A key that the issuer takes back counts until the next fetch.
    issuer.publish(&[&new]);
    until("the old key is gone", async || status(&running, &old).await == 401).await;
    assert_eq!(status(&running, &new).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn made_up_names_of_keys_do_not_flood_the_issuer() {
    let signer = Signer::ec("a");
    let issuer = Issuer::start(&[&signer]).await;
    let running = Arc::new(start(&(issuer.settings() + "jwks_cooldown = '1h'\n")).await);
    assert_eq!(status(&running, &signer).await, 200);
    let mut floods = JoinSet::new();
    for client in 0..8 {
        let (running, signer) = (Arc::clone(&running), signer.clone());
        floods.spawn(async move {
            for number in 0..25 {
                let mut header = signer.header();
                header.kid = Some(format!("{client}-{number}"));
                let token = signer.sign_under(&header, &claims(&json!({})));
                assert_eq!(show(&running, &token).await, 401);
            }
        });
    }
    while let Some(flood) = floods.join_next().await {
        flood.unwrap();
    }
    assert_eq!(count(&running, "jwt", "unknown").await, 200);
    // One at the start, be it the service's own or the first token's, and one of the flood.
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(status(&running, &signer).await, 200);
}

#[tokio::test]
async fn an_issuer_that_is_down_at_the_start_is_asked_again() {
    let signer = Signer::ec("a");
    // Nobody listens there yet.
    let (address, bound) = hardening_service_tests::ports::refusing();
    let running = start(&(settings_at(address) + "jwks_cooldown = '200ms'\n")).await;
    assert_eq!(get(running.addr, "/me").await.status, 200, "nobody needs no key");
    let token = format!("Bearer {}", signer.sign(&claims(&json!({}))));
    let reply = ask(&running, "/me", &[("authorization", &token)]).await;
    problem(&reply, 503);
    assert!(reply.header("retry-after").is_some());
    assert!(count(&running, "jwt", "unavailable").await >= 1);
    let _issuer = Issuer::on(bound.listen(64).unwrap(), &[&signer]);
    until("it is there", async || status(&running, &signer).await == 200).await;
}

#[tokio::test]
async fn keys_outlive_an_issuer_that_is_down_but_not_for_ever() {
    let (signer, unknown) = (Signer::ec("a"), Signer::ec("b"));
    let issuer = Issuer::start(&[&signer]).await;
    let times = "jwks_refresh = '100ms'\njwks_cooldown = '100ms'\njwks_stale = '2s'\n";
    let running = start(&(issuer.settings() + times)).await;
    assert_eq!(status(&running, &signer).await, 200);
    issuer.break_down(true);
    let failures = async || total(&running, "auth_jwks_fetches_total{result=\"failed\"}").await;
    until("fetches fail", async || failures().await >= 3).await;
    assert_eq!(status(&running, &signer).await, 200);
    assert_eq!(status(&running, &unknown).await, 401);
    until("they are too old", async || status(&running, &signer).await == 503).await;
    assert_eq!(value(&scrape(&running).await, "auth_jwks_keys"), Some(0.0));
    issuer.break_down(false);
    until("they are fetched again", async || status(&running, &signer).await == 200).await;
}

/// What hangs costs a token its wait, and a request without one nothing.
#[tokio::test]
async fn an_issuer_that_hangs_holds_up_nobody_else() {
    let signer = Signer::ec("a");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = start(&settings_at(listener.local_addr().unwrap())).await;
    let token = format!("Bearer {}", signer.sign(&claims(&json!({}))));
    let fields = [("authorization", token.as_str()), ("x-request-timeout-ms", "200")];
    let text = request("GET", "/me", &fields, "");
    problem(&hardening_service_tests::client::ask(running.addr, text).await, 504);
    assert_eq!(get(running.addr, "/me").await.status, 200);
}

#[tokio::test]
async fn keys_are_fetched_over_tls_from_those_that_the_roots_vouch_for() {
    use hardening_service_tests::certificates::Pair;
    let (signer, files, strangers) = (Signer::ec("a"), Authority::new(), Authority::new());
    let serve = async |pair: Pair| {
        let keys = json!({ "keys": [signer.public()] }).to_string();
        let router = axum::Router::new().route("/keys", axum::routing::get(async move || keys));
        let acceptor = {
            use rustls::pki_types::pem::PemObject as _;
            use rustls::pki_types::{CertificateDer, PrivateKeyDer};
            let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
            let config = rustls::ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(
                    vec![CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap()],
                    PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
                )
                .unwrap();
            tokio_rustls::TlsAcceptor::from(Arc::new(config))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, router) = (acceptor.clone(), router.clone());
                tokio::spawn(async move {
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let service = hyper_util::service::TowerToHyperService::new(router);
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
                });
            }
        });
        port
    };
    for (pair, expected) in [(files.server(), 200), (strangers.server(), 503)] {
        let port = serve(pair).await;
        let roots = files.file("roots.pem", &files.pem());
        let settings = settings_at(([127, 0, 0, 1], port).into())
            .replace("http://127.0.0.1", "https://localhost")
            + &format!("jwks_ca = {roots:?}\n");
        let running = start(&settings).await;
        assert_eq!(status(&running, &signer).await, expected);
    }
}
