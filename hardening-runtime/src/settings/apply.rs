//! Entries into settings and the specifications of calls, with the rules between policies.

use hardening_spec::CallSpec;
use hardening_spec::rules::{self, Finding, Severity};
use hardening_spec::settings::{self as calls_settings, Raw, SetError};

use super::keys::{self, Form, SECTIONS};
use super::known::{is_call, is_policy, place_of, unknown_call, unknown_policy, unknown_section};
use super::load::Call;
use super::switches::Switches;
use super::value::{Entry, Value};
use super::{CallOverride, Loaded, Settings};

const TABLES_OF_CALLS: &str = "write `[call.\"name\".policy]` and below it `key = value`";
const TABLES_OF_POLICIES: &str = "write `[policy.NAME]` and below it `key = value`";
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
            ["policies", ..] => Err(NO_SUCH_TABLE.to_owned()),
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
            problems.push(format!("{}: {}: {}", entry.origin, shown_path(&path), with_value(why, entry)));
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
    Loaded { settings, overrides, warnings, given, hidden, entries, version: None }
}

/// What says what to write says what was written too.
fn with_value(why: String, entry: &Entry) -> String {
    let of_value = why.contains("; write ") || why.starts_with("write ") && !why.starts_with("write `[");
    match entry.value.shown() {
        Some(value) if of_value && !entry.secret && !why.contains(&value) => {
            format!("`{value}` does not fit; {why}")
        }
        _ => why,
    }
}

/// `[http] listen` or `[call."orders::price".retry] attempts`.
fn shown_path(path: &[&str]) -> String {
    match path {
        ["call", name, policy, key @ ..] => {
            let key = if key.is_empty() { String::new() } else { format!(" {}", key.join(" ")) };
            format!("[call.\"{name}\".{policy}]{key}")
        }
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
        [] | ["call" | "policy" | "policies"] => Ok(()),
        ["policy", name] if calls.iter().any(|call| is_policy(call, name)) => Ok(()),
        ["policy", name] => Err(unknown_policy(name, calls)),
        ["policy", ..] => Err(TABLES_OF_POLICIES.to_owned()),
        ["policies", ..] => Err(NO_SUCH_TABLE.to_owned()),
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
mod tests {
    use std::time::Duration;

    use hardening_spec::{CallSpec, RetrySpec};

    use super::super::load::{Problems, Sources, load};
    use super::*;

    fn calls() -> Vec<Call> {
        let declared = CallSpec {
            timeout: Some(Duration::from_millis(200)),
            deadline: Some(Duration::from_secs(2)),
            retry: Some(RetrySpec { idempotent: true, ..RetrySpec::DEFAULT }),
            ..CallSpec::NONE
        };
        vec![Call {
            name: "orders::price",
            file: "src/main.rs",
            line: 7,
            declared,
            shares: Vec::new(),
            policy: None,
        }]
    }

    fn with(file: &str, variables: &[(&str, &str)]) -> Result<Loaded, Problems> {
        let sources = Sources {
            overrides: None,
            defaults: Some(file.to_owned()),
            variables: variables
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Sources::default()
        };
        load(&sources, &calls())
    }

    #[test]
    fn later_sources_win() {
        let loaded = with(
            "[http]\nbody_limit = \"2MiB\"\nconnections = 5\n[call.\"orders::price\"]\ntimeout = \"100ms\"\n",
            &[("HARDENING_HTTP__CONNECTIONS", "7"), ("HARDENING_CALL__ORDERS_PRICE__RETRY__ATTEMPTS", "5")],
        )
        .unwrap();
        assert_eq!(loaded.settings.http.body_limit, 2 << 20);
        assert_eq!(loaded.settings.http.connections, 7);
        assert_eq!(loaded.overrides[0].spec.timeout, Some(Duration::from_millis(100)));
        assert_eq!(loaded.overrides[0].spec.retry.unwrap().attempts, 5);
        assert_eq!(loaded.overrides[0].spec.deadline, Some(Duration::from_secs(2)));
    }

    #[test]
    fn everything_wrong_is_reported_together_with_its_line() {
        let problems = with(
            "[htpp]\nlisten = 1\n[http]\nlisen = \"x\"\nconnections = 0\n[call.\"orders::prize\".retry]\nattempts = 1\n\
             [call.\"orders::price\".retyr]\nattempts = 1\n[call.\"orders::price\".retry]\nattempst = 1\nidempotent = false\n",
            &[("HARDENING_LOG__FORMAT", "xml")],
        )
        .unwrap_err()
        .0;
        for (place, part) in [
            ("code:2", "did you mean `http`?"),
            ("code:4", "did you mean `listen`?"),
            ("code:5", "whole number of at least 1"),
            ("code:7", "did you mean `orders::price`?"),
            ("code:9", "did you mean `retry`?"),
            ("code:11", "did you mean `attempts`?"),
            ("code:12", "only be written at the attribute"),
            ("HARDENING_LOG__FORMAT", "`pretty`"),
        ] {
            assert!(
                problems.iter().any(|line| line.contains(&format!("{place}: ")) && line.contains(part)),
                "{place} {part}: {problems:#?}"
            );
        }
        assert_eq!(problems.len(), 8, "{problems:#?}");
    }

    #[test]
    fn a_table_that_holds_nothing_must_still_be_one_of_ours() {
        for (text, line, part) in [
            ("[cal.x]", 1, "did you mean `call`?"),
            ("[cal]", 1, "did you mean `call`?"),
            ("[http]\n[htpp]\n[htpp.x]\nlisten = 'x'", 4, "did you mean `http`?"),
            ("[http]\n\n[shutdwon]", 3, "did you mean `shutdown`?"),
            ("[http.tls]", 1, "no such table"),
            ("[call.\"orders::prize\"]", 1, "did you mean `orders::price`?"),
            ("[call.\"orders::prize\".retry]", 1, "did you mean `orders::price`?"),
            ("[call.\"orders::price\".retyr]", 1, "did you mean `retry`?"),
            ("[call.\"orders::price\".retry.more]", 1, "and below it `key = value`"),
        ] {
            let problems = with(text, &[]).unwrap_err().0;
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert!(
                problems[0].contains(&format!("code:{line}: ")) && problems[0].contains(part),
                "{text}: {problems:?}"
            );
        }
        for text in ["", "[http]", "[call]", "[call.\"orders::price\"]", "[call.\"orders::price\".retry]"] {
            assert!(with(text, &[]).unwrap().overrides.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_rule_between_policies_refuses_the_start_at_the_line_that_broke_it() {
        let problems = with("[call.\"orders::price\"]\ntimeout = \"5s\"\n", &[]).unwrap_err().0;
        assert!(problems[0].contains("code:2") && problems[0].contains("orders::price"), "{problems:?}");
    }

    #[test]
    fn the_value_behind_a_reference_is_never_shown() {
        let problems =
            with("[http]\nbody_limit = \"secret://env/LIMIT\"\n", &[("LIMIT", "hunter2")]).unwrap_err().0;
        assert!(problems[0].contains("`1MiB`") && !problems[0].contains("hunter2"), "{problems:?}");
    }

    #[test]
    fn two_calls_of_one_name_are_refused_with_both_places() {
        let mut calls = calls();
        calls.push(Call { file: "src/lib.rs", line: 9, ..calls[0].clone() });
        let problems = load(&Sources::default(), &calls).unwrap_err().0;
        assert!(
            problems[0].contains("src/main.rs:7")
                && problems[0].contains("src/lib.rs:9")
                && problems[0].contains("name = "),
            "{problems:?}"
        );
    }

    #[test]
    fn two_calls_of_one_variable_are_refused_whether_it_is_set_or_not() {
        let mut calls = calls();
        calls.push(Call { name: "orders_price", file: "src/lib.rs", line: 9, ..calls[0].clone() });
        let problems = load(&Sources::default(), &calls).unwrap_err().0;
        assert_eq!(problems.len(), 1, "{problems:?}");
        for part in ["`orders::price` and `orders_price`", "HARDENING_CALL__ORDERS_PRICE__", "src/lib.rs:9"] {
            assert!(problems[0].contains(part), "{part}: {problems:?}");
        }
    }
}
