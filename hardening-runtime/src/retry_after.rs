//! The `Retry-After` that is sent: never earlier than the client would be admitted, and spread over clients that are refused
//! together.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::{self, Nanos};
use crate::policy::retry::random;

/// So many clients may be told the same second.
const TOGETHER: u64 = 64;
/// A crowd is spread over at most so many seconds, or a fifth of its wait where that is longer.
const SPREAD: Duration = Duration::from_secs(8);
/// So many seconds are told apart.
const SECONDS: usize = 256;

/// The clients of this process.
static CROWD: Crowd = Crowd([const { AtomicU64::new(0) }; SECONDS]);

/// How many were told to come in each second: the second in the upper bits, the count in the lower ones.
struct Crowd([AtomicU64; SECONDS]);

impl Crowd {
    const COUNT: u32 = 24;

    /// How many were told before to come in the second of this moment. Two seconds that share a counter forget each other.
    fn told(&self, at: Nanos) -> u64 {
        let second = at / 1_000_000_000;
        let most = (1 << Self::COUNT) - 1;
        let next = |word: u64| match (word >> Self::COUNT == second, word & most) {
            (true, count) if count == most => Some(word),
            (true, _) => Some(word + 1),
            (false, _) => Some(second << Self::COUNT | 1),
        };
        let counter = &self.0[second as usize % SECONDS];
        let before = counter.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap_or(0);
        if before >> Self::COUNT == second { before & most } else { 0 }
    }
}

/// A wait that is sent in whole seconds: longer by some of them where more than 64 clients were told to come in the same
/// second.
#[cfg(feature = "service")]
pub(crate) fn by_seconds(after: Duration) -> Duration {
    seconds(after, crowd(after), random())
}

/// A wait that is sent in milliseconds: longer by up to a second for each 64 clients that were told to come in the same
/// second.
pub(crate) fn by_millis(after: Duration) -> Duration {
    millis(after, crowd(after), random())
}

fn crowd(after: Duration) -> u64 {
    CROWD.told(clock::now().saturating_add(clock::nanos(after)))
}

fn longest(after: Duration) -> Duration {
    SPREAD.max(after / 5)
}

/// `random` is uniform in 0..1.
#[cfg_attr(not(feature = "service"), allow(dead_code))]
fn seconds(after: Duration, before: u64, random: f64) -> Duration {
    let most = (before / TOGETHER).min(longest(after).as_secs());
    after.saturating_add(Duration::from_secs(part(most + 1, random)))
}

fn millis(after: Duration, before: u64, random: f64) -> Duration {
    let most = Duration::from_millis(before * 1000 / TOGETHER).min(longest(after));
    let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
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
    fn one_client_is_told_what_it_has_to_wait() {
        for after in [Duration::ZERO, SECOND, Duration::from_millis(4999), SECOND * 86_400, Duration::MAX] {
            for random in [0.0, 0.5, 0.999_999] {
                assert_eq!((seconds(after, 0, random), millis(after, 0, random)), (after, after));
                assert_eq!(seconds(after, 63, random), after);
            }
        }
        assert_eq!((seconds(SECOND, 64, 0.49), seconds(SECOND, 64, 0.51)), (SECOND, SECOND * 2));
        assert_eq!(millis(SECOND, 64, 0.5), Duration::from_millis(1500));
        assert_eq!(seconds(Duration::MAX, 5000, 0.9), Duration::MAX);
    }

    #[test]
    fn many_clients_are_told_different_moments_and_none_too_early() {
        fastrand::seed(7);
        for after in [Duration::from_millis(10), SECOND, SECOND * 100] {
            let crowd: Vec<_> = (0..500).map(|before| seconds(after, before, random())).collect();
            let mut counts = std::collections::BTreeMap::new();
            for told in &crowd {
                assert!(*told >= after && *told <= after + SECOND * 8);
                *counts.entry(told.as_secs()).or_insert(0) += 1;
            }
            assert!(counts.len() >= 7 && counts.values().all(|count| *count < 250), "{after:?}: {counts:?}");
            let mut fine: Vec<_> =
                (0..500).map(|before| millis(after, before, random()).as_millis()).collect();
            fine.sort_unstable();
            fine.dedup();
            assert!(fine.len() > 350, "{after:?}: {} milliseconds", fine.len());
            assert!(seconds(after, 1 << 20, 0.999_999) <= after + longest(after));
        }
        assert_eq!(longest(SECOND * 100), SECOND * 20);
    }

    #[test]
    fn those_who_are_told_the_same_second_are_counted() {
        let crowd = Crowd([const { AtomicU64::new(0) }; SECONDS]);
        let at = |second: u64, nanos: u64| crowd.told(second * 1_000_000_000 + nanos);
        assert_eq!([at(5, 0), at(5, 999_999_999), at(6, 0), at(5, 7)], [0, 1, 0, 2]);
        assert_eq!([at(5 + 256, 0), at(5 + 256, 0), at(5, 0)], [0, 1, 0], "one counter for both");
        crowd.0[7].store(7 << 24 | ((1 << 24) - 1), Ordering::Relaxed);
        assert_eq!([at(7, 0), at(7, 0)], [(1 << 24) - 1; 2]);
    }
}
