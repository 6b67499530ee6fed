//! When clients are told to come again: never earlier than they would be admitted, and not all of them at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, Nanos};
use crate::policy::retry::random;

/// Refusals are counted for so long.
const WHILE: Nanos = 1_000_000_000;
/// So many clients may be told the same second.
const TOGETHER: u64 = 64;
/// A crowd is spread over no more than so many seconds beyond a fifth of its wait.
const CROWD_SECONDS: u64 = 8;

/// The refusals of the last second.
static CROWD: Crowd = Crowd { since: AtomicU64::new(0), count: AtomicU64::new(0) };

struct Crowd {
    since: AtomicU64,
    count: AtomicU64,
}

impl Crowd {
    /// How many came before in the same second.
    fn come(&self, now: Nanos) -> u64 {
        if now.abs_diff(self.since.load(Ordering::Relaxed)) >= WHILE {
            self.since.store(now, Ordering::Relaxed);
            self.count.store(0, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed)
    }
}

/// The wait as whole seconds say it: longer by up to a fifth in whole seconds, and by more the more clients were refused
/// within this second. One alone that is to wait for less than five seconds is told just that.
#[cfg(feature = "service")]
pub(crate) fn by_seconds(after: Duration) -> Duration {
    seconds(after, CROWD.come(clock::now()), random())
}

/// The wait as milliseconds say it: longer by up to a fifth, and by more the more clients were refused within this second.
pub(crate) fn by_millis(after: Duration) -> Duration {
    millis(after, CROWD.come(clock::now()), random())
}

/// `random` is uniform in 0..1, and stands for as many equal parts as there are values.
#[cfg_attr(not(feature = "service"), allow(dead_code))]
fn seconds(after: Duration, before: u64, random: f64) -> Duration {
    let most = (after.as_secs() / 5).saturating_add((before / TOGETHER).min(CROWD_SECONDS));
    after.saturating_add(Duration::from_secs(part(most.saturating_add(1), random).min(most)))
}

fn millis(after: Duration, before: u64, random: f64) -> Duration {
    let crowd = (before * 1000 / TOGETHER).min(CROWD_SECONDS * 1000);
    let most = u64::try_from(after.as_millis() / 5).unwrap_or(u64::MAX).saturating_add(crowd);
    after.saturating_add(Duration::from_millis(part(most, random)))
}

#[allow(clippy::cast_sign_loss, reason = "neither is negative")]
fn part(of: u64, random: f64) -> u64 {
    (of as f64 * random) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn one_client_is_told_little_more_than_it_has_to_wait() {
        for after in [Duration::ZERO, SECOND, SECOND * 3, Duration::from_millis(4999)] {
            assert_eq!((seconds(after, 0, 0.0), seconds(after, 0, 0.999)), (after, after));
        }
        assert_eq!(
            (seconds(SECOND * 10, 0, 0.0), seconds(SECOND * 10, 0, 0.999)),
            (SECOND * 10, SECOND * 12)
        );
        assert_eq!(millis(SECOND, 0, 0.5), Duration::from_millis(1100));
        for random in [0.0, 0.3, 0.999_999] {
            let (whole, fine) = (seconds(Duration::MAX, 5, random), millis(Duration::MAX, 5, random));
            assert_eq!((whole, fine), (Duration::MAX, Duration::MAX));
        }
    }

    #[test]
    fn many_clients_are_told_different_moments_and_none_too_early() {
        fastrand::seed(7);
        for after in [Duration::from_millis(10), SECOND, SECOND * 30] {
            let crowd: Vec<_> = (0..500).map(|before| seconds(after, before, random())).collect();
            let mut counts = std::collections::BTreeMap::new();
            for told in &crowd {
                assert!(*told >= after && *told <= after + after / 5 + SECOND * 8);
                *counts.entry(told.as_secs()).or_insert(0) += 1;
            }
            assert!(counts.len() >= 7 && counts.values().all(|count| *count < 250), "{after:?}: {counts:?}");
            let mut fine: Vec<_> =
                (0..500).map(|before| millis(after, before, random()).as_millis()).collect();
            fine.sort_unstable();
            fine.dedup();
            assert!(fine.len() > 350, "{after:?}: {} milliseconds", fine.len());
        }
    }

    #[test]
    fn a_crowd_is_forgotten_after_a_second() {
        let crowd = Crowd { since: AtomicU64::new(0), count: AtomicU64::new(0) };
        let begun = 5 * WHILE;
        assert_eq!([crowd.come(begun), crowd.come(begun + 1), crowd.come(begun + WHILE - 1)], [0, 1, 2]);
        assert_eq!(crowd.come(begun + WHILE), 0);
    }
}
