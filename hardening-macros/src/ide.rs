//! Completion of half-typed keys: what rust-analyzer sees instead of nothing.
//!
//! rust-analyzer completes a name by where it stands in the expansion. So each name that an attribute's arguments hold is
//! put into a `use` of a module whose items are the keys of that attribute; that such a `use` may name nothing is no
//! concern of anybody, since the compiler never sees it.

use std::sync::OnceLock;

use hardening_spec::keys::{self, Attribute, Kind};
use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::Meta;

use crate::harvest;

/// Statements for the body of a function with these attributes; none outside rust-analyzer.
pub(crate) fn hints(
    outermost: &'static Attribute,
    arguments: &TokenStream,
    siblings: &[syn::Attribute],
) -> TokenStream {
    if !is_rust_analyzer() {
        return TokenStream::new();
    }
    let mut count = 0;
    let mut hints = of(outermost, arguments, &mut count);
    for attr in siblings {
        if let (Some(sibling), Meta::List(list)) = (harvest::sibling(attr.path()), &attr.meta) {
            hints.extend(of(sibling, &list.tokens, &mut count));
        }
    }
    hints
}

/// Whether this process expands macros for an editor.
fn is_rust_analyzer() -> bool {
    static KNOWN: OnceLock<bool> = OnceLock::new();
    *KNOWN.get_or_init(|| {
        let program = std::env::current_exe().ok();
        let name = program.as_deref().and_then(|program| program.file_stem());
        name.is_some_and(|name| name.to_string_lossy().contains("rust-analyzer"))
    })
}

/// The hints for one attribute, and for those that stand inside it; `count` makes names of modules differ.
fn of(attribute: &'static Attribute, arguments: &TokenStream, count: &mut usize) -> TokenStream {
    let nests = attribute.name == keys::HARDENED.name;
    let policies = if nests { &keys::POLICIES[1..] } else { &[] };
    let mut written = Vec::new();
    let mut others = TokenStream::new();
    for argument in split(arguments) {
        let [TokenTree::Ident(name), rest @ ..] = &*argument else { continue };
        match rest {
            [TokenTree::Group(inside)] if inside.delimiter() == Delimiter::Parenthesis => {
                written.push(name.clone());
                if let Some(nested) = policies.iter().find(|policy| name == policy.name) {
                    others.extend(of(nested, &inside.stream(), count));
                }
            }
            [TokenTree::Punct(equals), TokenTree::Ident(word)] if equals.as_char() == '=' => {
                written.push(name.clone());
                if let Some(Kind::Choice(words)) = attribute.key(&name.to_string()).map(|key| key.kind) {
                    let items = words.iter().map(|word| item(word, "One of the values."));
                    others.extend(module(items, std::slice::from_ref(word), count));
                }
            }
            [] => written.push(name.clone()),
            [TokenTree::Punct(equals), ..] if equals.as_char() == '=' => written.push(name.clone()),
            _ => {}
        }
    }
    let items = attribute.keys.iter().map(|key| item(key.name, key.doc));
    let items = items.chain(policies.iter().map(|policy| item(policy.name, policy.example)));
    let own = module(items, &written, count);
    quote!(#own #others)
}

/// A module of `items`, and the names that were written as if they were some of them.
fn module(items: impl Iterator<Item = TokenStream>, written: &[Ident], count: &mut usize) -> TokenStream {
    if written.is_empty() {
        return TokenStream::new();
    }
    *count += 1;
    let name = format_ident!("__keys_{count}", span = Span::mixed_site());
    quote! {
        mod #name {
            #(#items)*
            use self::{#(#written as _),*};
        }
    }
}

fn item(name: &str, doc: &str) -> TokenStream {
    // A key may be a keyword.
    let name = syn::parse_str::<Ident>(name).unwrap_or_else(|_| Ident::new_raw(name, Span::call_site()));
    quote!(#[doc = #doc] pub mod #name {})
}

/// The arguments between commas.
fn split(arguments: &TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in arguments.clone() {
        if matches!(&token, TokenTree::Punct(comma) if comma.as_char() == ',') {
            parts.push(Vec::new());
        } else if let Some(part) = parts.last_mut() {
            part.push(token);
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(attribute: &'static Attribute, arguments: &TokenStream) -> String {
        let text = of(attribute, arguments, &mut 0).to_string();
        syn::parse_str::<syn::File>(&text).expect("items");
        text.replace(' ', "")
    }

    #[test]
    fn a_half_typed_name_stands_beside_every_key_of_its_attribute() {
        let text = shown(&keys::RETRY, &quote!(attempts = 3, bac));
        for key in keys::RETRY.keys {
            assert!(text.contains(&format!("pubmod{}{{}}", key.name)), "{}: {text}", key.name);
        }
        assert!(text.contains("useself::{attemptsas_,bacas_}"), "{text}");
    }

    #[test]
    fn nested_policies_and_words_of_a_choice_complete_too() {
        let text = shown(&keys::HARDENED, &quote!(tim, retry(jitter = fu, att), deadline = 3s));
        for part in [
            "useself::{timas_,retryas_,deadlineas_}",
            "pubmodcircuit_breaker{}",
            "mod__keys_3{",
            "useself::{jitteras_,attas_}",
            "pubmoddecorrelated{}",
            "useself::{fuas_}",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn every_attribute_gives_items_that_parse() {
        for attribute in keys::ATTRIBUTES {
            shown(attribute, &quote!(na));
        }
    }
}
