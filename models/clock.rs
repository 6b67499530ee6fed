//! Time is what a test says it is.

/// Nanoseconds, as the runtime counts.
pub type Nanos = u64;
/// Later than every moment.
pub const NEVER: Nanos = Nanos::MAX;

pub(crate) const fn now() -> Nanos {
    0
}

pub(crate) fn nanos(duration: std::time::Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(NEVER)
}
