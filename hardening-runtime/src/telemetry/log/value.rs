//! What a span was told, kept as it is until a line needs it: most spans end without one.

use std::error::Error;
use std::fmt::{Debug, Write as _};

use tracing::field::Visit;

/// The value of one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(String),
    Error { text: String, causes: Vec<String> },
}

/// The fields of one span.
#[derive(Debug, Default)]
pub(super) struct Recorded(Vec<(&'static str, Field)>);

impl Recorded {
    pub(super) fn fields(&self) -> impl Iterator<Item = (&'static str, &Field)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// What is recorded again replaces the old.
    fn set(&mut self, field: &tracing::field::Field, value: Field) {
        let name = field.name();
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Recorded {
    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.set(field, Field::F64(value));
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.set(field, Field::I64(value));
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.set(field, Field::U64(value));
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.set(field, Field::Bool(value));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.set(field, Field::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &tracing::field::Field, value: &(dyn Error + 'static)) {
        self.set(field, Field::Error { text: value.to_string(), causes: causes(value) });
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        let mut shown = String::new();
        show(&mut shown, value);
        self.set(field, Field::Text(shown));
    }
}

/// What an error came from, the nearest first.
pub(super) fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(error.source(), |error| (*error).source()).map(ToString::to_string).collect()
}

/// Writes a value that is only shown.
pub(super) fn show(shown: &mut String, value: &dyn Debug) {
    shown.clear();
    // Writing to a string cannot fail, unless the value itself does.
    let _ = write!(shown, "{value:?}");
}
