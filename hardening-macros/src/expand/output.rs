//! The type of a function under policies, where it may be a `Result` and its name does not say so.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Type;
use syn::visit_mut::{VisitMut, visit_type_mut};

use super::place;
use crate::check::is_result;
use crate::model::Call;
use crate::paths::{moved_to, private_at};

/// A call whose function returns no `Result` is reported once: where only the compiler knows what a type is, the call is
/// passed through a function that exists for a `Result` alone.
pub(super) fn checked(call: &Call, begin: &TokenStream) -> TokenStream {
    match unknown_output(call) {
        Some((at, refusable)) => quote_spanned!(at=> #refusable::under_policies(#begin)),
        None => begin.clone(),
    }
}

/// The function's type inside its body; of one that is no `Result` nothing is known, so that no value is of the wrong type.
pub(super) fn inside(call: &Call, output: &Type) -> TokenStream {
    let written = erased(output, &syn::parse_quote!(_));
    match unknown_output(call) {
        // What stands for an `impl Trait` is found out from the body alone.
        Some((at, refusable)) if !has_impl_trait(output) => {
            let written = moved_to(at, written);
            quote_spanned!(at=> #refusable::Call<#written>)
        }
        _ => written,
    }
}

/// `<Output as Refusable>`, for a type that may be a `Result` and does not say so. The compiler reports a bound of one place
/// once, so everything stands at one place.
fn unknown_output(call: &Call) -> Option<(Span, TokenStream)> {
    let output = call.output.as_ref().filter(|output| call.judged().is_some() && !is_result(output))?;
    let at = place(output);
    let output = erased(output, &syn::parse_quote!(()));
    let (private, output) = (private_at(at), moved_to(at, output));
    Some((at, quote_spanned!(at=> <#output as #private::Refusable>)))
}

/// The function's type where only its error matters: nothing is known of what stands for an `impl Trait`.
pub(super) fn shown(output: &Type) -> TokenStream {
    erased(output, &syn::parse_quote!(()))
}

fn has_impl_trait(output: &Type) -> bool {
    let erased = erased(output, &syn::parse_quote!(_));
    erased.to_string() != output.to_token_stream().to_string()
}

fn erased(output: &Type, stand_in: &Type) -> TokenStream {
    let mut output = output.clone();
    EraseImplTrait(stand_in.clone()).visit_type_mut(&mut output);
    output.into_token_stream()
}

/// `impl Trait` → a type that may be written inside a body.
struct EraseImplTrait(Type);

impl VisitMut for EraseImplTrait {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if matches!(ty, Type::ImplTrait(_)) {
            *ty = self.0.clone();
        } else {
            visit_type_mut(self, ty);
        }
    }
}
