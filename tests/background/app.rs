//! The service under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::routing::get;
use hardening::{
    Rejected, Result, SecretHandle, Service, Setup, Stopping, background, context, hardened,
    hardened_service, health_check,
};

/// What happened, in that order; a process says it too.
#[derive(Clone, Default)]
pub(crate) struct Journal {
    pub(crate) entries: Arc<Mutex<Vec<String>>>,
    /// What the tasks do.
    pub(crate) deeds: Deeds,
}

/// What the tasks do besides what they always do.
#[derive(Clone, Copy, Default)]
pub(crate) struct Deeds {
    /// `stubborn` never ends.
    pub(crate) stubborn: bool,
    /// `flaky` panics so often first.
    pub(crate) panics: usize,
    /// `relay` fails when it is stopped.
    pub(crate) fails: bool,
}

impl Journal {
    pub(crate) fn note(&self, what: &str) {
        self.entries.lock().unwrap().push(what.to_owned());
    }

    pub(crate) fn noted(&self) -> Vec<String> {
        self.entries.lock().unwrap().clone()
    }
}

tokio::task_local! {
    /// Seen by set-up.
    pub(crate) static JOURNAL: Journal;
}

fn journal() -> Journal {
    let asked = |name| std::env::var(name).is_ok();
    JOURNAL.try_with(Clone::clone).unwrap_or_else(|_| Journal {
        deeds: Deeds {
            stubborn: asked("STUBBORN"),
            panics: if asked("PANICS") { 2 } else { 0 },
            fails: false,
        },
        ..Journal::default()
    })
}

/// A service with every task.
#[hardened_service(name = "post")]
pub(crate) async fn post(setup: &mut Setup) -> Result<Router> {
    let journal = journal();
    setup.provide(journal.clone());
    let noted = journal.clone();
    setup.on_shutdown("registry", async move || noted.note("hook"));
    Ok(routes(&journal))
}

fn routes(journal: &Journal) -> Router {
    let noted = journal.clone();
    let sleep = async move |Path(ms): Path<u64>| {
        tokio::time::sleep(Duration::from_millis(ms)).await;
        noted.note("answered");
        "slept"
    };
    Router::new()
        .route("/", get(async || "here"))
        .route("/sleep/{ms}", get(sleep))
        .route("/stuck", get(async || stuck().await.map_err(|_: Rejected| StatusCode::BAD_GATEWAY)))
}

/// A call without an end.
#[hardened(name = "stuck")]
async fn stuck() -> std::result::Result<(), Rejected> {
    std::future::pending().await
}

/// A service whose hook hangs.
#[hardened_service(name = "lingering")]
async fn lingering(setup: &mut Setup) -> Router {
    let journal = journal();
    setup.provide(journal.clone());
    setup.on_shutdown("flush", std::future::pending::<()>);
    routes(&journal)
}

/// A service whose set-up forgets what its tasks need.
#[hardened_service(name = "forgetful")]
pub(crate) async fn forgetful() -> Router {
    Router::new()
}

/// Takes nothing in once the service ends.
#[background(order = 1)]
async fn consumer(journal: &Journal, stop: Stopping) -> Result<(), String> {
    stop.draining().await;
    journal.note(if stop.is_requested() { "consumer is late" } else { "consumer drains" });
    stop.requested().await;
    journal.note("consumer ends");
    Ok(())
}

/// Works as long as requests are answered.
#[background(restart = 100ms..1s)]
async fn relay(stop: Stopping, journal: &Journal) -> Result<(), String> {
    stop.requested().await;
    journal.note("relay ends");
    if journal.deeds.fails { Err("cannot flush with password=hunter2".to_owned()) } else { Ok(()) }
}

#[background(restart = never)]
async fn stubborn(journal: &Journal) -> Result<(), String> {
    if journal.deeds.stubborn { std::future::pending().await } else { Ok(()) }
}

#[background(restart = 10ms..20ms)]
async fn flaky(journal: &Journal) -> Result<(), String> {
    journal.note("flaky begins");
    let runs = journal.noted().iter().filter(|entry| *entry == "flaky begins").count();
    assert!(runs > journal.deeds.panics, "no connection with password=planted-in-a-task");
    Ok(())
}

/// A service that leaks wherever code can.
#[hardened_service(name = "leaky")]
async fn leaky(setup: &mut Setup) -> Result<Router> {
    setup.provide(journal());
    let secret = setup.secret("db_password").await?;
    let (by_value, in_handler, in_spawned) = (secret.clone(), secret.clone(), secret.clone());
    tracing::info!(password = "planted-in-a-field", url = "https://u:planted-in-a-url@h/x", "starting");
    tracing::info!("the password is {}", secret.current().expose());
    Ok(Router::new()
        .route("/value", get(async move || -> (StatusCode, String) { told(&by_value) }))
        .route(
            "/panic",
            get(async move || -> &'static str { panic!("no login with {}", in_handler.current().expose()) }),
        )
        .route(
            "/spawn",
            get(async move || {
                let spawned = context::spawn(async move {
                    panic!("no login with {} and token=planted-in-a-spawn", in_spawned.current().expose())
                });
                if spawned.await.is_err() { "panicked" } else { "fine" }
            }),
        )
        .route("/error", get(async || (StatusCode::INTERNAL_SERVER_ERROR, leak("planted-in-an-error"))))
        .route("/problem", get(async || (StatusCode::BAD_REQUEST, leak("planted-in-a-problem"))))
        .route(
            "/typed",
            get(async || {
                hardening::Problem::validation()
                    .detail(leak("planted-in-a-detail"))
                    .field("a", leak("planted-in-a-field-error"))
            }),
        )
        .route("/search", get(async |Query(_): Query<Vec<(String, u32)>>| "found")))
}

fn told(secret: &SecretHandle) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot log in with {}", secret.current().expose()))
}

fn leak(secret: &str) -> String {
    format!("postgres://app:{secret}@db:5432 refused, api_key={secret}, {{\"token\": \"{secret}\"}}")
}

/// Fails with a secret in its reason.
#[health_check(every = 50ms, down_after = 1)]
async fn database() -> Result<(), String> {
    Err(leak("planted-in-a-check"))
}

/// Whose set-up fails with a secret in its reason.
#[hardened_service(name = "failing")]
async fn failing(_: &mut Setup) -> Result<Router> {
    Err(leak("planted-in-the-set-up").into())
}

/// A service that answers whether a guess is the secret.
#[hardened_service(name = "guarded")]
pub(crate) async fn guarded(setup: &mut Setup) -> Result<Router> {
    setup.provide(journal());
    let name = std::env::var("SECRET").unwrap_or_else(|_| "key".to_owned());
    let secret = setup.secret(&name).await?;
    let is = async move |Path(guess): Path<String>| secret.current().is(guess).to_string();
    Ok(Router::new().route("/is/{guess}", get(is)))
}

/// The service of this name.
pub(crate) fn service(name: &str) -> Service {
    let service = match name {
        "post" => post(),
        "lingering" => lingering(),
        "forgetful" => forgetful(),
        "leaky" => leaky(),
        "failing" => failing(),
        "guarded" => guarded(),
        other => panic!("no service `{other}`"),
    };
    service.with_defaults("http.rate_limit = 'none'")
}
