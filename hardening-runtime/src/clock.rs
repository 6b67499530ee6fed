//! The one clock: monotonic nanoseconds, so that state fits into atomics.
//!
//! Where tokio is compiled with `test-util`, which is what lets a clock be paused, this is tokio's clock. Everywhere
//! else nothing can pause it, and it is read directly.

use std::sync::OnceLock;
#[cfg(feature = "service")]
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// A moment or a length of time in nanoseconds; moments count from an origin private to the process.
pub type Nanos = u64;

/// Later than every moment: "no limit".
pub const NEVER: Nanos = Nanos::MAX;

/// Now.
#[inline(always)]
pub fn now() -> Nanos {
    if CAN_PAUSE { moment(Instant::now()) } else { monotonic() }
}

/// From one look at the clock to a later one. The clock never goes back; where it can be paused, it differs between runtimes.
#[inline(always)]
pub(crate) const fn between(earlier: Nanos, later: Nanos) -> Nanos {
    if CAN_PAUSE { later.saturating_sub(earlier) } else { later.wrapping_sub(earlier) }
}

/// Seconds since 1970 by the wall clock, which may jump: for what others date by it.
#[cfg(any(feature = "tls", feature = "auth", feature = "alerts"))]
pub(crate) fn wall_clock() -> u64 {
    since_1970().as_secs()
}

/// The time since 1970 by the wall clock.
#[cfg(any(feature = "service", feature = "http-client"))]
#[expect(
    clippy::disallowed_methods,
    reason = "what others read is dated by the wall clock; nothing else is decided by it"
)]
pub(crate) fn since_1970() -> Duration {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
}

/// How far the wall clock may have moved before [`wall_clock_at`] sees it.
#[cfg(feature = "service")]
const LOOK_AGAIN: Nanos = 100_000_000;

/// What the wall clock shows at `now`, without reading it each time: a step of it is seen a tenth of a second later.
#[cfg(feature = "service")]
pub(crate) fn wall_clock_at(now: Nanos) -> Duration {
    static WALL: Wall = Wall { ahead: AtomicU64::new(0), looked: AtomicU64::new(0) };
    WALL.at(now)
}

/// How far the wall clock is ahead of ours.
#[cfg(feature = "service")]
struct Wall {
    ahead: AtomicU64,
    looked: AtomicU64,
}

#[cfg(feature = "service")]
impl Wall {
    fn at(&self, now: Nanos) -> Duration {
        let ahead = if now.abs_diff(self.looked.load(Ordering::Acquire)) < LOOK_AGAIN {
            self.ahead.load(Ordering::Relaxed)
        } else {
            let ahead = nanos(since_1970()).saturating_sub(now);
            self.ahead.store(ahead, Ordering::Relaxed);
            self.looked.store(now, Ordering::Release);
            ahead
        };
        Duration::from_nanos(now.saturating_add(ahead))
    }
}

/// A length of time in nanoseconds; more than 584 years is [`NEVER`].
#[inline]
pub const fn nanos(duration: Duration) -> Nanos {
    match duration.as_secs().checked_mul(1_000_000_000) {
        Some(whole) => whole.saturating_add(duration.subsec_nanos() as u64),
        None => NEVER,
    }
}

/// The moment as tokio's timers take it; `None` for [`NEVER`] and what lies too far away.
pub fn instant(at: Nanos) -> Option<Instant> {
    if at == NEVER {
        return None;
    }
    let anchor = anchor();
    let distance = Duration::from_nanos(at.abs_diff(anchor.nanos));
    let instant = if at >= anchor.nanos {
        anchor.instant.checked_add(distance)
    } else {
        anchor.instant.checked_sub(distance)
    };
    instant.map(Instant::from_std)
}

/// A timer that rings at a moment; `None` for [`NEVER`].
///
/// # Panics
/// Where tokio has no timer: tokio's message names neither the call that waits nor what is missing in the caller's code, so it
/// is followed by one that does.
#[cold]
pub(crate) fn timer(at: Nanos, call: &str) -> Option<Sleep> {
    let at = instant(at)?;
    match std::panic::catch_unwind(|| tokio::time::sleep_until(at)) {
        Ok(timer) => Some(timer),
        Err(_) => no_timer(call),
    }
}

#[cold]
fn no_timer(call: &str) -> ! {
    let missing = match tokio::runtime::Handle::try_current() {
        Ok(_) => "this tokio runtime has no timer: build it with `enable_time()` or `enable_all()`",
        Err(_) => "it is polled outside a tokio runtime, which would have a timer: await it inside one",
    };
    panic!("{call} has to wait, for a backoff, a turn, a place or the end of its time, and {missing}");
}

/// Completes at a moment.
#[cfg(feature = "service")]
pub(crate) async fn until(at: Nanos) {
    reached(instant(at)).await;
}

/// Completes at a moment of tokio's clock, never where there is none.
#[cfg(feature = "service")]
pub(crate) async fn reached(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// A runtime, for what is to happen there later.
#[derive(Clone, Debug)]
pub(crate) struct Runtime(tokio::runtime::Handle);

impl Runtime {
    /// The one that polls the current task.
    pub(crate) fn current() -> Option<Self> {
        tokio::runtime::Handle::try_current().ok().map(Self)
    }

    /// Whether it is the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.id() == other.0.id()
    }

    /// Runs `act` there after a while, unless the runtime ends before: then `act` is dropped.
    pub(crate) fn after(&self, delay: Nanos, act: impl FnOnce() + Send + 'static) {
        self.0.spawn(async move {
            tokio::time::sleep(Duration::from_nanos(delay)).await;
            act();
        });
    }
}

/// The moment of a tokio instant.
pub fn moment(instant: Instant) -> Nanos {
    let (instant, anchor) = (instant.into_std(), anchor());
    match instant.checked_duration_since(anchor.instant) {
        Some(after) => anchor.nanos.saturating_add(nanos(after)),
        None => anchor.nanos.saturating_sub(nanos(anchor.instant.saturating_duration_since(instant))),
    }
}

/// One moment on both scales.
struct Anchor {
    instant: std::time::Instant,
    nanos: Nanos,
}

fn anchor() -> &'static Anchor {
    static ANCHOR: OnceLock<Anchor> = OnceLock::new();
    // An hour is added where the scale starts at 0, so that a paused test clock, which stands at the moment of its
    // pause, never lies before the origin.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that ties our scale to std's")]
    let anchor = || Anchor { instant: std::time::Instant::now(), nanos: monotonic() };
    ANCHOR.get_or_init(anchor)
}

/// The operating system's monotonic clock, the one that std's instants are made of.
#[cfg(target_os = "linux")]
#[inline(always)]
fn monotonic() -> Nanos {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // The kernel counts both up from 0.
    #[allow(clippy::cast_sign_loss)]
    let nanos = (now.tv_sec as u64).wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec as u64);
    nanos
}

/// Elsewhere the difference of two instants has to do.
#[cfg(not(target_os = "linux"))]
fn monotonic() -> Nanos {
    static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
    let origin = *ORIGIN.get_or_init(std::time::Instant::now);
    nanos(origin.elapsed()).saturating_add(3_600_000_000_000)
}

/// Whether tokio's clock can be paused: whether its `test-util` is compiled in. Then `tokio::time` has a `pause`,
/// which inside this block hides the one outside.
const CAN_PAUSE: bool = {
    #[allow(unused_imports, clippy::wildcard_imports)]
    use tokio::time::*;
    returns(pause)
};

/// Stands in for tokio's.
#[allow(dead_code)]
fn pause() -> Absent {
    Absent
}

struct Absent;

trait Pauses {
    const PAUSES: bool;
}

impl Pauses for () {
    const PAUSES: bool = true;
}

impl Pauses for Absent {
    const PAUSES: bool = false;
}

const fn returns<R: Pauses>(_: fn() -> R) -> bool {
    R::PAUSES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_paused_clock_is_followed() {
        let before = now();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(now() - before, 5_000_000_000);
    }

    #[cfg(feature = "service")]
    #[test]
    fn the_wall_clock_goes_on_between_two_looks_at_it() {
        let (began, wall) = (now(), Wall { ahead: AtomicU64::new(0), looked: AtomicU64::new(0) });
        let at = |after: u64| wall.at(began + after * 1_000_000);
        let first = at(0);
        assert!(first.abs_diff(since_1970()) < Duration::from_secs(10));
        assert_eq!(at(50), first + Duration::from_millis(50));
        // An hour that has not passed for it is none: it is looked at again, whichever way our clock went.
        assert!(at(3_600_000).abs_diff(since_1970()) < Duration::from_secs(10));
        assert!(at(0).abs_diff(since_1970()) < Duration::from_secs(10));
    }

    #[test]
    fn moments_and_instants_are_the_same_time() {
        let at = now();
        let instant = instant(at).expect("now is not far away");
        assert_eq!(moment(instant), at);
        assert!(super::instant(NEVER).is_none());
    }
}
