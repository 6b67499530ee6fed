//! `policy!`: policies that several functions share, as statics.

use hardening_spec::keys::{self, Attribute};
use hardening_spec::rules::Severity;
use hardening_spec::suggest;
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Path, Token, Visibility, braced};

use crate::diagnostics::Errors;
use crate::expand::{policy_spec, program, ratio};
use crate::numbers;
use crate::paths::{self, absolute, emit, import};
use crate::syntax::{self, Policy, Value};

/// One static.
struct Item {
    attrs: Vec<syn::Attribute>,
    vis: Visibility,
    name: Ident,
    kind: Path,
    numbers: TokenStream,
}

impl Parse for Item {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let attrs = input.call(syn::Attribute::parse_outer)?;
        let vis = input.parse()?;
        input.parse::<Token![static]>()?;
        let name: Ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let kind = input.parse()?;
        input.parse::<Token![=]>()?;
        let content;
        braced!(content in input);
        let numbers = content.parse()?;
        input.parse::<Token![;]>()?;
        Ok(Self { attrs, vis, name, kind, numbers })
    }
}

/// What may be shared: the type as it is written, its table, the constructor of its static and its entry in the catalogue.
const KINDS: [(&str, &Attribute, &str); 4] = [
    ("CircuitBreaker", &keys::CIRCUIT_BREAKER, "circuit_breaker"),
    ("RateLimiter", &keys::RATE_LIMITER, "rate_limiter"),
    ("Bulkhead", &keys::BULKHEAD, "bulkhead"),
    ("RetryBudget", &keys::RETRY_BUDGET, "retry_budget"),
];

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
            let form = "write `pub static REDIS: CircuitBreaker = { failure_rate = 50%, window = 10s };`";
            return syn::Error::new(error.span(), format!("{error}; {form}")).to_compile_error();
        }
    };
    let mut errors = Errors::default();
    paths::find(krate.as_ref(), &mut errors);
    let import = paths::import_beside(items.first().map(|item| &item.name));
    // Without a path to the crate each of its names would be a further error.
    let items = items.into_iter().filter(|_| !paths::is_missing());
    let expanded: TokenStream = items.map(|item| expand_item(item, &mut errors)).collect();
    let errors = errors.finish();
    emit!(#import #expanded #errors)
}

fn expand_item(item: Item, errors: &mut Errors) -> TokenStream {
    let Item { attrs, vis, name, kind, numbers } = item;
    let given = kind.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
    let Some((kind, table, constructor)) = KINDS.into_iter().find(|(known, ..)| *known == given) else {
        let names = KINDS.map(|(name, ..)| name);
        let meant = suggest::nearest(&given, names)
            .map(|near| format!(" did you mean `{near}`?"))
            .unwrap_or_default();
        let message =
            format!("`{given}` is no policy that can be shared;{meant} write {}", keys::list(&names));
        errors.at(kind, message);
        return TokenStream::new();
    };
    if !capitals(&name) {
        errors.at(&name, "attributes know a shared policy by its capitals: write its name as `REDIS`");
    }
    // Read on its own, so that what is wrong in it is told apart from what is wrong elsewhere.
    let before = errors.len();
    let Some(policy) = syntax::read(table, name.span(), numbers, errors).into_iter().next() else {
        return TokenStream::new();
    };
    judge(&policy, errors);
    let private = absolute();
    let (type_name, entry) = (Ident::new(&shared_type(kind), name.span()), Ident::new(kind, name.span()));
    let constructor = Ident::new(constructor, name.span());
    // Lints on names look at those that a person wrote.
    let carrier = Ident::new(&name.to_string(), Span::call_site().located_at(name.span()));
    let text = name.to_string();
    // After a mistake the static is there all the same, so that no second error follows.
    let (spec_type, spec) = if errors.len() == before { spec(kind, &policy) } else { stand_in(kind) };
    let (import, program) = (import(), program());
    // A type of that name, so that an import of the static brings the specification with it; and what is written in it sees
    // what stands around it, in a function as well.
    emit! {
        #[doc(hidden)]
        #vis struct #carrier {}
        #[doc(hidden)]
        impl #carrier {
            #vis const SPEC: #spec_type = {
                #import
                #spec
            };
        }
        #(#attrs)*
        #vis static #name: #private::#type_name = #private::#type_name::#constructor(
            #private::place!(name = #text #program),
            #name::SPEC,
        );
        #private::inventory::submit! { #private::PolicyEntry::#entry(&#name) }
    }
}

fn capitals(name: &Ident) -> bool {
    let name = name.to_string();
    name.chars().any(char::is_uppercase) && !name.chars().any(char::is_lowercase)
}

fn shared_type(kind: &str) -> String {
    match kind {
        "CircuitBreaker" => "SharedBreaker",
        "RateLimiter" => "SharedLimiter",
        "Bulkhead" => "SharedBulkhead",
        _ => "SharedBudget",
    }
    .to_owned()
}

fn spec(kind: &str, policy: &Policy) -> (TokenStream, TokenStream) {
    let private = absolute();
    match kind {
        "RetryBudget" => {
            let share = match policy.get("ratio").map(|entry| &entry.value) {
                Some(Value::Ratio(share)) => ratio(*share),
                _ => TokenStream::new(),
            };
            (emit!(#private::Ratio), share)
        }
        "CircuitBreaker" => (emit!(#private::CircuitBreakerSpec), policy_spec(policy)),
        "RateLimiter" => (emit!(#private::RateLimitSpec), policy_spec(policy)),
        _ => (emit!(#private::BulkheadSpec), policy_spec(policy)),
    }
}

fn stand_in(kind: &str) -> (TokenStream, TokenStream) {
    let private = absolute();
    match kind {
        "RetryBudget" => (emit!(#private::Ratio), emit!(#private::Ratio::percent(20))),
        "CircuitBreaker" => {
            (emit!(#private::CircuitBreakerSpec), emit!(#private::CircuitBreakerSpec::DEFAULT))
        }
        "RateLimiter" => (
            emit!(#private::RateLimitSpec),
            emit!(#private::RateLimitSpec::new(#private::Rate::per_secs(1, 1))),
        ),
        _ => (emit!(#private::BulkheadSpec), emit!(#private::BulkheadSpec::new(1))),
    }
}

/// What speaks of one function has no place here, and numbers follow the rules of attributes.
fn judge(policy: &Policy, errors: &mut Errors) {
    if let Some(path) = &policy.shared {
        errors.at(path, "a shared policy stands for itself: write its numbers");
        return;
    }
    let bulkhead = policy.name() == keys::BULKHEAD.name;
    for entry in &policy.entries {
        let ours = entry.key.setting
            || (entry.key.name == "adaptive" && bulkhead)
            || matches!(policy.name(), "RateLimiter" | "RetryBudget");
        if !ours {
            let key = entry.key.name;
            let message = match key {
                "adaptive" => {
                    "an adaptive circuit breaker cannot be shared: write it at the function".to_owned()
                }
                "key" => format!("a shared `{}` has no keys: remove this", policy.name()),
                _ => {
                    format!("`{key}` speaks of one function: write it at the attribute that uses this policy")
                }
            };
            errors.at(entry.tokens.to_token_stream(), message);
        }
    }
    if bulkhead || policy.name() == keys::CIRCUIT_BREAKER.name {
        crate::check::written(policy, errors);
    }
    for finding in
        numbers::of_shared(policy).into_iter().filter(|finding| finding.severity == Severity::Error)
    {
        match policy.get(finding.key) {
            Some(entry) => errors.at(&entry.tokens, finding.message),
            None => errors.at_span(policy.at, finding.message),
        }
    }
}
