//! `policies!`: the policies of a tower service, as a static.

use hardening_spec::keys::{self, Kind};
use hardening_spec::rules::Severity;
use proc_macro2::{Ident, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Path, Token, Visibility, braced};

use crate::diagnostics::Errors;
use crate::expand::site_of_service;
use crate::numbers;
use crate::paths::{self, absolute, emit, import};
use crate::syntax::{self, Policy};

/// One static.
struct Item {
    attrs: Vec<syn::Attribute>,
    vis: Visibility,
    name: Ident,
    policies: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(syn::Attribute::parse_outer)?;
        let vis = input.parse()?;
        input.parse::<Token![static]>()?;
        let name: Ident = input.parse()?;
        input.parse::<Token![=]>()?;
        let content;
        braced!(content in input);
        let policies = content.parse()?;
        input.parse::<Token![;]>()?;
        Ok(Self { attrs, vis, name, policies })
    }
}

/// What makes sense around a service: the others speak of a function's arguments or its result.
const AROUND_A_SERVICE: [&str; 8] =
    ["hardened", "timeout", "deadline", "retry", "circuit_breaker", "rate_limited", "bulkhead", "requires"];

/// Makes the statics.
pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let items = |input: ParseStream| {
        let mut items = Vec::new();
        let krate = paths::leading(input)?;
        while !input.is_empty() {
            items.push(input.parse::<Item>()?);
        }
        Ok((krate, items))
    };
    let (krate, items): (Option<Path>, Vec<Item>) = match items.parse2(input) {
        Ok(items) => items,
        Err(error) => {
            let form =
                "write `pub static INVENTORY = { timeout = 1s, circuit_breaker(failure_rate = 50%) };`";
            return syn::Error::new(error.span(), format!("{error}; {form}")).to_compile_error();
        }
    };
    let mut errors = Errors::default();
    paths::find(krate.as_ref(), &mut errors);
    let import = paths::import_beside(items.first().map(|item| &item.name));
    let expanded: TokenStream = items.into_iter().map(|item| expand_item(item, &mut errors)).collect();
    let errors = errors.finish();
    emit!(#import #expanded #errors)
}

fn expand_item(item: Item, errors: &mut Errors) -> TokenStream {
    let Item { attrs, vis, name, policies } = item;
    let before = errors.len();
    let mut policies = syntax::read(&keys::HARDENED, name.span(), policies, errors);
    policies.sort_by_key(|policy| keys::POLICIES.iter().position(|known| known.name == policy.name()));
    for policy in &policies {
        judge(policy, errors);
    }
    for finding in
        numbers::findings(&policies).into_iter().filter(|finding| finding.severity == Severity::Error)
    {
        let policy = policies.iter().filter(|policy| policy.name() == finding.policy).nth(finding.index);
        match policy.and_then(|policy| policy.get(finding.key)) {
            Some(entry) => errors.at(&entry.tokens, finding.message),
            None => errors.at_span(policy.map_or(name.span(), |policy| policy.at), finding.message),
        }
    }
    if errors.len() > before {
        // The static is there all the same, so that no second error follows.
        policies.clear();
    }
    let (private, import) = (absolute(), import());
    let site = site_of_service(&name, policies);
    emit! {
        #(#attrs)*
        #vis static #name: #private::Policies = {
            #import
            #private::Policies::new(#site)
        };
        #private::inventory::submit! { #private::Entry(#name.site()) }
    }
}

fn judge(policy: &Policy, errors: &mut Errors) {
    if !AROUND_A_SERVICE.contains(&policy.name()) {
        let name = policy.name();
        errors.at_span(
            policy.at,
            format!("`{name}` speaks of a function's arguments or result: write it at a function"),
        );
        return;
    }
    for entry in &policy.entries {
        let key = entry.key.name;
        let of_function =
            matches!(entry.key.kind, Kind::Pattern | Kind::Expression | Kind::Key | Kind::Fields);
        if of_function {
            let message = match key {
                "on" | "not_on" | "failure" | "ignore" | "not_executed" => {
                    format!(
                        "`{key}` is a pattern over a function's result: say what failed with `layer().failure_if(…)`"
                    )
                }
                _ => format!("`{key}` speaks of a function's arguments: remove it"),
            };
            errors.at(&entry.tokens, message);
        }
    }
    crate::check::written(policy, errors);
}
