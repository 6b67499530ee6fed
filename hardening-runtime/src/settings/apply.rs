//! Entries into settings and the specifications of calls, with the rules between policies.

use hardening_spec::CallSpec;
use hardening_spec::rules::{self, Finding, Severity};
use hardening_spec::settings::{self as calls_settings, Raw, SetError};

use super::keys::{self, Form, SECTIONS};
use super::known::{is_call, is_policy, place_of, unknown_call, unknown_policy, unknown_section};
use super::load::Call;
use super::switches::Switches;
use super::value::{Entry, Value};
use super::{CallOverride, Loaded, Settings, route, secrets, task};
use crate::telemetry::redact::is_secret;

const TABLES_OF_CALLS: &str = "write `[call.\"name\".policy]` and below it `key = value`";
const TABLES_OF_POLICIES: &str = "write `[policy.NAME]` and below it `key = value`";
const TABLES_OF_TASKS: &str = "write `[task.\"name\"]` and below it `enabled` or `restart`";
const TABLES_OF_ROUTES: &str = "write `[route.\"/pattern\"]` and below it `key = value`";
const NO_SUCH_TABLE: &str = "no such table; a section holds keys and values";

pub(super) fn apply(
    mut settings: Settings,
    entries: Vec<Entry>,
    calls: &[Call],
    problems: &mut Vec<String>,
) -> Loaded {
    let mut changes: Vec<_> = calls.iter().map(Change::new).collect();
    let (mut given, mut hidden) = (Vec::new(), Vec::new());
    let mut switches = Switches::default();
    for entry in &entries {
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        let done = match path.as_slice() {
            path if entry.value == Value::Table => empty_table(path, calls),
            ["call", name, policy, key @ ..] if key.len() <= 1 => {
                match calls.iter().position(|call| is_call(call, name)) {
                    Some(at) => changes[at].set(policy, key.first().copied(), entry),
                    None => Err(unknown_call(name, calls)),
                }
            }
            ["call", ..] => Err(TABLES_OF_CALLS.to_owned()),
            ["policy", name, key] => match calls.iter().position(|call| is_policy(call, name)) {
                Some(at) => changes[at].set_shared(key, entry),
                None => Err(unknown_policy(name, calls)),
            },
            ["policy", ..] => Err(TABLES_OF_POLICIES.to_owned()),
            ["policies", key] => switches.set(key, &entry.value),
            ["task", name, key] => task::set(&mut settings.tasks, name, key, &entry.value),
            ["task", ..] => Err(TABLES_OF_TASKS.to_owned()),
            ["route", pattern, key] => route::set(&mut settings.routes, pattern, key, &entry.value),
            ["route", ..] => Err(TABLES_OF_ROUTES.to_owned()),
            ["secrets", name] => secrets::set(&mut settings.secrets, name, &entry.value),
            ["policies" | "secrets", ..] => Err(NO_SUCH_TABLE.to_owned()),
            [section, key] if SECTIONS.contains(section) => {
                service_setting(&mut settings, section, key, entry).map(|place| {
                    given.push(place);
                    // A later source may show what an earlier one hid.
                    hidden.retain(|known| *known != place);
                    if entry.secret {
                        hidden.push(place);
                    }
                })
            }
            [section, ..] if SECTIONS.contains(section) => Err(NO_SUCH_TABLE.to_owned()),
            [section, ..] => Err(unknown_section(section)),
            [] => Ok(()),
        };
        if let Err(why) = done {
            // After the name of a secret and a colon, the filter of what is told takes what follows for the secret.
            let says = if path.last().is_some_and(|key| is_secret(key)) { " is wrong:" } else { ":" };
            problems.push(format!(
                "{}: {}{says} {}",
                entry.origin,
                shown_path(&path),
                with_value(why, entry)
            ));
        }
    }
    let mut warnings = Vec::new();
    let changes: Vec<_> =
        changes.into_iter().enumerate().map(|(at, change)| change.done(at, &switches)).collect();
    for (call, change) in calls.iter().zip(&changes) {
        for finding in rules::check(&change.spec, &|_, _| true) {
            let place = place_of(call, &finding, &entries);
            // The rules between a call's own numbers and those of a policy that it shares are those of the policy.
            if call.shares.iter().any(|(policy, _)| *policy == finding.policy) {
                continue;
            }
            let line = format!("{place}: `{}`: {}", call.name, change.message(&finding));
            match finding.severity {
                Severity::Error => problems.push(line),
                Severity::Warning => warnings.push(line),
            }
        }
    }
    let overrides = changes.into_iter().filter(|change| change.spec != calls[change.call].declared).collect();
    Loaded { settings, overrides, warnings, given, hidden, entries, version: None, file_says: false }
}

/// What says what to write says what was written too.
fn with_value(why: String, entry: &Entry) -> String {
    let of_value = why.contains("; write ") || why.starts_with("write ") && !why.starts_with("write `[");
    match entry.value.shown() {
        Some(value) if of_value && !entry.secret && !path_is_secret(entry) && !why.contains(&value) => {
            format!("`{value}` does not fit; {why}")
        }
        _ => why,
    }
}

/// Whoever writes a secret where a reference belongs must not read it in a log.
fn path_is_secret(entry: &Entry) -> bool {
    entry.path.first().is_some_and(|section| section == "secrets")
}

/// `[http] listen` or `[call."orders::price".retry] attempts`.
fn shown_path(path: &[&str]) -> String {
    match path {
        ["call", name, policy, key @ ..] => {
            let key = if key.is_empty() { String::new() } else { format!(" {}", key.join(" ")) };
            format!("[call.\"{name}\".{policy}]{key}")
        }
        ["task", name, key] => format!("[task.\"{name}\"] {key}"),
        ["route", pattern, key] => format!("[route.\"{pattern}\"] {key}"),
        ["policy", name, key] => format!("[policy.{name}] {key}"),
        [section, key] => format!("[{section}] {key}"),
        path => format!("`{}`", path.join(".")),
    }
}

fn service_setting(
    settings: &mut Settings,
    section: &str,
    key: &str,
    entry: &Entry,
) -> Result<(&'static str, &'static str), String> {
    let Some(setting) = keys::find(section, key) else {
        let known: Vec<&str> = keys::of(section).map(|setting| setting.key).collect();
        return Err(calls_settings::unknown("key", key, &known).to_string());
    };
    match (setting.set)(settings, &entry.value) {
        Ok(()) => Ok((setting.section, setting.key)),
        Err(_) if entry.secret => {
            Err(format!("what the reference stands for does not fit; write {}", setting.form.describe()))
        }
        // Nor is it repeated where it stands as it is.
        Err(_) if setting.form == Form::Token => {
            Err(format!("this token does not fit: {}", setting.form.describe()))
        }
        Err(why) => Err(why),
    }
}

/// What settings make of one call.
struct Change {
    spec: CallSpec,
    shares: Vec<(&'static str, &'static str)>,
    /// Of a shared policy.
    policy: Option<&'static str>,
    /// Policies that were switched; they are taken away once every number is in its place.
    switched: Vec<(String, bool)>,
    hidden: Vec<(String, String)>,
}

impl Change {
    fn new(call: &Call) -> Self {
        Self {
            spec: call.declared,
            shares: call.shares.clone(),
            policy: call.policy,
            switched: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// Takes one key of a shared policy.
    fn set_shared(&mut self, key: &str, entry: &Entry) -> Result<(), String> {
        match self.policy {
            // A budget is the number of that name of a retry, and nothing else of it.
            Some("retry") => match key {
                "ratio" => self.set("retry", Some("budget"), entry),
                "enabled" => self.set("retry", Some(key), entry),
                _ => Err(calls_settings::unknown("key", key, &["ratio", "enabled"]).to_string()),
            },
            Some(policy) => self.set(policy, Some(key), entry),
            None => Ok(()),
        }
    }

    fn set(&mut self, policy: &str, key: Option<&str>, entry: &Entry) -> Result<(), String> {
        if let Some((_, name)) = self.shares.iter().find(|(known, _)| *known == policy) {
            return Err(format!(
                "this `{policy}` is shared: write `[policy.{name}]` for every call that uses it"
            ));
        }
        let attribute = calls_settings::attribute(policy);
        // `timeout = "1s"` is short for `[….timeout] after = "1s"`, as in the attribute.
        let key = match key.or_else(|| attribute?.positional) {
            Some(key) => key,
            None if attribute.is_some() => {
                return Err(format!("write `[call.\"name\".{policy}]` and below it `key = value`"));
            }
            None => "enabled",
        };
        let Some(raw) = entry.value.raw() else {
            let form = attribute.and_then(|attribute| attribute.key(key)).map(|key| key.kind.form());
            let form = form.map_or_else(String::new, |form| format!("; write {form}"));
            return Err(format!("no setting of a call is a list{form}"));
        };
        let mut changed = self.spec;
        calls_settings::set(&mut changed, policy, key, raw).map_err(|why: SetError| {
            if entry.secret {
                "what the reference stands for does not fit here".to_owned()
            } else {
                why.to_string()
            }
        })?;
        if key == "enabled" {
            self.switched.retain(|(known, _)| known != policy);
            self.switched.push((policy.to_owned(), changed == self.spec));
        } else {
            self.spec = changed;
        }
        // A later source may show what an earlier one hid.
        self.hidden.retain(|(of, known)| of != policy || known != key);
        if entry.secret {
            self.hidden.push((policy.to_owned(), key.to_owned()));
        }
        Ok(())
    }

    fn done(mut self, call: usize, switches: &Switches) -> CallOverride {
        for policy in calls_settings::POLICIES {
            let own = self.switched.iter().find(|(known, _)| known == policy).map(|(_, on)| *on);
            // A shared one is switched off as itself.
            let shared = self.shares.iter().any(|(known, _)| *known == policy);
            if own.or_else(|| switches.of(policy)) == Some(false) && !shared {
                // Of a policy that the call has not, nothing can be taken away.
                let _ = calls_settings::set(&mut self.spec, policy, "enabled", Raw::Bool(false));
            }
        }
        CallOverride { call, spec: self.spec, hidden: self.hidden }
    }
}

impl CallOverride {
    /// What a finding says, unless it could tell what a reference stands for.
    pub(crate) fn message(&self, finding: &Finding) -> String {
        if self.hidden.is_empty() {
            return finding.message.clone();
        }
        format!("what references stand for breaks a rule of `{}`, at `{}`", finding.policy, finding.key)
    }
}

/// A table that holds nothing changes nothing, but its name may be a mistake.
fn empty_table(path: &[&str], calls: &[Call]) -> Result<(), String> {
    match path {
        [] | ["call" | "policy" | "policies" | "task" | "route" | "secrets"] => Ok(()),
        ["task", name] => task::known(name),
        ["task", ..] => Err(TABLES_OF_TASKS.to_owned()),
        ["route", pattern] => route::known(pattern),
        ["route", ..] => Err(TABLES_OF_ROUTES.to_owned()),
        ["policy", name] if calls.iter().any(|call| is_policy(call, name)) => Ok(()),
        ["policy", name] => Err(unknown_policy(name, calls)),
        ["policy", ..] => Err(TABLES_OF_POLICIES.to_owned()),
        ["policies" | "secrets", ..] => Err(NO_SUCH_TABLE.to_owned()),
        ["call", name, policy @ ..] => match (calls.iter().find(|call| is_call(call, name)), policy) {
            (None, _) => Err(unknown_call(name, calls)),
            (Some(_), []) => Ok(()),
            (Some(call), [policy]) => {
                let mut spec = call.declared;
                let done = calls_settings::set(&mut spec, policy, "enabled", Raw::Bool(true));
                done.map_err(|why| why.to_string())
            }
            (Some(_), _) => Err(TABLES_OF_CALLS.to_owned()),
        },
        [section] if SECTIONS.contains(section) => Ok(()),
        [section, ..] if SECTIONS.contains(section) => Err(NO_SUCH_TABLE.to_owned()),
        [section, ..] => Err(unknown_section(section)),
    }
}

#[cfg(test)]
mod tests;
