//! Time is what a test says it is.

use std::cell::Cell;

/// Nanoseconds, as the runtime counts.
pub type Nanos = u64;
/// Later than every moment.
pub const NEVER: Nanos = Nanos::MAX;

thread_local! {
    static NOW: Cell<Nanos> = const { Cell::new(0) };
}

pub(crate) fn now() -> Nanos {
    NOW.get()
}

/// Sets what this thread takes for the time.
#[allow(dead_code, reason = "time stands still in most models")]
pub fn set(now: Nanos) {
    NOW.set(now);
}

/// No timer runs: what it would do, the next caller does.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "no model has one")]
pub(crate) struct Runtime(());

impl Runtime {
    pub(crate) fn current() -> Option<Self> {
        None
    }

    #[allow(clippy::unused_self, reason = "the signature of the runtime's")]
    pub(crate) fn is(&self, _: &Self) -> bool {
        true
    }

    #[allow(clippy::unused_self, reason = "the signature of the runtime's")]
    pub(crate) fn after(&self, _: Nanos, _: impl FnOnce() + Send + 'static) {}
}

pub(crate) fn nanos(duration: std::time::Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
