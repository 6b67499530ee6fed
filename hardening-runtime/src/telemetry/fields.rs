//! Fields of events and spans as JSON members, written once and straight into their place: every request has a line.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{Debug, Write as _};

use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};

use super::{escape, redact};

/// Members of every line; a field of the same name gets a prefix, as does one whose name stands already.
const OURS: [&str; 4] = ["time", "level", "target", "spans"];

/// Room for the line of a request.
const USUAL: usize = 512;
const USUAL_NAMES: usize = 16;

/// Members, each with a comma before it.
#[derive(Debug, Default)]
pub(super) struct Fields {
    /// JSON, and so UTF-8.
    out: Vec<u8>,
    names: Vec<Cow<'static, str>>,
    /// What a value that is only shown is written into.
    shown: String,
}

impl Fields {
    pub(super) fn written(&self) -> &str {
        str::from_utf8(&self.out).unwrap_or_default()
    }

    /// These members after those of `old`, of which they replace what they name again.
    pub(super) fn after(&self, old: &str) -> String {
        let again = |name: &Cow<'_, str>| {
            let stands = |(at, _): (usize, &str)| {
                let before = old[..at].ends_with(",\"");
                before && old[at + name.len()..].starts_with("\":")
            };
            old.match_indices(&**name).any(stands)
        };
        if !self.names.iter().any(again) {
            return [old, self.written()].concat();
        }
        let members = format!("{{{}}}", old.trim_start_matches(','));
        // What was written here can be read.
        let mut left: Map<String, Value> = serde_json::from_str(&members).unwrap_or_default();
        left.retain(|name, _| !self.names.iter().any(|known| known == name));
        let mut out = String::new();
        for (name, value) in left {
            // Writing to a string cannot fail.
            let _ = write!(out, ",{}:{value}", Value::from(name));
        }
        escape::json(&out).into_owned() + self.written()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    pub(super) fn text(&mut self, name: impl Into<Cow<'static, str>>, value: &str) {
        self.member(name.into(), &redact::text(value));
    }

    fn member<T: Serialize + ?Sized>(&mut self, name: Cow<'static, str>, value: &T) {
        if self.out.is_empty() {
            self.out.reserve(USUAL);
            self.names.reserve(USUAL_NAMES);
        }
        let secret = redact::is_secret(&name);
        let mut name = if OURS.contains(&&*name) { Cow::Owned(format!("field.{name}")) } else { name };
        while self.names.contains(&name) {
            name = Cow::Owned(format!("field.{name}"));
        }
        self.out.push(b',');
        self.write(&*name);
        self.out.push(b':');
        if secret {
            self.write(redact::REDACTED);
        } else {
            self.write(value);
        }
        self.names.push(name);
    }

    fn write<T: Serialize + ?Sized>(&mut self, value: &T) {
        let begin = self.out.len();
        // Texts and numbers can be written, and memory takes them.
        let _ = serde_json::to_writer(&mut self.out, value);
        let written = str::from_utf8(&self.out[begin..]).unwrap_or_default();
        if let Cow::Owned(escaped) = escape::json(written) {
            self.out.truncate(begin);
            self.out.extend_from_slice(escaped.as_bytes());
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.member(field.name().into(), &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field.name().into(), &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field.name().into(), &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field.name().into(), &value);
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
            self.member(format!("{}.causes", field.name()).into(), &causes);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut shown = std::mem::take(&mut self.shown);
        shown.clear();
        // Writing to a string cannot fail, unless the value itself does.
        let _ = write!(shown, "{value:?}");
        self.text(field.name(), &shown);
        self.shown = shown;
    }
}
