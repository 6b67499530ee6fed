//! `[policies]`: one switch for each kind of policy, and one for all of them.

use hardening_spec::settings::unknown;

use super::value::Value;

/// The kinds that can be switched, as the keys of `[policies]` name them.
const KINDS: [&str; 9] = [
    "timeout",
    "deadline",
    "retry",
    "circuit_breaker",
    "rate_limited",
    "bulkhead",
    "hedged",
    "cached",
    "fallback",
];

/// What was switched.
#[derive(Clone, Debug, Default)]
pub(super) struct Switches {
    all: Option<bool>,
    kinds: Vec<(&'static str, bool)>,
}

impl Switches {
    /// Takes one key of `[policies]`.
    pub(super) fn set(&mut self, key: &str, value: &Value) -> Result<(), String> {
        if matches!(key, "requires" | "idempotent") {
            return Err(format!("`{key}` cannot be switched off"));
        }
        let kind = KINDS.into_iter().find(|kind| *kind == key);
        if kind.is_none() && key != "enabled" {
            let known: Vec<&str> = std::iter::once("enabled").chain(KINDS).collect();
            return Err(unknown("key", key, &known).to_string());
        }
        let on = match value {
            Value::Bool(on) => *on,
            Value::Text(text) if text == "true" => true,
            Value::Text(text) if text == "false" => false,
            _ => return Err("write `true` or `false`".to_owned()),
        };
        match kind {
            None => self.all = Some(on),
            Some(kind) => {
                self.kinds.retain(|(known, _)| *known != kind);
                self.kinds.push((kind, on));
            }
        }
        Ok(())
    }

    /// What they say of a policy, as `[call."name".policy]` names it: its own kind's word before that for all, which leaves
    /// fallbacks alone.
    pub(super) fn of(&self, policy: &str) -> Option<bool> {
        let kind = if policy.starts_with("rate_limited") { "rate_limited" } else { policy };
        let own = self.kinds.iter().find(|(known, _)| *known == kind).map(|(_, on)| *on);
        own.or(self.all.filter(|_| KINDS.contains(&kind) && kind != "fallback"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_s_own_switch_wins_and_fallbacks_stay() {
        let mut switches = Switches::default();
        assert_eq!(switches.of("retry"), None);
        switches.set("enabled", &Value::Bool(false)).unwrap();
        switches.set("retry", &Value::Text("true".into())).unwrap();
        assert_eq!(switches.of("retry"), Some(true));
        assert_eq!(switches.of("rate_limited_2"), Some(false));
        assert_eq!(switches.of("fallback"), None);
        assert_eq!(switches.of("idempotent"), None);
        assert!(switches.set("retyr", &Value::Bool(true)).unwrap_err().contains("did you mean `retry`?"));
        assert!(
            switches.set("requires", &Value::Bool(false)).unwrap_err().contains("cannot be switched off")
        );
        assert!(switches.set("retry", &Value::Int(1)).unwrap_err().contains("`true` or `false`"));
    }
}
