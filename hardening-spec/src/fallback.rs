//! `#[fallback]`, and the refusals that it answers for.

use std::time::Duration;

/// `#[fallback(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FallbackSpec {
    /// The longest the fallback itself may take.
    pub within: Duration,
    /// The refusals it answers for.
    pub on_rejected: Refusals,
}

impl FallbackSpec {
    /// The defaults of every key.
    pub const DEFAULT: Self = Self { within: Duration::from_secs(1), on_rejected: Refusals::BY_DEFAULT };
}

/// A set of kinds of refusal, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// The bits; use the constants.
    pub bits: u16,
}

impl Refusals {
    /// No kind.
    pub const NONE: Self = Self { bits: 0 };
    /// An attempt was cut by its `timeout`.
    pub const TIMEOUT: Self = Self { bits: 1 };
    /// The deadline passed.
    pub const DEADLINE_EXCEEDED: Self = Self { bits: 1 << 1 };
    /// The circuit is open.
    pub const CIRCUIT_OPEN: Self = Self { bits: 1 << 2 };
    /// A rate limit refused the call or the attempt.
    pub const RATE_LIMITED: Self = Self { bits: 1 << 3 };
    /// The bulkhead has no place.
    pub const BULKHEAD_FULL: Self = Self { bits: 1 << 4 };
    /// The service is shutting down.
    pub const SHUTTING_DOWN: Self = Self { bits: 1 << 5 };
    /// A rate limit with `per = attempt` refused; part of the default set, not a name of its own.
    pub const ATTEMPT_RATE_LIMITED: Self = Self { bits: 1 << 6 };
    /// The caller is not known.
    pub const UNAUTHENTICATED: Self = Self { bits: 1 << 7 };
    /// The caller lacks a right.
    pub const FORBIDDEN: Self = Self { bits: 1 << 8 };
    /// The load that the call waited for failed.
    pub const LOAD_FAILED: Self = Self { bits: 1 << 9 };
    /// The request's idempotency key is missing, in use, or stands for another request; or there is no room for it.
    pub const IDEMPOTENCY: Self = Self { bits: 1 << 10 };
    /// What a fallback answers for unless `on_rejected` says otherwise.
    pub const BY_DEFAULT: Self = Self::TIMEOUT
        .and(Self::DEADLINE_EXCEEDED)
        .and(Self::CIRCUIT_OPEN)
        .and(Self::BULKHEAD_FULL)
        .and(Self::LOAD_FAILED)
        .and(Self::ATTEMPT_RATE_LIMITED);

    /// The names that `on_rejected` knows, each with its kind.
    pub const NAMES: [(&'static str, Self); 10] = [
        ("timeout", Self::TIMEOUT),
        ("deadline_exceeded", Self::DEADLINE_EXCEEDED),
        ("circuit_open", Self::CIRCUIT_OPEN),
        ("rate_limited", Self::RATE_LIMITED.and(Self::ATTEMPT_RATE_LIMITED)),
        ("bulkhead_full", Self::BULKHEAD_FULL),
        ("load_failed", Self::LOAD_FAILED),
        ("idempotency", Self::IDEMPOTENCY),
        ("shutting_down", Self::SHUTTING_DOWN),
        ("unauthenticated", Self::UNAUTHENTICATED),
        ("forbidden", Self::FORBIDDEN),
    ];

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self { bits: self.bits | other.bits }
    }

    /// Whether every kind of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.bits & other.bits == other.bits
    }
}
