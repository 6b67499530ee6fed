//! The words that tokens mention, without parsing them.

use std::collections::HashSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::ext::IdentExt;

/// Every identifier in some tokens, and every word of a string literal that may be a format string.
#[derive(Default)]
pub(crate) struct Words(HashSet<String>);

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
                    self.0.insert(ident.unraw().to_string());
                }
                TokenTree::Group(group) => self.add(group.stream()),
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if text.contains('{') {
                        let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                        self.0.extend(words.map(str::to_owned));
                    }
                }
                TokenTree::Punct(_) => {}
            }
        }
    }

    /// Whether `name` is among them; `r#type` and `type` are one name.
    pub(crate) fn mention(&self, name: &syn::Ident) -> bool {
        self.0.contains(&name.unraw().to_string())
    }

    /// Whether `word` is among them.
    pub(crate) fn contain(&self, word: &str) -> bool {
        self.0.contains(word)
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
