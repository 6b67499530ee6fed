//! Mistakes are collected and reported together: one compile error each, at the token to change.

use std::cell::RefCell;
use std::fmt::Display;
use std::sync::Once;

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

thread_local! {
    /// What becomes of a panic on this thread.
    static EXPANSION: RefCell<Expansion> = const { RefCell::new(Expansion::None) };
}

/// Whether an expansion runs, and where it panicked.
#[derive(Default)]
enum Expansion {
    #[default]
    None,
    Runs,
    Panicked(String),
}

/// Keeps the place of a panic in an expansion. The hook stays, since several threads may expand at once; all other panics are
/// those of the hook before.
fn keep_places_of_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let runs = EXPANSION.with_borrow_mut(|expansion| {
                let runs = !matches!(expansion, Expansion::None);
                if let (true, Some(at)) = (runs, info.location()) {
                    *expansion = Expansion::Panicked(format!("{}:{}", at.file(), at.line()));
                }
                runs
            });
            if !runs {
                before(info);
            }
        }));
    });
}

/// Runs an expansion. A panic in it is a mistake of this crate, and is reported as one beside the item.
pub(crate) fn guarded(
    attribute: impl FnOnce(TokenStream, &TokenStream) -> TokenStream,
    arguments: TokenStream,
    item: &TokenStream,
) -> TokenStream {
    crate::paths::reset();
    keep_places_of_panics();
    EXPANSION.set(Expansion::Runs);
    let expanded = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| attribute(arguments, item)));
    let ended = EXPANSION.take();
    expanded.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let why = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        let place = match ended {
            Expansion::Panicked(place) => format!(" at {place}"),
            Expansion::None | Expansion::Runs => String::new(),
        };
        let version = env!("CARGO_PKG_VERSION");
        let message = format!(
            "this is a bug in `hardening` {version}, please report it with the function: it panicked{place}: {why}"
        );
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
        assert!(text.contains(&format!("panicked at {}:", file!().replace('\\', "/"))), "{text}");
    }
}
