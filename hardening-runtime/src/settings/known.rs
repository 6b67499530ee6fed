//! What there is, for names that are not: calls, policies, sections; and where a value was given.

use hardening_spec::keys::list;
use hardening_spec::rules::Finding;
use hardening_spec::settings as calls_settings;
use hardening_spec::suggest::nearest;

use super::keys::{NAMED, OF_CALLS, SECTIONS};
use super::load::Call;
use super::value::{Entry, Value};

pub(super) fn is_call(call: &Call, name: &str) -> bool {
    call.policy.is_none() && call.name == name
}

pub(super) fn is_policy(call: &Call, name: &str) -> bool {
    call.policy.is_some() && call.name == name
}

pub(super) fn unknown_policy(name: &str, calls: &[Call]) -> String {
    let names: Vec<&str> = calls.iter().filter(|call| call.policy.is_some()).map(|call| call.name).collect();
    if names.is_empty() {
        return format!("there is no shared policy `{name}`; `policy!` declares one");
    }
    calls_settings::unknown("policy", name, &names).to_string()
}

pub(super) fn unknown_call(name: &str, calls: &[Call]) -> String {
    let names: Vec<&str> = calls.iter().filter(|call| call.policy.is_none()).map(|call| call.name).collect();
    if names.is_empty() {
        return format!("there is no call `{name}`; this program has none");
    }
    match nearest(name, names.iter().copied()) {
        Some(near) => format!("there is no call `{name}`; did you mean `{near}`? known: {}", list(&names)),
        None => format!("there is no call `{name}`; known: {}", list(&names)),
    }
}

pub(super) fn unknown_section(section: &str) -> String {
    let known: Vec<&str> = SECTIONS.iter().copied().chain(OF_CALLS).chain(NAMED).collect();
    calls_settings::unknown("section", section, &known).to_string()
}

/// Where the value that breaks a rule was given: the last entry for that key, else for that policy, else for the
/// limits of time that bound it, else for that call, else the code.
pub(super) fn place_of(call: &Call, finding: &Finding, entries: &[Entry]) -> String {
    let policy = match finding.index {
        0 => finding.policy.to_owned(),
        index => format!("{}_{}", finding.policy, index + 1),
    };
    if call.policy.is_some() {
        let sets =
            |entry: &&Entry| entry.path.len() == 3 && entry.path[0] == "policy" && entry.path[1] == call.name;
        let last = |wanted: &dyn Fn(&Entry) -> bool| {
            let found = entries.iter().rev().filter(sets).find(|entry| wanted(entry));
            found.map(|entry| entry.origin.to_string())
        };
        return last(&|entry| entry.path[2] == finding.key)
            .or_else(|| last(&|_| true))
            .unwrap_or_else(|| format!("{}:{}", call.file, call.line));
    }
    let sets = |entry: &&Entry| {
        entry.path.len() > 2
            && entry.path[0] == "call"
            && entry.path[1] == call.name
            && entry.value != Value::Table
            && entry.path.get(3).is_none_or(|key| key != "enabled")
    };
    let last = |wanted: &dyn Fn(&Entry) -> bool| {
        entries.iter().rev().filter(sets).find(|entry| wanted(entry)).map(|entry| entry.origin.to_string())
    };
    last(&|entry| entry.path[2] == policy && entry.path.get(3).is_none_or(|key| key == finding.key))
        .or_else(|| last(&|entry| entry.path[2] == policy))
        .or_else(|| last(&|entry| matches!(entry.path[2].as_str(), "timeout" | "deadline")))
        .or_else(|| last(&|_| true))
        .unwrap_or_else(|| format!("{}:{}", call.file, call.line))
}
