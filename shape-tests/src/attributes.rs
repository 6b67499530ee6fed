//! The attributes under test, alone, in pairs and all together.

/// One attribute; `{key}` and `{fallback}` stand for what a shape gives.
#[derive(Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Its name, which exclusions use.
    pub name: &'static str,
    source: &'static str,
}

/// Every attribute of a function. Numbers are large enough never to be reached.
pub const ATTRIBUTES: &[Attribute] = &[
    Attribute { name: "hardened", source: "#[::hardening::hardened]" },
    Attribute { name: "timeout", source: "#[::hardening::timeout(1h)]" },
    Attribute { name: "deadline", source: "#[::hardening::deadline(5h)]" },
    Attribute { name: "retry", source: "#[::hardening::retry(attempts = 2, idempotent)]" },
    Attribute { name: "circuit_breaker", source: "#[::hardening::circuit_breaker]" },
    Attribute { name: "rate_limited", source: "#[::hardening::rate_limited(1000/s, key = {key})]" },
    Attribute { name: "bulkhead", source: "#[::hardening::bulkhead(max = 100)]" },
    Attribute { name: "fallback", source: "#[::hardening::fallback({fallback})]" },
    Attribute { name: "hedged", source: "#[::hardening::hedged(after = p95, idempotent)]" },
    Attribute { name: "cached", source: "#[::hardening::cached(ttl = 30s, key = {key}{instances})]" },
    Attribute {
        name: "idempotent",
        source: "#[::hardening::idempotent(key = {key}, fingerprint = {key}{instances})]",
    },
    Attribute { name: "requires", source: "#[::hardening::requires(\"shapes:run\")]" },
];

/// Two attributes that exclude each other by design.
pub const EXCLUSIVE: (&str, &str) = ("retry", "hedged");

/// Attributes that stand on one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Combination {
    /// A module's name: `timeout`, `timeout_retry`, `all_with_retry`.
    pub name: String,
    /// In the order in which they are written.
    pub attributes: Vec<&'static Attribute>,
    /// Whether attributes that a shape refuses are left out, instead of the whole combination.
    pub stack: bool,
}

impl Combination {
    /// Without attributes.
    pub fn plain() -> Self {
        Self { name: "plain".to_owned(), attributes: Vec::new(), stack: false }
    }

    /// The attributes as written above a function whose key and fallback are these.
    pub fn source(&self, key: &str, fallback: &str, instances: &str) -> String {
        let sources = self.attributes.iter().map(|attribute| {
            let source = attribute.source.replace("{key}", key).replace("{fallback}", fallback);
            source.replace("{instances}", instances)
        });
        sources.collect::<Vec<_>>().concat()
    }

    /// As reports show it: `timeout + retry`.
    pub fn shown(&self) -> String {
        if self.stack || self.attributes.is_empty() {
            return self.name.clone();
        }
        self.attributes.iter().map(|attribute| attribute.name).collect::<Vec<_>>().join(" + ")
    }
}

/// Each attribute alone.
pub fn single() -> Vec<Combination> {
    let one = |attribute: &'static Attribute| Combination {
        name: attribute.name.to_owned(),
        attributes: vec![attribute],
        stack: false,
    };
    ATTRIBUTES.iter().map(one).collect()
}

/// Each pair that does not exclude itself; every other one is written in the reverse order.
pub fn pairs() -> Vec<Combination> {
    let mut pairs: Vec<Combination> = Vec::new();
    for (at, first) in ATTRIBUTES.iter().enumerate() {
        for second in &ATTRIBUTES[at + 1..] {
            if (first.name, second.name) == EXCLUSIVE {
                continue;
            }
            let mut attributes = vec![first, second];
            if pairs.len() % 2 == 1 {
                attributes.reverse();
            }
            let name = format!("{}_{}", first.name, second.name);
            pairs.push(Combination { name, attributes, stack: false });
        }
    }
    pairs
}

/// Everything that goes together: with `retry`, and with `hedged`.
pub fn stacks() -> Vec<Combination> {
    let (retry, hedged) = EXCLUSIVE;
    let without = |name: &str, left_out: &str| Combination {
        name: name.to_owned(),
        attributes: ATTRIBUTES.iter().filter(|attribute| attribute.name != left_out).collect(),
        stack: true,
    };
    vec![without("all_with_retry", hedged), without("all_with_hedged", retry)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_are_complete() {
        assert_eq!((single().len(), pairs().len(), stacks().len()), (12, 65, 2));
        assert_eq!(pairs()[1].source("k", "f", ""), {
            "#[::hardening::deadline(5h)]#[::hardening::hardened]"
        });
        assert!(stacks().iter().all(|stack| stack.attributes.len() == 11));
    }
}
