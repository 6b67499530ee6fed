//! The static site of a function, with its specification as a const.

use std::time::Duration;

use hardening_spec::keys::{self, Kind};
use hardening_spec::{After, Ratio, Window};
use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream};
use quote::{ToTokens, TokenStreamExt, format_ident, quote_spanned};
use syn::Path;
use syn::ext::IdentExt;
use syn::spanned::Spanned;

use super::charge::field_name;
use crate::manifest;
use crate::model::Call;
use crate::numbers;
use crate::paths::{absolute, emit, import, is_missing, ours_at, private};
use crate::syntax::{Entry, Policy, Time, Value};

/// `static SITE: Site = Site::new(place, specification);`, its registration, and the imports it uses.
pub(super) fn site(site: &Ident, function: &Ident, call: &Call) -> TokenStream {
    let private = private();
    let (place, spec, sharing) = (place(function, call), spec(call), sharing(call));
    let imports = imports(&call.imports);
    let import = import();
    let site = emit! {
        static #site: #private::Site = #private::Site::new(#place, #spec)#sharing;
        #private::register!(#site);
    };
    [Some(import), Some(site), imports].into_iter().flatten().collect()
}

/// The site of a service that these policies surround.
pub(crate) fn site_of_service(name: &Ident, policies: Vec<Policy>) -> TokenStream {
    let call = Call::of_service(policies);
    let private = private();
    let (place, spec, sharing) = (place(name, &call), spec(&call), sharing(&call));
    emit!(#private::Site::new(#place, #spec)#sharing)
}

/// Uses the siblings' imports, since their attributes were taken before the compiler could see them, and proves that
/// each of them is ours.
pub(crate) fn imports(imports: &[Path]) -> Option<TokenStream> {
    // Without a path to the crate they are used all the same, so that no lint adds to what is wrong.
    if is_missing() {
        return Some(emit!(#(#[#imports(__sibling)] const _: () = ();)*));
    }
    let private = absolute();
    (!imports.is_empty()).then(|| emit!(#private::siblings!(#(#imports),*);))
}

fn place(function: &Ident, call: &Call) -> TokenStream {
    let (private, program) = (private(), program());
    // Spanned so that its line is that of the function's name, whichever attribute is written first.
    let place = if let Some(name) = &call.name {
        quote_spanned!(function.span()=> #private::place!(name = #name #program))
    } else {
        let name = function.unraw().to_string();
        quote_spanned!(function.span()=> #private::place!(#name #program))
    };
    let fields = (!call.fields.is_empty()).then(|| {
        let names = call.fields.iter().map(field_name);
        emit!(.fields(&["hardening.outcome", "hardening.attempts", #(#names),*]))
    });
    let level = call.level.map(|level| {
        let level = variant(level);
        emit!(.level(#private::Level::#level))
    });
    [Some(place), fields, level].into_iter().flatten().collect()
}

/// What a place says in addition where the crate is linked as a program.
pub(crate) fn program() -> Option<TokenStream> {
    manifest::is_program().then(|| emit!(, true))
}

fn spec(call: &Call) -> TokenStream {
    let private = private();
    let mut spec = emit!(#private::CallSpec::NONE);
    for policy in call.policies.iter().filter(|policy| policy.name() != keys::HARDENED.name) {
        push_with(&mut spec, policy.name(), policy_spec(policy));
    }
    spec
}

/// Adds `.with_key(value)`. Token by token: a stream in a stream goes through the compiler, which is most of what a macro costs.
fn push_with(spec: &mut TokenStream, key: &str, value: TokenStream) {
    let span = Span::mixed_site();
    let mut dot = Punct::new('.', Spacing::Alone);
    dot.set_span(span);
    let mut value = Group::new(Delimiter::Parenthesis, value);
    value.set_span(span);
    spec.append(dot);
    spec.append(Ident::new(&format!("with_{key}"), span));
    spec.append(value);
}

/// The statics of `policy!` that the call uses.
fn sharing(call: &Call) -> Option<TokenStream> {
    let mut limits = 0..;
    let policies = call.policies.iter().filter_map(|policy| {
        let position = (policy.name() == keys::RATE_LIMITED.name).then(|| limits.next()).flatten();
        // A static of another kind is shown where it stands.
        let borrowed = |path: &Path| quote_spanned!(ours_at(path.span())=> &#path);
        if let Some(Value::Shared(budget)) = policy.get("budget").map(|entry| &entry.value) {
            let budget = borrowed(budget);
            return Some(emit!(.sharing_retry_budget(#budget)));
        }
        let path = borrowed(policy.shared.as_ref()?);
        Some(match (policy.name(), position) {
            (_, Some(position)) => {
                let position = Literal::usize_unsuffixed(position);
                emit!(.sharing_rate_limiter(#position, #path))
            }
            ("circuit_breaker", _) => emit!(.sharing_circuit_breaker(#path)),
            _ => emit!(.sharing_bulkhead(#path)),
        })
    });
    let mut policies = policies.peekable();
    policies.peek().is_some().then(|| policies.collect())
}

/// One policy: its defaults, then the keys that were written.
pub(crate) fn policy_spec(policy: &Policy) -> TokenStream {
    let private = private();
    if let Some(path) = &policy.shared {
        let spec = quote_spanned!(ours_at(path.span())=> #path::SPEC);
        let mut spec = if policy.name() == keys::RATE_LIMITED.name {
            let keyed = policy.has("key");
            emit!(#private::shared_limit(#spec, #keyed))
        } else {
            spec
        };
        for entry in policy.entries.iter().filter(|entry| entry.key.name != "key") {
            push_written(&mut spec, policy, entry);
        }
        return spec;
    }
    let required = |key: &str| policy.get(key).map(value);
    let mut spec = match policy.name() {
        "timeout" | "deadline" => return required("after").unwrap_or_default(),
        "requires" => return required("scope").unwrap_or_default(),
        "rate_limited" | "RateLimiter" => {
            let rate = required("rate");
            emit!(#private::RateLimitSpec::new(#rate))
        }
        "idempotent" => emit!(#private::IdempotentSpec::DEFAULT),
        "hedged" => {
            let after = required("after");
            emit!(#private::HedgeSpec::new(#after))
        }
        "cached" => {
            let ttl = required("ttl");
            emit!(#private::CacheSpec::new(#ttl))
        }
        "bulkhead" if policy.has("adaptive") => {
            // What it begins with lies between its bounds.
            let initial = (!policy.has("initial")).then(|| {
                let initial = numbers::bulkhead(policy).adaptive.map_or(0, |adaptive| adaptive.initial);
                let initial = Literal::u32_unsuffixed(initial);
                (policy.has("min") || policy.has("max")).then(|| emit!(.with_initial(#initial)))
            });
            let initial = initial.flatten();
            emit!(#private::BulkheadSpec::adaptive() #initial)
        }
        "bulkhead" => {
            let max = required("max");
            emit!(#private::BulkheadSpec::new(#max))
        }
        "retry" => emit!(#private::RetrySpec::DEFAULT),
        "circuit_breaker" if policy.has("adaptive") => emit!(#private::CircuitBreakerSpec::ADAPTIVE),
        "circuit_breaker" => emit!(#private::CircuitBreakerSpec::DEFAULT),
        _ => emit!(#private::FallbackSpec::DEFAULT),
    };
    for entry in &policy.entries {
        push_written(&mut spec, policy, entry);
    }
    spec
}

/// Adds `.with_attempts(3)`; nothing for a key that is no number, or is part of the base.
fn push_written(spec: &mut TokenStream, policy: &Policy, entry: &Entry) {
    let key = entry.key.name;
    let (key, value) = match (policy.name(), key) {
        ("rate_limited" | "RateLimiter", "rate" | "scope")
        | ("bulkhead" | "circuit_breaker", "adaptive")
        | ("hedged", "after" | "idempotent")
        | ("idempotent", "key" | "fingerprint" | "owner" | "duplicate" | "scope" | "instances")
        | ("cached", "ttl" | "key" | "instances") => return,
        ("bulkhead", "max") if !policy.has("adaptive") => return,
        ("RateLimiter", "keyed") => ("key", emit!(true)),
        (_, "budget") if matches!(entry.value, Value::Shared(_)) => return,
        ("rate_limited" | "circuit_breaker" | "bulkhead", "key") => (key, emit!(true)),
        // The site has to know that there are patterns, not which.
        ("retry", "on") => ("narrowed", emit!(true)),
        ("retry", "retry_after") => ("told", emit!(true)),
        ("rate_limited", "cost") => {
            let Some(cost) = numbers::cost(policy).map(Literal::u32_unsuffixed) else { return };
            (key, emit!(#cost))
        }
        ("circuit_breaker", "timeouts") => {
            let counted = policy.choice(key) != Some("ignore");
            (key, emit!(#counted))
        }
        ("circuit_breaker", "mode") => {
            let private = private();
            let mode = variant(policy.choice(key).unwrap_or_default());
            (key, emit!(#private::CircuitMode::#mode))
        }
        _ if matches!(entry.key.kind, Kind::Pattern | Kind::Expression) => return,
        _ => (key, value(entry)),
    };
    push_with(spec, key, value);
}

fn value(entry: &Entry) -> TokenStream {
    let private = private();
    match &entry.value {
        Value::Duration(time) if entry.key.kind == Kind::Window => {
            let time = self::time(time);
            emit!(#private::Window::Time(#time))
        }
        Value::Duration(time) if entry.key.kind == Kind::After => {
            let time = self::time(time);
            emit!(#private::After::Duration(#time))
        }
        Value::Duration(time) | Value::Negative(_, time) => self::time(time),
        Value::After(After::Duration(time)) => {
            let time = duration(*time);
            emit!(#private::After::Duration(#time))
        }
        Value::After(After::Percentile(share)) => {
            let share = self::ratio(*share);
            emit!(#private::After::Percentile(#share))
        }
        Value::Range(Time::Known(from), Time::Known(to)) => {
            let (unit, length) = unit(&[*from, *to]);
            let (unit, from, to) = (method(unit), number(*from, length), number(*to, length));
            emit!(#private::DurationRange::#unit(#from, #to))
        }
        Value::Range(from, to) => {
            let (from, to) = (time(from), time(to));
            emit!(#private::DurationRange::new(#from, #to))
        }
        Value::Ratio(ratio) => self::ratio(*ratio),
        Value::Budget(None) => emit!(::core::option::Option::None),
        Value::Budget(Some(ratio)) => {
            let ratio = self::ratio(*ratio);
            emit!(::core::option::Option::Some(#ratio))
        }
        Value::Rate(rate) => {
            let (unit, length) = unit(&[rate.per]);
            let (unit, count) = (method(&format!("per_{unit}")), Literal::u32_unsuffixed(rate.count));
            let period = number(rate.per, length);
            emit!(#private::Rate::#unit(#count, #period))
        }
        Value::Window(Window::Time(time)) => {
            let (unit, length) = unit(&[*time]);
            let (unit, time) = (method(unit), number(*time, length));
            emit!(#private::Window::#unit(#time))
        }
        Value::Window(Window::Calls(calls)) => {
            let calls = Literal::u32_unsuffixed(*calls);
            emit!(#private::Window::Calls(#calls))
        }
        Value::Count(count) => Literal::u32_unsuffixed(*count).into_token_stream(),
        Value::Bytes(bytes) => Literal::u64_unsuffixed(*bytes).into_token_stream(),
        Value::Factor(factor) => Literal::f64_unsuffixed(*factor).into_token_stream(),
        Value::Flag => emit!(true),
        Value::Choice(word) => {
            let (kind, word) = (variant(entry.key.name), variant(word));
            emit!(#private::#kind::#word)
        }
        Value::Refusals(kinds) => refusals(kinds),
        Value::Text(text) => text.to_token_stream(),
        Value::Shared(_) | Value::Pattern(_) | Value::Expression(_) | Value::Fields(_) => TokenStream::new(),
    }
}

/// A literal duration, or the const expression as it was written.
pub(crate) fn time(time: &Time) -> TokenStream {
    match time {
        Time::Known(value) => duration(*value),
        Time::Const(tokens) => tokens.clone(),
    }
}

/// `Duration::from_millis(250)`, in the longest unit that is exact.
fn duration(value: Duration) -> TokenStream {
    let (unit, length) = unit(&[value]);
    let (unit, number) = (method(&format!("from_{unit}")), number(value, length));
    emit!(::core::time::Duration::#unit(#number))
}

/// The longest unit in which all of `values` are whole, with its length in nanoseconds.
fn unit(values: &[Duration]) -> (&'static str, u128) {
    [("secs", 1_000_000_000), ("millis", 1_000_000), ("micros", 1_000)]
        .into_iter()
        .find(|(_, length)| values.iter().all(|value| value.as_nanos().is_multiple_of(*length)))
        .unwrap_or(("nanos", 1))
}

fn number(value: Duration, length: u128) -> Literal {
    Literal::u128_unsuffixed(value.as_nanos() / length)
}

fn method(name: &str) -> Ident {
    Ident::new(name, Span::mixed_site())
}

pub(crate) fn ratio(ratio: Ratio) -> TokenStream {
    let private = private();
    if ratio.millionths.is_multiple_of(10_000) {
        let percent = Literal::u32_unsuffixed(ratio.millionths / 10_000);
        return emit!(#private::Ratio::percent(#percent));
    }
    let millionths = Literal::u32_unsuffixed(ratio.millionths);
    emit!(#private::Ratio::millionths(#millionths))
}

fn refusals(kinds: &[&str]) -> TokenStream {
    let private = private();
    let names = kinds.iter().flat_map(|kind| match *kind {
        // The name stands for the limit of the call and that of an attempt.
        "rate_limited" => vec!["RATE_LIMITED".to_owned(), "ATTEMPT_RATE_LIMITED".to_owned()],
        kind => vec![kind.to_uppercase()],
    });
    let mut set = TokenStream::new();
    for name in names {
        let name = format_ident!("{name}");
        set = if set.is_empty() {
            emit!(#private::Refusals::#name)
        } else {
            emit!(#set.and(#private::Refusals::#name))
        };
    }
    set
}

/// `debug` → `Debug`.
pub(crate) fn variant(words: &str) -> Ident {
    let name: String = words
        .split('_')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect();
    Ident::new(&name, Span::mixed_site())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_stand_in_their_longest_exact_unit() {
        for (nanos, shown) in [
            (2_000_000_000, "from_secs (2)"),
            (250_000_000, "from_millis (250)"),
            (7_000, "from_micros (7)"),
            (1, "from_nanos (1)"),
            (0, "from_secs (0)"),
        ] {
            let tokens = duration(Duration::from_nanos(nanos)).to_string();
            assert!(tokens.ends_with(shown), "{tokens}");
        }
    }
}
