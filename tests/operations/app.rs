//! The service under test.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use hardening::{Result, Service, Setup, hardened_service};

use crate::office;

/// What a hook does when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// Takes so many milliseconds.
    Takes(u64),
    Fails,
    Panics,
    /// Waits for ever.
    Hangs,
    /// Holds a thread for ever.
    Sticks,
}

/// Hooks in the order in which they are registered.
pub(crate) type Hooks = &'static [(&'static str, Deed)];

/// What the service of one test does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) hooks: Hooks,
    /// What hooks did, in that order.
    pub(crate) ran: Arc<Mutex<Vec<String>>>,
}

tokio::task_local! {
    /// Seen by [`office`]'s set-up.
    pub(crate) static SCRIPT: Script;
}

/// The service with every route that a test needs.
#[hardened_service(name = "office")]
pub(crate) async fn office(setup: &mut Setup) -> Result<Router> {
    let script = SCRIPT.try_with(Clone::clone).unwrap_or_default();
    register(setup, &script);
    Ok(office_routes())
}

fn office_routes() -> Router {
    Router::new()
        .route("/", get(async || "here"))
        .route("/sleep/{ms}", get(sleep))
        .route("/block/{ms}", get(block))
        .route("/stuck", get(std::future::pending::<&'static str>))
        .route("/calls/{name}", get(async |Path(name): Path<String>| office::story(&name).await))
}

async fn sleep(Path(ms): Path<u64>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "slept"
}

/// Holds a thread of the runtime, as careless code does.
async fn block(Path(ms): Path<u64>) -> &'static str {
    println!("holds a thread");
    hold(ms);
    "blocked"
}

#[expect(clippy::disallowed_methods, reason = "it plays code that nothing can interrupt")]
fn hold(ms: u64) {
    std::thread::sleep(Duration::from_millis(ms));
}

fn register(setup: &mut Setup, script: &Script) {
    for (name, deed) in script.hooks {
        let ran = Arc::clone(&script.ran);
        let note = move |what: &str| ran.lock().unwrap().push(format!("{name} {what}"));
        setup.on_shutdown(name, async move || {
            note("begins");
            match deed {
                Deed::Takes(ms) => tokio::time::sleep(Duration::from_millis(*ms)).await,
                Deed::Fails => return Err("the disk is full"),
                Deed::Panics => panic!("lost its head"),
                Deed::Hangs => std::future::pending().await,
                Deed::Sticks => hold(60_000),
            }
            note("ends");
            Ok(())
        });
    }
}

/// A service whose hook hangs.
#[hardened_service(name = "hanging")]
async fn hanging(setup: &mut Setup) -> Router {
    let hooks = &[("first", Deed::Takes(0)), ("flush", Deed::Hangs)];
    register(setup, &Script { hooks, ..Script::default() });
    office_routes()
}

/// A service whose hook holds a thread.
#[hardened_service(name = "sticking")]
async fn sticking(setup: &mut Setup) -> Router {
    register(setup, &Script { hooks: &[("flush", Deed::Sticks)], ..Script::default() });
    office_routes()
}

/// The service of this name.
pub(crate) fn service(name: &str) -> Service {
    let service = match name {
        "office" => office(),
        "hanging" => hanging(),
        "sticking" => sticking(),
        "own" => own(),
        "taken" => taken(),
        other => panic!("no service `{other}`"),
    };
    service.with_defaults("http.rate_limit = 'none'")
}

/// A service that logs and counts by means of its own.
#[hardened_service(name = "own")]
async fn own(_: &mut Setup) -> Result<Router> {
    tracing::info!("before");
    tracing::subscriber::set_global_default(Mine)?;
    metrics::set_global_recorder(metrics::NoopRecorder)?;
    Ok(office_routes())
}

/// A service with a metric whose name is taken.
#[hardened_service(name = "taken")]
async fn taken(_: &mut Setup) -> Router {
    metrics::counter!("http_requests_total").increment(7);
    metrics::gauge!("orders_open").set(3.0);
    office_routes()
}

/// Writes lines of a form of its own.
struct Mine;

impl tracing::Subscriber for Mine {
    fn enabled(&self, meta: &tracing::Metadata<'_>) -> bool {
        *meta.level() <= tracing::Level::INFO
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
        tracing::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = serde_json::json!({ "mine": true });
        let mut fields = |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
            line[field.name()] = format!("{value:?}").trim_matches('"').into();
        };
        event.record(&mut fields);
        println!("{line}");
    }

    fn enter(&self, _: &tracing::Id) {}

    fn exit(&self, _: &tracing::Id) {}
}
