//! Faults in place of a body, innermost: inside every policy of the call.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

/// What happens instead of a body, or before it.
#[derive(Clone, Debug)]
pub struct Fault {
    kind: Kind,
    rate: f64,
    times: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Error,
    Latency(Duration),
    Panic,
    Hang,
}

impl Fault {
    const fn new(kind: Kind) -> Self {
        Self { kind, rate: 1.0, times: None }
    }

    /// The body does not run and fails: as `Rejected::Injected`, made into the function's own error. Policies take it for a
    /// failure of the dependency that may have done something.
    pub const fn error() -> Self {
        Self::new(Kind::Error)
    }

    /// The body begins so much later.
    pub const fn latency(delay: Duration) -> Self {
        Self::new(Kind::Latency(delay))
    }

    /// The body does not run and panics.
    pub const fn panic() -> Self {
        Self::new(Kind::Panic)
    }

    /// The body never ends.
    pub const fn hang() -> Self {
        Self::new(Kind::Hang)
    }

    /// At this share of the executions, 0 to 1; what lies outside is 0 or 1. [`seed`](super::seed) makes it repeatable.
    #[must_use]
    pub const fn at_rate(self, rate: f64) -> Self {
        Self { rate: if rate.is_nan() { 0.0 } else { rate.clamp(0.0, 1.0) }, ..self }
    }

    /// So many times, then no more.
    #[must_use]
    pub const fn times(self, times: u32) -> Self {
        Self { times: Some(times), ..self }
    }
}

/// A fault in place; dropping it takes it away.
#[derive(Debug)]
#[must_use = "dropping it takes the fault away"]
pub struct Injection {
    id: u64,
}

impl Drop for Injection {
    fn drop(&mut self) {
        placed().retain(|placed| placed.id != self.id);
    }
}

impl Injection {
    /// Leaves the fault in place until [`alone`](super::alone) ends or begins.
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

#[derive(Debug)]
struct Placed {
    id: u64,
    call: &'static str,
    fault: Fault,
}

static PLACED: Mutex<Vec<Placed>> = Mutex::new(Vec::new());
static ANY: AtomicBool = AtomicBool::new(false);

fn placed() -> MutexGuard<'static, Vec<Placed>> {
    PLACED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Puts a fault in place of the body of the call of this name, in every thread. Several faults of one call are tried in the
/// order in which they were put there; the first one whose turn it is happens.
///
/// ```no_run
/// use std::time::Duration;
/// use hardening_runtime::testing::{Fault, inject};
///
/// let _slow = inject("orders::price", Fault::latency(Duration::from_secs(1)).at_rate(0.1));
/// let _broken = inject("orders::stock", Fault::error().times(3));
/// ```
///
/// # Panics
/// When there is no call of this name, or an error is asked of a call without policies, which has no error to make it into.
#[track_caller]
pub fn inject(call: &str, fault: Fault) -> Injection {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let site = super::site(call);
    assert!(
        fault.kind != Kind::Error || super::policies(site) != ["requires"; 0],
        "`{call}` has no policy, so it cannot be made to fail; a latency, a panic or a hang can be injected"
    );
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    placed().push(Placed { id, call: site.name(), fault });
    ANY.store(true, Ordering::Release);
    Injection { id }
}

pub(super) fn clear() {
    placed().clear();
    ANY.store(false, Ordering::Release);
}

/// The fault of one execution that is about to begin.
pub(crate) fn decide(call: &'static str) -> Option<Pending> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let mut placed = placed();
    let due = |placed: &&mut Placed| {
        placed.call == call && placed.fault.times != Some(0) && fastrand::f64() < placed.fault.rate
    };
    let placed = placed.iter_mut().find(due)?;
    if let Some(times) = &mut placed.fault.times {
        *times -= 1;
    }
    super::happened(call, super::What::Fault);
    Some(match placed.fault.kind {
        Kind::Error => Pending::Error,
        Kind::Latency(delay) => Pending::Latency(Box::pin(sleep(delay))),
        Kind::Panic => Pending::Panic(call),
        Kind::Hang => Pending::Hang,
    })
}

/// A fault that happens.
#[derive(Debug)]
pub(crate) enum Pending {
    Error,
    Latency(Pin<Box<Sleep>>),
    Panic(&'static str),
    Hang,
}

/// The body failed without running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Injected;

impl Pending {
    /// Ready when the body may run, or has failed.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Injected>> {
        match self {
            Self::Error => Poll::Ready(Err(Injected)),
            Self::Latency(sleep) => sleep.as_mut().poll(cx).map(Ok),
            Self::Panic(call) => panic!("a panic injected into `{call}`"),
            Self::Hang => Poll::Pending,
        }
    }
}
