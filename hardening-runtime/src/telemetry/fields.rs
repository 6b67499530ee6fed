//! Fields of events and spans as JSON members.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

use super::{escape, redact};

/// Members of every line; a field of the same name gets a prefix, as does one whose name stands already.
const OURS: [&str; 4] = ["time", "level", "target", "spans"];

/// Members, each with a comma before it.
#[derive(Debug, Default)]
pub(super) struct Fields {
    out: String,
    names: Vec<String>,
}

impl Fields {
    pub(super) fn written(&self) -> &str {
        &self.out
    }

    /// These members after those of `old`, of which they replace what they name again.
    pub(super) fn after(&self, old: &str) -> String {
        if !self.names.iter().any(|name| old.contains(&format!(",{}:", Value::from(name.as_str())))) {
            return format!("{old}{}", self.out);
        }
        let members = format!("{{{}}}", old.trim_start_matches(','));
        // What was written here can be read.
        let mut left: Map<String, Value> = serde_json::from_str(&members).unwrap_or_default();
        left.retain(|name, _| !self.names.contains(name));
        let mut out = String::new();
        for (name, value) in left {
            let _ = write!(out, ",{}:{value}", Value::from(name));
        }
        escape::json(&out).into_owned() + &self.out
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub(super) fn text(&mut self, name: &str, value: &str) {
        self.member(name, &Value::from(redact::text(value)));
    }

    fn member(&mut self, name: &str, value: &Value) {
        let redacted = Value::from(redact::REDACTED);
        let value = if redact::is_secret(name) { &redacted } else { value };
        let prefix = if OURS.contains(&name) { "field." } else { "" };
        let mut name = format!("{prefix}{name}");
        while self.names.contains(&name) {
            name.insert_str(0, "field.");
        }
        let begin = self.out.len();
        // Writing to a string cannot fail.
        let _ = write!(self.out, ",{}:{value}", Value::from(name.as_str()));
        if let Cow::Owned(escaped) = escape::json(&self.out[begin..]) {
            self.out.replace_range(begin.., &escaped);
        }
        self.names.push(name);
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field.name(), &Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name(), &Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field.name(), &Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name(), &Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.text(field.name(), &value.to_string());
        let causes: Vec<Value> = std::iter::successors(value.source(), |error| (*error).source())
            .map(|error| redact::text(&error.to_string()).into())
            .collect();
        if !causes.is_empty() {
            self.member(&format!("{}.causes", field.name()), &Value::from(causes));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }
}
