//! Whether a client brought it about itself that its request's time was over: such an answer is no error of the service, and
//! no success either. Whoever asks for a millisecond would otherwise spend a route's error budget as it likes.

use super::body::BodyFate;
use crate::clock::Nanos;

/// How much earlier than a deadline an answer may be ready that gave up at it, at least, and as a part of all the time there was:
/// timers have a resolution, and a handler that has hardly any time left may not begin what it cannot end.
const EARLY: Nanos = 5_000_000;
const EARLY_PART: Nanos = 10;

/// The times of one request whose answer is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// When its head had come.
    pub(super) began: Nanos,
    /// When its answer had to be ready.
    pub(super) deadline: Nanos,
    /// Whether its client asked for less time than the service gives.
    pub(super) lowered: bool,
    /// When the head of its answer was ready.
    pub(super) now: Nanos,
    /// Whether its client held up whoever answered, by a body that did not come or could not be read.
    pub(super) held_up: bool,
}

/// Whether an error is the client's own doing: one while its body was waited for or after that could not be read, one at a
/// deadline that the client had lowered, and a `timeout` (504) of a request whose body had taken more than half of the time. A
/// handler may make any error of a call that its client left no time for.
pub(super) fn is_the_clients(timeout: bool, times: Times, body: Option<&BodyFate>) -> bool {
    let Times { began, deadline, lowered, now, held_up } = times;
    let time = deadline.saturating_sub(began);
    let over = now.saturating_add(EARLY.max(time / EARLY_PART)) >= deadline;
    let half = began.saturating_add(time / 2);
    let late = || body.and_then(|body| body.awaited_until(now)).is_some_and(|until| until > half);
    held_up || lowered && over || timeout && late()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;
    const MS: Nanos = 1_000_000;

    #[test]
    fn an_error_at_a_lowered_deadline_is_the_clients_and_no_other() {
        let of = |timeout, lowered, took, now| {
            let times = Times { began: S, deadline: S + took, lowered, now: S + now, held_up: false };
            is_the_clients(timeout, times, None)
        };
        for timeout in [true, false] {
            assert!(of(timeout, true, 2 * S, 2 * S) && of(timeout, true, 2 * S, 3 * S));
            assert!(of(timeout, true, 2 * S, 1800 * MS), "within a tenth of it");
            assert!(!of(timeout, true, 2 * S, 1799 * MS), "of the service, or of one behind it");
            assert!(of(timeout, true, 20 * MS, 15 * MS) && of(timeout, true, MS, 0), "within 5 ms");
            assert!(!of(timeout, true, 20 * MS, 14 * MS));
            assert!(!of(timeout, false, 2 * S, 2 * S), "the service's own time");
        }
    }

    #[test]
    fn a_body_that_took_more_than_half_of_the_time_is_the_clients() {
        let times = Times { began: S, deadline: 3 * S, lowered: false, now: 3 * S, held_up: false };
        let of = |body: &BodyFate| is_the_clients(true, times, Some(body));
        let body = BodyFate::default();
        assert!(!of(&body), "nobody waited for it");
        body.awaits();
        assert!(of(&body), "it is still on its way");
        assert!(!is_the_clients(false, times, Some(&body)), "another error than a timeout");
        assert!(is_the_clients(false, Times { held_up: true, ..times }, None));
        body.came(2 * S + 1);
        assert!(of(&body));
        body.awaits();
        body.came(2 * S);
        body.came(3 * S);
        assert!(!of(&body), "what nobody waited for takes no time");
    }
}
