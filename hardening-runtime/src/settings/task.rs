//! `[task."name"]`: what settings say of background tasks.

use hardening_spec::settings as words;
use hardening_spec::{DurationRange, units};

use super::forms;
use super::value::Value;

/// The keys of `[task."name"]`.
const KEYS: [&str; 2] = ["enabled", "restart"];
/// What `restart` takes.
const RESTART: &str = "write a range such as `1s..60s`, or `never`";

/// `[task."name"]`; `None` leaves what the attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// The task.
    pub name: String,
    /// Whether it runs at all.
    pub enabled: Option<bool>,
    /// The pause before it begins again after a failure; `Some(None)` for never.
    pub restart: Option<Option<DurationRange>>,
}

impl Task {
    pub(crate) const fn new(name: String) -> Self {
        Self { name, enabled: None, restart: None }
    }
}

/// The declared task of this name.
pub(super) fn known(name: &str) -> Result<(), String> {
    let names: Vec<&str> = crate::service::tasks::tasks().iter().map(|task| task.name).collect();
    match names.as_slice() {
        names if names.contains(&name) => Ok(()),
        [] => Err(format!("there is no background task `{name}`; this program has none")),
        names => Err(words::unknown("background task", name, names).to_string()),
    }
}

/// Takes one key.
pub(super) fn set(tasks: &mut Vec<Task>, name: &str, key: &str, value: &Value) -> Result<(), String> {
    known(name)?;
    let mut changed = tasks.iter().find(|task| task.name == name).cloned();
    let task = changed.get_or_insert_with(|| Task::new(name.to_owned()));
    match key {
        "enabled" => task.enabled = Some(forms::flag(value)?),
        "restart" => task.restart = Some(restart(value)?),
        _ => return Err(words::unknown("key", key, &KEYS).to_string()),
    }
    tasks.retain(|task| task.name != name);
    tasks.extend(changed);
    Ok(())
}

fn restart(value: &Value) -> Result<Option<DurationRange>, String> {
    let Value::Text(text) = value else { return Err(RESTART.to_owned()) };
    if text == "never" {
        return Ok(None);
    }
    let range = units::range(text).map_err(|why| format!("{why}; {RESTART}"))?;
    if range.from.is_zero() {
        return Err(format!("a task that fails at once would begin again without a pause; {RESTART}"));
    }
    Ok(Some(range))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn pauses_are_ranges_or_never() {
        let of = |text: &str| restart(&Value::Text(text.to_owned()));
        let range = DurationRange::new(Duration::from_secs(1), Duration::from_mins(1));
        assert_eq!(of("1s..60s"), Ok(Some(range)));
        assert_eq!(of("never"), Ok(None));
        for text in ["0s", "0s..1s", "2s..1s", "soon", ""] {
            assert!(of(text).unwrap_err().contains("`never`"), "{text}");
        }
    }

    #[test]
    fn tasks_that_do_not_exist_are_refused() {
        let error = set(&mut Vec::new(), "relay", "enabled", &Value::Bool(true)).unwrap_err();
        assert!(error.contains("no background task `relay`"), "{error}");
    }
}
