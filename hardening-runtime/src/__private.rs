//! What expansions name. No public interface: it changes without notice.

pub use std::ops::ControlFlow::{Break, Continue};

pub use hardening_spec::{
    After, BulkheadSpec, CacheSpec, CallSpec, CircuitBreakerSpec, CircuitMode, DurationRange, FallbackSpec,
    HedgeSpec, IdempotentSpec, Jitter, OnTakeover, Per, Rate, RateLimitSpec, Ratio, Refusals, RetrySpec,
    Window,
};
pub use inventory;

use crate::Rejected;
pub use crate::catalogue::Entry;
pub use crate::context;
#[cfg(feature = "tower")]
pub use crate::layer::Policies;
pub use crate::names::ServicePackage;
pub use crate::policy::idempotency::Ticket;
pub use crate::policy::rate_limit::Charge;
pub use crate::policy::shared::{PolicyEntry, SharedBreaker, SharedBudget, SharedBulkhead, SharedLimiter};
#[cfg(feature = "service")]
pub use crate::service::{
    self, Provided, ServiceSpec,
    health::{CheckKind, HealthCheck},
    tasks::BackgroundTask,
};
pub use crate::site::{Cached, Call, Level, Outcome, Place, Site, Verdict};
pub use crate::{cache_key, is_program, place, register, siblings};
#[cfg(feature = "service")]
pub use crate::{register_check, register_task};
pub use tokio::spawn;

/// The numbers of a shared rate limit for a function that gives it a key, or none.
///
/// # Panics
/// When the limit has keys and the function gives none, or the other way round: at compile time.
pub const fn shared_limit(spec: RateLimitSpec, key: bool) -> RateLimitSpec {
    assert!(
        !key || spec.keyed,
        "this rate limit has no keys: write `keyed` in its `policy!`, or remove `key`"
    );
    assert!(key || !spec.keyed, "this rate limit has keys: write `key = …` beside it");
    spec
}

/// A value that each attempt gets anew.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is handed to each attempt anew, so it must be `Clone`",
    label = "this argument is used again when the call is repeated or falls back",
    note = "derive `Clone` for it, or take it by reference: `&{Self}`",
    note = "a handler of tonic gets a `Request`, which can do neither: put the attribute on a method that the handler calls with what is in it"
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
    note = "a policy that refuses, cuts or repeats a call answers with `hardening::Rejected`, made into the function's own error",
    note = "`tonic::Status` has this with `hardening`'s feature `grpc`"
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

/// A key that is looked at where it stands, and kept as an owned one: `&str` as `String`.
#[derive(Debug)]
pub struct KeyOf<'a, T>(pub &'a T);

/// A key behind a reference.
pub trait KeyByReference {
    /// As it is kept.
    type Owned;
    /// As it is kept.
    fn own(&self) -> Self::Owned;
}

impl<B: ?Sized + ToOwned> KeyByReference for KeyOf<'_, &B> {
    type Owned = B::Owned;

    #[inline]
    fn own(&self) -> B::Owned {
        (*self.0).to_owned()
    }
}

/// Every other key.
pub trait KeyByValue {
    /// As it is kept.
    type Owned;
    /// As it is kept.
    fn own(&self) -> Self::Owned;
}

impl<T: Clone> KeyByValue for &KeyOf<'_, T> {
    type Owned = T;

    #[inline]
    fn own(&self) -> T {
        self.0.clone()
    }
}

/// A result that is kept and handed out again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is kept and handed out again, so it must be `Clone + Send + Sync + 'static`",
    label = "this result cannot be kept",
    note = "derive `Clone` for it, or keep an `Arc` of it"
)]
pub trait Keepable: Clone + Send + Sync + 'static {}

impl<T: Clone + Send + Sync + 'static> Keepable for T {}

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
        .program($crate::is_program!())
    };
    (name = $name:expr) => {
        $crate::__private::Place::named(
            $name,
            ::core::module_path!(),
            ::core::env!("CARGO_PKG_NAME"),
            ::core::file!(),
            ::core::line!(),
        )
        .program($crate::is_program!())
    };
}

/// Whether the crate is linked as a program or a test: cargo sets the first for programs and examples, the second for
/// integration tests and benchmarks.
#[doc(hidden)]
#[macro_export]
macro_rules! is_program {
    () => {
        ::core::cfg!(test)
            || ::core::option_env!("CARGO_BIN_NAME").is_some()
            || ::core::option_env!("CARGO_TARGET_TMPDIR").is_some()
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

/// The owned key of a cached result.
#[doc(hidden)]
#[macro_export]
macro_rules! cache_key {
    ($key:expr) => {{
        #[allow(unused_imports)]
        use $crate::__private::{KeyByReference as _, KeyByValue as _};
        (&$crate::__private::KeyOf(&$key)).own()
    }};
    ($($key:expr,)+) => { ($($crate::cache_key!($key),)+) };
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
