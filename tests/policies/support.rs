//! What several of these tests need.

use std::time::Duration;

pub(super) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The value of a series that is there.
pub(super) fn metric(series: &str) -> u64 {
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no series {series}")).trim().parse().expect("a whole number")
}
