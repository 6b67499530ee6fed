//! Values that stand on the line below their name.

use std::ops::Range;

use super::scan::IsSecret;
use super::value::{self, Extent};
use super::{prose, spared, steps};

/// Ends of lines, also as code and JSON write them.
const ENDS: [&str; 4] = ["\r\n", "\n", "\\r\\n", "\\n"];

/// How many ends of lines may stand between a name and its value.
const APART: usize = 2;

/// The longest text in quotes that may be something else.
const LONGEST: usize = 256;

/// Where the line below begins, behind a sign that ends at `from` and its own line; `None` where something else stands there.
pub(super) fn begins(text: &str, from: usize) -> Option<usize> {
    let blanks = |from: usize| from + steps::blanks(&text[from..]);
    let mut start = blanks(from);
    let mut ends = 0;
    while let Some(end) = ENDS.iter().find(|end| text[start..].starts_with(**end)) {
        // `password=\nope` is a value that begins with a backslash.
        if ends == APART || end.starts_with('\\') && ends == 0 && !is_line(&text[start + end.len()..]) {
            break;
        }
        ends += 1;
        start = blanks(start + end.len());
    }
    (ends > 0).then_some(start)
}

/// The value that begins the line at `start`, if anything there is one.
pub(super) fn value(text: &str, start: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let value = whole(text, start).filter(|value| is_value(text, start, value, is_secret))?;
    spared::unless(text, start, value, Extent::Word, false)
}

/// A text in quotes, or a word, with what follows it if it is a scheme.
fn whole(text: &str, start: usize) -> Option<Range<usize>> {
    if steps::unescaped(&text[start..]).starts_with(['"', '\'', '`']) {
        return value::after(text, start, Extent::Word);
    }
    let word = start..start + steps::run(&text[start..], |c| !value::ends_value(c));
    (!word.is_empty()).then(|| start..value::credentials(text, word))
}

/// Whether what follows an escaped end of a line is one.
fn is_line(after: &str) -> bool {
    after.starts_with(steps::is_blank)
}

/// Whether a word or a text in quotes is all that stands on its line, or a word is none of a language, and neither a name with its own value nor what says that
/// there is none.
fn is_value(text: &str, start: usize, value: &Range<usize>, is_secret: IsSecret<'_>) -> bool {
    let written = &text[value.clone()];
    let quoted = value.start > start;
    // What is this long is not looked through again.
    if quoted && value.len() > LONGEST {
        return true;
    }
    let rest = &text[value.end..];
    let rest = &rest[steps::run(rest, |c| matches!(c, '"' | '\'' | '`' | '\\'))..];
    let rest = &rest[steps::run(rest, |c| steps::is_blank(c) || matches!(c, ',' | ';' | '}'))..];
    let alone = rest.is_empty() || ENDS.iter().any(|end| rest.starts_with(end));
    if quoted {
        // `"host": "a"` is the next of the object.
        return !rest.starts_with([':', '=']);
    }
    // `user=app`, `user:`, `- item`, `[section]`, `{`.
    let (name, after) = written.split_once(['=', ':']).unwrap_or((written, ""));
    let assigns = name.len() < written.len()
        && !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && (!after.is_empty() && !after.bytes().all(|byte| byte == b'=')
            || written.len() < 16 && !prose::is_odd(name));
    let says = spared::is_saying(written) || is_secret(written);
    (alone || prose::is_odd(written))
        && !assigns
        && !says
        && !written.starts_with(['[', '{', '(', '<', '-', '#', '/', '|', '>'])
}
