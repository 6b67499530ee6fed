//! A refusal on its way to the caller, small enough to travel in the call: names and limits are added when it is
//! handed out.

use std::time::Duration;

use super::State;
use crate::Rejected;
use crate::clock::Nanos;
use crate::policy::circuit_breaker::CircuitBreaker;
use crate::telemetry::calls::CallOutcome;

/// Why the attempt in hand, or the call, does not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Reason {
    /// It runs.
    None = 0,
    Timeout,
    DeadlineExceeded,
    CircuitOpen,
    RateLimited,
    BulkheadFull,
    ShuttingDown,
    Unauthenticated,
    Forbidden,
    LoadFailed,
    IdempotencyConflict,
    IdempotencyMismatch,
    IdempotencyForeign,
    IdempotencyKeyMissing,
    StoreFull,
    #[cfg(feature = "testing")]
    Injected,
}

impl Reason {
    /// How a call that ends so is counted.
    pub(super) const fn outcome(self) -> CallOutcome {
        match self {
            Self::None => CallOutcome::Success,
            Self::Timeout => CallOutcome::Timeout,
            Self::DeadlineExceeded => CallOutcome::DeadlineExceeded,
            Self::CircuitOpen => CallOutcome::CircuitOpen,
            Self::RateLimited => CallOutcome::RateLimited,
            Self::BulkheadFull => CallOutcome::BulkheadFull,
            #[cfg(feature = "testing")]
            Self::Injected => CallOutcome::Failure,
            Self::ShuttingDown
            | Self::Unauthenticated
            | Self::Forbidden
            | Self::LoadFailed
            | Self::IdempotencyConflict
            | Self::IdempotencyMismatch
            | Self::IdempotencyForeign
            | Self::IdempotencyKeyMissing
            | Self::StoreFull => CallOutcome::Rejected,
        }
    }
}

#[cfg(feature = "testing")]
impl Refusal {
    /// The kind, as metrics name outcomes.
    pub(super) const fn kind(&self) -> &'static str {
        match self.reason {
            Reason::Injected => "injected",
            reason => reason.outcome().name(),
        }
    }
}

/// A reason with what is known about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    /// Which rate limit refused.
    pub(super) limiter: u8,
    /// Whether the body had begun.
    pub(super) ran: bool,
    /// What is left of the rate limit; places of a full bulkhead.
    pub(super) remaining: u32,
    /// When a repetition can succeed.
    pub(super) retry_after: Nanos,
}

impl Refusal {
    pub(super) const NONE: Self = Self::because(Reason::None);

    pub(super) const fn because(reason: Reason) -> Self {
        Self { reason, limiter: 0, ran: false, remaining: 0, retry_after: 0 }
    }

    #[inline]
    pub(super) const fn is_none(&self) -> bool {
        matches!(self.reason, Reason::None)
    }

    /// As the caller sees it.
    #[cold]
    pub(super) fn into_rejected(self, state: &State) -> Rejected {
        let call = state.name;
        let retry_after = if self.retry_after == Nanos::MAX {
            Duration::MAX
        } else {
            Duration::from_nanos(self.retry_after)
        };
        match self.reason {
            Reason::Timeout => Rejected::Timeout { call, after: Duration::from_nanos(state.timeout.get()) },
            Reason::CircuitOpen => {
                let circuit = state.breaker.common().map_or(call, CircuitBreaker::name);
                Rejected::CircuitOpen { circuit, retry_after }
            }
            Reason::RateLimited => {
                let refused = state.limits().find(|charged| charged.position == self.limiter);
                let (limiter, limit) =
                    refused.map_or((call, 0), |charged| (charged.limiter.name(), charged.limiter.burst()));
                Rejected::RateLimited { limiter, retry_after, limit, remaining: self.remaining }
            }
            Reason::BulkheadFull => Rejected::BulkheadFull { call, limit: self.remaining },
            Reason::ShuttingDown => Rejected::ShuttingDown,
            Reason::IdempotencyConflict => Rejected::IdempotencyConflict { retry_after },
            Reason::IdempotencyMismatch => Rejected::IdempotencyMismatch,
            Reason::IdempotencyForeign => Rejected::IdempotencyForeign,
            Reason::IdempotencyKeyMissing => Rejected::IdempotencyKeyMissing,
            Reason::StoreFull => Rejected::StoreUnavailable { store: "memory" },
            Reason::LoadFailed => Rejected::LoadFailed { call, cause: None },
            Reason::Unauthenticated => Rejected::Unauthenticated,
            #[cfg(feature = "testing")]
            Reason::Injected => Rejected::Injected { call },
            Reason::Forbidden => Rejected::Forbidden { scope: state.declared.requires.unwrap_or_default() },
            // A call hands out a refusal only when it has one; the deadline is what remains.
            Reason::DeadlineExceeded | Reason::None => Rejected::DeadlineExceeded { call },
        }
    }
}
