//! Characters on which a terminal or a reader of lines would act, written so that nobody does: what is logged may be what
//! a stranger sent.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Control characters of both sets, the other ends of lines that Unicode has, what turns the direction of writing, and what is
/// drawn as nothing at all: a text may hide in it, and one name may pass for another. The two last variation selectors stay, which
/// emoji have.
pub(crate) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffc}' | '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d159}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
}

/// JSON without such characters. They stand in its texts alone, where `\u` and four digits mean the same; what is beyond four
/// digits is a pair.
pub(super) fn json(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| byte < 0x7f) || !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
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
        for c in "\u{200b}\u{200d}\u{2060}\u{2064}\u{2066}\u{206f}\u{feff}\u{ad}\u{e0001}\u{e0061}\u{e007f}\u{e01ef}\u{2800}\u{fffc}\u{110bd}\u{13430}\u{1d159}".chars() {
            let written = json(&format!("\"a{c}b\"")).into_owned();
            assert!(written.is_ascii(), "{written}");
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), format!("a{c}b"));
            assert_eq!(plain(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
        for text in ["é", "❤\u{fe0f}", "日本"] {
            assert!(
                matches!((json(text), &*plain(text)), (Cow::Borrowed(_), same) if same == text),
                "{text}"
            );
        }
        assert!(matches!((json("{\"a\": 1}"), plain("a b")), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }
}
