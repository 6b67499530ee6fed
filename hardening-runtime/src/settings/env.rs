//! The environment: `HARDENING_<SECTION>__<KEY>` and `HARDENING_CALL__<NAME>__<POLICY>__<KEY>`.

use hardening_spec::suggest::nearest;

use super::keys::{NAMED, OF_CALLS, SECTIONS};
use super::load::Call;
use super::value::{Entry, Origin, Value, resolve, secret_file};
pub(crate) use crate::names::env_name;

/// Reads variables into entries. A name with no `__`, or with a section like none of ours, is somebody
/// else's: a cluster injects names such as `HARDENING_SERVICE_HOST`.
pub(super) fn entries(
    variables: &[(String, String)],
    calls: &[Call],
    problems: &mut Vec<String>,
) -> Vec<Entry> {
    let lookup =
        |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let mut entries = Vec::new();
    for (name, value) in variables {
        let Some((section, rest)) = name.strip_prefix("HARDENING_").and_then(|rest| rest.split_once("__"))
        else {
            continue;
        };
        let section = section.to_ascii_lowercase();
        let path = if matches!(section.as_str(), "call" | "policy") {
            match call_path(&section, rest, calls) {
                Ok(path) => path,
                Err(why) => {
                    problems.push(format!("{name}: {why}"));
                    continue;
                }
            }
        } else if section == "task" {
            match task_path(rest) {
                Ok(path) => path,
                Err(why) => {
                    problems.push(format!("{name}: {why}"));
                    continue;
                }
            }
        } else if SECTIONS.contains(&section.as_str()) || matches!(section.as_str(), "policies" | "secrets") {
            vec![section, rest.to_ascii_lowercase()]
        } else if section == "route" {
            // A pattern has letters that no variable's name has.
            problems.push(format!("{name}: limits of a route are set in a file: `[route.\"/pattern\"]`"));
            continue;
        } else {
            if let Some(near) = nearest(&section, SECTIONS.iter().copied().chain(OF_CALLS).chain(NAMED)) {
                problems.push(format!(
                    "{name}: unknown section `{section}`; did you mean `HARDENING_{}__{rest}`?",
                    near.to_ascii_uppercase()
                ));
            }
            continue;
        };
        let secrets = path.first().is_some_and(|section| section == "secrets");
        // References to secrets are followed, not resolved once.
        let resolved = if secrets { Ok((value.clone(), false)) } else { resolve(value, &lookup) };
        match resolved {
            Ok((resolved, secret)) => entries.push(Entry {
                path,
                value: Value::Text(resolved),
                origin: Origin::Environment(name.clone()),
                secret,
                files: if secret { secret_file(value).into_iter().collect() } else { Vec::new() },
            }),
            Err(why) => problems.push(format!("{name}: {why}")),
        }
    }
    entries
}

/// `HARDENING_TASK__<NAME>__<KEY>`.
fn task_path(rest: &str) -> Result<Vec<String>, String> {
    let Some((given, key)) = rest.split_once("__") else {
        return Err("write `HARDENING_TASK__<NAME>__<KEY>`".to_owned());
    };
    let tasks = crate::service::tasks::tasks();
    if let Some(task) = tasks.iter().find(|task| env_name(task.name) == given) {
        return Ok(vec!["task".to_owned(), task.name.to_owned(), key.to_ascii_lowercase()]);
    }
    let known: Vec<String> = tasks.iter().map(|task| env_name(task.name)).collect();
    let near = near(given, &known);
    let near = near.map_or_else(String::new, |near| format!("; did you mean `HARDENING_TASK__{near}__…`?"));
    Err(format!("no background task is named so{near}"))
}

/// The variable that may have been meant: a crate is missing in front, or a letter is wrong.
fn near<'a>(given: &str, known: &'a [String]) -> Option<&'a str> {
    let known = || known.iter().map(String::as_str);
    let lacks_crate = |known: &&str| known.strip_suffix(given).is_some_and(|path| path.ends_with('_'));
    nearest(given, known()).or_else(|| known().find(lacks_crate))
}

fn call_path(section: &str, rest: &str, calls: &[Call]) -> Result<Vec<String>, String> {
    let mut parts = rest.split("__");
    let given = parts.next().unwrap_or_default();
    let known = || calls.iter().filter(|call| call.section() == section);
    let upper = section.to_ascii_uppercase();
    // Two of one such name are refused before.
    let Some(call) = known().find(|call| env_name(call.name) == given) else {
        let known: Vec<String> = known().map(|call| env_name(call.name)).collect();
        let near = near(given, &known);
        let near =
            near.map_or_else(String::new, |near| format!("; did you mean `HARDENING_{upper}__{near}__…`?"));
        return Err(format!("no {section} is named so{near}"));
    };
    let mut path = vec![section.to_owned(), call.name.to_owned()];
    path.extend(parts.map(str::to_ascii_lowercase));
    let longest = if call.policy.is_some() { 3 } else { 4 };
    if path.len() < 3 || path.len() > longest || path.iter().any(String::is_empty) {
        let policy = if call.policy.is_some() { "" } else { "<POLICY>__" };
        return Err(format!("write `HARDENING_{upper}__<NAME>__{policy}<KEY>`"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardening_spec::CallSpec;

    fn call(name: &'static str) -> Call {
        Call {
            name,
            file: "src/main.rs",
            line: 1,
            declared: CallSpec::NONE,
            shares: Vec::new(),
            policy: None,
        }
    }

    fn read(names: &[(&str, &str)]) -> (Vec<Entry>, Vec<String>) {
        let variables: Vec<(String, String)> =
            names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut problems = Vec::new();
        let calls = [call("orders::price"), call("orders::a-b")];
        let entries = entries(&variables, &calls, &mut problems);
        (entries, problems)
    }

    #[test]
    fn names_map_to_sections_and_calls() {
        let (entries, problems) = read(&[
            ("HARDENING_HTTP__BODY_LIMIT", "2MiB"),
            ("HARDENING_CALL__ORDERS_PRICE__CIRCUIT_BREAKER__OPEN_FOR", "3s"),
            ("HARDENING_CALL__ORDERS_PRICE__TIMEOUT", "1s"),
        ]);
        assert_eq!(problems, Vec::<String>::new());
        let paths: Vec<String> = entries.iter().map(|entry| entry.path.join(">")).collect();
        assert_eq!(
            paths,
            ["http>body_limit", "call>orders::price>circuit_breaker>open_for", "call>orders::price>timeout"]
        );
    }

    #[test]
    fn names_of_others_are_left_alone() {
        let (entries, problems) = read(&[
            ("HARDENING_SERVICE_HOST", "10.0.0.1"),
            ("HARDENING_SERVICE_PORT_HTTP", "80"),
            ("HARDENING_PORT_80_TCP__ADDR", "10.0.0.1"),
            ("HARDENING", "check"),
            ("HARDENING_CONFIG", "x.toml"),
            ("HTTP__LISTEN", "x"),
        ]);
        assert!(entries.is_empty() && problems.is_empty(), "{entries:?} {problems:?}");
    }

    #[test]
    fn names_that_were_meant_for_us_are_refused_with_the_nearest() {
        for (name, part) in [
            ("HARDENING_HTPP__LISTEN", "HARDENING_HTTP__LISTEN"),
            ("HARDENING_CALL__ORDERS_PRIZE__RETRY__ATTEMPTS", "HARDENING_CALL__ORDERS_PRICE__"),
            ("HARDENING_CALL__ORDERS_PRICE", "HARDENING_CALL__<NAME>__<POLICY>__<KEY>"),
            ("HARDENING_ROUTE__UPLOAD__BODY_LIMIT", "are set in a file: `[route.\"/pattern\"]`"),
        ] {
            let (_, problems) = read(&[(name, "5")]);
            assert_eq!(problems.len(), 1, "{name}");
            assert!(problems[0].starts_with(name) && problems[0].contains(part), "{problems:?}");
        }
    }
}
