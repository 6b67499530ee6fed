//! `<password>…</password>`.

use std::ops::Range;

use super::scan::IsSecret;

/// The text of an element with the name of a secret, whose tag opens at `at`. A `<` in the tag ends the look, so that each byte
/// is looked at once.
pub(super) fn element(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // `Vec<Token>`.
    if at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_') {
        return None;
    }
    let tag = &text[at + 1..];
    let name = &tag[..tag.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.:".contains(c)))?];
    if name.is_empty() || !is_secret(name) {
        return None;
    }
    let close = tag.find(['<', '>'])?;
    if tag.as_bytes()[close] == b'<' || tag[..close].ends_with('/') {
        return None;
    }
    let start = at + 1 + close + 1;
    let rest = &text[start..];
    if let Some(data) = rest.strip_prefix("<![CDATA[") {
        let from = start + (rest.len() - data.len());
        return Some(from..data.find("]]>").map_or(text.len(), |end| from + end))
            .filter(|data| !data.is_empty());
    }
    let end = rest.find('<')?;
    (end > 0 && rest[end..].starts_with("</")).then_some(start..start + end)
}
