//! One span that has ended.

use std::borrow::Cow;
use std::sync::Arc;

/// The most attributes of a span, and of an event.
pub(super) const MOST_ATTRIBUTES: usize = 64;
/// The most events of a span.
pub(super) const MOST_EVENTS: usize = 16;
/// The longest text of an attribute, in bytes.
const LONGEST: usize = 4096;

/// What a span is to the one it belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Work of its own.
    #[default]
    Internal = 1,
    /// It answers.
    Server,
    /// It asks.
    Client,
    /// It puts into a queue.
    Producer,
    /// It takes from a queue.
    Consumer,
}

/// How a span ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Status {
    /// Nothing is said.
    #[default]
    Unset,
    /// Well, by the user's word.
    Ok,
    /// With an error.
    Error(String),
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Attribute {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(LONGEST)].to_owned())
    }
}

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

pub(crate) type Attributes = Vec<(Cow<'static, str>, Attribute)>;

/// Something that happened in a span.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(super) at: u64,
    pub(super) name: String,
    pub(super) attributes: Attributes,
}

/// One span that has ended; times in nanoseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Record {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    /// 0 for none.
    pub(crate) parent: u64,
    /// Whether the parent is of another process.
    pub(crate) remote_parent: bool,
    /// Whether the trace's id is random.
    pub(crate) random: bool,
    pub(crate) state: Option<Arc<str>>,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: Kind,
    pub(crate) began: u64,
    pub(crate) ended: u64,
    pub(crate) attributes: Attributes,
    pub(crate) events: Vec<Event>,
    /// Attributes and events beyond the bounds.
    pub(crate) dropped: (u32, u32),
    pub(crate) status: Status,
}

impl Record {
    /// Adds an attribute, or writes one anew.
    pub(crate) fn set(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Attribute>) {
        let (name, value) = (name.into(), value.into());
        if let Some((_, old)) = self.attributes.iter_mut().find(|(known, _)| *known == name) {
            *old = value;
        } else if self.attributes.len() < MOST_ATTRIBUTES {
            self.attributes.push((name, value));
        } else {
            self.dropped.0 += 1;
        }
    }

    /// Adds an event.
    pub(super) fn happened(&mut self, event: Event) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(event);
        } else {
            self.dropped.1 += 1;
        }
    }
}
