//! One table of keys for each attribute: the parser, the error messages, the settings file and the
//! documentation all read these.

mod beside;
mod kept;
mod tables;

pub use beside::*;
pub use kept::*;
pub use tables::*;

/// The form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `250ms`.
    Duration,
    /// `50ms..2s`, or one duration.
    Range,
    /// `50%` or `0.5`.
    Ratio,
    /// A range or `never`.
    RangeOrNever,
    /// A ratio or `none`.
    RatioOrNone,
    /// A duration, or a percentile such as `p95`.
    After,
    /// `100/s`.
    Rate,
    /// A duration or a count of calls.
    Window,
    /// A whole number of at least 1.
    Count,
    /// A whole number, 0 included.
    CountOrZero,
    /// `64MiB`, or a number of bytes.
    Bytes,
    /// A decimal of at least 1.
    Factor,
    /// Present or absent, without a value.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A Rust pattern over the body's result.
    Pattern,
    /// A Rust pattern, `for`, and a duration; in settings the duration alone.
    Negative,
    /// A Rust expression.
    Expression,
    /// An expression over the arguments, or a word of the request's context.
    Key,
    /// One or several kinds of refusal: `circuit_open` or `(timeout, circuit_open)`.
    Refusals,
    /// A string.
    Text,
    /// `(sku, order.id)`.
    Fields,
}

impl Kind {
    /// What a value of this kind looks like, for messages: "a duration such as `250ms`".
    pub fn form(self) -> String {
        match self {
            Self::Duration => "a duration such as `250ms`".into(),
            Self::Range => "a duration such as `100ms`, or a range such as `50ms..2s`".into(),
            Self::RangeOrNever => "a range such as `1s..60s`, or `never`".into(),
            Self::Ratio => "a ratio such as `50%` or `0.5`".into(),
            Self::RatioOrNone => "a ratio such as `20%`, or `none`".into(),
            Self::After => "a duration such as `50ms`, or a percentile such as `p95`".into(),
            Self::Rate => "a rate such as `100/s` or `10/250ms`".into(),
            Self::Window => "a duration such as `10s`, or a count of calls such as `100`".into(),
            Self::Count => "a whole number of at least 1, such as `3`".into(),
            Self::CountOrZero => "a whole number such as `10`".into(),
            Self::Bytes => "a size such as `64MiB`, `10MB` or a number of bytes".into(),
            Self::Factor => "a number of at least 1, such as `2` or `1.5`".into(),
            Self::Flag => "no value: write the name alone".into(),
            Self::Choice([word]) => format!("`{word}`"),
            Self::Choice(words) => format!("one of {}", list(words)),
            Self::Pattern => "a pattern such as `Err(Error::Io(_))` or `Error::NotFound`".into(),
            Self::Negative => "a pattern and how long, such as `Error::NotFound for 10s`".into(),
            Self::Expression => "an expression".into(),
            Self::Key => format!("an expression over the arguments, or one of {}", list(&CONTEXT_KEYS)),
            Self::Refusals => "a kind such as `circuit_open`, or several: `(timeout, circuit_open)`".into(),
            Self::Text => "a string such as `\"price\"`".into(),
            Self::Fields => "arguments in parentheses, such as `(sku, order.id)`".into(),
        }
    }
}

/// The words that a key may be besides an expression: they come from the request's context.
pub const CONTEXT_KEYS: [&str; 5] = ["client_ip", "principal", "tenant", "route", "idempotency_key"];

/// `a`, `b` or `c`.
pub fn list(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

/// One key of an attribute.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// The form of its value.
    pub kind: Kind,
    /// Its default as it would be written, `required`, or `none`.
    pub default: &'static str,
    /// What it does, in one sentence.
    pub doc: &'static str,
    /// Whether settings may override it.
    pub setting: bool,
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// As it is written.
    pub name: &'static str,
    /// The key that a first value without a name belongs to.
    pub positional: Option<&'static str>,
    /// Every key.
    pub keys: &'static [Key],
    /// An example that compiles, for messages.
    pub example: &'static str,
}

impl Key {
    /// What a value of this key looks like; where the default is a text, that is the example.
    pub fn form(&self) -> String {
        match (self.kind, self.default.split('"').nth(1)) {
            (Kind::Text, Some(text)) => format!("a string such as `\"{text}\"`"),
            (kind, _) => kind.form(),
        }
    }
}

impl Attribute {
    /// The key of this name.
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// The attribute of this name.
pub fn attribute(name: &str) -> Option<&'static Attribute> {
    ATTRIBUTES.into_iter().find(|attribute| attribute.name == name)
}
