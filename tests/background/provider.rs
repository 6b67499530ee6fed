//! A provider that speaks to a server in the form of Vault's key-value store.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use hardening::{BoxError, Result, Secret, SecretHandle, SecretProvider, Setup, hardened_service};
use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::app::Journal;
use crate::client;
use crate::support::{metric, until};

/// Asks `GET /v1/secret/data/<path>` with a token.
struct Vault {
    address: SocketAddr,
    token: Secret<String>,
}

impl SecretProvider for Vault {
    fn scheme(&self) -> &'static str {
        "vault"
    }

    async fn fetch(&self, path: &str) -> std::result::Result<Secret<String>, BoxError> {
        let request = Request::get(format!("http://{}/v1/secret/data/{path}", self.address))
            .header("x-vault-token", self.token.expose())
            .body(Empty::<Bytes>::new())?;
        let answer = Client::builder(TokioExecutor::new()).build_http().request(request).await?;
        if !answer.status().is_success() {
            return Err(format!("{} for token={}", answer.status(), self.token.expose()).into());
        }
        let body: Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
        let value = body["data"]["data"]["value"].as_str().ok_or("the answer has no value")?;
        Ok(value.into())
    }

    fn every(&self) -> Duration {
        Duration::from_millis(50)
    }
}

type Held = Arc<Mutex<Option<String>>>;

async fn read(
    State(held): State<Held>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> std::result::Result<Json<Value>, StatusCode> {
    if headers.get("x-vault-token").is_none_or(|token| token != "s.planted-token") {
        return Err(StatusCode::FORBIDDEN);
    }
    let value = held.lock().unwrap().clone().filter(|_| path == "db/password");
    let value = value.ok_or(StatusCode::NOT_FOUND)?;
    Ok(Json(json!({ "data": { "data": { "value": value }, "metadata": { "version": 1 } } })))
}

async fn vault(value: &str) -> (SocketAddr, Held) {
    let held: Held = Arc::new(Mutex::new(Some(value.to_owned())));
    let routes = Router::new().route("/v1/secret/data/{*path}", get(read)).with_state(Arc::clone(&held));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (address, held)
}

tokio::task_local! {
    static ASKED: (SocketAddr, &'static str, &'static str);
    static SEEN: Arc<Mutex<Option<SecretHandle>>>;
}

#[hardened_service(name = "vaulted")]
async fn vaulted(setup: &mut Setup) -> Result<Router> {
    setup.provide(Journal::default());
    let (address, token, name) = ASKED.get();
    setup.secret_provider(Vault { address, token: token.into() })?;
    assert!(
        setup.secret_provider(Vault { address, token: token.into() }).is_err(),
        "one provider for a scheme"
    );
    let secret = setup.secret(name).await?;
    *SEEN.with(Arc::clone).lock().unwrap() = Some(secret);
    Ok(Router::new())
}

async fn start(
    address: SocketAddr,
    token: &'static str,
    name: &'static str,
) -> std::result::Result<(hardening::Running, SecretHandle), hardening::StartError> {
    let seen = Arc::new(Mutex::new(None));
    let service = vaulted().with_settings("[secrets]\ndb = 'secret://vault/db/password'");
    let starting = SEEN.scope(Arc::clone(&seen), service.start());
    let running = ASKED.scope((address, token, name), starting).await?;
    let secret = seen.lock().unwrap().take().unwrap();
    Ok((running, secret))
}

#[tokio::test]
async fn a_provider_s_secret_is_followed_and_stays_while_it_fails() {
    let (address, held) = vault("first-value").await;
    let (service, mut secret) = start(address, "s.planted-token", "db").await.unwrap();
    assert!(secret.current().is("first-value"));
    *held.lock().unwrap() = Some("second-value\n".to_owned());
    assert!(secret.changed().await.is("second-value"));
    *held.lock().unwrap() = None;
    metric(service.admin_addr, "secret_stale{name=\"db\"} 1").await;
    assert!(secret.current().is("second-value"));
    *held.lock().unwrap() = Some("third-value".to_owned());
    until("the third", || async { secret.current().is("third-value") }).await;
    let metrics = client::get(service.admin_addr, "/metrics").await.body;
    assert!(metrics.contains("secret_reload_total{name=\"db\",result=\"failed\"} 1"), "{metrics}");
    assert!(!metrics.contains("-value") && !metrics.contains("planted"), "{metrics}");
    assert!(service.shutdown().await.is_clean());
}

#[tokio::test]
async fn a_provider_that_fails_at_the_start_stops_it_without_a_secret() {
    let (address, _) = vault("first-value").await;
    for (token, name, part) in [
        ("s.wrong-token", "db", "secret `db`: 403 Forbidden for token=[redacted]"),
        ("s.planted-token", "secret://vault/db/other", "404 Not Found"),
        ("s.planted-token", "secret://valt/db/password", "known schemes: `file`, `env` or `vault`"),
    ] {
        let error = start(address, token, name).await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains("-token"), "{error}");
    }
}
