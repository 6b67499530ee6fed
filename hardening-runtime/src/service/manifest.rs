//! The manifest: what is in the binary, and what is in force.

use std::time::Duration;

use hardening_spec::rules::{self, Severity};
use hardening_spec::units::{show, show_bytes};
use hardening_spec::{After, CallSpec, DurationRange, Ratio, Window};
use serde_json::{Map, Value, json};

use super::health::checks;
use super::spec::ServiceSpec;
use super::start::StartError;
use super::targets;
use super::tasks::tasks;
use crate::settings::forms::rate;
use crate::settings::{Call, Loaded, RouteLimits, Settings, keys};

/// The manifest's own version; it grows when a member changes its meaning.
const VERSION: u32 = 1;

const REDACTED: &str = "[redacted]";

/// Everything as one JSON object.
pub(super) fn of(spec: &ServiceSpec, loaded: Result<&Loaded, &StartError>) -> Value {
    let defaults = defaults(spec);
    let settings = loaded.map_or(&defaults, |loaded| &loaded.settings);
    let name = value(keys::find("service", "name"), settings, loaded.ok());
    let mut manifest = json!({
        "manifest": VERSION,
        "service": { "name": name, "version": spec.version, "crate": spec.krate },
        "calls": described(loaded.ok(), |call| call.policy.is_none()),
        "policies": described(loaded.ok(), |call| call.policy.is_some()),
        "checks": checks().iter().map(|check| json!({
            "name": check.name,
            "kind": check.kind.name(),
            "every": show(check.every),
            "timeout": show(check.timeout),
            "down_after": check.down_after,
            "up_after": check.up_after,
            "crate": check.krate,
            "file": check.file,
            "line": check.line,
        })).collect::<Vec<_>>(),
        "tasks": tasks().iter().map(|task| {
            let setting = settings.task(task.name);
            let in_force = setting.and_then(|setting| setting.restart).unwrap_or(task.restart);
            json!({
                "name": task.name,
                "enabled": setting.and_then(|setting| setting.enabled).unwrap_or(true),
                "restart": restart(in_force),
                "declared_restart": restart(task.restart),
                "order": task.order,
                "crate": task.krate,
                "file": task.file,
                "line": task.line,
            })
        }).collect::<Vec<_>>(),
        "routes": settings.routes.iter().map(|route| json!({
            "pattern": route.pattern,
            "limits": limits(&route.limits),
        })).collect::<Vec<_>>(),
        "secrets": settings.secrets.iter().map(|secret| json!({
            "name": secret.name,
            "reference": secret.reference,
        })).collect::<Vec<_>>(),
        "settings": keys::SETTINGS.iter().map(|setting| json!({
            "section": setting.section,
            "key": setting.key,
            "form": setting.form.describe(),
            "default": (setting.show)(&defaults),
            "value": value(Some(setting), settings, loaded.ok()),
            "doc": setting.doc,
        })).collect::<Vec<_>>(),
    });
    if let Err(error) = loaded {
        manifest["problems"] = error.problems().into();
    }
    manifest
}

/// What a route has of its own.
pub(super) fn limits(limits: &RouteLimits) -> Value {
    limits
        .shown()
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

/// The value in force; one that came by a reference is not for everybody's eyes.
fn value(setting: Option<&keys::Setting>, settings: &Settings, loaded: Option<&Loaded>) -> String {
    let hidden = |setting: &keys::Setting| {
        loaded.is_some_and(|loaded| loaded.hidden.contains(&(setting.section, setting.key)))
    };
    match setting {
        Some(setting) if hidden(setting) => REDACTED.to_owned(),
        Some(setting) => (setting.show)(settings),
        None => String::new(),
    }
}

/// What is in force where no source sets anything.
fn defaults(spec: &ServiceSpec) -> Settings {
    let mut settings = Settings::default();
    spec.name.clone_into(&mut settings.service.name);
    spec.listen.clone_into(&mut settings.http.listen);
    spec.admin.clone_into(&mut settings.http.admin);
    settings.shutdown.grace = spec.grace;
    settings
}

/// Calls, or shared policies.
fn described(loaded: Option<&Loaded>, wanted: fn(&Call) -> bool) -> Vec<Value> {
    let (targets, calls) = targets::all();
    let describe = |(at, call): (usize, &Call)| {
        let place = targets[at].place();
        let changed = loaded.and_then(|loaded| loaded.overrides.iter().find(|change| change.call == at));
        let effective = changed.map_or(call.declared, |change| change.spec);
        let findings: Vec<Value> = rules::check(&effective, &|_, _| true)
            .into_iter()
            .map(|finding| {
                let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
                let message = changed.map_or_else(|| finding.message.clone(), |change| change.message(&finding));
                json!({ "severity": severity, "policy": finding.policy, "key": finding.key, "message": message })
            })
            .collect();
        let mut in_force = policies(&effective);
        for (policy, key) in changed.into_iter().flat_map(|change| &change.hidden) {
            if let Some(value) = in_force.get_mut(policy).and_then(|policy| policy.get_mut(key)) {
                *value = REDACTED.into();
            }
        }
        let shares: serde_json::Map<String, Value> =
            call.shares.iter().map(|(policy, name)| ((*policy).to_owned(), (*name).into())).collect();
        json!({
            "name": call.name,
            "crate": place.krate,
            "file": place.file,
            "line": place.line,
            "declared": policies(&call.declared),
            "effective": in_force,
            "shares": shares,
            "findings": findings,
        })
    };
    calls.iter().enumerate().filter(|(_, call)| wanted(call)).map(describe).collect()
}

/// A call's policies, each with every number, as settings write them.
pub(super) fn policies(spec: &CallSpec) -> Value {
    let mut all = Map::new();
    if let Some(scope) = spec.requires {
        all.insert("requires".into(), json!({ "scope": scope }));
    }
    if let Some(after) = spec.timeout {
        all.insert("timeout".into(), json!({ "after": show(after) }));
    }
    if let Some(after) = spec.deadline {
        all.insert("deadline".into(), json!({ "after": show(after) }));
    }
    if let Some(retry) = &spec.retry {
        let written = json!({
            "attempts": retry.attempts,
            "backoff": range(retry.backoff),
            "factor": retry.factor,
            "jitter": format!("{:?}", retry.jitter).to_lowercase(),
            "idempotent": retry.idempotent,
            "budget": retry.budget.map_or_else(|| "none".to_owned(), ratio),
            "max_duration": optional(retry.max_duration),
            "max_retry_after": show(retry.max_retry_after),
        });
        all.insert("retry".into(), written);
    }
    if let Some(breaker) = &spec.circuit_breaker {
        let written = json!({
            "failure_rate": ratio(breaker.failure_rate),
            "window": match breaker.window {
                Window::Time(time) => show(time).into(),
                Window::Calls(calls) => Value::from(calls),
            },
            "min_calls": breaker.min_calls,
            "consecutive": breaker.consecutive.map_or_else(|| "none".into(), Value::from),
            "slow_call": optional(breaker.slow_call),
            "slow_rate": ratio(breaker.slow_rate),
            "open_for": range(breaker.open_for),
            "probes": breaker.probes,
            "probe_timeout": optional(breaker.probe_timeout),
            "ramp": optional(breaker.ramp),
            "timeouts": if breaker.timeouts_count { "count" } else { "ignore" },
            "keyed": breaker.keyed,
            "max_keys": breaker.max_keys,
            "mode": breaker.mode.name(),
            "adaptive": breaker.adaptive.map(|throttle| json!({ "multiplier": throttle.multiplier })),
        });
        all.insert("circuit_breaker".into(), written);
    }
    for (at, limit) in spec.limits() {
        let name = if at == 0 { "rate_limited".to_owned() } else { format!("rate_limited_{}", at + 1) };
        let written = json!({
            "rate": rate(limit.rate),
            "burst": limit.burst(),
            "keyed": limit.keyed,
            "max_keys": limit.max_keys,
            "wait": show(limit.wait),
            "per": format!("{:?}", limit.per).to_lowercase(),
        });
        all.insert(name, written);
    }
    if let Some(bulkhead) = &spec.bulkhead {
        let written = json!({
            "max": bulkhead.max,
            "queue": bulkhead.queue,
            "max_wait": optional(bulkhead.max_wait),
            "adaptive": bulkhead.adaptive.map(|bounds| json!({ "min": bounds.min, "initial": bounds.initial })),
            "keyed": bulkhead.keyed,
            "max_keys": bulkhead.max_keys,
        });
        all.insert("bulkhead".into(), written);
    }
    if let Some(fallback) = &spec.fallback {
        let kinds =
            hardening_spec::Refusals::NAMES.iter().filter(|(_, kind)| fallback.on_rejected.contains(*kind));
        let on_rejected: Vec<&str> = kinds.map(|(name, _)| *name).collect();
        all.insert("fallback".into(), json!({ "within": show(fallback.within), "on_rejected": on_rejected }));
    }
    kept(spec, &mut all);
    Value::Object(all)
}

/// The policies that look for a result elsewhere, or more than once.
fn kept(spec: &CallSpec, all: &mut Map<String, Value>) {
    if let Some(idempotent) = &spec.idempotent {
        let written = json!({
            "ttl": show(idempotent.ttl),
            "max_keys": idempotent.max_keys,
            "max_bytes": size(idempotent.max_bytes),
            "lease": optional(idempotent.lease),
            "on_takeover": idempotent.on_takeover.name(),
        });
        all.insert("idempotent".into(), written);
    }
    if let Some(cache) = &spec.cached {
        let written = json!({
            "ttl": show(cache.ttl),
            "max_entries": cache.max_entries,
            "max_bytes": size(cache.max_bytes),
            "jitter": ratio(cache.jitter),
            "stale_while_revalidate": show(cache.stale_while_revalidate),
            "stale_if_error": show(cache.stale_if_error),
            "negative": optional(cache.negative),
            "refresh_timeout": show(cache.refresh_timeout),
        });
        all.insert("cached".into(), written);
    }
    if let Some(hedge) = &spec.hedged {
        let after = match hedge.after {
            After::Duration(after) => show(after),
            After::Percentile(share) => format!("p{}", f64::from(share.millionths) / 10_000.0),
        };
        all.insert(
            "hedged".into(),
            json!({ "after": after, "max": hedge.max, "budget": ratio(hedge.budget) }),
        );
    }
}

fn restart(of: Option<DurationRange>) -> String {
    of.map_or_else(|| "never".to_owned(), range)
}

fn optional(time: Option<Duration>) -> String {
    time.map_or_else(|| "none".to_owned(), show)
}

fn size(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "none".to_owned(), show_bytes)
}

fn range(range: DurationRange) -> String {
    if range.is_constant() { show(range.from) } else { format!("{}..{}", show(range.from), show(range.to)) }
}

fn ratio(ratio: Ratio) -> String {
    format!("{}%", f64::from(ratio.millionths) / 10_000.0)
}

#[cfg(test)]
mod tests {
    use hardening_spec::settings::{self, Raw};
    use hardening_spec::{
        BulkheadSpec, CacheSpec, CircuitBreakerSpec, FallbackSpec, HedgeSpec, IdempotentSpec, Rate,
        RateLimitSpec, RetrySpec,
    };

    use super::*;

    /// What the manifest prints can be pasted into `hardening.toml`.
    #[test]
    fn every_setting_is_written_as_settings_read_it() {
        let mut spec = CallSpec {
            timeout: Some(Duration::from_millis(1500)),
            deadline: Some(Duration::from_secs(3)),
            retry: Some(RetrySpec::DEFAULT),
            circuit_breaker: Some(CircuitBreakerSpec::DEFAULT),
            bulkhead: Some(BulkheadSpec::new(3)),
            fallback: Some(FallbackSpec::DEFAULT),
            requires: Some("orders:write"),
            idempotent: Some(IdempotentSpec::DEFAULT),
            cached: Some(
                CacheSpec::new(Duration::from_mins(5))
                    .with_negative(Duration::from_secs(5))
                    .with_max_bytes(1 << 20),
            ),
            hedged: Some(HedgeSpec::new(After::Percentile(Ratio::millionths(999_000)))),
            ..CallSpec::NONE
        };
        spec.rate_limits[0] = Some(RateLimitSpec {
            burst: Some(7),
            ..RateLimitSpec::new(Rate::new(5, Duration::from_mins(1)))
        });
        let written = policies(&spec);
        for policy in settings::POLICIES.iter().filter(|policy| !policy.starts_with("rate_limited_")) {
            assert!(written.get(policy).is_some(), "{policy} is missing");
        }
        assert_eq!(written["requires"]["scope"], "orders:write");
        for (policy, keys) in written.as_object().unwrap() {
            for (key, value) in keys.as_object().unwrap() {
                if policy == "requires"
                    || settings::attribute(policy).unwrap().key(key).is_none_or(|key| !key.setting)
                {
                    continue;
                }
                let mut again = spec;
                let raw = match value {
                    Value::String(text) => Raw::Text(text),
                    Value::Number(number) => {
                        number.as_i64().map_or_else(|| Raw::Float(number.as_f64().unwrap()), Raw::Int)
                    }
                    other => panic!("{policy}.{key}: {other}"),
                };
                settings::set(&mut again, policy, key, raw)
                    .unwrap_or_else(|error| panic!("{policy}.{key}: {error}"));
                assert_eq!(again, spec, "{policy}.{key} = {value}");
            }
        }
    }
}
