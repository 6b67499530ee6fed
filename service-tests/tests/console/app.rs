//! A service with a call for each test, and a client of the console.

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use hardening::{BoxError, Rejected, Running, Stopping};
use hardening::{
    background, bulkhead, circuit_breaker, hardened, hardened_service, health_check, idempotent, policy,
    rate_limited, requires, retry, timeout,
};
use hardening_service_tests::client::{Reply, ask, request};
use serde_json::{Value, json};
use tokio::time::sleep;

/// The token of the services under test.
pub(crate) const TOKEN: &str = "correct-horse-battery-staple";

/// What the page must show and never read as markup.
pub(crate) const MARKUP: &str = "<img src=x onerror=alert(document.domain)>";

policy! {
    pub(crate) static WAREHOUSE: CircuitBreaker = { failure_rate = 50%, window = 20, min_calls = 10, open_for = 60s };
    pub(crate) static PARTNERS: RateLimiter = { rate = 1000/s, burst = 1000 };
}

#[hardened_service(name = "orders")]
pub(crate) async fn orders() -> Router {
    Router::new()
        .route("/price", get(|| async { price().await.map(|()| "priced") }))
        .route("/stock", get(|| async { stock().await.map(|()| "there") }))
        .route(
            "/pay/{how}",
            get(|Path(how): Path<String>| async move { pay(how == "well").await.map(|()| "paid") }),
        )
        .route(
            "/ship/{how}",
            get(|Path(how): Path<String>| async move { ship(how == "well").await.map(|()| "shipped") }),
        )
        .route("/search", get(|| async { search().await.map(|()| "found") }))
        .route("/partner", get(|| async { partner().await.map(|()| "answered") }))
        .route("/report", get(|| async { report().await.map(|()| "written") }))
        .route("/export", get(|| async { export().await.map(|()| "written") }))
        .route("/narrow", get(|| async { narrow().await.map(|()| "through") }))
        .route("/switched", get(|| async { switched().await.map(|()| "through") }))
        .route("/recalled", get(|| async { recalled().await.map(|()| "through") }))
        .route(
            "/odd",
            get(|| async {
                odd().await;
                "odd"
            }),
        )
        .route("/once", get(|| async { once(7).await.map(|_| "done") }))
}

#[background(restart = 10s..60s)]
async fn relay(stop: Stopping) -> Result<(), BoxError> {
    stop.requested().await;
    Ok(())
}

#[background(restart = 1h..2h)]
async fn broken() -> Result<(), BoxError> {
    Err(format!("lost {MARKUP} password=hunter2").into())
}

const DOWN: Rejected = Rejected::StoreUnavailable { store: "warehouse" };

#[timeout(500ms)]
async fn price() -> Result<(), Rejected> {
    sleep(Duration::from_millis(fastrand::u64(1..6))).await;
    Ok(())
}

#[bulkhead(max = 8, queue = 4, max_wait = 100ms)]
#[timeout(2s)]
async fn stock() -> Result<(), Rejected> {
    sleep(Duration::from_millis(fastrand::u64(5..60))).await;
    Ok(())
}

/// Opens for the browser.
#[circuit_breaker(failure_rate = 50%, window = 10, min_calls = 4, open_for = 60s)]
async fn pay(well: bool) -> Result<(), Rejected> {
    if well { Ok(()) } else { Err(DOWN) }
}

#[circuit_breaker(WAREHOUSE)]
#[retry(attempts = 2, backoff = 1ms..2ms, idempotent)]
async fn ship(well: bool) -> Result<(), Rejected> {
    if well { Ok(()) } else { Err(DOWN) }
}

#[rate_limited(50/s, burst = 10)]
async fn search() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(PARTNERS)]
async fn partner() -> Result<(), Rejected> {
    Ok(())
}

/// Forced by the tests of actions, and called by nobody else.
#[circuit_breaker(failure_rate = 50%, window = 10, min_calls = 4, open_for = 60s)]
async fn report() -> Result<(), Rejected> {
    Ok(())
}

/// Called all the time while the page is looked at.
#[circuit_breaker(failure_rate = 50%, window = 10, min_calls = 4, open_for = 60s)]
async fn export() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(2/h, burst = 2)]
async fn narrow() -> Result<(), Rejected> {
    Ok(())
}

#[rate_limited(1/h, burst = 1)]
async fn switched() -> Result<(), Rejected> {
    Ok(())
}

#[timeout(200ms)]
#[retry(attempts = 3, backoff = 1ms..2ms, idempotent)]
async fn recalled() -> Result<(), Rejected> {
    Ok(())
}

#[hardened(name = "<img src=x onerror=alert(document.domain)>")]
async fn odd() {}

#[requires("orders:write")]
#[idempotent(key = number, fingerprint = ())]
async fn once(number: u32) -> Result<u32, Rejected> {
    Ok(number)
}

#[health_check(every = 100ms, timeout = 1s, down_after = 1)]
async fn warehouse() -> Result<(), BoxError> {
    Err(format!("refused {MARKUP}").into())
}

#[health_check(every = 100ms, timeout = 1s)]
async fn ledger() -> Result<(), BoxError> {
    Ok(())
}

/// The service with the token, and without the limit of clients.
pub(crate) async fn start() -> Running {
    start_with(&format!("[admin]\ntoken = '{TOKEN}'\n")).await
}

pub(crate) async fn start_with(settings: &str) -> Running {
    let settings = format!("http.rate_limit = 'none'\nlog.access = false\n{settings}");
    orders().with_settings(settings).start().await.unwrap_or_else(|error| panic!("{error}"))
}

/// Somebody at the console of a service.
pub(crate) struct Operator<'r> {
    running: &'r Running,
    token: Option<&'r str>,
}

impl<'r> Operator<'r> {
    pub(crate) const fn of(running: &'r Running) -> Self {
        Self { running, token: Some(TOKEN) }
    }

    pub(crate) const fn with(running: &'r Running, token: Option<&'r str>) -> Self {
        Self { running, token }
    }

    /// The answer to a request with these fields besides the token.
    pub(crate) async fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Reply {
        let bearer = self.token.map(|token| format!("Bearer {token}"));
        let host = self.running.admin_addr.to_string();
        let mut all = Vec::new();
        if !fields.iter().any(|(name, _)| *name == "host") {
            all.push(("host", host.as_str()));
        }
        all.extend_from_slice(fields);
        if let Some(bearer) = &bearer {
            all.push(("authorization", bearer));
        }
        if !body.is_empty() && !fields.iter().any(|(name, _)| *name == "content-type") {
            all.push(("content-type", "application/json"));
        }
        let text = request(method, path, &all, body).replacen("host: localhost\r\n", "", 1);
        ask(self.running.admin_addr, text).await
    }

    pub(crate) async fn state(&self) -> Value {
        let reply = self.ask("GET", "/console/api/state", &[], "").await;
        assert_eq!(reply.status, 200, "{reply:#?}");
        reply.json()
    }

    pub(crate) async fn configuration(&self) -> Value {
        let reply = self.ask("GET", "/console/api/configuration", &[], "").await;
        assert_eq!(reply.status, 200, "{reply:#?}");
        reply.json()
    }

    pub(crate) async fn act(&self, action: &str, asked: Value) -> Reply {
        self.ask("POST", &format!("/console/api/actions/{action}"), &[], &asked.to_string()).await
    }

    #[track_caller]
    pub(crate) fn does(&self, action: &'static str, asked: Value) -> impl Future<Output = Value> + '_ {
        let from = std::panic::Location::caller();
        async move {
            let reply = self.act(action, asked).await;
            assert_eq!(reply.status, 200, "{from}: {reply:#?}");
            reply.json()
        }
    }

    pub(crate) async fn set(&self, path: &[&str], value: Value) -> Value {
        self.does("set", json!({ "path": path, "value": value })).await
    }

    pub(crate) async fn unset(&self, path: &[&str]) -> Value {
        self.does("unset", json!({ "path": path })).await
    }
}

/// The entry of this name in a list of the state.
#[track_caller]
pub(crate) fn named<'s>(list: &'s Value, name: &str) -> &'s Value {
    let found = list.as_array().expect("a list").iter().find(|entry| entry["name"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {list:#}"))
}

/// The value of a number of a call's policy in the configuration.
#[track_caller]
pub(crate) fn number<'c>(configuration: &'c Value, call: &str, policy: &str, key: &str) -> &'c Value {
    let policies = &named(&configuration["calls"], call)["policies"];
    let policy = policies.as_array().expect("policies").iter().find(|entry| entry["policy"] == policy);
    let values = &policy.unwrap_or_else(|| panic!("{policies:#}"))["values"];
    let value = values.as_array().expect("values").iter().find(|entry| entry["key"] == key);
    value.unwrap_or_else(|| panic!("{values:#}"))
}
