//! The rules; the only place that reports their violation. What comes out expands without fail.

mod error_type;
mod futile;
mod key;
mod lasting;
mod policy;
mod replayed;
mod shape;

pub(crate) use error_type::logged;
pub(crate) use policy::written;
pub(crate) use shape::is_result;

use hardening_spec::keys::CONTEXT_KEYS;
use hardening_spec::rules::Severity;
use hardening_spec::{keys, suggest};
use proc_macro2::TokenTree;
use quote::ToTokens;
use syn::{Expr, Ident, Type};

use crate::arguments::bindings;
use crate::diagnostics::Errors;
use crate::feature;
use crate::function::{Form, Function};
use crate::harvest::Harvest;
use crate::model::{Cached, Call, Charge, Fallback, Judged, Judgement, Key, Run, Ticket};
use crate::numbers;
use crate::syntax::{Policy, Value};

/// Judges a function with its policies.
pub(crate) fn call(function: &Function, form: &Form, harvest: Harvest, errors: &mut Errors) -> Call {
    let Harvest { policies, imports } = harvest;
    shape::result(function, form, &policies, errors);
    error_type::refusals(function, form, &policies, errors);
    shape::replay(function, form, &policies, errors);
    replayed::used_once(function, form, &policies, errors);
    shape::side_by_side(function, form, &policies, errors);
    key::members(&policies, errors);
    key::texts(function, &policies, errors);
    key::generic(function, &policies, errors);
    shape::instances(function, &policies, errors);
    shape::kept(function, &policies, errors);
    shape::captured_self(function, form, &policies, errors);
    for policy in &policies {
        // What it keeps, JSON or a response, is the service's. The tests of expansions need no feature.
        if cfg!(not(any(feature = "service", test))) && policy.name() == keys::IDEMPOTENT.name {
            errors.at_span(policy.at, feature::needed(policy.name(), "service"));
        }
        policy::written(policy, errors);
        policy::constants(policy, function, errors);
    }
    futile::alone(&policies, errors);
    numeric(&policies, errors);
    let hardened = policies.iter().find(|policy| policy.name() == keys::HARDENED.name);
    let fields = match hardened.and_then(|policy| policy.get("span_fields")).map(|entry| &entry.value) {
        Some(Value::Fields(fields)) => fields.clone(),
        _ => Vec::new(),
    };
    span_fields(&fields, function, errors);
    let name = match hardened.and_then(|policy| policy.get("name")).map(|entry| &entry.value) {
        Some(Value::Text(name)) => Some(name.clone()),
        _ => None,
    };
    if let Some(name) = name.as_ref().filter(|name| name.value().trim().is_empty()) {
        errors.at(name, "a name says something: write `name = \"price\"`, or leave it out");
    }
    Call {
        name,
        level: hardened.and_then(|policy| policy.choice("level")),
        fields,
        imports,
        charges: charges(&policies, function),
        ticket: ticket(&policies, function),
        cached: cached(&policies, function, form.output.as_ref()),
        output: form.output.clone(),
        run: run(form, &policies),
        policies,
    }
}

/// The rules on numbers, shown at the value that was written, or at the attribute for a default.
fn numeric(policies: &[Policy], errors: &mut Errors) {
    for finding in numbers::findings(policies) {
        if finding.severity != Severity::Error {
            continue;
        }
        let mut written = policies.iter().filter(|policy| policy.name() == finding.policy);
        let Some(policy) = written.nth(finding.index) else { continue };
        match policy.get(finding.key) {
            Some(entry) => errors.at(&entry.tokens, finding.message),
            None => errors.at_span(policy.at, finding.message),
        }
    }
}

fn run(form: &Form, policies: &[Policy]) -> Run {
    let find = |name: &str| policies.iter().find(|policy| policy.name() == name);
    if policies.iter().all(|policy| policy.name() == keys::HARDENED.name) {
        return match &form.output {
            Some(output) if shape::is_result(output) => Run::ObservedResult,
            Some(output) if shape::may_be_alias(output) => Run::ObservedAlias,
            _ => Run::Observed,
        };
    }
    let (retry, breaker, fallback) = (find("retry"), find("circuit_breaker"), find("fallback"));
    let judgement = |policy: Option<&Policy>, key: &str, method: &'static str| {
        let pattern = policy?.pattern(key)?.clone();
        Some(Judgement { method, pattern })
    };
    let judged = Judged {
        judgements: [
            judgement(retry, "on", "retry_if"),
            judgement(retry, "not_on", "never_retry_if"),
            judgement(retry, "not_executed", "not_executed_if"),
            judgement(breaker, "failure", "failure_if"),
            judgement(breaker, "ignore", "ignore_if"),
        ]
        .into_iter()
        .flatten()
        .collect(),
        by_type: breaker.is_some_and(|breaker| {
            breaker.pattern("failure").is_none() && breaker.pattern("ignore").is_none()
        }),
        retry_after: retry.and_then(|retry| retry.expression("retry_after")).cloned(),
        fallback: fallback.and_then(|fallback| {
            let value = fallback.expression("value")?.clone();
            let (on, not_on) = (fallback.pattern("on").cloned(), fallback.pattern("not_on").cloned());
            Some(Fallback { value, on, not_on })
        }),
    };
    match (retry, find("hedged")) {
        (Some(_), _) => Run::Repeated(judged),
        (None, Some(_)) => Run::Hedged(judged),
        (None, None) => Run::Once(judged),
    }
}

/// One for each rate limit, then those of the circuit breaker and the bulkhead where they have a key.
fn charges(policies: &[Policy], function: &Function) -> Vec<Charge> {
    let key =
        |policy: &Policy| policy.expression("key").map(|key| context_key(key, &bindings(&function.sig)));
    let limits = policies.iter().filter(|policy| policy.name() == keys::RATE_LIMITED.name);
    let limits = limits.map(|limit| Charge { key: key(limit), cost: limit.expression("cost").cloned() });
    let of = |name: &'static str| policies.iter().filter(move |policy| policy.name() == name);
    let others = of(keys::CIRCUIT_BREAKER.name).chain(of(keys::BULKHEAD.name));
    let others = others.filter_map(|policy| Some(Charge { key: Some(key(policy)?), cost: None }));
    let charges: Vec<Charge> = limits.chain(others).collect();
    if charges.iter().any(|charge| charge.key.is_some() || charge.cost.is_some()) {
        charges
    } else {
        Vec::new()
    }
}

fn ticket(policies: &[Policy], function: &Function) -> Option<Ticket> {
    let policy = policies.iter().find(|policy| policy.name() == keys::IDEMPOTENT.name)?;
    let key = policy.expression("key").map(|key| context_key(key, &bindings(&function.sig)));
    let key = key.filter(|key| !matches!(key, Key::Context(word) if word == "idempotency_key"));
    let owner = policy.expression("owner").map(|owner| context_key(owner, &bindings(&function.sig)));
    let without_content = policy.choice("duplicate") == Some("no_content");
    Some(Ticket { key, fingerprint: policy.expression("fingerprint").cloned(), owner, without_content })
}

fn cached(policies: &[Policy], function: &Function, output: Option<&Type>) -> Option<Cached> {
    let policy = policies.iter().find(|policy| policy.name() == keys::CACHED.name)?;
    let key = policy.expression("key")?;
    let borrowed = key::borrowed(key, &function.sig);
    let key = context_key(key, &bindings(&function.sig));
    let negative = match policy.get("negative").map(|entry| &entry.value) {
        Some(Value::Negative(pattern, _)) => Some(pattern.clone()),
        _ => None,
    };
    let shares = output.is_none_or(|output| lasting::is_lasting(output, &function.sig));
    let (revalidates, weighed) = (policy.has("stale_while_revalidate"), policy.has("max_bytes"));
    Some(Cached { key, borrowed, revalidates, shares, weighed, negative })
}

/// A word of the request's context, unless an argument has that name.
fn context_key(key: &Expr, arguments: &[Ident]) -> Key {
    if let Expr::Path(path) = key
        && let Some(word) = path.path.get_ident()
        && CONTEXT_KEYS.iter().any(|known| word == known)
        && !arguments.iter().any(|argument| argument == word)
    {
        return Key::Context(word.clone());
    }
    Key::Expression(key.clone())
}

/// Each field is an argument, or a field of one.
fn span_fields(fields: &[Expr], function: &Function, errors: &mut Errors) {
    if fields.is_empty() {
        return;
    }
    let arguments: Vec<String> = bindings(&function.sig).iter().map(ToString::to_string).collect();
    for field in fields {
        let mut root = field;
        while let Expr::Field(inner) = root {
            root = &inner.base;
        }
        let name = match root {
            Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
            _ => None,
        };
        let Some(name) = name else {
            errors.at(field, "a span field is an argument or a field of one, such as `sku` or `order.id`");
            continue;
        };
        if arguments.contains(&name) || (name == "self" && function.sig.receiver().is_some()) {
            continue;
        }
        let meant = suggest::nearest(&name, arguments.iter().map(String::as_str));
        let meant = meant.map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
        errors.at(root, format!("`{}` has no argument `{name}`{meant}", function.sig.ident));
    }
}

/// Reports a function that cannot be hardened at all; what is left to do is then nothing.
pub(crate) fn form(name: &str, function: &Function, errors: &mut Errors) -> Option<Form> {
    let Some(form) = function.form() else {
        shape::not_async(name, function, errors);
        return None;
    };
    if form.is_expanded() {
        let message = format!(
            "`{name}` reached `{}` after its other attributes had been expanded, and all of them act as one: \
             import it under its own name; in a `cfg_attr`, write that above the others",
            function.sig.ident
        );
        errors.at_span(proc_macro2::Span::call_site(), message);
        return None;
    }
    Some(form)
}

/// Whether any token is the name `name`.
fn names(tokens: impl ToTokens, name: &str) -> bool {
    tokens.to_token_stream().into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == name,
        TokenTree::Group(group) => names(group.stream(), name),
        _ => false,
    })
}
