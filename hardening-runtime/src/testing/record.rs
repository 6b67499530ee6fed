//! What happened, in order.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Nanos};
use crate::policy::circuit_breaker::CircuitState;

/// One thing that happened in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The call, or the circuit.
    pub call: &'static str,
    /// When, since the recording began.
    pub at: Duration,
    /// What.
    pub what: What,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum What {
    /// The call began.
    Begun,
    /// The caller holds the right.
    Authorized,
    /// The limits per call were charged.
    CallCharged,
    /// The idempotency key was looked at.
    KeyLookedAt,
    /// The cache was looked at.
    CacheLookedAt,
    /// The circuit let an attempt pass.
    CircuitPassed,
    /// The limits per attempt were charged.
    AttemptCharged,
    /// A place in the bulkhead was taken.
    BulkheadEntered,
    /// The body began: attempt number.
    BodyBegun(u32),
    /// A fault took the place of the body.
    Fault,
    /// An extra execution began.
    Hedged,
    /// The attempt ended: its number, and how, as metrics name it.
    AttemptEnded(u32, &'static str),
    /// Something was refused, as metrics name it.
    Refused(&'static str),
    /// Another attempt follows after this delay.
    Retried(Duration),
    /// The place in the bulkhead was given back.
    BulkheadLeft,
    /// The circuit took the outcome.
    CircuitTold,
    /// A circuit changed its state.
    Circuit(CircuitState, CircuitState),
    /// The fallback is asked.
    FallenBack,
    /// The call ended: how, as metrics name it.
    Ended(&'static str),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>9.3?} {} {:?}", self.at, self.call, self.what)
    }
}

struct Recording {
    id: usize,
    from: Nanos,
    call: Option<&'static str>,
    events: Vec<Event>,
}

static RECORDINGS: Mutex<Vec<Recording>> = Mutex::new(Vec::new());
static RUNNING: AtomicUsize = AtomicUsize::new(0);

fn recordings() -> MutexGuard<'static, Vec<Recording>> {
    RECORDINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps what happens until it is dropped.
#[derive(Debug)]
pub struct Recorder {
    id: usize,
}

/// Records what happens in every call, or in one: `record(None)`, `record("orders::price")`.
///
/// # Panics
/// When there is no call of this name.
#[track_caller]
pub fn record<'a>(call: impl Into<Option<&'a str>>) -> Recorder {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let call = call.into().map(|call| super::site(call).name());
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    recordings().push(Recording { id, from: clock::now(), call, events: Vec::new() });
    RUNNING.fetch_add(1, Ordering::AcqRel);
    Recorder { id }
}

impl Recorder {
    /// What happened so far, in order.
    pub fn events(&self) -> Vec<Event> {
        let recordings = recordings();
        let own = recordings.iter().find(|recording| recording.id == self.id);
        own.map(|recording| recording.events.clone()).unwrap_or_default()
    }

    /// The same without calls and times, for a comparison.
    pub fn order(&self) -> Vec<What> {
        self.events().into_iter().map(|event| event.what).collect()
    }

    /// Forgets what happened so far.
    pub fn clear(&self) {
        if let Some(own) = recordings().iter_mut().find(|recording| recording.id == self.id) {
            own.events.clear();
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
        recordings().retain(|recording| recording.id != self.id);
    }
}

/// Tells every recorder.
pub(crate) fn happened(call: &'static str, what: What) {
    if RUNNING.load(Ordering::Acquire) == 0 {
        return;
    }
    let now = clock::now();
    for recording in
        recordings().iter_mut().filter(|recording| recording.call.is_none_or(|only| only == call))
    {
        let at = Duration::from_nanos(now.saturating_sub(recording.from));
        recording.events.push(Event { call, at, what });
    }
}
