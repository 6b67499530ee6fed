//! What is known of the tasks of one service, for metrics, probes and the shutdown.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use hardening_spec::DurationRange;
use serde_json::{Value, json};

use super::{BackgroundTask, Phase, Stopper};
use crate::service::setup::{MissingProvision, Provided};
use crate::settings::Settings;
use crate::telemetry::text::Family;

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs.
    Running,
    /// It failed, and begins again after a pause.
    Waiting,
    /// It ended well: nothing is left to do.
    Done,
    /// It failed, and is not begun again.
    Failed,
}

impl State {
    const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    const fn is_up(self) -> bool {
        matches!(self, Self::Running | Self::Done)
    }

    /// Whether nothing of it runs any more.
    const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed)
    }
}

/// Why a run failed, without what must not be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With an error.
    Error(String),
    /// With a panic.
    Panic(String),
}

impl Ended {
    pub(crate) fn why(&self) -> &str {
        match self {
            Self::Error(why) | Self::Panic(why) => why,
        }
    }

    pub(crate) const fn reason(&self) -> &'static str {
        match self {
            Self::Error(_) => "error",
            Self::Panic(_) => "panic",
        }
    }
}

/// One task of one service.
#[derive(Debug)]
pub(crate) struct One {
    pub(crate) task: &'static BackgroundTask,
    /// In force.
    pub(crate) restart: Option<DurationRange>,
    pub(crate) stopper: Stopper,
    state: Mutex<(State, Option<Ended>)>,
    /// Whether it failed after it had been asked to stop.
    failed_stopping: AtomicBool,
    after_error: AtomicU64,
    after_panic: AtomicU64,
}

impl One {
    fn look(&self) -> (State, Option<Ended>) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.look().0.is_over()
    }

    /// It runs, or it ended well.
    pub(crate) fn set(&self, state: State) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = state;
    }

    /// It failed for good; `stopping` where it had been asked to stop. What had failed before was told then.
    pub(crate) fn gave_up(&self, ended: Ended, stopping: bool) {
        self.failed_stopping.store(stopping, Ordering::Release);
        self.failed(State::Failed, ended);
    }

    /// It failed.
    pub(crate) fn failed(&self, state: State, ended: Ended) {
        if state == State::Waiting {
            let counter =
                if matches!(ended, Ended::Panic(_)) { &self.after_panic } else { &self.after_error };
            counter.fetch_add(1, Ordering::Relaxed);
        }
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = (state, Some(ended));
    }
}

/// The tasks of one service that are not switched off.
#[derive(Debug, Default)]
pub(crate) struct Tasks(pub(crate) Vec<One>);

impl Tasks {
    pub(crate) fn new(tasks: &[&'static BackgroundTask], settings: &Settings) -> Self {
        let one = |task: &&'static BackgroundTask| {
            let setting = settings.task(task.name);
            let on = setting.and_then(|setting| setting.enabled).unwrap_or(true);
            on.then(|| One {
                task,
                restart: setting.and_then(|setting| setting.restart).unwrap_or(task.restart),
                stopper: Stopper::default(),
                state: Mutex::new((State::Running, None)),
                failed_stopping: AtomicBool::new(false),
                after_error: AtomicU64::new(0),
                after_panic: AtomicU64::new(0),
            })
        };
        Self(tasks.iter().filter_map(one).collect())
    }

    /// What the tasks ask for and set-up did not provide.
    pub(crate) fn missing(&self, provided: &Provided) -> Vec<String> {
        let missing = |one: &One| {
            let missing = (one.task.run)(provided, one.stopper.stopping()).err()?;
            // The function knows its name without the crate.
            Some(MissingProvision { name: one.task.name, ..missing }.to_string())
        };
        self.0.iter().filter_map(missing).collect()
    }

    /// The service begins to end.
    pub(crate) fn drain(&self) {
        self.0.iter().for_each(|one| one.stopper.reach(Phase::Draining));
    }

    /// The tasks that have not ended.
    pub(crate) fn unfinished(&self) -> Vec<String> {
        let unfinished = self.0.iter().filter(|one| !one.is_over());
        unfinished.map(|one| format!("task {}", one.task.name)).collect()
    }

    /// The tasks that failed while they were being stopped.
    pub(crate) fn failed_at_the_end(&self) -> Vec<String> {
        let failed = |one: &One| match one.look() {
            (State::Failed, Some(ended)) if one.failed_stopping.load(Ordering::Acquire) => {
                let panicked = if matches!(ended, Ended::Panic(_)) { "panicked: " } else { "" };
                Some(format!("task {}: {panicked}{}", one.task.name, ended.why()))
            }
            _ => None,
        };
        self.0.iter().filter_map(failed).collect()
    }

    /// `background_task_up` and `background_task_restarts_total` of every task.
    pub(crate) fn render(&self, out: &mut String) {
        let help = "Whether a background task runs, or has ended well.";
        let mut family = Family::gauge(out, "background_task_up", help);
        for one in &self.0 {
            family.sample(&[("task", one.task.name)], u8::from(one.look().0.is_up()));
        }
        let help = "How often a background task was begun again, by what it had ended with.";
        let mut family = Family::counter(out, "background_task_restarts_total", help);
        for one in &self.0 {
            for (reason, count) in [("error", &one.after_error), ("panic", &one.after_panic)] {
                let labels = [("task", one.task.name), ("reason", reason)];
                family.sample(&labels, count.load(Ordering::Relaxed));
            }
        }
    }

    /// For `?verbose`; `errors` also says why they failed, which may tell of the internals.
    pub(crate) fn describe(&self, errors: bool) -> Value {
        let describe = |one: &One| {
            let (state, ended) = one.look();
            let restarts = one.after_error.load(Ordering::Relaxed) + one.after_panic.load(Ordering::Relaxed);
            let mut written = json!({
                "name": one.task.name,
                "state": state.name(),
                "up": state.is_up(),
                "restarts": restarts,
            });
            if errors && let Some(ended) = ended {
                written["error"] = ended.why().into();
            }
            written
        };
        self.0.iter().map(describe).collect()
    }
}
