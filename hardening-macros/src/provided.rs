//! Functions that the service runs with what set-up provided: health checks and background tasks.

use hardening_spec::keys::Attribute;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{FnArg, ReturnType, Type, parse_quote};

use crate::diagnostics::Errors;
use crate::expand::{last_type, place};
use crate::function::Function;
use crate::harvest;
use crate::ide;
use crate::paths::{self, emit, ours_at};
use crate::syntax::{self, Policy, Value};

/// What an attribute makes of a function.
pub(crate) struct Kind {
    pub(crate) attribute: &'static Attribute,
    /// Such as `a health check`.
    pub(crate) noun: &'static str,
    /// Whether it may take a `Stopping`.
    pub(crate) stops: bool,
}

/// Keeps the function and registers it; `judge` looks at the attribute's values.
pub(crate) fn expand(
    kind: &Kind,
    arguments: TokenStream,
    item: &TokenStream,
    judge: fn(&Policy, &mut Errors),
    register: fn(&Function, &Policy, &[Argument]) -> TokenStream,
) -> TokenStream {
    let mut function = match Function::read(kind.attribute.name, item) {
        Ok(function) => function,
        Err(item) => return item,
    };
    let mut errors = Errors::default();
    let hints = ide::hints(kind.attribute, &arguments, &[]);
    function.prepend(&hints);
    harvest::refuse_twice(kind.attribute, &mut function, &mut errors);
    let written = syntax::read(kind.attribute, Span::call_site(), arguments, &mut errors);
    paths::find(written.iter().find_map(|policy| policy.krate.as_ref()), &mut errors);
    let taken = self::arguments(&function, kind.noun, kind.stops, &mut errors);
    for policy in &written {
        judge(policy, &mut errors);
    }
    function.needs_async();
    let clean = errors.is_empty();
    let errors = errors.finish();
    let registration = written.first().filter(|_| clean).map(|policy| register(&function, policy, &taken));
    quote!(#function #errors #registration)
}

/// What the function takes.
pub(crate) enum Argument {
    /// A reference to what set-up provided.
    Provided(Box<Type>),
    /// `stop: Stopping`, by value.
    Stopping,
}

/// The arguments of the function; everything else about its signature is judged here. `noun` is what it is, such as
/// `a health check`; `stops` says that it may take a `Stopping`.
fn arguments(function: &Function, noun: &str, stops: bool, errors: &mut Errors) -> Vec<Argument> {
    let sig = &function.sig;
    if function.body.is_none() {
        errors
            .at(&sig.ident, format!("{noun} is a free function with a body, not a declaration: move it out"));
    } else if sig.asyncness.is_none() {
        errors
            .at(sig.fn_token, format!("{noun} is an asynchronous function: write `async fn {}`", sig.ident));
    }
    if let Some(generic) = sig.generics.params.first() {
        errors.at(generic, format!("{noun} is registered once and cannot be generic: write the types out"));
    }
    match &sig.output {
        ReturnType::Type(_, ty) if !matches!(**ty, Type::Tuple(_) | Type::Reference(_) | Type::Never(_)) => {}
        ReturnType::Type(_, ty) => {
            errors.at(ty, format!("{noun} answers `Result<(), E>`, where `E: Display`"));
        }
        ReturnType::Default => {
            errors.at(&sig.ident, format!("{noun} answers a `Result`: write `-> Result<(), E>`"));
        }
    }
    crate::check::logged(noun, sig, errors);
    let mut arguments = Vec::new();
    for argument in &sig.inputs {
        match argument {
            FnArg::Receiver(receiver) => errors.at(
                receiver,
                format!(
                    "{noun} is a free function: take what it looks at as an argument, such as `pool: &Pool`, and \
                     hand it over with `setup.provide(pool)`"
                ),
            ),
            FnArg::Typed(typed) => match &*typed.ty {
                Type::Reference(reference) if stops && is_stopping(&reference.elem) => errors.at(
                    &typed.ty,
                    "nobody provides a `Stopping`: take it by value, `stop: Stopping`",
                ),
                Type::Reference(reference) if reference.mutability.is_none() => {
                    arguments.push(Argument::Provided(reference.elem.clone()));
                }
                ty if stops && is_stopping(ty) => {
                    if arguments.iter().any(|argument| matches!(argument, Argument::Stopping)) {
                        let message = format!("{noun} takes one `Stopping`: write `stop.clone()` where another is needed");
                        errors.at(ty, message);
                    }
                    arguments.push(Argument::Stopping);
                }
                ty => {
                    let target = if let Type::Reference(reference) = ty { &reference.elem } else { ty };
                    let target = target.to_token_stream();
                    let or = if stops { ", or take `stop: Stopping`" } else { "" };
                    errors.at(ty, format!("{noun} borrows what the service provides: write `&{target}`{or}"));
                }
            },
        }
    }
    arguments
}

fn is_stopping(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Stopping" && last.arguments.is_empty())
}

/// `name = …`, or the function's.
pub(crate) fn name(function: &Function, written: &Policy) -> String {
    match written.get("name").map(|entry| &entry.value) {
        Some(Value::Text(name)) => name.value(),
        _ => function.sig.ident.unraw().to_string(),
    }
}

/// The line of the function's name.
pub(crate) fn line(function: &Function) -> TokenStream {
    quote_spanned!(function.sig.ident.span()=> ::core::line!())
}

/// How the function is run.
pub(crate) struct Run {
    /// Statements that find the arguments.
    pub(crate) found: TokenStream,
    /// Calls it with them, and awaits it.
    pub(crate) answer: TokenStream,
    /// Its `error` as a text.
    pub(crate) as_text: TokenStream,
    /// The closure's name of what set-up provided.
    pub(crate) provided: TokenStream,
}

/// Runs the function of this name. What was provided is found by `get`.
pub(crate) fn run(function: &Function, arguments: &[Argument], get: &str, name: &str) -> Run {
    let ident = &function.sig.ident;
    let get = format_ident!("{get}", span = Span::mixed_site());
    let (mut found, mut given, mut any) = (TokenStream::new(), Vec::new(), false);
    for (at, argument) in arguments.iter().enumerate() {
        match argument {
            Argument::Provided(ty) => {
                let value = format_ident!("a{at}", span = Span::mixed_site());
                found.extend(emit!(let #value = provided.#get::<#ty>(#name)?;));
                given.push(quote!(&#value));
                any = true;
            }
            Argument::Stopping => given.push(emit!(stop)),
        }
    }
    // What is wrong with the answer's type is shown there.
    let output = match &function.sig.output {
        ReturnType::Type(_, output) => &**output,
        ReturnType::Default => &parse_quote!(()),
    };
    let at = ours_at(place(output));
    let mut ident_at = ident.clone();
    ident_at.set_span(ident.span().located_at(at));
    // What is wrong with an expression of ours is reported where all of it stands.
    let ran = paths::moved_to(at, paths::absolute());
    let error_at = ours_at(place(last_type(output)));
    let text = paths::moved_to(error_at, paths::absolute());
    Run {
        found,
        answer: quote_spanned!(at=> #ran::Ran::ran(#ident_at(#(#given),*).await)),
        as_text: quote_spanned!(error_at=> #text::error_text(&error)),
        provided: if any { emit!(provided) } else { emit!(_) },
    }
}
