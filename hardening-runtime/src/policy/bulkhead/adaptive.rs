//! A limit on concurrency that is found from latency.
//!
//! The gradient of Netflix's concurrency-limits and of Envoy's adaptive concurrency: while calls take as long as they do
//! when nobody waits, the limit grows; when they take longer, there is a queue somewhere, and the limit shrinks by as much.
//! How long a call takes when nobody waits is the least that was ever seen. A dependency that became slower for good would
//! be taken for a queue, so from time to time the limit is halved for a moment, in which no queue stands, and the least is
//! measured anew: BBR's probe of the round trip. Source of the forms: `concurrency-limits` (Gradient2), RFC drafts of BBR.

use hardening_spec::AdaptiveSpec;

use crate::clock::Nanos;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// A window holds at least so many calls.
const LEAST_CALLS: u32 = 10;
/// Calls that take up to so much longer than the least are not waiting for anybody.
const TOLERANCE: f64 = 1.1;
/// What a window changes is smoothed by this share.
const SMOOTHING: f64 = 0.2;
/// A limit is at least so much of what it was after one window.
const STEEPEST: f64 = 0.5;
/// A window in which calls were cut takes so much of the limit.
const BACKOFF: f64 = 0.9;
/// How long the least is believed while calls take longer.
const BELIEVED: Nanos = 10_000_000_000;

/// The limit of one bulkhead.
#[derive(Debug)]
pub struct Adaptive {
    /// What the window in hand holds.
    calls: AtomicU32,
    sum: AtomicU64,
    shortest: AtomicU64,
    busiest: AtomicU32,
    cut: AtomicU32,
    core: Mutex<Core>,
}

/// One finished call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// How long its body ran.
    pub took: Nanos,
    /// Calls that ran when it ended, itself included.
    pub running: u32,
    /// Whether it was cut by its timeout.
    pub cut: bool,
}

/// What a window came to.
#[derive(Clone, Copy, Debug)]
struct Window {
    average: f64,
    shortest: f64,
    busiest: u32,
    cut: bool,
}

#[derive(Debug)]
struct Core {
    least: u32,
    most: u32,
    initial: u32,
    limit: f64,
    /// How long a call takes when nobody waits; 0 before the first window.
    idle: f64,
    /// Whether no queue was ever seen: the limit doubles.
    begins: bool,
    /// When the least was measured last.
    measured: Nanos,
    /// Until when the limit is halved; calls that began before `since` are not counted.
    probe: Option<Probe>,
}

#[derive(Clone, Copy, Debug)]
struct Probe {
    since: Nanos,
    windows: u8,
    shortest: f64,
}

impl Adaptive {
    /// The limit of `spec`, at most `most`.
    pub fn new(spec: &AdaptiveSpec, most: u32, now: Nanos) -> Self {
        Self {
            calls: AtomicU32::new(0),
            sum: AtomicU64::new(0),
            shortest: AtomicU64::new(u64::MAX),
            busiest: AtomicU32::new(0),
            cut: AtomicU32::new(0),
            core: Mutex::new(Core {
                least: spec.min,
                most: most.max(spec.min),
                initial: spec.initial,
                limit: f64::from(spec.initial.clamp(spec.min, most.max(spec.min))),
                idle: 0.0,
                begins: true,
                measured: now,
                probe: None,
            }),
        }
    }

    /// Forgets what it has learnt; answers the limit that it begins with.
    pub(super) fn restart(&self, now: Nanos) -> u32 {
        self.take();
        let mut core = self.core.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        core.limit = f64::from(core.initial.clamp(core.least, core.most));
        (core.idle, core.begins, core.measured, core.probe) = (0.0, true, now, None);
        core.in_force()
    }

    /// Other bounds from now on; answers the limit within them.
    pub fn bound(&self, spec: &AdaptiveSpec, most: u32) -> u32 {
        let mut core = self.core.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        (core.least, core.most, core.initial) = (spec.min, most.max(spec.min), spec.initial);
        core.limit = core.limit.clamp(f64::from(core.least), f64::from(core.most));
        core.in_force()
    }

    /// Takes a finished call; answers a limit when the window it ended has found one.
    pub fn sample(&self, sample: Sample, now: Nanos) -> Option<u32> {
        self.busiest.fetch_max(sample.running, Ordering::Relaxed);
        if sample.cut {
            self.cut.fetch_add(1, Ordering::Relaxed);
        } else {
            self.sum.fetch_add(sample.took, Ordering::Relaxed);
            self.shortest.fetch_min(sample.took, Ordering::Relaxed);
        }
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if calls < LEAST_CALLS {
            return None;
        }
        // One thread judges; the others go on.
        let mut core = self.core.try_lock().ok()?;
        if calls < LEAST_CALLS.max(core.in_force() / 2) || self.calls.load(Ordering::Relaxed) < LEAST_CALLS {
            return None;
        }
        if core.probe.is_some_and(|probe| now.saturating_sub(sample.took) < probe.since) {
            self.take();
            return None;
        }
        let window = self.take()?;
        core.judge(window, now);
        Some(core.in_force())
    }

    /// Empties the window.
    fn take(&self) -> Option<Window> {
        let calls = self.calls.swap(0, Ordering::Relaxed);
        let sum = self.sum.swap(0, Ordering::Relaxed);
        let shortest = self.shortest.swap(u64::MAX, Ordering::Relaxed);
        let busiest = self.busiest.swap(0, Ordering::Relaxed);
        let cut = self.cut.swap(0, Ordering::Relaxed);
        let timed = calls.checked_sub(cut)?;
        let average = if timed == 0 { 0.0 } else { sum as f64 / f64::from(timed) };
        Some(Window { average, shortest: (shortest as f64).min(average), busiest, cut: cut > 0 })
    }
}

impl Core {
    /// The limit that calls are held to now.
    // Between the bounds, which are counts.
    #[allow(clippy::cast_sign_loss)]
    fn in_force(&self) -> u32 {
        let limit = self.limit as u32;
        match self.probe {
            Some(_) => (limit / 2).max(self.least).max(1),
            None => limit,
        }
    }

    fn judge(&mut self, window: Window, now: Nanos) {
        if let Some(probe) = &mut self.probe {
            probe.windows += 1;
            if window.average > 0.0 {
                probe.shortest = probe.shortest.min(window.shortest);
            }
            if probe.windows >= 2 {
                if probe.shortest.is_finite() {
                    self.idle = probe.shortest;
                }
                self.measured = now;
                self.probe = None;
            }
            return;
        }
        let (least, most) = (f64::from(self.least), f64::from(self.most));
        if window.cut {
            self.begins = false;
            self.limit = (self.limit * BACKOFF).max(least);
            return;
        }
        if self.idle == 0.0 || window.shortest < self.idle {
            self.idle = window.shortest;
            self.measured = now;
        }
        // What takes no time at all waits for nobody.
        let slower = window.average > self.idle * TOLERANCE;
        let gradient = if slower { (self.idle * TOLERANCE / window.average).max(STEEPEST) } else { 1.0 };
        if gradient < 1.0 {
            self.begins = false;
            if now.saturating_sub(self.measured) >= BELIEVED {
                self.probe = Some(Probe { since: now, windows: 0, shortest: f64::INFINITY });
                return;
            }
        }
        let room = (self.limit.sqrt() / 4.0).max(1.0);
        let wanted = if self.begins { self.limit * 2.0 } else { self.limit * gradient + room };
        let share = if self.begins { 1.0 } else { SMOOTHING };
        let next = self.limit + (wanted - self.limit) * share;
        // A limit that is not half used says nothing about a higher one.
        let used = f64::from(window.busiest) * 2.0 >= self.limit;
        if next < self.limit || used {
            self.limit = next.clamp(least, most.max(least));
        }
    }
}

#[cfg(test)]
mod tests;
