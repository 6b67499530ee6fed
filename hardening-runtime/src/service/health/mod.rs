//! Health: checks that run in the background, and probes that answer from their last report.

mod covered;
mod hysteresis;
mod probes;
mod runner;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::setup::{MissingProvision, Provided};
use crate::clock::{self, Nanos, nanos};
use crate::names::{self, Declared, Renamed};
use crate::telemetry::text::Family;

pub(crate) use covered::say_covered;
pub use hysteresis::{Change, Hysteresis};
pub(crate) use probes::{PATHS, Probe, probe_of};
pub(crate) use runner::watch;

/// What a check decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckKind {
    /// Readiness: a resource of this instance's own.
    Ready,
    /// Nothing but reports and alerts: a shared dependency, whose failure must not take every instance out.
    Degraded,
    /// The start: passes once.
    Startup,
}

impl CheckKind {
    /// Its name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Degraded => "degraded",
            Self::Startup => "startup",
        }
    }
}

/// One run of a check.
pub type CheckFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One `#[health_check]`; made by the attribute.
#[derive(Clone, Copy, Debug)]
pub struct HealthCheck {
    /// Its name.
    pub name: &'static str,
    /// What it decides.
    pub kind: CheckKind,
    /// How often it runs.
    pub every: Duration,
    /// The longest one run may take.
    pub timeout: Duration,
    /// Failures in a row after which it is down.
    pub down_after: u32,
    /// Successes in a row after which it is up again.
    pub up_after: u32,
    /// The path of the module that declares it.
    pub module: &'static str,
    /// The package that declares it.
    pub krate: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line.
    pub line: u32,
    /// Starts one run with what set-up provided.
    pub run: fn(&Provided) -> Result<CheckFuture, MissingProvision>,
}

/// An entry of the catalogue of checks; made by the attribute.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static HealthCheck);

inventory::collect!(Registered);

/// Puts a check into the catalogue.
#[doc(hidden)]
#[macro_export]
macro_rules! register_check {
    ($check:ident) => {
        $crate::__private::inventory::submit! { $crate::service::health::Registered(&$check) }
    };
}

/// Every check in the binary, by name; one of another crate has the crate in front.
pub fn checks() -> Vec<&'static HealthCheck> {
    linked().0.iter().collect()
}

/// The checks of other crates whose names were in use.
pub(crate) fn renamed() -> &'static [Renamed] {
    &linked().1
}

fn linked() -> &'static (Vec<HealthCheck>, Vec<Renamed>) {
    static LINKED: OnceLock<(Vec<HealthCheck>, Vec<Renamed>)> = OnceLock::new();
    LINKED.get_or_init(|| {
        let mut checks: Vec<HealthCheck> = inventory::iter::<Registered>().map(|entry| *entry.0).collect();
        let declared: Vec<Declared> = checks
            .iter()
            .map(|&HealthCheck { name, module, krate, file, line, .. }| Declared {
                written: name,
                module,
                krate,
                file,
                line,
            })
            .collect();
        let (names, renamed) = names::linked(&declared);
        for (check, name) in checks.iter_mut().zip(names) {
            check.name = name;
        }
        checks.sort_by_key(|check| (check.name, check.file, check.line));
        (checks, renamed)
    })
}

/// The state of every check of one service.
#[derive(Debug)]
pub(crate) struct Health {
    checks: Vec<CheckState>,
    set_up: AtomicBool,
    draining: AtomicBool,
    /// Whether it is ready, for those who wait for a change of it.
    serving: watch::Sender<bool>,
}

/// One check and its last report.
#[derive(Debug)]
pub(crate) struct CheckState {
    pub(crate) check: &'static HealthCheck,
    report: Mutex<Report>,
}

/// What is known of one check.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) state: Hysteresis,
    /// When it last ended; `None` before the first time.
    pub(crate) at: Option<Nanos>,
    /// Why it last failed.
    pub(crate) error: Option<String>,
}

impl CheckState {
    fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, result: Result<(), String>) -> Option<Change> {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.at = Some(clock::now());
        let change = report.state.observe(result.is_ok());
        report.error = result.err();
        change
    }
}

impl Report {
    /// Whether the last run is older than three cadences.
    fn stale(&self, every: Duration, now: Nanos) -> bool {
        self.at.is_some_and(|at| now.saturating_sub(at) > nanos(every).saturating_mul(3))
    }

    /// Up; a stale report of a shared dependency counts as down, see [`CheckKind::Degraded`].
    fn up(&self, check: &HealthCheck, now: Nanos) -> bool {
        self.state.is_up() && !(check.kind == CheckKind::Degraded && self.stale(check.every, now))
    }
}

impl Health {
    pub(crate) fn new(checks: &[&'static HealthCheck]) -> Self {
        let state = |check: &&'static HealthCheck| CheckState {
            check,
            report: Mutex::new(Report {
                state: Hysteresis::new(check.down_after, check.up_after),
                at: None,
                error: None,
            }),
        };
        Self {
            checks: checks.iter().map(state).collect(),
            set_up: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            serving: watch::Sender::new(false),
        }
    }

    /// Tells those who wait for it when readiness has changed.
    pub(crate) fn changed(&self) {
        // Asked inside, so that of two changes at once the later look is what stands.
        self.serving.send_if_modified(|serving| {
            let ready = self.ready(clock::now());
            std::mem::replace(serving, ready) != ready
        });
    }

    /// Whether it is ready, now and whenever that changes.
    #[cfg(feature = "grpc")]
    pub(crate) fn serving(&self) -> watch::Receiver<bool> {
        self.serving.subscribe()
    }

    pub(crate) fn checks(&self) -> &[CheckState] {
        &self.checks
    }

    /// Set-up is over and the listeners are bound.
    pub(crate) fn set_up(&self) {
        self.set_up.store(true, Ordering::Release);
        self.changed();
    }

    /// Readiness says no from now on.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.changed();
    }

    pub(crate) fn started(&self) -> bool {
        let passed =
            |state: &CheckState| state.check.kind != CheckKind::Startup || state.report().state.is_up();
        self.set_up.load(Ordering::Acquire) && self.checks.iter().all(passed)
    }

    fn ready(&self, now: Nanos) -> bool {
        let up =
            |state: &CheckState| state.check.kind != CheckKind::Ready || state.report().up(state.check, now);
        !self.draining.load(Ordering::Acquire) && self.started() && self.checks.iter().all(up)
    }

    /// `health_check_up` of every check.
    pub(crate) fn render(&self, out: &mut String) {
        let now = clock::now();
        let mut family = Family::gauge(out, "health_check_up", "Whether a check's dependency is up.");
        for state in &self.checks {
            let labels = [("check", state.check.name), ("kind", state.check.kind.name())];
            family.sample(&labels, u8::from(state.report().up(state.check, now)));
        }
    }
}
