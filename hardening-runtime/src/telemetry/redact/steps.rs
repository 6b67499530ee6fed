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

/// A blank within a line, be it one that does not break, or one that nobody sees.
pub(super) fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t' || !c.is_ascii() && is_odd_blank(c)
}

fn is_odd_blank(c: char) -> bool {
    matches!(
        c,
        '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200d}' | '\u{202f}' | '\u{205f}' | '\u{2060}' | '\u{3000}' | '\u{feff}'
    )
}

/// Blanks that do not break as other formats write them.
const ESCAPED: [&str; 7] = ["\\u{a0}", "\\u00a0", "\\u00A0", "\\xa0", "%C2%A0", "&nbsp;", "&#160;"];

/// The length of the blanks that `text` begins with, also as other formats write them.
pub(super) fn blanks(text: &str) -> usize {
    let mut length = run(text, is_blank);
    while text[length..].starts_with(['\\', '%', '&']) {
        look(8);
        let Some(blank) = ESCAPED.iter().find(|blank| text[length..].starts_with(**blank)) else { break };
        length += blank.len();
        length += run(&text[length..], is_blank);
    }
    length
}

/// `end` without the blanks before it, also as other formats write them.
pub(super) fn without_blanks(text: &str, mut end: usize) -> usize {
    loop {
        look(1);
        let before = &text[..end];
        let escaped = |blank: &&&str| before.ends_with(**blank);
        match before.chars().next_back() {
            Some(c) if is_blank(c) => end -= c.len_utf8(),
            Some('}' | '0' | ';') => match ESCAPED.iter().find(escaped) {
                Some(blank) => end -= blank.len(),
                None => return end,
            },
            _ => return end,
        }
    }
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
