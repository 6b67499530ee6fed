//! `#[health_check]`: the function as it is, and a registration beside it.

use std::time::Duration;

use hardening_spec::keys;
use proc_macro2::TokenStream;

use crate::diagnostics::Errors;
use crate::expand::{time, variant};
use crate::function::Function;
use crate::paths::{absolute, emit};
use crate::provided::{self, Argument, Kind, Run};
use crate::syntax::{Policy, Time, Value};

/// Keeps the check and registers it.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let kind = Kind { attribute: &keys::HEALTH_CHECK, noun: "a health check", stops: false };
    provided::expand(&kind, arguments, item, numbers, registration)
}

fn numbers(check: &Policy, errors: &mut Errors) {
    for entry in &check.entries {
        match &entry.value {
            Value::Duration(Time::Known(length)) if length.is_zero() => {
                errors.at(
                    &entry.tokens,
                    format!("`{}` is longer than zero: write a duration above 0", entry.key.name),
                );
            }
            Value::Count(0) => errors.at(&entry.tokens, format!("`{}` is at least 1", entry.key.name)),
            Value::Text(name) if name.value().trim().is_empty() => {
                errors.at(&entry.tokens, "a name says something: write `name = \"db\"`, or leave it out");
            }
            _ => {}
        }
    }
}

fn registration(function: &Function, check: &Policy, taken: &[Argument]) -> TokenStream {
    let private = absolute();
    let name = provided::name(function, check);
    let kind = variant(check.choice("kind").unwrap_or("degraded"));
    let length = |key: &str, default: u64| match check.get(key).map(|entry| &entry.value) {
        Some(Value::Duration(length)) => time(length),
        _ => time(&Time::Known(Duration::from_secs(default))),
    };
    let (every, timeout) = (length("every", 5), length("timeout", 1));
    let (down_after, up_after) =
        (check.count("down_after").unwrap_or(3), check.count("up_after").unwrap_or(2));
    let line = provided::line(function);
    let Run { found, answer, as_text, provided } = provided::run(function, taken, "get", &name);
    let cfg = function.attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    emit! {
        #(#cfg)*
        const _: () = {
            static CHECK: #private::HealthCheck = #private::HealthCheck {
                name: #name,
                kind: #private::CheckKind::#kind,
                every: #every,
                timeout: #timeout,
                down_after: #down_after,
                up_after: #up_after,
                module: ::core::module_path!(),
                krate: ::core::env!("CARGO_PKG_NAME"),
                file: ::core::file!(),
                line: #line,
                run: |#provided| {
                    #found
                    ::core::result::Result::Ok(::std::boxed::Box::pin(async move {
                        let result = #answer;
                        result.map_err(|error| #as_text)
                    }))
                },
            };
            #private::register_check!(CHECK);
        };
    }
}
