//! Characters on which a terminal or a reader of lines would act, written so that nobody does: what is logged may be what
//! a stranger sent.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Control characters of both sets, the other ends of lines that Unicode has, and what turns the direction of writing.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// JSON without such characters. They stand in its texts alone, where `\u` and four digits mean the same.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte < 0x7f) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        // None of them is beyond four digits. Writing to a string cannot fail.
        let _ = if acts(c) { write!(out, "\\u{:04x}", u32::from(c)) } else { out.write_char(c) };
    }
    Cow::Owned(out)
}

/// A text for people: further lines are indented, so that none looks like a line of the log.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\n    "),
            '\t' => out.push(c),
            c if acts(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_on_terminals_and_lines_is_written_out() {
        let odd = "a\u{85}\u{2028}\u{202e}\u{9b}31m\u{7f}é";
        assert_eq!(json(odd), "a\\u0085\\u2028\\u202e\\u009b31m\\u007fé");
        let text = serde_json::Value::from(format!("{odd}\u{1b}\n")).to_string();
        assert_eq!(serde_json::from_str::<String>(&json(&text)).unwrap(), format!("{odd}\u{1b}\n"));
        assert_eq!(plain("a\u{1b}[31m\r\n\tserving\u{9b}é"), "a\\u{1b}[31m\\u{d}\n    \tserving\\u{9b}é");
        assert!(matches!((json("{\"a\": 1}"), plain("a b")), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }
}
