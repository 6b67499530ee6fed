//! The beginning of a call: what its rate limits charge, and what its span records.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::Expr;

use crate::model::{Call, Charge, Key, Run};
use crate::paths::{emit, private};

/// `let mut call = SITE.begin();`, with the charges where a limit has a key or a cost.
pub(super) fn begin(site: &Ident, call: &Call) -> TokenStream {
    let mutable = match call.run {
        Run::Observed | Run::ObservedResult | Run::ObservedAlias => TokenStream::new(),
        Run::Once(_) | Run::Hedged(_) | Run::Repeated(_) => emit!(mut),
    };
    let (charges, begin) = if call.charges.is_empty() {
        (None, emit!(#site.begin()))
    } else {
        let charges = call.charges.iter().map(charge);
        (Some(emit!(let charges = [#(#charges),*];)), emit!(#site.begin_charged(&charges)))
    };
    let fields = call.fields.iter().map(|field| {
        let name = field_name(field);
        emit!(call.record(#name, &#field);)
    });
    emit! {
        #charges
        let #mutable call = #begin;
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
        Some(Key::Context(word)) => emit!(#private::Charge::keyed(&#private::context::#word(), #cost)),
        // The members of a pair are looked at, not moved: the body needs them.
        Some(Key::Expression(Expr::Tuple(tuple))) => {
            let members = tuple.elems.iter().map(|member| match member {
                Expr::Path(_) | Expr::Field(_) => emit!(&#member),
                other => other.to_token_stream(),
            });
            emit!(#private::Charge::keyed(&(#(#members,)*), #cost))
        }
        Some(Key::Expression(key)) if binds_tighter_than_a_reference(key) => {
            emit!(#private::Charge::keyed(&#key, #cost))
        }
        Some(Key::Expression(key)) => emit!(#private::Charge::keyed(&(#key), #cost)),
    }
}

fn binds_tighter_than_a_reference(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Path(_) | Expr::Field(_) | Expr::MethodCall(_) | Expr::Call(_) | Expr::Lit(_) | Expr::Index(_)
    )
}

/// `order.id`, as it is written.
pub(super) fn field_name(field: &Expr) -> String {
    field.to_token_stream().into_iter().map(|token| token.to_string()).collect()
}
