//! The specification of a call → tokens. Nothing here can fail.

mod body;
mod cached;
mod charge;
mod handover;
mod idempotent;
mod key;
mod output;
mod receiver;
mod spec;
mod verdict;

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, Type};

use crate::function::{Form, Function};
use crate::model::{Call, Judged, Run};
use crate::paths::{emit, ours_at, private};
use crate::words::Words;
use body::Body;
pub(crate) use receiver::unknown_capture;
pub(crate) use spec::{imports, policy_spec, program, ratio, site_of_service, time, variant};

/// The function with its policies inside.
pub(crate) fn function(
    mut function: Function,
    form: &Form,
    call: &Call,
    site: &str,
    hints: &TokenStream,
) -> TokenStream {
    let site = Ident::new(site, Span::mixed_site());
    let body = Body::new(&mut function.sig, form, call);
    let specification = spec::site(&site, &function.sig.ident, call);
    let begin = charge::begin(&site, call);
    let copies = body.copies();
    let run = match &call.run {
        Run::Observed => returned(&body.run(|block| emit!(call.run_observed(#block))), call),
        Run::ObservedResult => returned(&body.run(|block| emit!(call.run_observed_result(#block))), call),
        Run::ObservedAlias => returned(
            &body.run(|block| {
                let (private, output) = (private(), &call.output);
                emit! {
                    call.run_observed_judged(#block, |answer: &#output| {
                        use #private::NoResult as _;
                        #private::Answer(answer).is_failure()
                    })
                }
            }),
            call,
        ),
        Run::Once(judged) => under_policies(&site, call, judged, &body, &|held| {
            let attempt = body.run(|block| idempotent::during(held, &emit!(call.run_attempt(#block))));
            let (wait, settle) = (wait(call, held), verdict::settle_once(judged, &attempt));
            emit!(#wait #copies #settle)
        }),
        Run::Hedged(judged) => under_policies(&site, call, judged, &body, &|held| {
            let others = idempotent::during(held, &emit!(call.run_others(rest, outcome)));
            let attempt =
                body.runs(|bodies| idempotent::during(held, &emit!(call.run_hedged(#bodies))), &others);
            let (wait, settle) = (wait(call, held), verdict::settle_once(judged, &attempt));
            emit!(#wait #settle)
        }),
        Run::Repeated(judged) => under_policies(&site, call, judged, &body, &|held| {
            let attempt = body.run(|block| idempotent::during(held, &emit!(call.run_attempt(#block))));
            let (wait, settle) = (wait(call, held), verdict::settle(judged, &attempt));
            let begin = idempotent::during(held, &emit!(again));
            let private = private();
            let again = emit! {
                if let #private::Break(settled) = #begin.await {
                    break settled;
                }
            };
            let attempt = [Some(wait), copies.cloned(), Some(settle), Some(again)];
            let attempt: TokenStream = attempt.into_iter().flatten().collect();
            emit!(let settled = loop { #attempt };)
        }),
    };
    let (ticket, key) = (idempotent::ticket(call), cached::key(call));
    let hints = Some(hints.clone()).filter(|hints| !hints.is_empty());
    let statements = [Some(specification), hints, ticket, key, Some(begin), Some(run)];
    let expanded = form.rebuild(statements.into_iter().flatten().collect());
    let Function { attrs, vis, sig, .. } = function;
    let mut block = Group::new(Delimiter::Brace, expanded);
    block.set_span(form.outer);
    quote!(#(#attrs)* #vis #sig #block)
}

/// The last statement of a function. It says `return`, so that the lint that wants each function to say it has nothing to say.
fn returned(value: &TokenStream, call: &Call) -> TokenStream {
    // What never returns has nothing to return.
    if matches!(call.output, Some(Type::Never(_))) { value.clone() } else { emit!(return #value;) }
}

/// What comes before each attempt; `held` says that a request's key is.
fn wait(call: &Call, held: bool) -> TokenStream {
    let must_wait = if call.comes_in() { "must_wait_within_call" } else { "must_wait_for_turn" };
    let must_wait = Ident::new(must_wait, Span::mixed_site());
    let wait = idempotent::during(held, &emit!(call.wait_for_turn()));
    emit! {
        if call.#must_wait() {
            #wait.await;
        }
    }
}

/// The attempts, which leave `settled` behind and know whether a request's key is held, with what is kept around them and
/// the end of the call.
fn under_policies(
    site: &Ident,
    call: &Call,
    judged: &Judged,
    body: &Body,
    attempts: &dyn Fn(bool) -> TokenStream,
) -> TokenStream {
    let settled = idempotent::around(call, cached::around(site, call, body, attempts));
    [settled, finish(call, judged, body)].into_iter().collect()
}

/// The end of the call: its result, or the fallback's answer.
fn finish(call: &Call, judged: &Judged, body: &Body) -> TokenStream {
    // A bound that the error type misses is shown there.
    let at = ours_at(call.output.as_ref().map_or_else(Span::call_site, |output| place(last_type(output))));
    let settled = Ident::new("settled", at);
    let Some(fallback) = &judged.fallback else {
        let finish = Ident::new("finish_call", at);
        return returned(&emit!(call.#finish(#settled)), call);
    };
    let finish_or = Ident::new("finish_call_or", at);
    let (value, anchor, private) = (&fallback.value, body.anchor(), private());
    // What patterns looked at counts as held until its scope ends, and the answer may wait.
    let judged = |ending: &dyn Fn(TokenStream) -> TokenStream| match verdict::wanted(fallback) {
        None => ending(emit!(true)),
        Some(judgement) => {
            let ending = ending(emit!(wanted));
            emit!({ let settled = settled; #judgement #ending })
        }
    };
    // The error is kept, and has to be `Send`, only where the answer speaks of it.
    let Some(users_error) = Words::of(value.to_token_stream()).binding("error") else {
        let ending = judged(&|wanted| {
            emit! {
                if let #private::Break(result) = call.#finish_or(#settled, #wanted) {
                    return result;
                }
            }
        });
        let answer = body::pinned(&emit!(async move { #anchor #value }));
        let answer = quote_spanned!(at=> call.run_fallback(#answer).await);
        return emit! {
            #ending
            return #answer;
        };
    };
    let ending = judged(&|wanted| {
        emit! {
            match call.#finish_or(#settled, #wanted) {
                #private::Break(result) => return result,
                #private::Continue(error) => error,
            }
        }
    });
    let answer = body::pinned(&emit!(async move { let #users_error = &error; #anchor #value }));
    let answer = quote_spanned!(at=> call.run_fallback(#answer).await);
    emit! {
        let error = #ending;
        return #answer;
    }
}

/// Where a type is reported: at the last name of its path, since a span of several tokens covers only the first on stable
/// compilers.
pub(crate) fn place(ty: &Type) -> Span {
    match ty {
        Type::Path(path) => path.path.segments.last().map_or_else(|| ty.span(), |last| last.ident.span()),
        _ => ty.span(),
    }
}

/// `E` of `Result<T, E>`, as far as it is written.
pub(crate) fn last_type(ty: &Type) -> &Type {
    let Type::Path(path) = ty else { return ty };
    let Some(PathArguments::AngleBracketed(arguments)) =
        path.path.segments.last().map(|last| &last.arguments)
    else {
        return ty;
    };
    match arguments.args.last() {
        Some(GenericArgument::Type(last)) if arguments.args.len() > 1 => last,
        _ => ty,
    }
}
