//! What expansions name. No public interface: it changes without notice.

pub use hardening_spec::{
    BulkheadSpec, CallSpec, CircuitBreakerSpec, DurationRange, FallbackSpec, Jitter, Per, Rate, RateLimitSpec,
    Ratio, Refusals, RetrySpec, Window,
};
pub use inventory;

pub use crate::catalogue::Entry;
pub use crate::context;
pub use crate::policy::rate_limit::Charge;
pub use crate::register;
#[cfg(feature = "service")]
pub use crate::register_check;
#[cfg(feature = "service")]
pub use crate::service::{self, Provided, ServiceSpec, health::{CheckKind, HealthCheck}};
pub use crate::site::{Call, Level, Outcome, Place, Site, Verdict};

/// A value that each attempt gets anew.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is handed to each attempt anew, so it must be `Clone`",
    label = "this argument is used again when the call is repeated or falls back",
    note = "derive `Clone` for it, or take it by reference: `&{Self}`"
)]
pub trait Replayable: Sized {
    /// Another one.
    fn another(&self) -> Self;
}

impl<T: Clone> Replayable for T {
    #[inline]
    fn another(&self) -> Self {
        self.clone()
    }
}

/// The argument for one more attempt.
#[inline]
pub fn replay<T: Replayable>(value: &T) -> T {
    value.another()
}

/// Puts a site into the catalogue.
#[doc(hidden)]
#[macro_export]
macro_rules! register {
    ($site:ident) => {
        $crate::__private::inventory::submit! { $crate::__private::Entry(&$site) }
    };
}
