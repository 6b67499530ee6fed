//! How long a call may wait for its turn.

use crate::clock::{NEVER, Nanos};

/// The last moment at which a call that arrived `now` and must end by `limit` may begin its body. A call waits for limits and the
/// bulkhead for at most half of the time it has; the other half is the body's. Otherwise a queue longer than the deadline begins, under
/// lasting overload, only bodies that are cut before they end.
pub(super) const fn patience(now: Nanos, limit: Nanos) -> Nanos {
    if limit == NEVER { NEVER } else { now.saturating_add(limit.saturating_sub(now) / 2) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_time_is_the_body_s() {
        assert_eq!(patience(100, 300), 200);
        assert_eq!(patience(100, 101), 100);
        assert_eq!(patience(300, 100), 300);
        assert_eq!(patience(100, NEVER), NEVER);
        assert_eq!(patience(NEVER - 1, NEVER - 1), NEVER - 1);
    }
}
