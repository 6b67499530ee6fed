//! Everything that a running service is made of, and its tasks.

use std::process::ExitCode;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::address::Bound;
use super::listener::{self, Listener};
use super::reload::Reloader;
use super::series::Series;
use super::server::{Server, Surface};
use super::setup::{Hook, Provided};
use super::signals::Signals;
use super::targets::Said;
use super::{drain, ending, health, tasks, whole};
use crate::catalogue;
use crate::telemetry::alerts::Senders;
use crate::telemetry::facade;
use crate::telemetry::traces::Exporter;

/// Everything that a running service is made of.
#[derive(Debug)]
pub(super) struct Assembled {
    pub(super) reloader: Arc<Reloader>,
    /// Held until it has ended.
    pub(super) said: Said,
    pub(super) exporter: Option<Exporter>,
    pub(super) senders: Option<Senders>,
    pub(super) server: Arc<Server>,
    pub(super) provided: Arc<Provided>,
    pub(super) hooks: Vec<Hook>,
    /// What follows the secrets.
    pub(super) followers: JoinSet<()>,
    pub(super) public: Listener,
    pub(super) admin: Listener,
}

impl Assembled {
    pub(super) async fn serve(self, signals: Signals) -> ExitCode {
        let limit = whole::plan(&self.server.settings).watchdog();
        // The watchdog's thread goes on until the process has ended, and must not keep what handlers hold.
        let server = Arc::downgrade(&self.server);
        self.server.console.drains_by(signals.ask());
        let signals = signals.guard(limit, move || {
            server.upgrade().map(|server| ending::still_running(&server)).unwrap_or_default()
        });
        announce(&self);
        let report = drain::serve(self, signals, true).await;
        report.exit_code()
    }

    /// The addresses bound: the service's, and the admin listener's.
    pub(super) fn addresses(&self) -> std::io::Result<(Bound, Bound)> {
        Ok((self.public.bound()?, self.admin.bound()?))
    }

    /// Begins to serve: both listeners, the checks, and the facade's upkeep.
    pub(super) fn spawn(
        reloader: Arc<Reloader>,
        (exporter, senders): (Option<Exporter>, Option<Senders>),
        server: &Arc<Server>,
        provided: &Arc<Provided>,
        public: Listener,
        admin: Listener,
        followers: JoinSet<()>,
    ) -> Tasks {
        let mut others = health::watch(&server.health, provided);
        others.spawn(listener::accept(Arc::clone(server), Surface::Admin, admin));
        others.spawn(facade::upkeep());
        others.spawn(reloader.watch());
        others.spawn(Arc::clone(&server.answers).watch());
        others.spawn(Arc::clone(&server.bodies).watch());
        if let Some(auth) = &server.auth {
            others.spawn(auth.watch());
        }
        if let Some(exporter) = exporter {
            others.spawn(exporter.run());
        }
        if let Some(senders) = senders {
            others.spawn(senders.run());
            let server = Arc::clone(server);
            others.spawn(async move {
                if let Some(alerts) = &server.alerts {
                    alerts.watch(&server.stats).await;
                }
            });
        }
        let public = tokio::spawn(listener::accept(Arc::clone(server), Surface::Public, public));
        let background = tasks::Running::begin(&server.tasks, provided);
        server.health.set_up();
        Tasks { public, background, _others: others, _followers: followers }
    }
}

/// The tasks of a running service; dropping it ends them.
#[derive(Debug)]
pub(super) struct Tasks {
    /// Ends when the listener is closed and its last connection has ended.
    pub(super) public: tokio::task::JoinHandle<()>,
    pub(super) background: tasks::Running,
    _others: JoinSet<()>,
    _followers: JoinSet<()>,
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.public.abort();
    }
}

fn announce(assembled: &Assembled) {
    let sites: Vec<_> = catalogue::sites().collect();
    let mut crates: Vec<&str> = sites.iter().map(|site| site.place().krate).collect();
    crates.sort_unstable();
    crates.dedup();
    if let Ok((listen, admin)) = assembled.addresses() {
        tracing::info!(
            service = assembled.server.settings.service.name,
            version = assembled.server.version,
            sites = sites.len(),
            crates = crates.join(","),
            checks = assembled.server.health.checks().len(),
            tasks = assembled.server.tasks.0.len(),
            %listen,
            %admin,
            "serving"
        );
    }
    let series = Series::of(&assembled.server, assembled.hooks.len());
    tracing::info!(
        series = series.now,
        series_at_most = series.most,
        routes_at_most = assembled.server.stats.most_routes(),
        "the metrics of this service are bounded"
    );
}
