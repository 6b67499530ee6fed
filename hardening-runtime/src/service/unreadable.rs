//! What is written of connections that end before their first request: of those there may be very many, each with a line.

use std::sync::atomic::{AtomicU64, Ordering};

use hardening_spec::{Rate, RateLimitSpec};

use crate::clock::Nanos;
use crate::policy::rate_limit::{Decision, Limiter};

/// Lines of requests that cannot be read that are written one by one, of all clients together.
const LINES: Rate = Rate::new(10, std::time::Duration::from_mins(1));
/// The same of requests beyond a client's limit.
const REFUSED: Rate = Rate::new(100, std::time::Duration::from_mins(1));

/// Bounds the lines, and counts those that are not written.
#[derive(Debug)]
pub(crate) struct Unreadable {
    lines: Limiter,
    unsaid: AtomicU64,
}

impl Default for Unreadable {
    fn default() -> Self {
        Self::of("unreadable requests", LINES)
    }
}

impl Unreadable {
    /// Those of requests beyond a client's limit: each costs its client nothing more, and a line each could fill a disk.
    pub(crate) fn refused() -> Self {
        Self::of("refused requests", REFUSED)
    }

    fn of(name: &'static str, lines: Rate) -> Self {
        let spec = RateLimitSpec { burst: Some(lines.count), ..RateLimitSpec::new(lines) };
        Self { lines: Limiter::new(name, spec), unsaid: AtomicU64::new(0) }
    }

    /// How many were not written since the last one that was, if one may be written now.
    pub(super) fn line(&self, now: Nanos) -> Option<u64> {
        if matches!(self.lines.check(0, 1, now), Decision::Refused { .. }) {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;

    #[test]
    fn ten_lines_a_minute_are_written_and_the_others_counted() {
        let unreadable = Unreadable::default();
        let written = (0..1000).filter(|_| unreadable.line(S) == Some(0)).count();
        assert_eq!(written, 10);
        assert_eq!((unreadable.line(7 * S), unreadable.line(7 * S)), (Some(990), None));
        assert_eq!(unreadable.line(67 * S), Some(1));
        assert_eq!(unreadable.line(67 * S), Some(0));
    }
}
