//! Mistakes are collected and reported together: one compile error each, at the token to change.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;

/// The mistakes of one function. Panics when dropped without [`Errors::finish`], so that none is lost.
#[derive(Default)]
pub(crate) struct Errors {
    found: Vec<syn::Error>,
    finished: bool,
}

impl Errors {
    /// A mistake that underlines `tokens`.
    ///
    /// Tokens and not a span: a span made of several tokens covers only the first on stable compilers.
    pub(crate) fn at(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.found.push(syn::Error::new_spanned(tokens, message));
    }

    /// A mistake that underlines what `span` covers.
    pub(crate) fn at_span(&mut self, span: Span, message: impl Display) {
        self.found.push(syn::Error::new(span, message));
    }

    /// A mistake found by `syn`.
    pub(crate) fn push(&mut self, error: syn::Error) {
        self.found.push(error);
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many there are so far.
    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// One `compile_error!` for each mistake.
    pub(crate) fn finish(mut self) -> TokenStream {
        self.finished = true;
        self.found.iter().map(syn::Error::to_compile_error).collect()
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "mistakes were collected and never reported");
    }
}

/// Runs an expansion. A panic in it is a mistake of this crate, and is reported as one beside the item.
pub(crate) fn guarded(
    attribute: impl FnOnce(TokenStream, &TokenStream) -> TokenStream,
    arguments: TokenStream,
    item: &TokenStream,
) -> TokenStream {
    crate::paths::reset();
    let expanded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attribute(arguments, item)));
    expanded.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        let message = format!("this is a bug in `hardening`, please report it with the function: {why}");
        let error = syn::Error::new(Span::call_site(), message).to_compile_error();
        quote::quote!(#item #error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "never reported")]
    fn dropping_unreported_mistakes_panics() {
        drop(Errors::default());
    }

    #[test]
    fn every_mistake_is_reported() {
        let mut errors = Errors::default();
        errors.at(quote::quote!(one), "first");
        errors.at_span(Span::call_site(), "second");
        let text = errors.finish().to_string();
        assert!(text.contains("first") && text.contains("second"), "{text}");
    }

    #[test]
    fn a_panic_is_reported_as_our_mistake_beside_the_item() {
        let panics = |_, _: &TokenStream| -> TokenStream { panic!("at {}", 7) };
        let text = guarded(
            panics,
            TokenStream::new(),
            &quote::quote!(
                fn kept() {}
            ),
        )
        .to_string();
        assert!(text.starts_with("fn kept"), "{text}");
        assert!(text.contains("bug in `hardening`") && text.contains("at 7"), "{text}");
    }
}
