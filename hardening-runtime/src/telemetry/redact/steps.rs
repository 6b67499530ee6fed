//! How many bytes the filter looks at: its time is to grow with the length of a text, whoever wrote it.

use std::ops::Range;

#[cfg(test)]
thread_local! {
    static LOOKED_AT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Says that this many bytes are looked at.
#[cfg(test)]
pub(super) fn look(bytes: usize) {
    LOOKED_AT.set(LOOKED_AT.get() + bytes + 1);
}

/// Costs nothing outside of tests.
#[cfg(not(test))]
pub(super) const fn look(_: usize) {}

/// The bytes that this thread looked at since it asked the last time.
#[cfg(test)]
pub(super) fn taken() -> usize {
    LOOKED_AT.take()
}

/// The length of what `text` begins with, as far as each character is one of these.
pub(super) fn run(text: &str, of: impl Fn(char) -> bool) -> usize {
    let length = text.find(|c| !of(c)).unwrap_or(text.len());
    look(length);
    length
}

/// Where `what` stands in `text`.
pub(super) fn find(text: &str, what: &str) -> Option<usize> {
    let found = text.find(what);
    look(found.unwrap_or(text.len()));
    found
}

/// The last `most` bytes before `end` at the most, in whole characters.
pub(super) fn window(text: &str, end: usize, most: usize) -> Range<usize> {
    look(most);
    let mut from = end.saturating_sub(most);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    from..end
}

/// `text` without the backslashes that it begins with.
pub(super) fn unescaped(text: &str) -> &str {
    &text[run(text, |c| c == '\\')..]
}
