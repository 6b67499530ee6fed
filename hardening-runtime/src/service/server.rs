//! What every connection and request of one service shares.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use tokio::sync::{Notify, watch};

use super::console::Console;
use super::headers::Headers;
use super::health::Health;
use super::limit::ClientLimit;
use super::route::NoteRoute;
use super::shutdown::Stage;
use super::tls::Tls;
use crate::settings::Settings;
use crate::telemetry::http::HttpStats;

/// One running service.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) settings: Settings,
    pub(crate) version: &'static str,
    pub(crate) router: Router,
    pub(crate) health: Arc<Health>,
    pub(crate) stats: HttpStats,
    pub(crate) limit: Option<ClientLimit>,
    pub(crate) headers: Headers,
    pub(crate) tls: Option<Arc<Tls>>,
    pub(crate) console: Console,
    stage: watch::Sender<Stage>,
    /// Read for each request; `stage` would take its lock.
    closing: AtomicBool,
    cut: AtomicBool,
    cutting: Notify,
}

/// Which listener a request came in on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Surface {
    /// The service itself.
    Public,
    /// Metrics and health.
    Admin,
}

impl Server {
    pub(crate) fn new(
        settings: Settings,
        version: &'static str,
        router: Router,
        health: Arc<Health>,
        tls: Option<Arc<Tls>>,
        console: Console,
    ) -> Self {
        Self {
            version,
            // `with_state` builds each route's services once instead of at each request.
            router: router.layer(NoteRoute).with_state(()),
            health,
            stats: HttpStats::default(),
            limit: ClientLimit::new(&settings.http),
            headers: Headers::new(&settings.http, tls.as_ref().map(|_| settings.tls.hsts.as_str())),
            tls,
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
            self.health.drain();
        }
        self.stage.send_replace(stage);
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

    /// Completes once [`Server::cut`] was called.
    pub(crate) async fn is_cut(&self) {
        // Made before the look, so that a word that comes in between is not missed.
        let notified = self.cutting.notified();
        if !self.cut.load(Ordering::Acquire) {
            notified.await;
        }
    }
}
