//! What expansions name. No public interface: it changes without notice.

pub use std::ops::ControlFlow::{Break, Continue};

pub use hardening_spec::{
    BulkheadSpec, CallSpec, CircuitBreakerSpec, DurationRange, FallbackSpec, Jitter, Per, Rate,
    RateLimitSpec, Ratio, Refusals, RetrySpec, Window,
};
pub use inventory;

use crate::Rejected;
pub use crate::catalogue::Entry;
pub use crate::context;
pub use crate::policy::rate_limit::Charge;
#[cfg(feature = "service")]
pub use crate::register_check;
#[cfg(feature = "service")]
pub use crate::service::{
    self, Provided, ServiceSpec,
    health::{CheckKind, HealthCheck},
};
pub use crate::site::{Call, Level, Outcome, Place, Site, Verdict};
pub use crate::{place, register, siblings};

/// A value that each attempt gets anew.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is handed to each attempt anew, so it must be `Clone`",
    label = "this argument is used again when the call is repeated or falls back",
    note = "derive `Clone` for it, or take it by reference: `&{Self}`"
)]
pub trait Replayable: Sized {
    /// Another one.
    #[must_use]
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

/// An error that can say that a policy refused the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot say that a call was refused",
    label = "write `impl From<hardening::Rejected> for {Self}`",
    note = "a policy that refuses, cuts or repeats a call answers with `hardening::Rejected`, made into the function's own error"
)]
pub trait FromRejected {
    /// The refusal as this error.
    fn from_rejected(rejected: Rejected) -> Self;
}

impl<E: From<Rejected>> FromRejected for E {
    #[inline]
    fn from_rejected(rejected: Rejected) -> Self {
        rejected.into()
    }
}

/// What a call under policies answers.
#[diagnostic::on_unimplemented(
    message = "a policy can refuse this call, so it needs a `Result` here",
    label = "this is none: write `Result<{Self}, E>` where `E: From<hardening::Rejected>`"
)]
pub trait Refusable {}

impl<T, E> Refusable for Result<T, E> {}

/// An [`anchor`] for a call under policies.
pub fn refusable<R: Refusable>() -> R {
    anchor()
}

/// An answer of which only the compiler knows whether it is a `Result`: the method of its own wins over the trait's.
#[derive(Debug)]
pub struct Answer<'a, R>(pub &'a R);

impl<T, E> Answer<'_, Result<T, E>> {
    /// Whether it is an `Err`.
    pub const fn failed(&self) -> bool {
        self.0.is_err()
    }
}

/// What every other answer says.
pub trait NoResult {
    /// It is no failure.
    fn failed(&self) -> bool;
}

impl<R> NoResult for Answer<'_, R> {
    fn failed(&self) -> bool {
        false
    }
}

/// A value of any type for code that never runs: it ties the type of a body to that of its function.
pub fn anchor<T>() -> T {
    unreachable!("an anchor stands behind `if false`")
}

/// The place of a site: named after its path, or with a name of its own.
#[doc(hidden)]
#[macro_export]
macro_rules! place {
    ($function:literal) => {
        $crate::__private::Place::new(
            ::core::concat!(::core::module_path!(), "::", $function),
            ::core::env!("CARGO_PKG_NAME"),
            ::core::file!(),
            ::core::line!(),
        )
    };
    (name = $name:expr) => {
        $crate::__private::Place::named(
            $name,
            ::core::env!("CARGO_PKG_NAME"),
            ::core::file!(),
            ::core::line!(),
        )
    };
}

/// Puts a site into the catalogue.
#[doc(hidden)]
#[macro_export]
macro_rules! register {
    ($site:ident) => {
        $crate::__private::inventory::submit! { $crate::__private::Entry(&$site) }
    };
}

/// Proves that attributes named without their path are those of this crate: each takes its item away.
#[doc(hidden)]
#[macro_export]
macro_rules! siblings {
    ($($name:ident),*) => {$(
        #[$name(__sibling)]
        const _: () = ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($name), "` beside an attribute of `hardening` is read as one of its policies, ",
            "and here that name means another crate's: write the path of the one you mean, such as `hardening::",
            ::core::stringify!($name), "`"
        ));
    )*};
}
