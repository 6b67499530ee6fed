//! The one clock: tokio's, as nanoseconds, so that paused time works and state fits into atomics.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::time::Instant;

/// A moment or a length of time in nanoseconds; moments count from an origin private to the process.
pub type Nanos = u64;

/// Later than every moment: "no limit".
pub const NEVER: Nanos = Nanos::MAX;

/// The origin lies an hour before the first look at the clock, so that a paused test clock, which
/// stands at the moment of its pause, never lies before it.
#[inline(always)]
fn origin() -> std::time::Instant {
    static ORIGIN: OnceLock<std::time::Instant> = OnceLock::new();
    *ORIGIN.get_or_init(|| {
        let now = std::time::Instant::now();
        now.checked_sub(Duration::from_secs(3600)).unwrap_or(now)
    })
}

/// Now, by tokio's clock.
#[inline(always)]
pub fn now() -> Nanos {
    // Less than 584 years after the origin, so the low 64 bits are all there is.
    Instant::now().into_std().saturating_duration_since(origin()).as_nanos() as Nanos
}

/// A length of time in nanoseconds; more than 584 years is [`NEVER`].
#[inline(always)]
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
    origin().checked_add(Duration::from_nanos(at)).map(Instant::from_std)
}

/// The moment of a tokio instant.
pub fn moment(instant: Instant) -> Nanos {
    nanos(instant.into_std().saturating_duration_since(origin()))
}
