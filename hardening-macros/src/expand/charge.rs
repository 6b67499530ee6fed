//! The beginning of a call: what its rate limits charge, and what its span records.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::Expr;

use super::{key, output};
use crate::model::{Call, Charge};
use crate::paths::{emit, private};

/// `let mut call = SITE.begin();`, with the charges where a limit has a key or a cost.
pub(super) fn begin(site: &Ident, call: &Call) -> TokenStream {
    let (charges, begin) = if call.charges.is_empty() {
        (None, emit!(#site.begin_call()))
    } else {
        let charges = call.charges.iter().map(charge);
        (Some(emit!(let charges = [#(#charges),*];)), emit!(#site.begin_charged_call(&charges)))
    };
    let begin = output::checked(call, &begin);
    let fields = call.fields.iter().map(|field| {
        let name = field_name(field);
        emit!(call.record_field(#name, &#field);)
    });
    emit! {
        #charges
        let mut call = #begin;
        #(#fields)*
    }
}

/// The charges as an argument.
pub(super) fn passed(call: &Call) -> TokenStream {
    if call.charges.is_empty() { emit!(&[]) } else { emit!(&charges) }
}

fn charge(charge: &Charge) -> TokenStream {
    let private = private();
    let cost = charge.cost.as_ref().map_or_else(|| emit!(1), ToTokens::to_token_stream);
    match &charge.key {
        None => emit!(#private::Charge::plain(#cost)),
        Some(key) => {
            let key = key::hashed(key);
            emit!(#private::Charge::keyed(#key, #cost))
        }
    }
}

/// `order.id`, as it is written.
pub(super) fn field_name(field: &Expr) -> String {
    field.to_token_stream().into_iter().map(|token| token.to_string()).collect()
}
