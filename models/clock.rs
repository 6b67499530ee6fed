//! Time is what a test says it is.

use std::cell::{Cell, RefCell};

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

/// What a timer does when it rings.
type Act = Box<dyn FnOnce() + Send>;

thread_local! {
    static RUNTIME: Cell<Option<u32>> = const { Cell::new(None) };
    static TIMERS: RefCell<Vec<(u32, Nanos, Act)>> = const { RefCell::new(Vec::new()) };
}

/// A runtime is a number, and its timers ring when a test says so. Without one, what a timer would do is left to the next caller.
#[derive(Clone, Debug)]
pub(crate) struct Runtime(u32);

#[allow(dead_code, reason = "most models have no runtime")]
impl Runtime {
    pub(crate) fn current() -> Option<Self> {
        RUNTIME.get().map(Self)
    }

    pub(crate) const fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    pub(crate) fn after(&self, delay: Nanos, act: impl FnOnce() + Send + 'static) {
        let at = now().saturating_add(delay);
        TIMERS.with_borrow_mut(|timers| timers.push((self.0, at, Box::new(act))));
    }
}

/// Says which runtime polls what this thread does from now on.
#[allow(dead_code, reason = "most models have no runtime")]
pub fn run_on(runtime: Option<u32>) {
    RUNTIME.set(runtime);
}

/// The timers that have not rung: the runtime and the moment of each.
#[allow(dead_code, reason = "most models have no runtime")]
pub fn timers() -> Vec<(u32, Nanos)> {
    TIMERS.with_borrow(|timers| timers.iter().map(|(runtime, at, _)| (*runtime, *at)).collect())
}

/// Rings the timers of a runtime that are due, or drops all of its timers, as a runtime that ends does.
#[allow(dead_code, reason = "most models have no runtime")]
pub fn ring(runtime: u32, ends: bool) {
    let now = now();
    let due = TIMERS.with_borrow_mut(|timers| {
        timers.extract_if(.., |(of, at, _)| *of == runtime && (ends || *at <= now)).collect::<Vec<_>>()
    });
    let before = RUNTIME.replace(Some(runtime));
    for (.., act) in due {
        if !ends {
            act();
        }
    }
    RUNTIME.set(before);
}

pub(crate) fn nanos(duration: std::time::Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
