//! Whether a client brought it about itself that its request's time was over: such an answer is no error of the service, and
//! no success either. Whoever asks for a millisecond would otherwise spend a route's error budget as it likes.

use http::StatusCode;

use super::body::BodyFate;
use crate::clock::Nanos;

/// How much earlier than its deadline an answer may be ready that gave up at it: timers have a resolution.
const EARLY: Nanos = 1_000_000;

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

/// Whether an answer of this status is the client's own doing: an error while its body was waited for or after that could not be
/// read, a 504 at a deadline that the client had lowered, or of a request whose body had taken more than half of the time.
pub(super) fn is_the_clients(status: StatusCode, times: Times, body: Option<&BodyFate>) -> bool {
    let Times { began, deadline, lowered, now, .. } = times;
    if status.is_server_error() && times.held_up {
        return true;
    }
    if status != StatusCode::GATEWAY_TIMEOUT {
        return false;
    }
    let over = now.saturating_add(EARLY) >= deadline;
    let half = began.saturating_add(deadline.saturating_sub(began) / 2);
    lowered && over || body.and_then(|body| body.awaited_until(now)).is_some_and(|until| until > half)
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;

    #[test]
    fn a_lowered_deadline_that_has_passed_is_the_clients_and_no_other_end() {
        let of = |status, lowered, now| {
            is_the_clients(status, Times { began: S, deadline: 3 * S, lowered, now, held_up: false }, None)
        };
        let late = StatusCode::GATEWAY_TIMEOUT;
        assert!(of(late, true, 3 * S) && of(late, true, 3 * S - EARLY));
        assert!(!of(late, true, 2 * S), "an answer of a service behind this one");
        assert!(!of(late, false, 3 * S), "the service's own time");
        assert!(
            !of(StatusCode::INTERNAL_SERVER_ERROR, true, 3 * S) && !of(StatusCode::BAD_GATEWAY, true, 3 * S)
        );
    }

    #[test]
    fn a_body_that_took_more_than_half_of_the_time_is_the_clients() {
        let times = Times { began: S, deadline: 3 * S, lowered: false, now: 3 * S, held_up: false };
        let of = |body: &BodyFate| is_the_clients(StatusCode::GATEWAY_TIMEOUT, times, Some(body));
        let body = BodyFate::default();
        assert!(!of(&body), "nobody waited for it");
        body.awaits();
        assert!(of(&body), "it is still on its way");
        let held_up = Times { held_up: true, ..times };
        let failed = StatusCode::INTERNAL_SERVER_ERROR;
        assert!(is_the_clients(failed, held_up, None) && !is_the_clients(failed, times, Some(&body)));
        assert!(!is_the_clients(StatusCode::OK, held_up, None));
        body.came(2 * S + 1);
        assert!(of(&body));
        body.awaits();
        body.came(2 * S);
        body.came(3 * S);
        assert!(!of(&body), "what nobody waited for takes no time");
    }
}
