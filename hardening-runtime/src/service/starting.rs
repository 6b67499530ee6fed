//! What answers while set-up runs: the probes, and a refusal that says when to come again.
//!
//! It is a server like the one that follows, with its limits and its times, but without routes. The one that follows has the same
//! sockets, so that nobody is refused a connection in between.

use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::response::Response;
use http::StatusCode;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::console::Console;
use super::descriptors::{self, Seats};
use super::health::Health;
use super::listener::{self, Listener};
use super::mounts::Mounts;
use super::problem::Problem;
use super::route_limits::RouteTable;
use super::server::{Parts, Server, Surface};
use super::shutdown::Stage;
use super::spec::App;
use super::tls::Tls;
use crate::context::Lifetime;
use crate::settings::Settings;

/// Set-up that takes no longer has nobody waiting: connections wait for as long in the system.
const A_MOMENT: Duration = Duration::from_millis(50);
/// How long answers may take that were begun meanwhile.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Connections of each listener.
const PLACES: u32 = 256;

/// What the server is made of that answers while set-up runs.
pub(super) struct Meanwhile {
    pub(super) settings: Settings,
    pub(super) version: &'static str,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) console: Console,
}

/// Answers until it is dropped, or [`Starting::over`].
pub(super) struct Starting {
    task: JoinHandle<()>,
    over: Option<oneshot::Sender<()>>,
    server: Arc<OnceLock<Arc<Server>>>,
}

impl Starting {
    /// Begins to answer at these listeners once set-up has taken a moment; nobody answers where they cannot be shared.
    pub(super) fn begin(meanwhile: Meanwhile, public: &Listener, admin: &Listener) -> Self {
        let mut listeners = Vec::with_capacity(2);
        for (surface, listener) in [(Surface::Public, public), (Surface::Admin, admin)] {
            match listener.shared() {
                Ok(shared) => listeners.push((surface, shared)),
                Err(error) => {
                    let listener = surface.name();
                    tracing::warn!(listener, %error, "nobody answers probes there while set-up runs");
                }
            }
        }
        let (over, mut is_over) = oneshot::channel();
        let server = Arc::new(OnceLock::new());
        let answers = Arc::clone(&server);
        let task = tokio::spawn(async move {
            // The sender is gone with what was begun.
            if tokio::time::timeout(A_MOMENT, &mut is_over).await.is_ok() {
                return;
            }
            tracing::info!("set-up takes a while; probes are answered");
            let server = Arc::new(meanwhile.server());
            let _ = answers.set(Arc::clone(&server));
            let mut accepting = JoinSet::new();
            for (surface, listener) in listeners {
                accepting.spawn(listener::accept(Arc::clone(&server), surface, listener));
            }
            let _ = is_over.await;
            server.enter(Stage::Done);
            let ended = async { while accepting.join_next().await.is_some() {} };
            let _ = tokio::time::timeout(LAST_WORDS, ended).await;
        });
        Self { task, over: Some(over), server }
    }

    /// How many descriptors it has, which are free again soon.
    pub(super) fn descriptors(&self) -> u64 {
        let Some(server) = self.server.get() else { return 2 };
        let open = |surface| server.connections.of(surface).open.load(Ordering::Relaxed);
        open(Surface::Public) + open(Surface::Admin) + 2 + descriptors::SPARE as u64
    }

    /// Set-up is over: nobody is accepted any more, and what was asked is answered.
    pub(super) fn over(mut self) {
        drop(self.over.take());
    }
}

impl Drop for Starting {
    fn drop(&mut self) {
        // The start has failed.
        if self.over.is_some() {
            self.task.abort();
        }
    }
}

impl Meanwhile {
    fn server(self) -> Server {
        let Self { settings, version, tls, console } = self;
        let seats = Seats {
            public: settings.http.connections.min(PLACES),
            admin: settings.http.admin_connections.min(PLACES),
        };
        let parts = Parts {
            version,
            app: App { http: Router::new(), grpc: None },
            health: Arc::new(Health::new(&[])),
            tls,
            auth: None,
            console,
            traces: None,
            alerts: None,
            priorities: Vec::new(),
            routes: RouteTable::default(),
            mounts: Mounts::default(),
            secrets: Vec::new(),
            pools: Vec::new(),
            seats,
            lifetime: Lifetime::of_a_substitute(),
            settings,
        };
        Server::starting(parts)
    }
}

/// What everything but a probe is told.
pub(super) fn not_yet(id: &str) -> Response {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE)
        .kind("urn:hardening:problem:starting")
        .detail("The service is starting.")
        .spread_retry_after(Duration::from_secs(1))
        .answer(Some(id))
}
