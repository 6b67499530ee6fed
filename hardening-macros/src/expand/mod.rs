//! The specification of a call → tokens. Nothing here can fail.

mod body;
mod cached;
mod charge;
mod idempotent;
mod key;
mod output;
mod spec;
mod verdict;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{GenericArgument, PathArguments, Type};

use crate::function::{Form, Function};
use crate::model::{Call, Judged, Run};
use crate::paths::{emit, ours_at, private};
use crate::words::Words;
use body::Body;
pub(crate) use spec::{imports, policy_spec, ratio, site_of_service, time, variant};

/// The function with its policies inside.
pub(crate) fn function(mut function: Function, form: &Form, call: &Call) -> TokenStream {
    let site = site_name(&function, call);
    let body = Body::new(&mut function.sig, form, call);
    let specification = spec::site(&site, &function.sig.ident, call);
    let begin = charge::begin(&site, call);
    let must_wait = if call.comes_in() { "must_wait_within" } else { "must_wait" };
    let must_wait = Ident::new(must_wait, Span::mixed_site());
    let wait = emit! {
        if call.#must_wait() {
            call.wait().await;
        }
    };
    let run = match &call.run {
        Run::Observed => emit!(call.observe(#body).await),
        Run::ObservedResult => emit!(call.observe_result(#body).await),
        Run::ObservedAlias => {
            let (private, output) = (private(), &call.output);
            emit! {
                call.observe_judged(#body, |answer: &#output| {
                    #[allow(unused_imports)]
                    use #private::NoResult as _;
                    #private::Answer(answer).failed()
                })
                .await
            }
        }
        Run::Once(judged) | Run::Hedged(judged) => {
            let hedged = matches!(call.run, Run::Hedged(_));
            let attempt = if hedged { emit!(call.hedged(|| #body)) } else { emit!(call.attempt(#body)) };
            let settle = verdict::settle_once(judged, &attempt);
            let settled = emit! {
                #wait
                #settle
            };
            under_policies(&site, &function, call, judged, &body, settled)
        }
        Run::Repeated(judged) => {
            let settle = verdict::settle(judged);
            let settled = emit! {
                let settled = loop {
                    #wait
                    let outcome = call.attempt(#body).await;
                    #settle
                };
            };
            under_policies(&site, &function, call, judged, &body, settled)
        }
    };
    let (ticket, key) = (idempotent::ticket(call), cached::key(call));
    let expanded = form.rebuild(&emit!(#specification #ticket #key #begin #run));
    let Function { attrs, vis, sig, body } = function;
    let block = crate::function::with_stream(&body.unwrap_or_else(empty_block), expanded);
    quote!(#(#attrs)* #vis #sig #block)
}

/// The attempts, which leave `settled` behind, with what is kept around them and the end of the call.
fn under_policies(
    site: &Ident,
    function: &Function,
    call: &Call,
    judged: &Judged,
    body: &Body,
    settled: TokenStream,
) -> TokenStream {
    let settled = idempotent::around(call, cached::around(site, function, call, settled));
    let finish = finish(call, judged, body);
    emit!(#settled #finish)
}

/// The end of the call: its result, or the fallback's answer.
fn finish(call: &Call, judged: &Judged, body: &Body) -> TokenStream {
    // A bound that the error type misses is shown there.
    let at = ours_at(call.output.as_ref().map_or_else(Span::call_site, |output| place(last_type(output))));
    let settled = Ident::new("settled", at);
    let Some(fallback) = &judged.fallback else {
        let finish = Ident::new("finish", at);
        return emit!(call.#finish(#settled));
    };
    let finish_or = Ident::new("finish_or", at);
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
        let answer = quote_spanned!(at=> call.fallback(async { #anchor #value }).await);
        return emit! {
            #ending
            #answer
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
    let answer =
        quote_spanned!(at=> call.fallback(async { let #users_error = &error; #anchor #value }).await);
    emit! {
        let error = #ending;
        #answer
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

/// `SITE`, lengthened until no token of the user mentions it: items are not hygienic.
fn site_name(function: &Function, call: &Call) -> Ident {
    let mut words = Words::default();
    if let Some(body) = &function.body {
        words.add(body.stream());
    }
    words.add(function.sig.to_token_stream());
    for policy in &call.policies {
        policy.entries.iter().for_each(|entry| words.add(entry.tokens.clone()));
    }
    let mut name = "SITE".to_owned();
    while words.contain(&name) {
        name.push('_');
    }
    format_ident!("{name}", span = Span::mixed_site())
}

fn empty_block() -> proc_macro2::Group {
    proc_macro2::Group::new(proc_macro2::Delimiter::Brace, TokenStream::new())
}
