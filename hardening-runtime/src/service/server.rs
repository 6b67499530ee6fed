//! What every connection and request of one service shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use tokio::sync::{Notify, watch};

use super::auth::Auth;
use super::console::Console;
use super::descriptors::Seats;
use super::drain::HookLog;
use super::fields::Fields;
use super::grpc;
use super::headers::Headers;
use super::health::{self, Health};
use super::limit::Limits;
use super::memory::Memory;
use super::mounts::Mounts;
use super::pools::Pool;
use super::route;
use super::route_limits::RouteTable;
use super::shed::{Priority, Shed};
use super::shutdown::Stage;
use super::slot::ConnectionStats;
use super::spec::App;
use super::tasks::{Tasks, tasks};
use super::tls::Tls;
use super::unreadable::Unreadable;
use super::upgrade::Upgrades;
use crate::context::Lifetime;
use crate::secret::Known;
use crate::settings::Settings;
use crate::telemetry::alerts::Alerts;
use crate::telemetry::http::HttpStats;
use crate::telemetry::traces::Traces;

/// Routes with counts of their own beyond those that are seen at the start: a router inside a fallback service has some.
const SPARE_ROUTES: usize = 32;

/// The paths of probes, which are counted as routes are.
const PROBES: usize = health::PATHS.len();

/// One running service.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) settings: Settings,
    pub(crate) version: &'static str,
    /// Whether set-up still runs, so that only probes are answered.
    pub(crate) starting: bool,
    pub(crate) router: Router,
    /// Where gRPC requests go, if not to `router`.
    pub(crate) grpc: Option<Router>,
    pub(crate) health: Arc<Health>,
    pub(crate) stats: HttpStats,
    pub(crate) limits: Limits,
    pub(crate) routes: RouteTable,
    pub(crate) mounts: Mounts,
    /// Where the public listener answers probes.
    pub(crate) probes: Vec<&'static str>,
    pub(crate) unreadable: Unreadable,
    /// Lines of requests beyond a client's limit.
    pub(crate) refused: Unreadable,
    pub(crate) shed: Shed,
    /// Who watches health over gRPC.
    #[cfg_attr(not(feature = "grpc"), expect(dead_code, reason = "nobody watches"))]
    pub(crate) watchers: grpc::Watchers,
    pub(crate) upgrades: Arc<Upgrades>,
    /// What answers hold that clients are slow to take.
    pub(crate) answers: Arc<Memory>,
    /// What bodies and messages hold that clients have not sent to the end.
    pub(crate) bodies: Arc<Memory>,
    pub(crate) lifetime: Lifetime,
    pub(crate) connections: ConnectionStats,
    /// How many there may be.
    pub(crate) seats: Seats,
    pub(crate) headers: Headers,
    pub(crate) fields: Fields,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) auth: Option<Arc<Auth>>,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) hooks: Arc<HookLog>,
    pub(crate) secrets: Vec<Arc<Known>>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) traces: Option<Arc<Traces>>,
    pub(crate) alerts: Option<Arc<Alerts>>,
    pub(crate) console: Console,
    stage: watch::Sender<Stage>,
    /// Read for each request; `stage` would take its lock.
    closing: AtomicBool,
    cut: AtomicBool,
    cutting: Notify,
}

/// What a service is put together from.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) version: &'static str,
    pub(crate) app: App,
    pub(crate) health: Arc<Health>,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) auth: Option<Arc<Auth>>,
    pub(crate) console: Console,
    pub(crate) traces: Option<Arc<Traces>>,
    pub(crate) alerts: Option<Arc<Alerts>>,
    /// Of routes, as set-up code gave them.
    pub(crate) priorities: Vec<(String, Priority)>,
    /// Limits of single routes.
    pub(crate) routes: RouteTable,
    /// What requests are called for which axum has no name.
    pub(crate) mounts: Mounts,
    pub(crate) secrets: Vec<Arc<Known>>,
    pub(crate) pools: Vec<Pool>,
    pub(crate) seats: Seats,
    pub(crate) lifetime: Lifetime,
}

/// Which listener a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// The service itself.
    Public,
    /// Metrics and health.
    Admin,
}

impl Surface {
    /// Its name in metrics and the log.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Admin => "admin",
        }
    }
}

impl Server {
    /// One that answers probes until set-up is over.
    pub(crate) fn starting(parts: Parts) -> Self {
        Self { starting: true, ..Self::new(parts) }
    }

    pub(crate) fn new(parts: Parts) -> Self {
        let Parts {
            settings,
            version,
            app,
            health,
            tls,
            auth,
            console,
            traces,
            alerts,
            priorities,
            routes: of_routes,
            mounts,
            secrets,
            pools,
            seats,
            lifetime,
        } = parts;
        let (router, routes) = route::prepared(app.http);
        let (grpc, methods) = app.grpc.map(grpc::prepared).unzip();
        let methods = methods.unwrap_or(0);
        let stats = HttpStats::new(routes + PROBES + SPARE_ROUTES, methods);
        if grpc.is_some() {
            stats.answers_calls();
        }
        let headers = Headers::new(&settings.http, tls.as_ref().map(|_| settings.tls.hsts.as_str()));
        Self {
            version,
            starting: false,
            router,
            grpc,
            health,
            stats,
            limits: Limits::new(&settings.http).and_of(&of_routes, &settings.http),
            routes: of_routes,
            // A route of the program's own stays its own where it is served.
            probes: health::PATHS
                .into_iter()
                .filter(|path| settings.health.paths.iter().any(|listed| listed == path) && !mounts.has(path))
                .collect(),
            mounts,
            unreadable: Unreadable::default(),
            refused: Unreadable::refused(),
            connections: ConnectionStats::default(),
            seats,
            watchers: grpc::Watchers::new(&settings.http),
            upgrades: Arc::new(Upgrades::new(&settings.http)),
            answers: Memory::of_answers(settings.http.answer_memory),
            bodies: Memory::of_bodies(settings.http.body_memory),
            lifetime,
            shed: Shed::new(&settings.shed, priorities),
            fields: Fields::new(&headers),
            headers,
            tls,
            auth,
            tasks: Arc::new(Tasks::new(&tasks(), &settings)),
            hooks: Arc::default(),
            secrets,
            pools,
            traces,
            alerts,
            console,
            stage: watch::Sender::new(Stage::Serving),
            closing: AtomicBool::new(false),
            cut: AtomicBool::new(false),
            cutting: Notify::new(),
            settings,
        }
    }

    /// Moves on to `stage` for everybody who watches.
    pub(crate) fn enter(&self, stage: Stage) {
        if stage > Stage::Serving {
            self.closing.store(true, Ordering::Release);
            self.lifetime.drain();
            self.health.drain();
            self.tasks.drain();
        }
        self.stage.send_replace(stage);
    }

    /// Whether something goes on that no request stands for any more: upgraded connections, and what requests have spawned.
    pub(crate) fn lingers(&self) -> bool {
        self.upgrades.open() > 0 || !self.lifetime.spawned().is_empty()
    }

    /// The same by what it is called, and how often.
    pub(crate) fn lingering(&self) -> Vec<(String, u64)> {
        let spawned = self.lifetime.spawned().into_iter();
        let spawned = spawned.map(|(route, count)| (format!("spawned by {route}"), count));
        self.upgrades.busy().into_iter().chain(spawned).collect()
    }

    /// The stage now.
    pub(crate) fn stage(&self) -> Stage {
        *self.stage.borrow()
    }

    /// The stage now and its changes.
    pub(crate) fn stages(&self) -> watch::Receiver<Stage> {
        self.stage.subscribe()
    }

    /// Whether a shutdown has begun, so that kept connections should end.
    pub(crate) fn closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }

    /// Cuts every request off that is still being answered.
    pub(crate) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.cutting.notify_waiters();
    }

    /// Whether [`Server::cut`] was called.
    #[cfg(feature = "grpc")]
    pub(crate) fn was_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Completes once [`Server::cut`] was called.
    pub(crate) async fn is_cut(&self) {
        // Made before the look, so that a word that comes in between is not missed.
        let notified = self.cutting.notified();
        if !self.cut.load(Ordering::Acquire) {
            notified.await;
        }
    }
}
