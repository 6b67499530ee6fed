//! The words that tokens mention, without parsing them.

use std::collections::HashMap;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// Every identifier in some tokens, and every word of a string literal that may be a format string, each with where
/// it first stands.
#[derive(Default)]
pub(crate) struct Words(HashMap<String, Span>);

impl Words {
    /// The words of `tokens`.
    pub(crate) fn of(tokens: TokenStream) -> Self {
        let mut words = Self::default();
        words.add(tokens);
        words
    }

    /// Adds the words of `tokens`.
    pub(crate) fn add(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) => {
                    self.0.entry(ident.unraw().to_string()).or_insert_with(|| ident.span());
                }
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.contains('{') {
                        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                        for word in words {
                            self.0.entry(word.to_owned()).or_insert_with(|| literal.span());
                        }
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// Adds those of `others`.
    pub(crate) fn merge(&mut self, others: &Self) {
        for (word, span) in &others.0 {
            self.0.entry(word.clone()).or_insert(*span);
        }
    }

    /// Whether `name` is among them; `r#type` and `type` are one name.
    pub(crate) fn mention(&self, name: &syn::Ident) -> bool {
        self.0.contains_key(&name.unraw().to_string())
    }

    /// Whether `word` is among them.
    pub(crate) fn contain(&self, word: &str) -> bool {
        self.0.contains_key(word)
    }

    /// A binding that the tokens' own `word` sees: its span is theirs, which matters where a macro of the user's wrote
    /// them.
    pub(crate) fn binding(&self, word: &str) -> Option<Ident> {
        self.0.get(word).map(|span| Ident::new(word, *span))
    }
}

#[cfg(test)]
mod tests {
    use quote::{format_ident, quote};

    use super::*;

    #[test]
    fn identifiers_and_format_strings_are_mentions() {
        let words = Words::of(quote!({
            call(sku, "{amount:>4} of", "plain price");
            r#type
        }));
        for (name, mentioned) in
            [("sku", true), ("amount", true), ("price", false), ("type", true), ("other", false)]
        {
            assert_eq!(words.contain(name), mentioned, "{name}");
        }
        assert!(words.mention(&format_ident!("r#type")));
    }
}
