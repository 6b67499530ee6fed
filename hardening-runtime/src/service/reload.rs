//! Settings that change while the service runs: on SIGHUP, and when the file changes.
//!
//! All of the new settings come into force or none of them. The numbers of every policy change in place, so that states
//! stay: an open circuit stays open. What belongs to the server itself comes into force with the next start.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::sleep;

use super::auth::{self, Auth};
use super::targets;
use super::tls::{self, Tls};
use crate::settings::{self, Loaded, Settings, Sources, Version, keys};
use crate::telemetry::text::Family;

/// How often the file is looked at. A change counts once two looks in a row agree, so that a file that is being written is
/// left alone.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

static APPLIED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Where settings come from, and those that the server was started with.
#[derive(Debug)]
pub(super) struct Reloader {
    sources: Sources,
    started_with: Settings,
    version: Version,
    tls: Option<Arc<Tls>>,
    auth: Option<Arc<Auth>>,
}

impl Reloader {
    pub(super) fn new(
        sources: Sources,
        started_with: Settings,
        version: Version,
        tls: Option<Arc<Tls>>,
        auth: Option<Arc<Auth>>,
    ) -> Self {
        Self { sources, started_with, version, tls, auth }
    }

    /// Reloads until it is dropped. From its call on, and not from its first poll, SIGHUP does not end the process.
    pub(super) fn watch(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let mut hangups = Hangups::new();
        let mut file = Watched::new(self.version);
        // What was exchanged since the start read it is news.
        let mut certificate = Watched::new(self.tls.as_ref().map(|tls| tls.began_with()));
        let mut callers = Watched::new(self.auth.as_ref().map(|auth| auth.began_with()));
        async move {
            loop {
                tokio::select! {
                    () = hangups.next() => {
                        file = Watched::new(self.version().await);
                        self.reload("SIGHUP");
                        certificate = Watched::new(self.certificate().await);
                        self.certify("SIGHUP").await;
                        callers = Watched::new(self.callers().await);
                        self.introduce("SIGHUP").await;
                    }
                    () = sleep(LOOK_EVERY) => {
                        if file.changed(self.version().await) {
                            self.reload("the file changed");
                        }
                        if certificate.changed(self.certificate().await) {
                            self.certify("a file changed").await;
                        }
                        if callers.changed(self.callers().await) {
                            self.introduce("the file changed").await;
                        }
                    }
                }
            }
        }
    }

    /// The files of the certificate as they are.
    async fn certificate(self: &Arc<Self>) -> Option<tls::Version> {
        let tls = self.tls.clone()?;
        tokio::task::spawn_blocking(move || tls.version()).await.ok()
    }

    async fn certify(&self, cause: &'static str) {
        if let Some(tls) = self.tls.clone() {
            // A task that was cancelled has reloaded nothing, which the next look finds.
            let _ = tokio::task::spawn_blocking(move || tls.reload(cause)).await;
        }
    }

    /// The file of callers as it is.
    async fn callers(self: &Arc<Self>) -> Option<auth::Version> {
        let auth = self.auth.clone()?;
        tokio::task::spawn_blocking(move || auth.version()).await.ok()
    }

    async fn introduce(&self, cause: &'static str) {
        if let Some(auth) = self.auth.clone() {
            // A task that was cancelled has reloaded nothing, which the next look finds.
            let _ = tokio::task::spawn_blocking(move || auth.reload(cause)).await;
        }
    }

    async fn version(self: &Arc<Self>) -> Version {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || this.sources.version()).await.ok().flatten()
    }

    /// Reads every source again and puts the policies' numbers in force, or says why not.
    fn reload(&self, cause: &'static str) {
        let (_, calls) = targets::all();
        let done = settings::load(&self.sources, &calls)
            .map_err(|problems| problems.0)
            .and_then(|loaded| targets::configure(&loaded, true).map(|changed| (loaded, changed)));
        match done {
            Ok((loaded, changed)) => {
                APPLIED.fetch_add(1, Ordering::Relaxed);
                tracing::info!(cause, changed, "settings reloaded");
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                self.name_what_waits(&loaded);
            }
            Err(problems) => {
                REFUSED.fetch_add(1, Ordering::Relaxed);
                for problem in problems {
                    tracing::error!(cause, "settings refused, those before stay in force: {problem}");
                }
            }
        }
    }

    fn name_what_waits(&self, loaded: &Loaded) {
        let (now, then) = (&loaded.settings, &self.started_with);
        for (section, changed) in
            [("task", now.tasks != then.tasks), ("secrets", now.secrets != then.secrets)]
        {
            if changed {
                tracing::warn!(section, "what changed in this section comes into force with the next start");
            }
        }
        for setting in keys::SETTINGS {
            let hidden = loaded.hidden.contains(&(setting.section, setting.key));
            // The service listens where it listens, whatever a test or the file says.
            let of_start = matches!(setting.key, "listen" | "admin" | "pre_drain")
                && !loaded.given.contains(&(setting.section, setting.key));
            if !of_start && (setting.show)(&self.started_with) != (setting.show)(&loaded.settings) {
                let value = if hidden { "[redacted]".to_owned() } else { (setting.show)(&loaded.settings) };
                tracing::warn!(
                    setting = format!("[{}] {}", setting.section, setting.key),
                    value,
                    "this setting comes into force with the next start"
                );
            }
        }
    }
}

/// What is looked at again and again.
pub(crate) struct Watched<V> {
    /// As it was read.
    loaded: V,
    /// As it was at the last look.
    seen: V,
}

impl<V: PartialEq + Copy> Watched<V> {
    pub(crate) const fn new(loaded: V) -> Self {
        Self { loaded, seen: loaded }
    }

    /// Whether two looks in a row agree on something that was not read yet; then it is about to be.
    pub(crate) fn changed(&mut self, now: V) -> bool {
        let changed = now == self.seen && now != self.loaded;
        if changed {
            self.loaded = now;
        }
        self.seen = now;
        changed
    }
}

/// The process' SIGHUP, where there is one.
struct Hangups {
    #[cfg(unix)]
    signal: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    #[cfg(unix)]
    fn new() -> Self {
        use tokio::signal::unix::{SignalKind, signal};
        Self { signal: signal(SignalKind::hangup()).ok() }
    }

    #[cfg(not(unix))]
    fn new() -> Self {
        Self {}
    }

    async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(signal) = &mut self.signal
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// Writes how often settings were reloaded.
pub(super) fn render(out: &mut String) {
    let mut family =
        Family::counter(out, "hardening_settings_reloads_total", "Reloads of settings by their result.");
    for (result, count) in [("applied", &APPLIED), ("refused", &REFUSED)] {
        family.sample(&[("result", result)], count.load(Ordering::Relaxed));
    }
}
