//! Background tasks: supervised while the service runs, stopped in order when it ends.

mod course;
mod runner;
mod state;
mod stopping;

use std::pin::Pin;
use std::sync::OnceLock;

use hardening_spec::DurationRange;

use super::setup::{MissingProvision, Provided};
use crate::names::{self, Declared, Renamed};
use crate::settings::Settings;

pub(crate) use course::{Course, Next};
pub(crate) use runner::Running;
pub(crate) use state::{Ended, State, Tasks};
pub use stopping::Stopping;
pub(crate) use stopping::{Phase, Stopper};

/// One run of a task.
pub type TaskFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// One `#[background]`; made by the attribute.
#[derive(Clone, Copy, Debug)]
pub struct BackgroundTask {
    /// Its name.
    pub name: &'static str,
    /// The pause before it begins again after a failure; `None` for never.
    pub restart: Option<DurationRange>,
    /// Tasks of a higher order are stopped first.
    pub order: u32,
    /// The path of the module that declares it.
    pub module: &'static str,
    /// The package that declares it.
    pub krate: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line.
    pub line: u32,
    /// Starts one run with what set-up provided.
    pub run: fn(&Provided, Stopping) -> Result<TaskFuture, MissingProvision>,
}

/// An entry of the catalogue of tasks; made by the attribute.
#[doc(hidden)]
#[derive(Debug)]
pub struct Registered(pub &'static BackgroundTask);

inventory::collect!(Registered);

/// Puts a task into the catalogue.
#[doc(hidden)]
#[macro_export]
macro_rules! register_task {
    ($task:ident) => {
        $crate::__private::inventory::submit! { $crate::service::tasks::Registered(&$task) }
    };
}

/// Whether these settings leave any task on.
pub(crate) fn any(settings: &Settings) -> bool {
    tasks().iter().any(|task| settings.task(task.name).is_none_or(|setting| setting.enabled != Some(false)))
}

/// Every background task in the binary, by name; one of another crate has the crate in front.
pub fn tasks() -> Vec<&'static BackgroundTask> {
    linked().0.iter().collect()
}

/// The tasks of other crates whose names were in use.
pub(crate) fn renamed() -> &'static [Renamed] {
    &linked().1
}

fn linked() -> &'static (Vec<BackgroundTask>, Vec<Renamed>) {
    static LINKED: OnceLock<(Vec<BackgroundTask>, Vec<Renamed>)> = OnceLock::new();
    LINKED.get_or_init(|| {
        let mut tasks: Vec<BackgroundTask> = inventory::iter::<Registered>().map(|entry| *entry.0).collect();
        let declared: Vec<Declared> = tasks
            .iter()
            .map(|&BackgroundTask { name, module, krate, file, line, .. }| Declared {
                written: name,
                module,
                krate,
                file,
                line,
            })
            .collect();
        let (names, renamed) = names::linked(&declared);
        for (task, name) in tasks.iter_mut().zip(names) {
            task.name = name;
        }
        tasks.sort_by_key(|task| (task.name, task.file, task.line));
        (tasks, renamed)
    })
}
