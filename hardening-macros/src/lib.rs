//! The attributes of `hardening`; use them through that crate, where they are documented.

mod arguments;
mod attribute;
mod background;
mod bounds;
mod check;
mod diagnostics;
mod expand;
mod feature;
mod function;
mod harvest;
mod health_check;
mod ide;
mod layered;
mod manifest;
mod model;
mod numbers;
mod paths;
mod provided;
mod refused;
mod service;
mod shared;
#[cfg(test)]
mod shown;
mod syntax;
#[cfg(test)]
mod tests;
mod words;

use hardening_spec::keys;
use proc_macro::TokenStream;

/// Instrumentation, and every policy in one attribute.
#[proc_macro_attribute]
pub fn hardened(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::HARDENED, arguments, item), arguments, item)
}

/// Cuts each attempt that takes too long.
#[proc_macro_attribute]
pub fn timeout(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::TIMEOUT, arguments, item), arguments, item)
}

/// Ends the whole call, every attempt and wait included.
#[proc_macro_attribute]
pub fn deadline(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::DEADLINE, arguments, item), arguments, item)
}

/// Runs the body again after a failure, given evidence that this is safe.
#[proc_macro_attribute]
pub fn retry(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::RETRY, arguments, item), arguments, item)
}

/// Stops asking a dependency that fails, until it answers again.
#[proc_macro_attribute]
pub fn circuit_breaker(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::CIRCUIT_BREAKER, arguments, item), arguments, item)
}

/// Refuses calls above a sustained rate.
#[proc_macro_attribute]
pub fn rate_limited(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::RATE_LIMITED, arguments, item), arguments, item)
}

/// Bounds how many executions run at once.
#[proc_macro_attribute]
pub fn bulkhead(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::BULKHEAD, arguments, item), arguments, item)
}

/// Answers instead of a failure.
#[proc_macro_attribute]
pub fn fallback(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::FALLBACK, arguments, item), arguments, item)
}

/// Answers a request that is sent again, instead of doing it again.
#[proc_macro_attribute]
pub fn idempotent(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::IDEMPOTENT, arguments, item), arguments, item)
}

/// Runs a slow body a second time, and takes the first success.
#[proc_macro_attribute]
pub fn hedged(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::HEDGED, arguments, item), arguments, item)
}

/// Keeps results, with one load in flight for each key.
#[proc_macro_attribute]
pub fn cached(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::CACHED, arguments, item), arguments, item)
}

/// Refuses a caller without a right.
#[proc_macro_attribute]
pub fn requires(arguments: TokenStream, item: TokenStream) -> TokenStream {
    expand(|arguments, item| attribute::policy(&keys::REQUIRES, arguments, item), arguments, item)
}

/// Registers a function as a health check of the service.
#[proc_macro_attribute]
pub fn health_check(arguments: TokenStream, item: TokenStream) -> TokenStream {
    of_service("health_check", health_check::expand, arguments, item)
}

/// Registers a function as a background task of the service.
#[proc_macro_attribute]
pub fn background(arguments: TokenStream, item: TokenStream) -> TokenStream {
    of_service("background", background::expand, arguments, item)
}

/// Makes a set-up function a whole service.
#[proc_macro_attribute]
pub fn hardened_service(arguments: TokenStream, item: TokenStream) -> TokenStream {
    of_service("hardened_service", service::expand, arguments, item)
}

/// Policies that several functions share.
#[proc_macro]
pub fn policy(input: TokenStream) -> TokenStream {
    let nothing = proc_macro2::TokenStream::new();
    let expand = |input: proc_macro2::TokenStream, _: &_| shared::expand(input);
    diagnostics::guarded(expand, input.into(), &nothing).into()
}

/// Policies for a tower service.
#[proc_macro]
pub fn policies(input: TokenStream) -> TokenStream {
    let nothing = proc_macro2::TokenStream::new();
    let expand = |input: proc_macro2::TokenStream, _: &_| layered::expand(input);
    diagnostics::guarded(expand, input.into(), &nothing).into()
}

/// An attribute whose expansion names the service, which `hardening` has with its feature `service`.
fn of_service(
    name: &str,
    attribute: impl FnOnce(proc_macro2::TokenStream, &proc_macro2::TokenStream) -> proc_macro2::TokenStream,
    arguments: TokenStream,
    item: TokenStream,
) -> TokenStream {
    if cfg!(feature = "service") {
        expand(attribute, arguments, item)
    } else {
        expand(|_, item| feature::missing(name, "service", item), arguments, item)
    }
}

/// The one crossing to the compiler's own tokens.
fn expand(
    attribute: impl FnOnce(proc_macro2::TokenStream, &proc_macro2::TokenStream) -> proc_macro2::TokenStream,
    arguments: TokenStream,
    item: TokenStream,
) -> TokenStream {
    diagnostics::guarded(attribute, arguments.into(), &item.into()).into()
}
