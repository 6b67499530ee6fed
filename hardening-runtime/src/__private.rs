//! What expansions name. No public interface: it changes without notice.

pub use std::ops::ControlFlow::{Break, Continue};
pub use std::pin::pin;

pub use hardening_spec::{
    After, BulkheadSpec, CacheSpec, CallSpec, CircuitBreakerSpec, CircuitMode, DurationRange, FallbackSpec,
    HedgeSpec, IdempotentSpec, Jitter, OnTakeover, Per, Rate, RateLimitSpec, Ratio, Refusals, RetrySpec,
    Window,
};
pub use inventory;

use crate::Rejected;
pub use crate::catalogue::Entry;
pub use crate::context;
pub use crate::key::{BorrowedKey, FloatAsKey, Hashable, KeptKey, Key, key};
#[cfg(feature = "tower")]
pub use crate::layer::Policies;
pub use crate::names::ServicePackage;
pub use crate::policy::idempotency::Ticket;
pub use crate::policy::rate_limit::Charge;
pub use crate::policy::shared::{PolicyEntry, SharedBreaker, SharedBudget, SharedBulkhead, SharedLimiter};
pub use crate::replay::{Replay, Replayable, ReplayedBorrow, ReplayedOption, replay};
#[cfg(feature = "service")]
pub use crate::service::{
    self, Provided, ServiceSpec,
    health::{CheckKind, HealthCheck},
    tasks::BackgroundTask,
};
pub use crate::site::{
    Cached, Call, Fails, HandsOut, HandsOutDebug, HandsOutNothing, HandsOutText, Held, Level, Outcome, Place,
    Rest, Site, Verdict,
};
pub use crate::size::{OwnSize, SizeOf};
pub use crate::{bytes_of, handed, handed_text, is_program, place, register, siblings};
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

/// An error that can report that a policy refused the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot report that a call was refused: it has no `From<hardening::Rejected>`",
    label = "a refusal of this call becomes this error",
    note = "a type of another crate, such as `Infallible` or a tuple: return `hardening::Rejected`, `anyhow::Error`, \
            `Box<dyn Error + Send + Sync>` or an enum of your own that holds both, and where a trait says which type it is, put the \
            attribute on a function of your own that the method calls; a type that this crate declares: write \
            `impl From<hardening::Rejected> for {Self}`; a type parameter: add the bound `From<hardening::Rejected>`"
)]
pub trait FromRejected {
    /// The refusal as this error.
    fn from_rejected(rejected: Rejected) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Rejected>> FromRejected for E {
    #[inline]
    fn from_rejected(rejected: Rejected) -> Self {
        rejected.into()
    }
}

/// What a call under policies returns.
#[diagnostic::on_unimplemented(
    message = "a policy can refuse this call, so it needs a `Result` here",
    label = "this is none: write `Result<{Self}, E>` where `E: From<hardening::Rejected>`, such as `hardening::Rejected`"
)]
pub trait Refusable {
    /// `C`, whatever this is. For a type that is no `Result` it is no type, so that nothing is reported of what follows.
    type Call<C>;

    /// Passes a call on.
    fn under_policies<C>(call: C) -> Self::Call<C>;
}

#[diagnostic::do_not_recommend]
impl<T, E> Refusable for Result<T, E> {
    type Call<C> = C;

    #[inline(always)]
    fn under_policies<C>(call: C) -> C {
        call
    }
}

/// A result that is kept and handed out again.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is kept and handed out again, so it must be `Clone + Send + Sync + 'static`",
    label = "this result cannot be kept",
    note = "derive `Clone` for it, or keep an `Arc` of it"
)]
pub trait Keepable: Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Keepable for T {}

/// What a function that the service runs returns.
#[diagnostic::on_unimplemented(
    message = "a health check or a background task returns a `Result<(), E>`, where `E: Display`",
    label = "this is a `{Self}`: write `Result<(), hardening::BoxError>`"
)]
pub trait Ran {
    /// Why it failed.
    type Error;

    /// How it ended.
    ///
    /// # Errors
    /// Its own.
    fn ran(self) -> Result<(), Self::Error>;
}

#[diagnostic::do_not_recommend]
impl<E> Ran for Result<(), E> {
    type Error = E;

    fn ran(self) -> Self {
        self
    }
}

/// The error of a function that the service runs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be logged: the error of a health check or a background task is `Display`",
    label = "this is not `Display`",
    note = "a type of this crate: write `impl std::fmt::Display for {Self}`; a type of another crate: return `hardening::BoxError` \
            or a `String` that says what failed"
)]
pub trait Logged: std::fmt::Display {}

#[diagnostic::do_not_recommend]
impl<E: std::fmt::Display> Logged for E {}

/// An error as it is logged.
pub fn error_text<E: Logged>(error: &E) -> String {
    error.to_string()
}

/// An answer of which only the compiler knows whether it is a `Result`: the method of its own wins over the trait's.
#[derive(Debug)]
pub struct Answer<'a, R>(pub &'a R);

impl<T, E> Answer<'_, Result<T, E>> {
    /// Whether it is an `Err`.
    pub const fn is_failure(&self) -> bool {
        self.0.is_err()
    }
}

/// What every other answer says.
pub trait NoResult {
    /// It is no failure.
    fn is_failure(&self) -> bool;
}

impl<R> NoResult for Answer<'_, R> {
    fn is_failure(&self) -> bool {
        false
    }
}

/// A result of which only the compiler knows whether its error can say that nothing was asked of the dependency: the method of its
/// own wins over that of what it refers to.
#[derive(Debug)]
pub struct Ended<'a, R>(pub &'a R);

#[cfg(feature = "http-client")]
impl<T> Ended<'_, Result<T, crate::connect::http::Error>> {
    /// Whether it is a request that could not be sent, whatever the dependency's state is.
    pub fn asked_nothing(&self) -> bool {
        self.0.as_ref().is_err_and(crate::connect::http::Error::is_invalid)
    }
}

#[cfg(feature = "http-client")]
impl<T> Ended<'_, Result<T, Box<dyn std::error::Error + Send + Sync>>> {
    /// The same of an error that holds one.
    pub fn asked_nothing(&self) -> bool {
        self.0
            .as_ref()
            .is_err_and(|error| error.downcast_ref().is_some_and(crate::connect::http::Error::is_invalid))
    }
}

/// What every other result says; no trait, so that an expansion has nothing to import.
#[derive(Debug)]
pub struct AsksAlways;

impl AsksAlways {
    /// The dependency was asked.
    #[inline(always)]
    pub const fn asked_nothing(&self) -> bool {
        false
    }
}

impl<R> std::ops::Deref for Ended<'_, R> {
    type Target = AsksAlways;

    #[inline(always)]
    fn deref(&self) -> &AsksAlways {
        &AsksAlways
    }
}

/// A value of any type for code that never runs: it ties the type of a body to that of its function.
pub fn anchor<T>() -> T {
    unreachable!("an anchor stands behind `if false`")
}

/// The place of a site: named after its path, or with a name of its own. `program` where the attribute knows that the crate
/// is linked as a program or an integration test; unit tests are known by their `cfg`.
#[doc(hidden)]
#[macro_export]
macro_rules! place {
    ($function:literal $(, $program:literal)?) => {
        $crate::__private::Place::new(
            ::core::concat!(::core::module_path!(), "::", $function),
            ::core::env!("CARGO_PKG_NAME"),
            ::core::file!(),
            ::core::line!(),
            $crate::is_program!($($program)?),
        )
    };
    (name = $name:expr $(, $program:literal)?) => {
        $crate::__private::Place::named(
            $name,
            ::core::module_path!(),
            ::core::env!("CARGO_PKG_NAME"),
            ::core::file!(),
            ::core::line!(),
            $crate::is_program!($($program)?),
        )
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! is_program {
    () => {
        ::core::cfg!(test)
    };
    ($program:literal) => {
        $program
    };
}

/// How the failure of a load whose function returns this type reaches those who wait for it: the error itself, where it is
/// `Clone`.
#[doc(hidden)]
#[macro_export]
macro_rules! handed {
    ($output:ty) => {{
        use $crate::__private::{HandsOut as _, HandsOutDebug as _, HandsOutNothing as _, HandsOutText as _};
        (&&&&$crate::__private::Fails::<$output>::new()).handed()
    }};
}

/// The same for an error that borrows: what it says.
#[doc(hidden)]
#[macro_export]
macro_rules! handed_text {
    ($output:ty) => {{
        use $crate::__private::{HandsOutDebug as _, HandsOutNothing as _, HandsOutText as _};
        (&&&$crate::__private::Fails::<$output>::new()).handed()
    }};
}

/// The size of a value; where its type has no `ByteSize`, without what it owns.
#[doc(hidden)]
#[macro_export]
macro_rules! bytes_of {
    ($value:expr) => {{
        use $crate::__private::OwnSize as _;
        $crate::__private::SizeOf($value).bytes()
    }};
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
