//! Values whose name is a value itself: `{"name": "password", "value": "…"}`, and what is like it in markup and forms.

use std::ops::Range;

use super::name::{Name, of_name};
use super::scan::IsSecret;
use super::value::{self, Extent};
use super::{spared, steps};

/// What says that a name follows.
const LABELS: [&str; 7] = ["name", "key", "id", "type", "header", "field", "param"];

/// What says that the value of the name before it follows.
const VALUES: [&str; 4] = ["value", "values", "val", "string"];

/// How far before its value a name is looked for.
const FAR: usize = 128;

pub(super) fn is_value(name: &str) -> bool {
    VALUES.iter().any(|value| name.eq_ignore_ascii_case(value))
}

/// The value after `value=`, or the part of a form after `name="password"`.
pub(super) fn after(
    text: &str,
    name: &Name<'_>,
    from: usize,
    is_secret: IsSecret<'_>,
) -> Option<Range<usize>> {
    if name.is("name") {
        return part(text, from, is_secret);
    }
    if !is_value(&name.text) || !is_labelled(&text[steps::window(text, name.at.start, FAR)], is_secret) {
        return None;
    }
    spared::unless(text, from, value::after(text, from, Extent::Word)?, Extent::Word, false)
}

/// Whether what stands before a value, or in a tag, says that it is one of a secret.
pub(super) fn is_labelled(before: &str, is_secret: IsSecret<'_>) -> bool {
    // What another element, object or paragraph says is not about this one.
    let from = before.rfind(['<', '>', '{', '}']).map_or(0, |at| at + 1);
    let before = before[from..].rsplit("\n\n").next().unwrap_or_default();
    let signs = before.rmatch_indices([':', '=']).take(4);
    signs.into_iter().any(|(at, _)| {
        let label = Name::before(before, at);
        LABELS.iter().any(|known| label.is(known)) && {
            let named = before[at + 1..].trim_start_matches([' ', '\\', '"', '\'']);
            is_secret(&named[..named.bytes().take_while(|byte| of_name(*byte)).count()])
        }
    })
}

/// What follows the head of a form's part: `name="password"`, an empty line, and the value up to the next line's end.
fn part(text: &str, from: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let rest = &text[from + steps::run(&text[from..], |c| matches!(c, '\\' | '"'))..];
    let length = steps::run(rest, |c| c.is_ascii() && of_name(c as u8));
    if !is_secret(&rest[..length]) {
        return None;
    }
    let after = &rest[length + steps::run(&rest[length..], |c| matches!(c, '\\' | '"'))..];
    let ends = ["\r\n\r\n", "\n\n", "\\r\\n\\r\\n", "\\n\\n", "%0D%0A%0D%0A"];
    // The quote's backslash may be that of the first end.
    let after = if after.starts_with("r\\n") || after.starts_with("n\\n") {
        &text[text.len() - after.len() - 1..]
    } else {
        after
    };
    let end = ends.iter().find(|end| after.starts_with(**end))?;
    let start = text.len() - after.len() + end.len();
    let ends = text[start..].char_indices().find(|(at, c)| {
        let rest = &text[start + at..];
        matches!(c, '\r' | '\n') || ["\\r", "\\n", "%0D"].iter().any(|end| rest.starts_with(end))
    });
    let value = start..ends.map_or(text.len(), |(length, _)| start + length);
    steps::look(value.len());
    (!value.is_empty()).then_some(value)
}
