//! How long a call waits for its turn: at most half of the time that it has, so that its body can be done with the rest.
//!
//! Without this bound every queue under overload grows until a turn comes just before the deadline, and no body ends in
//! time any more.

use hardening_spec::Per;

use super::Call;
use crate::clock::{NEVER, Nanos};

/// Timers are late by up to this much, twice: that of the turn, and one of the body.
const LATE: Nanos = 2_000_000;

/// The latest moment of a turn for what begins `now` and must be over at `limit`: half of the time, less what timers may
/// be late, at most an eighth of it. [`NEVER`] where there is no limit.
pub(super) const fn patience(now: Nanos, limit: Nanos) -> Nanos {
    if limit == NEVER {
        return NEVER;
    }
    let half = limit.saturating_sub(now) / 2;
    let late = if half / 8 < LATE { half / 8 } else { LATE };
    now.saturating_add(half - late)
}

impl Call<'_> {
    /// The latest moment at which a wait that begins with the last look at the clock may end: that of the call for what
    /// comes once, that of the attempt in hand for the rest. Until a body has run an attempt waits on the time of both.
    pub(super) fn patience(&self, per: Per) -> Nanos {
        let of_call = patience(self.started, self.deadline);
        match per {
            Per::Call => of_call,
            Per::Attempt => {
                let of_attempt = patience(self.now, self.limit);
                if self.has_run { of_attempt } else { of_attempt.min(of_call) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLI: Nanos = 1_000_000;

    #[test]
    fn half_of_the_time_is_for_the_body() {
        let of = |millis: Nanos| patience(7, 7 + millis * MILLI) - 7;
        assert_eq!(of(1000), 498 * MILLI);
        assert_eq!(of(100), 48 * MILLI);
        assert_eq!(of(16), 7 * MILLI);
        assert_eq!(patience(7, NEVER), NEVER);
        assert_eq!((patience(7, 7), patience(7, 3)), (7, 7), "no time is left");
    }
}
