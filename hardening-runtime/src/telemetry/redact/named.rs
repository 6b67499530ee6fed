//! Values that stand after a name: `name=value` and what is like it.

use std::ops::Range;

use super::labelled;
use super::name::{Name, of_name};
use super::scan::IsSecret;
use super::value::{self, Extent};
use super::{below, prose, spared, steps, words};

/// The value after `name=`, `name: ` and what is like them; the sign stands at `at`.
pub(super) fn named(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let next = bytes.get(at + 1).copied();
    // The second sign of two is that which stands before the value; `::` is none.
    if next == Some(b'=') || bytes[at] == b':' && (next == Some(b':') || at > 0 && bytes[at - 1] == b':') {
        return None;
    }
    let mut end = at;
    while bytes[at] == b'='
        && at - end < 2
        && end > 0
        && matches!(bytes[end - 1], b'=' | b'!' | b':' | b'?' | b'+')
    {
        end -= 1;
    }
    let compared = bytes[end..at].iter().any(|byte| matches!(byte, b'=' | b'!'));
    let name = Name::before(text, end);
    let from = if bytes[at] == b'=' && next == Some(b'>') { at + 2 } else { at + 1 };
    if name.is("response") {
        return value::response(text, from);
    }
    if !name.is_secret(text, is_secret) {
        return labelled::after(text, &name, from, is_secret);
    }
    let before = name.at.start.checked_sub(1).map(|before| bytes[before]);
    // `a == b` says nothing, `token == "abc"` and `token == abc123` do.
    if compared && !is_quoted(&text[from..]) && !is_literal(text, from, is_secret) {
        return None;
    }
    // "`admin.token`: the environment has no …" is a message about the name.
    let about = bytes[at] == b':' && before == Some(b'`') && bytes[name.at.end] == b'`';
    let extent = Extent::after(&name.text, bytes[at] == b':', before);
    if let Some(below) = below::begins(text, from) {
        return below::value(text, below, is_secret);
    }
    spared::unless(text, from, value::after(text, from, extent)?, extent, about)
}

/// Whether what a name is compared with is none itself, nor a call: letters and digits as no language has them.
fn is_literal(text: &str, from: usize, is_secret: IsSecret<'_>) -> bool {
    let word = prose::word(text, from + steps::run(&text[from..], steps::is_blank));
    let called = text[from..].trim_start_matches(steps::is_blank)[word.len()..].starts_with(['(', '{']);
    prose::is_odd(word) && !called && !is_secret(word)
}

/// The second text of `("name", "value")`; the comma stands at `at`.
pub(super) fn pair(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let blanks = steps::run(&text[at + 1..], char::is_whitespace);
    let rest = &text[at + 1 + blanks..];
    if !steps::unescaped(rest).starts_with('"') || !Name::before(text, at).is_secret(text, is_secret) {
        return None;
    }
    let value = value::after(text, at + 1 + blanks, Extent::Word)?;
    // `"token_type":"Bearer","expires_in":3600`: the text is a name.
    let after = steps::unescaped(&text[value.end..]).strip_prefix('"').unwrap_or_default();
    (!after.trim_start_matches(' ').starts_with(':')).then_some(value)
}

/// The word after `--password`; the first dash stands at `at`.
pub(super) fn option(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let apart = at == 0 || !(of_name(bytes[at - 1]) || bytes[at - 1] == b'<');
    if !apart {
        return None;
    }
    let end = at + 2 + steps::run(&text[at + 2..], |c| c.is_ascii() && of_name(c as u8));
    let value = end + steps::run(&text[end..], steps::is_blank);
    let another = value > end && bytes.get(value).is_some_and(|byte| *byte != b'-');
    if !another || !is_secret(&text[at + 2..end]) {
        return None;
    }
    spared::unless(text, end, value::after(text, end, Extent::Word)?, Extent::Word, false)
}

/// The text of `Token("…")` and `.password("…")`; the bracket stands at `at`.
pub(super) fn call(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let quoted = is_quoted(&text[at + 1..]);
    if !quoted || at == 0 || !of_name(text.as_bytes()[at - 1]) {
        return None;
    }
    let name = Name::before(text, at);
    // `secret("db_password")`, `cookie("theme")` and `get_token("a")` are asked for by a name.
    let word = name.text.rsplit('.').next().unwrap_or_default();
    let asks = ["secret", "cookie"].contains(&word)
        || ["get", "is", "has", "find"].iter().any(|verb| word.starts_with(verb));
    if asks || !name.is_secret(text, is_secret) {
        return None;
    }
    value::after(text, at + 1, Extent::Word).filter(|value| value.len() >= SHORTEST_ARGUMENT)
}

/// `token("+")` is a sign of a language.
const SHORTEST_ARGUMENT: usize = 4;

/// The text in quotes after `password -> `; the dash stands at `at`.
pub(super) fn arrow(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let start = at + 2 + steps::run(&text[at + 2..], steps::is_blank);
    let quoted = is_quoted(text[start..].strip_prefix("Some(").unwrap_or(&text[start..]));
    if !quoted || !Name::before(text, at).is_secret(text, is_secret) {
        return None;
    }
    value::after(text, start, Extent::Word)
}

impl Extent {
    /// How much belongs to the value of this name. `colon` says that `:` stands after it, `before` what stands before it.
    pub(super) fn after(name: &str, colon: bool, before: Option<u8>) -> Self {
        match (words::ends_with(name, "cookie"), colon) {
            (true, true) => Self::Line(before),
            (true, false) => Self::List(b';'),
            (false, true) if words::ends_with(name, "authorization") => Self::Line(before),
            _ => Self::Word,
        }
    }
}

/// Whether a text in quotes follows.
fn is_quoted(text: &str) -> bool {
    let blanks = steps::run(text, steps::is_blank);
    steps::unescaped(&text[blanks..]).starts_with(['"', '\''])
}
