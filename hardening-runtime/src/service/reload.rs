//! Settings that change while the service runs: on SIGHUP, and when the file changes.
//!
//! All of the new settings come into force or none of them; what would not start does not. The numbers of every policy change in place, so that states
//! stay: an open circuit stays open. What belongs to the server itself comes into force with the next start.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::sleep;

use super::auth::{self, Auth};
use super::targets::{self, Numbers};
use super::tls::{self, Tls};
use super::whole;
use crate::files::{Version, read_unchanged};
use crate::settings::value::Entry;
use crate::settings::{self, Loaded, Settings, Sources, keys};
use crate::telemetry::text::Family;

/// How often the file is looked at. A change counts once two looks in a row agree, so that a file that is being written is
/// left alone.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(500);

static APPLIED: AtomicU64 = AtomicU64::new(0);
static REFUSED: AtomicU64 = AtomicU64::new(0);

/// Where settings come from, those that the service was started with, and those in force.
pub(super) struct Reloader {
    sources: Sources,
    started_with: Settings,
    numbers: Numbers,
    tls: Option<Arc<Tls>>,
    auth: Option<Arc<Auth>>,
    in_force: Mutex<InForce>,
}

/// What was loaded last, with what was set in the console.
#[derive(Clone)]
pub(super) struct InForce {
    pub(super) loaded: Loaded,
    /// What was set in the console, each path once.
    pub(super) console: Vec<Entry>,
    /// Grows with each change.
    pub(super) revision: u64,
}

impl fmt::Debug for Reloader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The sources hold what references stand for.
        f.debug_struct("Reloader").finish_non_exhaustive()
    }
}

impl Reloader {
    pub(super) fn new(
        sources: Sources,
        loaded: Loaded,
        numbers: Numbers,
        tls: Option<Arc<Tls>>,
        auth: Option<Arc<Auth>>,
    ) -> Self {
        let started_with = loaded.settings.clone();
        let in_force = Mutex::new(InForce { loaded, console: Vec::new(), revision: 0 });
        Self { sources, started_with, numbers, tls, auth, in_force }
    }

    /// What is in force, while `look` looks at it.
    pub(super) fn look<R>(&self, look: impl FnOnce(&InForce) -> R) -> R {
        look(&self.in_force())
    }

    /// Those that the service was started with: what is no number of a policy is that of the start.
    pub(super) fn started_with(&self) -> &Settings {
        &self.started_with
    }

    /// What would be loaded without the console; `None` where that breaks a rule.
    pub(super) fn without(&self, loaded: &Loaded) -> Option<Loaded> {
        let (_, calls) = targets::all();
        settings::reload_with(&self.sources, &calls, loaded, &[]).ok()
    }

    /// Whether what the console says at a path changes nothing.
    pub(super) fn says_nothing(&self, path: &[String]) -> bool {
        let in_force = self.in_force();
        let others: Vec<Entry> =
            in_force.console.iter().filter(|entry| entry.path != path).cloned().collect();
        let (_, calls) = targets::all();
        let specs = |loaded: &Loaded| -> Vec<_> {
            loaded.overrides.iter().map(|change| (change.call, change.spec)).collect()
        };
        settings::reload_with(&self.sources, &calls, &in_force.loaded, &others)
            .is_ok_and(|without| specs(&without) == specs(&in_force.loaded))
    }

    fn in_force(&self) -> MutexGuard<'_, InForce> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is set in the console, all of it or nothing, by the rules of a start.
    ///
    /// # Errors
    /// With everything that is wrong with the settings that would be in force.
    pub(super) fn set(&self, change: impl FnOnce(&mut Vec<Entry>)) -> Result<usize, Vec<String>> {
        let mut in_force = self.in_force();
        let mut console = in_force.console.clone();
        change(&mut console);
        let (_, calls) = targets::all();
        let loaded = settings::reload_with(&self.sources, &calls, &in_force.loaded, &console)
            .map_err(|problems| problems.0)?;
        // What the console spoke of and speaks of no longer is as it was; what nobody speaks of is left alone.
        let before: Vec<usize> = in_force.loaded.overrides.iter().map(|change| change.call).collect();
        let changed = self.numbers.configure(&loaded, |at| before.contains(&at))?;
        let revision = in_force.revision + 1;
        *in_force = InForce { loaded, console, revision };
        Ok(changed)
    }

    /// Reloads until it is dropped. From its call on, and not from its first poll, SIGHUP does not end the process.
    pub(super) fn watch(self: Arc<Self>) -> impl Future<Output = ()> + Send + 'static {
        let mut hangups = Hangups::new();
        let mut file = Watched::new(self.look(|in_force| in_force.loaded.version));
        // What was exchanged since the start read it is news.
        let mut certificate = Watched::new(self.tls.as_ref().map(|tls| tls.began_with()));
        let mut callers = Watched::new(self.auth.as_ref().map(|auth| auth.began_with()));
        async move {
            loop {
                tokio::select! {
                    () = hangups.next() => {
                        let looked = self.version().await;
                        file = Watched::new(looked);
                        self.configure("SIGHUP", looked).await;
                        let looked = self.certificate().await;
                        certificate = Watched::new(looked);
                        self.certify("SIGHUP", looked).await;
                        let looked = self.callers().await;
                        callers = Watched::new(looked);
                        self.introduce("SIGHUP", looked).await;
                    }
                    () = sleep(LOOK_EVERY) => {
                        let looked = self.version().await;
                        if file.changed(looked) {
                            self.configure("the file changed", looked).await;
                        }
                        let looked = self.certificate().await;
                        if certificate.changed(looked) {
                            self.certify("a file changed", looked).await;
                        }
                        let looked = self.callers().await;
                        if callers.changed(looked) {
                            self.introduce("the file changed", looked).await;
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

    async fn certify(&self, cause: &'static str, looked: Option<tls::Version>) {
        if let (Some(tls), Some(looked)) = (self.tls.clone(), looked) {
            // A task that was cancelled has reloaded nothing, which the next look finds.
            let _ = tokio::task::spawn_blocking(move || tls.reload(cause, looked)).await;
        }
    }

    /// The file of callers as it is.
    async fn callers(self: &Arc<Self>) -> Option<auth::Version> {
        let auth = self.auth.clone()?;
        tokio::task::spawn_blocking(move || auth.version()).await.ok()
    }

    async fn introduce(&self, cause: &'static str, looked: Option<auth::Version>) {
        if let (Some(auth), Some(looked)) = (self.auth.clone(), looked) {
            // A task that was cancelled has reloaded nothing, which the next look finds.
            let _ = tokio::task::spawn_blocking(move || auth.reload(cause, looked)).await;
        }
    }

    async fn version(self: &Arc<Self>) -> Version {
        let this = Arc::clone(self);
        tokio::task::spawn_blocking(move || this.sources.version()).await.ok().flatten()
    }

    /// A file may be large and every line of it wrong: requests are answered meanwhile.
    async fn configure(self: &Arc<Self>, cause: &'static str, looked: Version) {
        let this = Arc::clone(self);
        // A task that was cancelled has reloaded nothing.
        let _ = tokio::task::spawn_blocking(move || this.reload(cause, looked)).await;
    }

    /// Reads every source again and puts the policies' numbers in force, or says why not.
    fn reload(&self, cause: &'static str, looked: Version) {
        let (_, calls) = targets::all();
        let (loaded, mut in_force) = loop {
            // Requests to the console wait for the lock, so it is not held while the sources are read.
            let (console, revision) = self.look(|in_force| (in_force.console.clone(), in_force.revision));
            let load = || settings::load_with(&self.sources, &calls, &console);
            let Some(loaded) = read_unchanged(&looked, || self.sources.version(), load) else { return };
            let in_force = self.in_force();
            if in_force.revision == revision {
                break (loaded, in_force);
            }
        };
        let done = loaded
            .map_err(|problems| problems.0)
            .and_then(|loaded| {
                // A file is emptied before it is written anew, and goes with a volume: nobody means to lose all numbers by that.
                let vanished = in_force.loaded.file_says && !loaded.file_says;
                if vanished { Err(vec![self.sources.says_nothing()]) } else { Ok(loaded) }
            })
            .and_then(|loaded| whole::check(&loaded.settings).map(|()| loaded).map_err(|why| vec![why]))
            .and_then(|loaded| self.numbers.configure(&loaded, |_| true).map(|changed| (loaded, changed)));
        match done {
            Ok((loaded, changed)) => {
                APPLIED.fetch_add(1, Ordering::Relaxed);
                tracing::info!(cause, changed, "settings reloaded");
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                self.name_what_waits(&loaded);
                in_force.loaded = loaded;
                in_force.revision += 1;
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
        for (section, changed) in [
            ("task", now.tasks != then.tasks),
            ("route", now.routes != then.routes),
            ("secrets", now.secrets != then.secrets),
        ] {
            if changed {
                tracing::warn!(section, "what changed in this section comes into force with the next start");
            }
        }
        for setting in keys::SETTINGS {
            let hidden = loaded.hidden.contains(&(setting.section, setting.key));
            // Who may do what in the console is read at each request.
            if setting.section == "admin" {
                continue;
            }
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
