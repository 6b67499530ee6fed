//! Values that nobody is shown.

use std::fmt;

/// A text that prints as `[redacted]`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As settings show it.
    pub(super) fn show(&self) -> String {
        if self.0.is_empty() { String::new() } else { "[redacted]".to_owned() }
    }

    /// Several of them, as settings show them.
    #[expect(clippy::ptr_arg, reason = "the table's functions take references to what is set")]
    pub(super) fn show_all(all: &Vec<Self>) -> String {
        all.iter().map(Self::show).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.show())
    }
}
