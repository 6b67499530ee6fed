//! Expansions and messages, through the functions that the attributes call and nothing below them.

mod expansions;
mod mistakes;
mod order;
mod services;
mod types;
mod values;

use hardening_spec::keys;
use proc_macro2::TokenStream;
use quote::ToTokens;

use crate::{attribute, background, health_check, service, shown};

/// Expands an item under its outermost attribute, as the compiler would ask for it.
fn expand(source: TokenStream) -> TokenStream {
    let item: crate::function::Function = syn::parse2(source).expect("a function");
    let mut rest = item.clone();
    let at = rest
        .attrs
        .iter()
        .position(|attr| keys::attribute(&name(attr)).is_some())
        .expect("an attribute of ours");
    let outermost = rest.attrs.remove(at);
    let arguments = match &outermost.meta {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let item = rest.into_token_stream();
    match &*name(&outermost) {
        "background" => background::expand(arguments, &item),
        "health_check" => health_check::expand(arguments, &item),
        "hardened_service" => service::expand(arguments, &item),
        policy => attribute::policy(keys::attribute(policy).expect("a policy"), arguments, &item),
    }
}

fn name(attr: &syn::Attribute) -> String {
    attr.path().segments.last().expect("a path").ident.to_string()
}

/// The messages of an expansion, in order.
fn messages(source: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut tokens = expand(source).into_iter().peekable();
    while let Some(token) = tokens.next() {
        if token.to_string() == "compile_error" {
            tokens.next();
            let group = tokens.next().expect("its argument");
            let proc_macro2::TokenTree::Group(group) = group else { panic!("no group: {group}") };
            found.push(syn::parse2::<syn::LitStr>(group.stream()).expect("a text").value());
        }
    }
    found
}

/// Formatted, as `cargo expand` shows it.
fn formatted(tokens: &TokenStream) -> String {
    let tokens = shown::with_calls(tokens.clone());
    shown::with_macros(&prettyplease::unparse(&syn::parse2(tokens).expect("items")))
}
