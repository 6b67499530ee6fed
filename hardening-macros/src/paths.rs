//! The one place where an expansion's way to the runtime is spelt.

use proc_macro2::{Span, TokenStream};

/// Quotes tokens whose locals no user token can see, and which see no local of the user.
macro_rules! emit {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned! { ::proc_macro2::Span::mixed_site()=> $($tokens)* }
    };
}
pub(crate) use emit;

/// Everything of the runtime that an expansion may name.
pub(crate) fn absolute() -> TokenStream {
    emit!(::hardening::__private)
}

/// The same inside a function that has [`import`]ed it, where it makes for shorter lines.
pub(crate) fn private() -> TokenStream {
    emit!(__private)
}

/// The same at a place of the user's: what is wrong with a whole expression of ours is reported there.
pub(crate) fn private_at(at: Span) -> TokenStream {
    quote::quote_spanned!(ours_at(at)=> __private)
}

/// What makes [`private`] known.
pub(crate) fn import() -> TokenStream {
    emit!(
        use ::hardening::__private;
    )
}

/// A span at the place of `span` for a name of ours.
pub(crate) fn ours_at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}
