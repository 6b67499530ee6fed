//! `<password>…</password>`, and what is like it.

use std::ops::Range;

use super::labelled::{is_labelled, is_value};
use super::name::{Name, of_name};
use super::scan::IsSecret;
use super::steps;

/// The text of an element that is a secret, whose tag opens at `at`. A `<` in the tag ends the look, so that each byte is looked
/// at once.
pub(super) fn element(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // `Vec<Token>`.
    if at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') {
        return if bytes.get(at + 1) == Some(&b'/') { next_to_name(text, at, is_secret) } else { None };
    }
    let tag = &text[at + 1..];
    let length = steps::run(tag, |c| c.is_ascii() && (of_name(c as u8) || c == ':'));
    if length == 0 {
        return None;
    }
    let close = tag.find(['<', '>']);
    steps::look(close.unwrap_or(tag.len()));
    let close = close?;
    if tag.as_bytes()[close] == b'<' || tag[..close].ends_with('/') {
        return None;
    }
    // `<entry key="password">`.
    let labelled = || close > length && is_labelled(&tag[steps::window(tag, close, 128)], is_secret);
    if !is_secret(&tag[..length]) && !labelled() {
        return None;
    }
    content(text, at + 1 + close + 1)
}

/// The text of an element whose tag ends before `start`.
fn content(text: &str, start: usize) -> Option<Range<usize>> {
    let rest = &text[start..];
    if let Some(data) = rest.strip_prefix("<![CDATA[") {
        let from = start + (rest.len() - data.len());
        return Some(from..steps::find(data, "]]>").map_or(text.len(), |end| from + end))
            .filter(|data| !data.is_empty());
    }
    let end = steps::find(rest, "<")?;
    (rest[end..].starts_with("</") && !rest[..end].trim().is_empty()).then_some(start..start + end)
}

/// The second text of `<key>password</key><string>…</string>`; the first closing tag begins at `at`.
fn next_to_name(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let name = Name::before(text, at);
    if !text[..name.at.start].ends_with('>') || !is_secret(&text[name.at.clone()]) {
        return None;
    }
    let after = |from: usize, of: fn(char) -> bool| from + steps::run(&text[from..], of);
    let in_tag: fn(char) -> bool = |c| c.is_ascii_alphanumeric() || c == ':';
    let end = after(at + 2, in_tag);
    let next = after(text[end..].starts_with('>').then_some(end + 1)?, char::is_whitespace);
    let begin = text[next..].starts_with('<').then_some(next + 1)?;
    let close = after(begin, in_tag);
    let is_text = text[close..].starts_with('>') && is_value(&text[begin..close]);
    if is_text { content(text, close + 1) } else { None }
}
