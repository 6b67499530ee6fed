//! `#[health_check]`: the function as it is, and a registration beside it.

use std::time::Duration;

use hardening_spec::keys;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{FnArg, ReturnType, Type, parse_quote};

use crate::attribute::beside;
use crate::diagnostics::Errors;
use crate::expand::{last_type, time, variant};
use crate::function::Function;
use crate::harvest;
use crate::paths::{absolute, emit, ours_at};
use crate::syntax::{self, Policy, Time, Value};

/// Keeps the check and registers it.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    let mut function = match Function::read(keys::HEALTH_CHECK.name, item) {
        Ok(function) => function,
        Err(error) => return beside(item, &error.to_compile_error()),
    };
    let mut errors = Errors::default();
    harvest::refuse_twice(&keys::HEALTH_CHECK, &mut function, &mut errors);
    let written = syntax::read(&keys::HEALTH_CHECK, Span::call_site(), arguments, &mut errors);
    let targets = targets(&function, &mut errors);
    for policy in &written {
        numbers(policy, &mut errors);
    }
    let clean = errors.is_empty();
    let errors = errors.finish();
    let registration =
        written.first().filter(|_| clean).map(|check| registration(&function, check, &targets));
    // A check that has nothing to wait for is `async` because checks are.
    function.attrs.push(parse_quote!(#[allow(clippy::unused_async)]));
    quote!(#function #errors #registration)
}

/// The types that the check asks the service for; everything else about its signature is judged here.
fn targets(function: &Function, errors: &mut Errors) -> Vec<Type> {
    let sig = &function.sig;
    if function.body.is_none() {
        errors
            .at(&sig.ident, "a health check is a free function with a body, not a declaration: move it out");
    } else if sig.asyncness.is_none() {
        errors.at(
            sig.fn_token,
            format!("a health check is an asynchronous function: write `async fn {}`", sig.ident),
        );
    }
    if let Some(generic) = sig.generics.params.first() {
        errors.at(generic, "a health check is registered once and cannot be generic: write the types out");
    }
    match &sig.output {
        ReturnType::Type(_, ty) if !matches!(**ty, Type::Tuple(_) | Type::Reference(_) | Type::Never(_)) => {}
        ReturnType::Type(_, ty) => {
            errors.at(ty, "a health check answers `Result<(), E>`, where `E: Display`");
        }
        ReturnType::Default => {
            errors.at(&sig.ident, "a health check answers a `Result`: write `-> Result<(), E>`");
        }
    }
    let mut targets = Vec::new();
    for argument in &sig.inputs {
        match argument {
            FnArg::Receiver(receiver) => errors.at(
                receiver,
                "a health check is a free function: take what it looks at as an argument, such as `pool: &Pool`, \
                 and hand it over with `setup.provide(pool)`",
            ),
            FnArg::Typed(typed) => match &*typed.ty {
                Type::Reference(reference) if reference.mutability.is_none() => targets.push((*reference.elem).clone()),
                ty => {
                    let target = if let Type::Reference(reference) = ty { &reference.elem } else { ty };
                    let target = target.to_token_stream();
                    errors.at(ty, format!("a health check borrows what the service provides: write `&{target}`"));
                }
            },
        }
    }
    targets
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

fn registration(function: &Function, check: &Policy, targets: &[Type]) -> TokenStream {
    let private = absolute();
    let ident = &function.sig.ident;
    let name = match check.get("name").map(|entry| &entry.value) {
        Some(Value::Text(name)) => name.value(),
        _ => ident.unraw().to_string(),
    };
    let kind = variant(check.choice("kind").unwrap_or("degraded"));
    let length = |key: &str, default: u64| match check.get(key).map(|entry| &entry.value) {
        Some(Value::Duration(length)) => time(length),
        _ => time(&Time::Known(Duration::from_secs(default))),
    };
    let (every, timeout) = (length("every", 5), length("timeout", 1));
    let (down_after, up_after) =
        (check.count("down_after").unwrap_or(3), check.count("up_after").unwrap_or(2));
    let line = quote::quote_spanned!(ident.span()=> ::core::line!());
    let values: Vec<_> =
        (0..targets.len()).map(|at| format_ident!("a{at}", span = Span::mixed_site())).collect();
    // What is wrong with the answer's type is shown there.
    let output = match &function.sig.output {
        ReturnType::Type(_, output) => &**output,
        ReturnType::Default => &parse_quote!(()),
    };
    let at = ours_at(output.span());
    let mut check_at = ident.clone();
    check_at.set_span(ident.span().located_at(at));
    let checked = quote_spanned!(at=> #check_at(#(&#values),*).await);
    let as_text =
        quote_spanned!(ours_at(last_type(output).span())=> ::std::string::ToString::to_string(&error));
    let provided = if targets.is_empty() { emit!(_) } else { emit!(provided) };
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
                krate: ::core::env!("CARGO_PKG_NAME"),
                file: ::core::file!(),
                line: #line,
                run: |#provided| {
                    #(let #values = provided.get::<#targets>(#name)?;)*
                    ::core::result::Result::Ok(::std::boxed::Box::pin(async move {
                        let result: ::core::result::Result<(), _> = #checked;
                        result.map_err(|error| #as_text)
                    }))
                },
            };
            #private::register_check!(CHECK);
        };
    }
}
