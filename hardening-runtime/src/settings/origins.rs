//! Where a value in force comes from: the last source that says it.

use super::value::{Entry, Origin, Value};

/// The source of `[section] key`; `None` for the default.
pub(crate) fn of_setting<'e>(entries: &'e [Entry], section: &str, key: &str) -> Option<&'e Origin> {
    last(entries, |path| matches!(path, [s, k] if *s == section && *k == key))
}

/// The source of a number of a call's policy, as `[call."name".policy]` writes it; `None` for the attribute.
/// `positional` is the key that a value of the policy itself stands for, as in `timeout = "1s"`.
pub(crate) fn of_call<'e>(
    entries: &'e [Entry],
    call: &str,
    policy: &str,
    key: &str,
    positional: Option<&str>,
) -> Option<&'e Origin> {
    let bare = if key == "enabled" { positional.is_none() } else { positional == Some(key) };
    last(entries, |path| match path {
        ["call", name, known, k] => *name == call && *known == policy && *k == key,
        ["call", name, known] => bare && *name == call && *known == policy,
        _ => false,
    })
}

/// The source of a number of a shared policy; `None` for its `policy!`.
pub(crate) fn of_policy<'e>(entries: &'e [Entry], policy: &str, key: &str) -> Option<&'e Origin> {
    last(entries, |path| matches!(path, ["policy", name, k] if *name == policy && *k == key))
}

/// The source of the switch of `[policies]` that speaks of a policy of a call: its own kind's word before that for all.
pub(crate) fn of_switch<'e>(entries: &'e [Entry], policy: &str) -> Option<&'e Origin> {
    let kind = if policy.starts_with("rate_limited") { "rate_limited" } else { policy };
    let said = |wanted: &str| last(entries, |path| matches!(path, ["policies", k] if *k == wanted));
    said(kind).or_else(|| said("enabled"))
}

fn last(entries: &[Entry], wanted: impl Fn(&[&str]) -> bool) -> Option<&Origin> {
    let found = entries.iter().rev().find(|entry| {
        let path: Vec<&str> = entry.path.iter().map(String::as_str).collect();
        entry.value != Value::Table && wanted(&path)
    });
    found.map(|entry| &entry.origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(path: &[&str], name: &str) -> Entry {
        Entry {
            path: path.iter().map(|part| (*part).to_owned()).collect(),
            value: Value::Bool(true),
            origin: Origin::Environment(name.to_owned()),
            secret: false,
            files: Vec::new(),
        }
    }

    fn name(origin: Option<&Origin>) -> String {
        origin.map_or_else(|| "none".to_owned(), ToString::to_string)
    }

    #[test]
    fn the_last_source_that_says_it_is_the_origin() {
        let entries = [
            entry(&["http", "listen"], "first"),
            entry(&["http", "listen"], "second"),
            entry(&["call", "a", "timeout"], "bare"),
            entry(&["call", "a", "retry", "attempts"], "full"),
            entry(&["call", "b", "retry", "attempts"], "other"),
            entry(&["call", "a", "retry"], "switch"),
            entry(&["policy", "P", "rate"], "policy"),
            entry(&["policies", "enabled"], "all"),
            entry(&["policies", "rate_limited"], "kind"),
        ];
        assert_eq!(name(of_setting(&entries, "http", "listen")), "second");
        assert_eq!(name(of_setting(&entries, "http", "admin")), "none");
        assert_eq!(name(of_call(&entries, "a", "timeout", "after", Some("after"))), "bare");
        assert_eq!(name(of_call(&entries, "a", "timeout", "enabled", Some("after"))), "none");
        assert_eq!(name(of_call(&entries, "a", "retry", "attempts", None)), "full");
        assert_eq!(name(of_call(&entries, "a", "retry", "enabled", None)), "switch");
        assert_eq!(name(of_call(&entries, "c", "retry", "attempts", None)), "none");
        assert_eq!(name(of_policy(&entries, "P", "rate")), "policy");
        assert_eq!(name(of_switch(&entries, "rate_limited_2")), "kind");
        assert_eq!(name(of_switch(&entries, "retry")), "all");
    }
}
