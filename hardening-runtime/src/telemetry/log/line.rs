//! One line as JSON, written once and straight into its place: every request has one.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;
use tracing::field::Visit;

use super::names::{Names, is_ours};
use crate::telemetry::recorded::{Field, Recorded, causes, show};
use crate::telemetry::{escape, redact};

/// The bytes that do not stand in a JSON text as they are, or that someone might act on.
const ODD: [bool; 256] = {
    let mut odd = [true; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        odd[byte as usize] = matches!(byte, b'"' | b'\\');
        byte += 1;
    }
    odd
};

/// What a thread keeps of the room of a long line, in bytes.
const MOST_ROOM: usize = 64 * 1024;

/// A line while it is written.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// JSON, and so UTF-8.
    out: Vec<u8>,
    /// The members of the object that is open.
    names: Vec<Cow<'static, str>>,
    /// Of the lines before it too.
    known: Names,
    /// What a value that is only shown is written into.
    shown: String,
}

impl Line {
    /// Forgets what was written, and keeps its room.
    pub(super) fn clear(&mut self) {
        self.out.clear();
        self.out.shrink_to(MOST_ROOM);
        self.shown.clear();
        self.shown.shrink_to(MOST_ROOM);
        self.names.clear();
    }

    pub(super) fn written(&self) -> &[u8] {
        &self.out
    }

    /// Writes what is JSON already.
    pub(super) fn json(&mut self, text: &[u8]) {
        self.out.extend_from_slice(text);
    }

    /// Writes an object of what was recorded.
    pub(super) fn object(&mut self, recorded: Option<&Recorded>) {
        self.names.clear();
        self.json(b"{");
        for (name, value) in recorded.into_iter().flat_map(Recorded::fields) {
            match value {
                Field::Bool(value) => self.plain(name, value),
                Field::I64(value) => self.plain(name, value),
                Field::U64(value) => self.plain(name, value),
                Field::F64(value) => self.plain(name, value),
                Field::Text(value) => self.text(name, value),
                Field::Error { text, causes } => self.error(name, text, causes),
            }
        }
        self.json(b"}");
    }

    /// Whether a member of this name stands in the object that is open.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// A text without what must not be told.
    pub(super) fn text(&mut self, name: &'static str, value: &str) {
        if self.begin(name) {
            self.quoted(&redact::text(value));
        }
    }

    /// A number, or whether something is so.
    fn plain<T: Serialize>(&mut self, name: &'static str, value: &T) {
        if self.begin(name) {
            // Numbers can be written, and memory takes them.
            let _ = serde_json::to_writer(&mut self.out, value);
        }
    }

    fn error(&mut self, name: &'static str, text: &str, causes: &[String]) {
        self.text(name, text);
        if causes.iter().any(|cause| cause != text) {
            // Many errors say what their cause says.
            let mut before = text;
            let causes = causes
                .iter()
                .filter(|cause| std::mem::replace(&mut before, cause.as_str()) != cause.as_str());
            let causes: Vec<Value> = causes.map(|cause| redact::text(cause).into()).collect();
            let name = format!("{name}.causes");
            let secret = redact::is_secret(&name);
            if self.begin_as(name.into(), secret) {
                self.serialized(&causes);
            }
        }
    }

    /// Begins a member; answers whether its value is to follow. That of a secret is written at once.
    fn begin(&mut self, name: &'static str) -> bool {
        let known = self.known.of(name);
        let secret = known.secret;
        if self.names.iter().any(|before| before == name) {
            return self.begin_as(name.into(), secret);
        }
        let Some(json) = &known.json else { return self.begin_as(name.into(), secret) };
        if self.out.last().is_none_or(|last| *last != b'{') {
            self.out.push(b',');
        }
        self.out.extend_from_slice(json);
        self.names.push(name.into());
        if secret {
            self.quoted(redact::REDACTED);
        }
        !secret
    }

    /// The same by a name that no member has yet.
    fn begin_as(&mut self, mut name: Cow<'static, str>, secret: bool) -> bool {
        if is_ours(&name) {
            name = Cow::Owned(format!("field.{name}"));
        }
        while self.has(&name) {
            name = Cow::Owned(format!("field.{name}"));
        }
        if self.out.last().is_none_or(|last| *last != b'{') {
            self.out.push(b',');
        }
        self.quoted(&name);
        self.out.push(b':');
        self.names.push(name);
        if secret {
            self.quoted(redact::REDACTED);
        }
        !secret
    }

    /// Writes a text that is no secret.
    pub(super) fn quoted(&mut self, text: &str) {
        if text.bytes().fold(false, |odd, byte| odd | ODD[usize::from(byte)]) {
            return self.serialized(text);
        }
        self.out.push(b'"');
        self.out.extend_from_slice(text.as_bytes());
        self.out.push(b'"');
    }

    fn serialized<T: Serialize + ?Sized>(&mut self, value: &T) {
        let begin = self.out.len();
        // Texts and numbers can be written, and memory takes them.
        let _ = serde_json::to_writer(&mut self.out, value);
        if let Ok(written) = str::from_utf8(&self.out[begin..])
            && let Cow::Owned(escaped) = escape::json(written)
        {
            self.out.truncate(begin);
            self.out.extend_from_slice(escaped.as_bytes());
        }
    }
}

impl Visit for Line {
    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.plain(field.name(), &value);
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.plain(field.name(), &value);
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.plain(field.name(), &value);
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.plain(field.name(), &value);
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_error(&mut self, field: &tracing::field::Field, value: &(dyn std::error::Error + 'static)) {
        self.error(field.name(), &value.to_string(), &causes(value));
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let mut shown = std::mem::take(&mut self.shown);
        show(&mut shown, value);
        self.text(field.name(), &shown);
        self.shown = shown;
    }
}
