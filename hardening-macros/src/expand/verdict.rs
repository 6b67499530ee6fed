//! What the patterns of a call say of an outcome.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote_spanned};
use syn::Expr;
use syn::spanned::Spanned;

use crate::model::{Fallback, Judged};
use crate::paths::{emit, private};
use crate::syntax::Pattern;
use crate::words::Words;

/// Runs an attempt and ends the loop with it, or leaves `again` behind. What was looked at counts as held until its scope ends,
/// and a backoff waits.
pub(super) fn settle(judged: &Judged, attempt: &TokenStream) -> TokenStream {
    let private = private();
    let keeps_ok = judged.repeats_ok();
    let mode = Ident::new(if keeps_ok { "keep_result" } else { "keep_error" }, Span::mixed_site());
    let mode = emit!(outcome.#mode());
    let (verdict, settle) = match verdict(judged) {
        None => (TokenStream::new(), emit!(call.settle_attempt(#mode, outcome))),
        Some(verdict) => (verdict, emit!(call.settle_attempt_as(#mode, outcome, verdict))),
    };
    emit! {
        let again = {
            let outcome = #attempt;
            #verdict
            match #settle {
                #private::Break(settled) => break settled,
                #private::Continue(again) => again,
            }
        };
    }
}

/// Runs the only attempt and takes its outcome.
pub(super) fn settle_once(judged: &Judged, attempt: &TokenStream) -> TokenStream {
    let attempt = emit!(let outcome = #attempt;);
    match verdict(judged) {
        None => emit!(#attempt let settled = call.settle_only_attempt(outcome);),
        // What was looked at counts as held until its scope ends, and a fallback may wait.
        Some(verdict) if judged.fallback.is_some() => emit! {
            let settled = {
                #attempt
                #verdict
                call.settle_only_attempt_as(outcome, verdict)
            };
        },
        Some(verdict) => {
            emit!(#attempt #verdict let settled = call.settle_only_attempt_as(outcome, verdict);)
        }
    }
}

/// `let verdict = …;`, where patterns were written, or the error's type may say something to a circuit breaker.
fn verdict(judged: &Judged) -> Option<TokenStream> {
    if judged.judgements.is_empty() && judged.retry_after.is_none() && !judged.by_type {
        return None;
    }
    let private = private();
    let by_type = judged.by_type.then(|| emit!(.ignore_if(#private::Ended(result).asked_nothing())));
    let judgements = judged.judgements.iter().map(|judgement| {
        let method = format_ident!("{}", judgement.method, span = Span::mixed_site());
        let matched = match judgement.pattern.over_error() {
            Some(error) if judgement.is_evidence() => evidence(&judgement.pattern, &error),
            _ => matched(&judgement.pattern),
        };
        emit!(.#method(#matched))
    });
    let retry_after = judged.retry_after.as_ref().map(|expr| {
        let asked_for = asked_for(expr);
        emit!(.retry_after(#asked_for))
    });
    Some(emit! {
        let verdict = outcome.judge_with(|result, verdict| verdict #(#judgements)* #by_type #retry_after);
    })
}

/// `matches!(result, PATTERN)`.
fn matched(pattern: &Pattern) -> TokenStream {
    let pattern = pattern.over_result();
    emit!(::core::matches!(result, #pattern))
}

/// `settled.is(|result| matches!(result, PATTERN))`: whether the error is one that is kept.
pub(super) fn negative(pattern: &Pattern) -> TokenStream {
    let matched = matched(pattern);
    emit!(settled.is_judged(|result| #matched))
}

/// The same for a pattern that may not match every error, which only the compiler can tell of a struct.
fn evidence(pattern: &Pattern, over_error: &TokenStream) -> TokenStream {
    let span = pattern.span();
    // The compiler keeps its lints to what the user wrote.
    let error = Ident::new("error", span);
    let judged = quote_spanned!(span=> let #over_error = #error);
    let reason = "a `not_executed` that matches every error says of none that nothing was done";
    emit! {
        match result {
            ::core::result::Result::Ok(_) => false,
            #[deny(irrefutable_let_patterns, reason = #reason)]
            ::core::result::Result::Err(#error) => if #judged { true } else { false },
        }
    }
}

/// The delay that the other side asked for; evaluated for an `Err` alone when it speaks of `error`.
fn asked_for(expr: &Expr) -> TokenStream {
    let words = Words::of(expr.to_token_stream());
    let bound = words.binding("outcome").map(|outcome| emit!(let #outcome = result;));
    if let Some(error) = words.binding("error") {
        return emit! {
            match result {
                ::core::result::Result::Ok(_) => ::core::option::Option::None,
                ::core::result::Result::Err(#error) => { #bound #expr }
            }
        };
    }
    match bound {
        None => expr.to_token_stream(),
        Some(bound) => emit!({ #bound #expr }),
    }
}

/// `let wanted = …;`, where patterns were written: whether the fallback answers for the body's error. What it
/// says of a refusal is not asked.
pub(super) fn wanted(fallback: &Fallback) -> Option<TokenStream> {
    let on = fallback.on.as_ref().map(matched);
    let not_on = fallback.not_on.as_ref().map(matched).map(|not_on| emit!(!#not_on));
    let said = match (on, not_on) {
        (None, None) => return None,
        (Some(one), None) | (None, Some(one)) => one,
        (Some(on), Some(not_on)) => emit!(#on && #not_on),
    };
    Some(emit!(let wanted = settled.wants_fallback(|result| #said);))
}
