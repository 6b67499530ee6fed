//! What stands around a call whose request may be sent again.

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::spanned::Spanned;

use super::key;
use crate::model::Call;
use crate::paths::{emit, ours_at, private};

/// `let ticket = …;`, before the body can use anything up.
pub(super) fn ticket(call: &Call) -> Option<TokenStream> {
    let (private, ticket) = (private(), call.ticket.as_ref()?);
    let fingerprint = ticket.fingerprint.as_ref().map(key::hashed_value);
    let ticket = match (&ticket.key, fingerprint) {
        (None, None) => emit!(#private::Ticket::of_request()),
        (None, Some(fingerprint)) => emit!(#private::Ticket::of_request_as(#fingerprint)),
        (Some(key), fingerprint) => {
            let key = key::hashed(key);
            emit!(#private::Ticket::of(#key, #fingerprint))
        }
    };
    let ticket = match &call.ticket.as_ref()?.owner {
        None => ticket,
        Some(owner) => {
            let owner = key::hashed(owner);
            emit!(#private::Ticket::owned_by(#ticket, #owner))
        }
    };
    Some(emit!(let ticket = #ticket;))
}

/// A future of the call, for as long as the request's key is held.
pub(super) fn during(held: bool, future: &TokenStream) -> TokenStream {
    if !held {
        return future.clone();
    }
    emit!(held.while_held(#future))
}

/// Looking for a result, for as long as the request's key is held: another call may be loading it.
pub(super) fn looking(held: bool, looking: &TokenStream) -> TokenStream {
    if !held {
        return emit!(#looking.await);
    }
    emit! {
        match held.while_alive(#looking).await {
            ::core::option::Option::Some(looked) => looked,
            ::core::option::Option::None => call.cached_no_more(),
        }
    }
}

/// Looks for the answer that the request was given before, and keeps the one that it gets.
pub(super) fn around(call: &Call, settled: TokenStream) -> TokenStream {
    let Some(ticket) = &call.ticket else { return settled };
    let private = private();
    // An answer that cannot be kept is shown there.
    let at = ours_at(call.output.as_ref().map_or_else(Span::call_site, Spanned::span));
    let begin = if ticket.without_content { "begin_idempotent_without_content" } else { "begin_idempotent" };
    let begin = Ident::new(begin, at);
    let begin = quote_spanned!(at=> call.#begin(ticket).await);
    let keep = quote_spanned!(at=> call.keep_answer(held, settled).await);
    emit! {
        let begun = #begin;
        let settled = match begun {
            #private::Break(settled) => settled,
            #private::Continue(mut held) => {
                #settled
                #keep
            }
        };
    }
}
