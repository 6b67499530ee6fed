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
pub(crate) enum Runtime {}

impl Runtime {
    pub(crate) fn current() -> Option<Self> {
        None
    }

    pub(crate) fn is(&self, _: &Self) -> bool {
        match *self {}
    }

    pub(crate) fn after(&self, _: Nanos, _: impl FnOnce() + Send + 'static) {
        match *self {}
    }
}

pub(crate) fn nanos(duration: std::time::Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
