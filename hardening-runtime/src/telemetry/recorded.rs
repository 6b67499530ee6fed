//! What a span was told, kept as it is until a line or a record needs it.
//!
//! It is kept before the span is touched: a value's own `Debug` may log, or panic, and either looks at the span.

use std::error::Error;
use std::fmt::{Debug, Write as _};

use tracing::field::Visit;

/// The value of one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Field {
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(String),
    Error { text: String, causes: Vec<String> },
}

/// The fields of one span.
#[derive(Debug, Default)]
pub(crate) struct Recorded(Vec<(&'static str, Field)>);

impl Recorded {
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'static str, &Field)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }

    /// Takes in what was recorded later.
    pub(crate) fn add(&mut self, later: Self) {
        later.0.into_iter().for_each(|(name, value)| self.set(name, value));
    }

    /// What is recorded again replaces the old.
    fn set(&mut self, name: &'static str, value: Field) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Visit for Recorded {
    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.set(field.name(), Field::F64(value));
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.set(field.name(), Field::I64(value));
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.set(field.name(), Field::U64(value));
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.set(field.name(), Field::Bool(value));
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        self.set(field.name(), Field::Text(value.to_owned()));
    }

    fn record_error(&mut self, field: &tracing::field::Field, value: &(dyn Error + 'static)) {
        self.set(field.name(), Field::Error { text: value.to_string(), causes: causes(value) });
    }

    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        let mut shown = String::new();
        show(&mut shown, value);
        self.set(field.name(), Field::Text(shown));
    }
}

/// The most causes of an error that are told: a chain may have no end.
const MOST_CAUSES: usize = 64;

/// What an error came from, the nearest first.
pub(crate) fn causes(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::successors(error.source(), |error| (*error).source())
        .take(MOST_CAUSES)
        .map(ToString::to_string)
        .collect()
}

/// Writes a value that is only shown.
pub(crate) fn show(shown: &mut String, value: &dyn Debug) {
    shown.clear();
    // Writing to a string cannot fail, unless the value itself does.
    let _ = write!(shown, "{value:?}");
}
