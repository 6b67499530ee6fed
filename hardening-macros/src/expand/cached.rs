//! What stands around the attempts of a call whose result is kept.

use proc_macro2::{Ident, TokenStream};

use super::body::Body;
use super::{charge, idempotent};
use crate::model::{Cached, Call};
use crate::paths::{emit, ours_at, private};

/// `let key = …;`, owned, before the body can use anything up.
pub(super) fn key(call: &Call) -> Option<TokenStream> {
    let cached = call.cached.as_ref()?;
    let key = super::key::owned(&cached.key, &cached.borrowed);
    let size = cached.weighed.then(|| {
        let private = private();
        emit!(let key_size = #private::bytes_of!(&key);)
    });
    Some(emit!(let key = #key; #size))
}

/// The load, which weighs its result where there is a bound on the size of results.
fn load(call: &Call, cached: &Cached) -> TokenStream {
    if !cached.weighed {
        return emit!(load);
    }
    let private = private();
    // A result without a size is shown there.
    let at = ours_at(call.output.as_ref().map_or_else(proc_macro2::Span::call_site, super::place));
    if cached.negative.is_none() {
        let weighed = Ident::new("weighed", at);
        return emit!(load.#weighed(key_size, &settled));
    }
    let weighed = Ident::new("weighed_or_failed", at);
    emit!(load.#weighed(key_size, &settled, |error| #private::bytes_of!(error)))
}

/// How the failure of a load reaches those who wait for it.
fn handed(call: &Call, shares: bool) -> TokenStream {
    let private = private();
    let output = call.output.as_ref().map_or_else(|| emit!(()), super::output::shown);
    let handed = Ident::new(if shares { "handed" } else { "handed_text" }, proc_macro2::Span::mixed_site());
    emit!(&#private::#handed!(#output))
}

/// Looks for a result before the attempts, and keeps theirs.
pub(super) fn around(
    site: &Ident,
    call: &Call,
    body: &Body,
    attempts: &dyn Fn(bool) -> TokenStream,
) -> TokenStream {
    let held = call.ticket.is_some();
    let settled = attempts(held);
    let Some(cached) = &call.cached else { return settled };
    let private = private();
    let handed = handed(call, cached.shares);
    let load = load(call, cached);
    // A call that keeps errors too keeps whole results.
    let loaded = match &cached.negative {
        None => emit!(call.keep_loaded(#load, settled, #handed)),
        Some(pattern) => {
            let negative = super::verdict::negative(pattern);
            emit!({ let negative = #negative; call.keep_loaded_or_failed(#load, settled, negative, #handed) })
        }
    };
    let found =
        if cached.negative.is_some() { emit!(found.result(#handed)) } else { emit!(found.success(#handed)) };
    let stale = if cached.revalidates {
        // The request has its answer; nothing is run for its key.
        let (copies, settled) = (body.owned(), attempts(false));
        let charges = charge::passed(call);
        let begin = super::output::checked(call, &emit!(#site.begin_refresh_call(#charges, &load)));
        emit! {
            #private::Cached::Stale(found, load) => {
                #copies
                #private::spawn(async move {
                    let mut call = #begin;
                    #settled
                    let settled = #loaded;
                    call.close_refresh(settled);
                });
                #found
            }
        }
    } else {
        TokenStream::new()
    };
    let settled_or_stale = if cached.revalidates {
        emit!(#private::Cached::Settled(found) => #found,)
    } else {
        emit!(#private::Cached::Settled(found) | #private::Cached::Stale(found, _) => #found,)
    };
    // A result that cannot be kept is shown there.
    let at = call.output.as_ref().map_or_else(proc_macro2::Span::call_site, syn::spanned::Spanned::span);
    let look = if cached.negative.is_some() { "find_cached_or_failed" } else { "find_cached" };
    let look = Ident::new(look, ours_at(at));
    let looked = idempotent::looking(held, &emit!(call.#look(key)));
    emit! {
        let looked = #looked;
        let settled = match looked {
            #settled_or_stale
            #stale
            #private::Cached::Load(load) => {
                #settled
                #loaded
            }
        };
    }
}
