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
        other => panic!("no service `{other}`"),
    };
    service.with_defaults("http.rate_limit = 'none'")
}
