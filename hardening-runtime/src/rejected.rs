//! Refusals: what a policy answers instead of the body.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

/// Why a call was refused or cut by one of its policies.
///
/// A function under a policy that can refuse returns `Result<T, E>` with `E: From<Rejected>`. [`std::io::Error`] has it, and with the
/// `service` feature `StatusCode`, `(StatusCode, String)`, `Response` and `Problem`. Over HTTP it is a problem+json answer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rejected {
    /// An attempt ran into its `timeout`.
    Timeout {
        /// The call.
        call: &'static str,
        /// The limit that was reached.
        after: Duration,
    },
    /// The call's or its caller's deadline passed.
    DeadlineExceeded {
        /// The call.
        call: &'static str,
    },
    /// The circuit is open.
    CircuitOpen {
        /// The circuit.
        circuit: &'static str,
        /// When the next probe is due; [`Duration::MAX`] while an operator holds the circuit open, when nothing is due.
        retry_after: Duration,
    },
    /// A rate limit is used up.
    RateLimited {
        /// The limiter: the call, with `.rate_limited_2` and so on behind it for its further ones, or the `policy!`.
        limiter: &'static str,
        /// When the same call will be admitted; [`Duration::MAX`] if it costs more than the burst and never will.
        retry_after: Duration,
        /// The limiter's burst.
        limit: u32,
        /// What is left of it now.
        remaining: u32,
    },
    /// Every place of the bulkhead is taken, and its queue.
    BulkheadFull {
        /// The call.
        call: &'static str,
        /// Places.
        limit: u32,
    },
    /// The store that holds shared state did not answer.
    StoreUnavailable {
        /// The store.
        store: &'static str,
    },
    /// The same idempotency key is being worked on.
    IdempotencyConflict {
        /// When the running call's lease ends.
        retry_after: Duration,
    },
    /// The idempotency key was used with another request.
    IdempotencyMismatch,
    /// The idempotency key was used under other credentials: by somebody else, for all that is known.
    IdempotencyForeign,
    /// The request carries no idempotency key, or none that can be read.
    IdempotencyKeyMissing,
    /// The load that this call waited for failed, with an error that cannot be handed out more than once.
    LoadFailed {
        /// The call.
        call: &'static str,
        /// What the error says, without secrets: for the log and for operators. It is in no HTTP answer.
        cause: Option<Arc<str>>,
    },
    /// The caller is not known.
    Unauthenticated,
    /// The caller lacks a right.
    Forbidden {
        /// The missing scope.
        scope: &'static str,
    },
    /// The service is shutting down and waits for nothing any more.
    ShuttingDown,
    /// A test had the body fail without running.
    #[cfg(feature = "testing")]
    Injected {
        /// The call.
        call: &'static str,
    },
}

impl Rejected {
    /// When a repetition can succeed, where that is known.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::CircuitOpen { retry_after, .. }
            | Self::RateLimited { retry_after, .. }
            | Self::IdempotencyConflict { retry_after }
                if *retry_after < Duration::MAX =>
            {
                Some(*retry_after)
            }
            _ => None,
        }
    }

    /// The kind as metrics and `on_rejected` name it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::DeadlineExceeded { .. } => "deadline_exceeded",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::RateLimited { .. } => "rate_limited",
            Self::BulkheadFull { .. } => "bulkhead_full",
            Self::StoreUnavailable { .. } => "store_unavailable",
            Self::IdempotencyConflict { .. } => "idempotency_conflict",
            // Told apart, they would tell of others' keys.
            Self::IdempotencyMismatch | Self::IdempotencyForeign => "idempotency_mismatch",
            Self::IdempotencyKeyMissing => "idempotency_key_missing",
            Self::LoadFailed { .. } => "load_failed",
            Self::Unauthenticated => "unauthenticated",
            Self::Forbidden { .. } => "forbidden",
            Self::ShuttingDown => "shutting_down",
            #[cfg(feature = "testing")]
            Self::Injected { .. } => "injected",
        }
    }
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use hardening_spec::units::{brief, show};
        match self {
            Self::Timeout { call, after } => write!(f, "{call} did not answer within {}", show(*after)),
            Self::DeadlineExceeded { call } => write!(f, "{call} did not answer before its deadline"),
            Self::CircuitOpen { circuit, retry_after } if *retry_after == Duration::MAX => {
                write!(f, "the circuit of {circuit} is forced open, until an operator says otherwise")
            }
            Self::CircuitOpen { circuit, retry_after } => {
                write!(f, "the circuit of {circuit} is open, next probe in {}", brief(*retry_after))
            }
            Self::RateLimited { limiter, retry_after, .. } if *retry_after == Duration::MAX => {
                write!(f, "this call costs more than {limiter} ever admits at once")
            }
            Self::RateLimited { limiter, retry_after, .. } => {
                write!(f, "the rate limit of {limiter} is used up, retry after {}", brief(*retry_after))
            }
            Self::BulkheadFull { call, limit } => write!(f, "all {limit} places of {call} are taken"),
            Self::StoreUnavailable { store } => write!(f, "the store {store} did not answer"),
            Self::IdempotencyConflict { .. } => {
                write!(f, "a request with this idempotency key is being worked on")
            }
            Self::IdempotencyMismatch => write!(f, "this idempotency key was used with another request"),
            Self::IdempotencyForeign => write!(f, "this idempotency key was used under other credentials"),
            Self::IdempotencyKeyMissing => write!(f, "this operation needs an idempotency key"),
            Self::LoadFailed { call, cause } => {
                write!(f, "the load of {call} that this call waited for failed")?;
                cause.as_ref().map_or(Ok(()), |cause| write!(f, ": {cause}"))
            }
            Self::Unauthenticated => write!(f, "the caller is not known"),
            Self::Forbidden { scope } => write!(f, "the caller lacks the scope {scope}"),
            Self::ShuttingDown => write!(f, "the service is shutting down"),
            #[cfg(feature = "testing")]
            Self::Injected { call } => write!(f, "a fault was injected into {call}"),
        }
    }
}

impl std::error::Error for Rejected {}

/// The refusal is what the error holds: `error.get_ref()` and `downcast_ref::<Rejected>()` give it back.
///
/// `TimedOut` for a timeout or a deadline, `ConnectionRefused` for an open circuit, `ResourceBusy` for a limit that is used up or a
/// request that is being worked on, `PermissionDenied` for a missing right, `InvalidInput` for a missing or reused idempotency key,
/// `Other` for the rest. Never `WouldBlock` or `Interrupted`: callers of sockets repeat those at once.
impl From<Rejected> for io::Error {
    fn from(rejected: Rejected) -> Self {
        let kind = match rejected {
            Rejected::Timeout { .. } | Rejected::DeadlineExceeded { .. } => io::ErrorKind::TimedOut,
            Rejected::CircuitOpen { .. } => io::ErrorKind::ConnectionRefused,
            Rejected::RateLimited { .. }
            | Rejected::BulkheadFull { .. }
            | Rejected::IdempotencyConflict { .. } => io::ErrorKind::ResourceBusy,
            Rejected::Unauthenticated | Rejected::Forbidden { .. } => io::ErrorKind::PermissionDenied,
            Rejected::IdempotencyMismatch
            | Rejected::IdempotencyForeign
            | Rejected::IdempotencyKeyMissing => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, rejected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_shown_rounded_and_what_is_configured_exactly() {
        let retry_after = Duration::from_nanos(479_172_187);
        let open = Rejected::CircuitOpen { circuit: "price", retry_after };
        assert_eq!(open.to_string(), "the circuit of price is open, next probe in 480ms");
        let forced = Rejected::CircuitOpen { circuit: "price", retry_after: Duration::MAX };
        assert_eq!(forced.retry_after(), None);
        assert_eq!(
            forced.to_string(),
            "the circuit of price is forced open, until an operator says otherwise"
        );
        let limited = Rejected::RateLimited { limiter: "price", retry_after, limit: 10, remaining: 0 };
        assert_eq!(limited.to_string(), "the rate limit of price is used up, retry after 480ms");
        let after = Duration::from_micros(1_500);
        let timeout = Rejected::Timeout { call: "price", after };
        assert_eq!(timeout.to_string(), "price did not answer within 1ms500us");
    }
}
