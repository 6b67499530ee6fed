//! What may be written in one attribute; the rules on its numbers are in `hardening_spec::rules`.

use hardening_spec::units;
use syn::{Expr, Lit};

use super::{futile, names};
use crate::arguments::bindings;
use crate::diagnostics::Errors;
use crate::function::Function;
use crate::syntax::{Policy, Time, Value};

/// The rules on what was written.
pub(crate) fn written(policy: &Policy, errors: &mut Errors) {
    if policy.shared.is_some() {
        shared(policy, errors);
        return;
    }
    match policy.name() {
        "retry" => retry(policy, errors),
        "circuit_breaker" => circuit_breaker(policy, errors),
        "rate_limited" => rate_limited(policy, errors),
        "bulkhead" => bulkhead(policy, errors),
        "fallback" => fallback(policy, errors),
        "requires" => requires(policy, errors),
        "hedged" => hedged(policy, errors),
        "cached" => cached(policy, errors),
        "idempotent" => idempotent(policy, errors),
        _ => {}
    }
}

/// The numbers of a shared policy stand at the policy; what speaks of this function stands here.
fn shared(policy: &Policy, errors: &mut Errors) {
    let of_function: &[&str] = match policy.name() {
        "circuit_breaker" => &["failure", "ignore", "timeouts"],
        "rate_limited" => &["key", "cost", "per"],
        _ => &[],
    };
    for entry in policy.entries.iter().filter(|entry| !of_function.contains(&entry.key.name)) {
        let key = entry.key.name;
        let message = format!("`{key}` is the same for all who share this policy: write it in its `policy!`");
        errors.at(&entry.tokens, message);
    }
}

fn retry(policy: &Policy, errors: &mut Errors) {
    if !policy.means("idempotent") && !policy.means("not_executed") {
        errors.at_span(
            policy.at,
            "`retry` runs the body again after a failure, and a failure does not say that nothing was done: \
             an order may be placed twice. Write `idempotent` if running the body twice does no harm, or \
             `not_executed = PATTERN` naming the errors raised before anything was done, \
             such as `not_executed = Error::Connect(_)`",
        );
    }
    futile::retry(policy, errors);
    let Some(pattern) = policy.pattern("not_executed") else { return };
    if let Some(ok) = pattern.over_ok() {
        errors.at(
            ok,
            "`not_executed` names errors raised before anything was done, and `Ok` is none: remove it",
        );
    } else if pattern.is_catch_all() {
        errors.at(
            pattern,
            "this matches every error, so it says of none that nothing was done: name the errors raised before \
             anything was done, such as `Error::Connect(_)`, or write `idempotent` if running the body twice does no harm",
        );
    }
}

/// Keys of an adaptive policy without `adaptive`.
fn only_adaptive(policy: &Policy, keys: &[&str], errors: &mut Errors) {
    for entry in policy.entries.iter().filter(|entry| keys.contains(&entry.key.name)) {
        if !policy.means("adaptive") {
            let key = entry.key.name;
            let message =
                format!("`{key}` is a number of an adaptive one: write `adaptive` too, or leave it out");
            errors.at(&entry.tokens, message);
        }
    }
}

fn bulkhead(policy: &Policy, errors: &mut Errors) {
    bound_without_key(policy, errors);
    only_adaptive(policy, &["min", "initial"], errors);
    if !policy.means("max") && !policy.means("adaptive") {
        let message = "`bulkhead` needs `max`, a whole number of at least 1, such as `3`: write `#[bulkhead(max = 10)]`, or \
                       `#[bulkhead(adaptive)]` for a limit found from latency";
        errors.at_span(policy.at, message);
    }
}

/// The keys of a circuit that opens and closes.
const OF_A_CIRCUIT: [&str; 10] = [
    "failure_rate",
    "consecutive",
    "slow_call",
    "slow_rate",
    "open_for",
    "probes",
    "probe_timeout",
    "ramp",
    "key",
    "max_keys",
];

fn circuit_breaker(policy: &Policy, errors: &mut Errors) {
    futile::circuit_breaker(policy, errors);
    only_adaptive(policy, &["multiplier"], errors);
    if policy.has("adaptive") {
        for entry in policy.entries.iter().filter(|entry| OF_A_CIRCUIT.contains(&entry.key.name)) {
            let message = format!(
                "an adaptive circuit breaker refuses a share of the calls and never opens, so it has no `{}`: remove it, or \
                 remove `adaptive`",
                entry.key.name
            );
            errors.at(&entry.tokens, message);
        }
        return;
    }
    bound_without_key(policy, errors);
    let Some(entry) = policy.get("slow_rate") else { return };
    if let (Value::Ratio(rate), false) = (&entry.value, policy.means("slow_call"))
        && *rate == hardening_spec::CircuitBreakerSpec::DEFAULT.slow_rate
    {
        // Any other rate breaks the rule on numbers.
        let message =
            "`slow_rate` needs `slow_call`, the duration from which a call is slow: write `slow_call = 1s`";
        errors.at(&entry.tokens, message);
    }
}

fn bound_without_key(policy: &Policy, errors: &mut Errors) {
    if let Some(entry) = policy.get("max_keys")
        && !policy.means("key")
        && policy.count("max_keys") == Some(10_000)
    {
        // Any other number breaks the rule on numbers.
        let message = "`max_keys` bounds the values of `key`: write `key = …` too, or leave it out";
        errors.at(&entry.tokens, message);
    }
}

fn rate_limited(policy: &Policy, errors: &mut Errors) {
    bound_without_key(policy, errors);
    let Some(Expr::Lit(cost)) = policy.expression("cost") else { return };
    let Lit::Int(number) = &cost.lit else {
        errors.at(cost, "a cost is a whole number or an expression that gives a `u32`, such as `2`");
        return;
    };
    let Ok(cost) = number.base10_parse::<u32>() else {
        errors.at(number, format!("a cost is at most {}", u32::MAX));
        return;
    };
    if cost == 0 {
        errors.at(number, "a call that costs 0 is never limited: write at least 1");
    }
}

fn fallback(policy: &Policy, errors: &mut Errors) {
    futile::fallback(policy, errors);
    for key in ["on", "not_on"] {
        if let Some(ok) = policy.pattern(key).and_then(|pattern| pattern.over_ok()) {
            errors
                .at(ok, "a fallback answers for an `Err`, never for an `Ok`: write a pattern over the error");
        }
    }
}

fn hedged(policy: &Policy, errors: &mut Errors) {
    if !policy.means("idempotent") {
        errors.at_span(
            policy.at,
            "`hedged` runs the body twice at once: an order may be placed twice. Write `idempotent` if running the body \
             twice does no harm; if it does, remove `hedged`",
        );
    }
}

fn cached(policy: &Policy, errors: &mut Errors) {
    if let Some(Value::Negative(pattern, _)) = policy.get("negative").map(|entry| &entry.value)
        && let Some(ok) = pattern.over_ok()
    {
        errors.at(ok, "`negative` names errors that are kept, and an `Ok` is kept anyway: write a pattern over the error");
    }
}

fn idempotent(policy: &Policy, errors: &mut Errors) {
    let Some(key) = policy.get("key") else { return };
    if key.tokens.to_string() != "idempotency_key" && !policy.means("fingerprint") {
        let message = "a key of your own needs a `fingerprint` of what is asked, so that the key cannot stand for \
                       something else: write `fingerprint = order`";
        errors.at(&key.tokens, message);
    }
}

fn requires(policy: &Policy, errors: &mut Errors) {
    let Some(entry) = policy.get("scope") else { return };
    if let Value::Text(scope) = &entry.value
        && (scope.value().is_empty() || scope.value().contains(char::is_whitespace))
    {
        let message = "a scope is one word without spaces: write `#[requires(\"orders:write\")]`";
        errors.at(&entry.tokens, message);
    }
}

/// A const expression may name neither an argument nor what differs from one use of the function to the next.
pub(super) fn constants(policy: &Policy, function: &Function, errors: &mut Errors) {
    for entry in &policy.entries {
        let times = match &entry.value {
            Value::Duration(time) => [Some(time), None],
            Value::Range(from, to) => [Some(from), Some(to)],
            _ => [None, None],
        };
        for time in times.into_iter().flatten() {
            let Time::Const(tokens) = time else { continue };
            let generics = function.sig.generics.params.iter().filter_map(|param| match param {
                syn::GenericParam::Type(param) => Some(param.ident.to_string()),
                syn::GenericParam::Const(param) => Some(param.ident.to_string()),
                syn::GenericParam::Lifetime(_) => None,
            });
            let variable = ["Self".to_owned(), "self".to_owned()]
                .into_iter()
                .chain(generics)
                .chain(bindings(&function.sig).iter().map(ToString::to_string))
                .find(|name| names(tokens, name));
            let Some(name) = variable else { continue };
            let example = units::show(std::time::Duration::from_millis(250));
            let message = format!(
                "every call of this function shares one specification, so a duration cannot depend on `{name}`: \
                 write a literal such as `{example}`, or a const"
            );
            errors.at(tokens, message);
            break;
        }
    }
}
