//! What is configured, with the place that each value comes from.

use hardening_spec::settings as calls_settings;
use serde_json::{Value, json};

use crate::service::manifest::policies;
use crate::service::reload::{InForce, Reloader};
use crate::service::targets;
use crate::settings::value::Origin;
use crate::settings::{Call, Loaded, keys, origins};

const REDACTED: &str = "[redacted]";

/// Every setting and every number of every policy.
pub(super) fn of(reloader: &Reloader, in_force: &InForce) -> Value {
    let loaded = &in_force.loaded;
    // Without what was set here; nothing where that alone keeps the rules.
    let configured = reloader.without(&in_force.loaded);
    json!({
        "revision": in_force.revision,
        "settings": settings(reloader, loaded),
        "calls": calls(loaded, configured.as_ref(), |call| call.policy.is_none()),
        "policies": calls(loaded, configured.as_ref(), |call| call.policy.is_some()),
        "overrides": in_force.console.iter().map(|entry| json!({
            "path": entry.path,
            "value": shown(loaded, &entry.path),
            "configured": configured.as_ref().map(|configured| shown(configured, &entry.path)),
        })).collect::<Vec<_>>(),
    })
}

fn settings(reloader: &Reloader, loaded: &Loaded) -> Value {
    let started_with = reloader.started_with();
    let describe = |setting: &keys::Setting| {
        let hidden = loaded.hidden.contains(&(setting.section, setting.key));
        let live = setting.section == "admin";
        let value = (setting.show)(if live { &loaded.settings } else { started_with });
        let waits = !live && loaded.given.contains(&(setting.section, setting.key));
        let waits = waits.then(|| (setting.show)(&loaded.settings)).filter(|next| *next != value);
        let origin = origins::of_setting(&loaded.entries, setting.section, setting.key);
        json!({
            "section": setting.section,
            "key": setting.key,
            "value": if hidden { REDACTED.to_owned() } else { value },
            "waits": waits.map(|next| if hidden { REDACTED.to_owned() } else { next }),
            "origin": origin.map_or_else(|| "default".to_owned(), ToString::to_string),
            "source": source(origin),
            "doc": setting.doc,
        })
    };
    keys::SETTINGS.iter().map(describe).collect()
}

/// Calls, or shared policies.
fn calls(loaded: &Loaded, configured: Option<&Loaded>, wanted: fn(&Call) -> bool) -> Value {
    let (_, calls) = targets::all();
    let describe = |call: &Call| {
        let effective = targets::effective(loaded, call.section(), call.name).unwrap_or(call.declared);
        let (in_force, declared) = (policies(&effective), policies(&call.declared));
        let mut written = Vec::new();
        for (policy, values) in declared.as_object().into_iter().flatten() {
            if let Some((_, name)) = call.shares.iter().find(|(known, _)| known == policy) {
                written.push(json!({ "policy": policy, "shared": name }));
                continue;
            }
            let on = in_force.get(policy);
            let switch = path(call, policy, "enabled");
            let switched = origin(loaded, call, policy, "enabled");
            let switched = switched.or_else(|| match call.policy {
                None => origins::of_switch(&loaded.entries, policy),
                Some(_) => None,
            });
            let switchable = !matches!(policy.as_str(), "requires" | "idempotent");
            let values = on.unwrap_or(values).as_object().into_iter().flatten();
            let values = values.filter(|(key, _)| call.policy != Some("retry") || *key == "budget");
            let values = values.map(|(key, _)| value(loaded, configured, call, policy, key));
            written.push(json!({
                "policy": policy,
                "on": on.is_some(),
                "switch": switchable.then_some(switch),
                "switched_by": switched.map(ToString::to_string),
                "switched_here": switched == Some(&Origin::Console),
                "values": values.collect::<Vec<_>>(),
            }));
        }
        json!({ "name": call.name, "place": format!("{}:{}", call.file, call.line), "policies": written })
    };
    calls.iter().filter(|call| wanted(call)).map(describe).collect()
}

fn value(loaded: &Loaded, configured: Option<&Loaded>, call: &Call, policy: &str, key: &str) -> Value {
    let origin = origin(loaded, call, policy, key);
    let path = path(call, policy, key);
    let known = calls_settings::attribute(policy).and_then(|attribute| attribute.key(key));
    let settable = known.filter(|key| key.setting);
    let before = configured.filter(|_| origin == Some(&Origin::Console));
    json!({
        "key": path.last(),
        "value": shown(loaded, &path),
        "configured": before.map(|configured| shown(configured, &path)),
        "origin": origin.map_or_else(|| format!("{}:{}", call.file, call.line), ToString::to_string),
        "source": origin.map_or("attribute", |origin| source(Some(origin))),
        "form": settable.map(|key| key.kind.form()),
        "doc": known.map(|key| key.doc),
        "path": settable.is_some().then_some(path),
    })
}

/// As settings write it: of a shared budget the share is its `ratio`.
fn path(call: &Call, policy: &str, key: &str) -> Vec<String> {
    let key = if call.policy == Some("retry") && key == "budget" { "ratio" } else { key };
    let parts = match call.policy {
        None => vec!["call", call.name, policy, key],
        Some(_) => vec!["policy", call.name, key],
    };
    parts.into_iter().map(str::to_owned).collect()
}

fn origin<'l>(loaded: &'l Loaded, call: &Call, policy: &str, key: &str) -> Option<&'l Origin> {
    if call.policy.is_some() {
        let path = path(call, policy, key);
        return origins::of_policy(&loaded.entries, call.name, path.last().map_or(key, String::as_str));
    }
    let positional = calls_settings::attribute(policy).and_then(|attribute| attribute.positional);
    origins::of_call(&loaded.entries, call.name, policy, key, positional)
}

const fn source(origin: Option<&Origin>) -> &'static str {
    match origin {
        None => "default",
        Some(Origin::File { .. }) => "file",
        Some(Origin::Environment(_)) => "environment",
        Some(Origin::Console) => "console",
    }
}

/// The value in force at a path of calls or policies, as it would be written; empty where there is none.
pub(super) fn shown(loaded: &Loaded, path: &[String]) -> String {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let (section, name, policy, key) = match path[..] {
        ["call", name, policy, key] => ("call", name, policy.to_owned(), key),
        ["policy", name, key] => {
            let (_, calls) = targets::all();
            let call = calls.iter().find(|call| call.policy.is_some() && call.name == name);
            let Some(policy) = call.and_then(|call| call.policy) else { return String::new() };
            ("policy", name, policy.to_owned(), if key == "ratio" { "budget" } else { key })
        }
        ["policies", kind] => {
            let said = loaded.entries.iter().rev().find(|entry| entry.path == ["policies", kind]);
            let said = said.and_then(|entry| entry.value.shown());
            return said.unwrap_or_else(|| "not switched".to_owned());
        }
        _ => return String::new(),
    };
    let Some(effective) = targets::effective(loaded, section, name) else { return String::new() };
    let in_force = policies(&effective);
    let values = in_force.get(&policy);
    if key == "enabled" {
        return values.is_some().to_string();
    }
    if targets::hidden(loaded, section, name).iter().any(|(p, k)| *p == policy && k == key) {
        return REDACTED.to_owned();
    }
    // What is switched off has the numbers that it would have.
    match values.and_then(|values| values.get(key)) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}
