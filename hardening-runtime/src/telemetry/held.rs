//! The log and the recorder of metrics while set-up runs, which may set a subscriber and a recorder of its own: both are for one
//! process once and for ever. Until set-up is over ours hold on each thread of the runtime, and for the process only if nobody
//! else's do by then.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use metrics::LocalRecorderGuard;
use tracing::Dispatch;
use tracing::dispatcher::{self, DefaultGuard};
use tracing::subscriber::NoSubscriber;
use tracing_subscriber::Registry;
use tracing_subscriber::util::SubscriberInitExt as _;

use super::facade;
use super::log;
use super::traces::Traces;
use crate::settings::Log;

thread_local! {
    static ON_THIS_THREAD: RefCell<Option<Guards>> = const { RefCell::new(None) };
}

/// Keeps ours on one thread.
struct Guards(
    #[expect(dead_code, reason = "dropped")] Option<DefaultGuard>,
    #[expect(dead_code, reason = "dropped")] Option<LocalRecorderGuard<'static>>,
);

/// What holds until it is decided whose holds.
pub(crate) struct Held {
    /// `None` where the program had a subscriber before.
    log: Option<Dispatch>,
    decided: AtomicBool,
}

impl Held {
    /// Prepares the log as settings ask for.
    pub(crate) fn new(log: &Log, traces: Option<&Arc<Traces>>) -> Arc<Self> {
        let others = dispatcher::get_default(|current| !current.is::<NoSubscriber>());
        let log = (!others).then(|| log::prepared(log, traces));
        Arc::new(Self { log, decided: AtomicBool::new(false) })
    }

    /// Lets ours hold on this thread.
    pub(crate) fn enter(&self) {
        if self.decided.load(Ordering::Acquire) {
            return;
        }
        let log = self.log.as_ref().map(dispatcher::set_default);
        let recorder = facade::recorder().map(|recorder| metrics::set_default_local_recorder(recorder));
        ON_THIS_THREAD.set(Some(Guards(log, recorder)));
    }

    /// Lets what was decided hold on this thread.
    pub(crate) fn leave(&self) {
        if self.decided.load(Ordering::Acquire) {
            ON_THIS_THREAD.take();
        }
    }

    /// Set-up is over: ours hold where it has set none.
    pub(crate) fn decide(&self) {
        self.decided.store(true, Ordering::Release);
        self.leave();
        let ours = self.log.as_ref().is_some_and(holds);
        if !ours {
            tracing::info!(
                "the program has a subscriber of its own, which has the log: settings of `[log]` have no effect, \
                 and calls are recorded for `[otlp]` only where it has their layer"
            );
        }
        facade::install();
    }
}

/// Whether a subscriber is now that of the process.
fn holds(log: &Dispatch) -> bool {
    // It may be, though lines of the crate `log` go elsewhere.
    let _ = log.clone().try_init();
    let at = |log: &Dispatch| log.downcast_ref::<Registry>().map(std::ptr::from_ref);
    dispatcher::get_default(|current| at(current) == at(log))
}
