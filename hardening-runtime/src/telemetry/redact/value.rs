//! How far a value goes.

use std::ops::Range;

use super::{REDACTED, coded, steps};

/// How much belongs to a value that is neither quoted nor in brackets.
#[derive(Clone, Copy)]
pub(super) enum Extent {
    /// A word.
    Word,
    /// Words that are parted by this sign and blanks.
    List(u8),
    /// The line, or up to the quote that stands before the name.
    Line(Option<u8>),
}

/// Schemes of `authorization`, and what parts the parameters of those that have some.
const SCHEMES: [(&str, Option<u8>); 10] = [
    ("bearer", None),
    ("basic", None),
    ("token", None),
    ("apikey", None),
    ("negotiate", None),
    ("ntlm", None),
    ("dpop", None),
    ("digest", Some(b',')),
    ("hawk", Some(b',')),
    ("aws4-hmac-sha256", Some(b',')),
];

/// How far before a response what it answers is looked for: a nonce, a realm and a path may be long.
const CHALLENGE: usize = 512;

/// The response of HTTP's digest authentication: whatever stands there after a nonce, and 32 or 64 hexadecimal digits anywhere.
pub(super) fn response(text: &str, from: usize) -> Option<Range<usize>> {
    let before = &text[steps::window(text, from, CHALLENGE)];
    let answers =
        ["nonce=", "nonce%3D", "nonce\\u003d", "Digest username"].iter().any(|sign| before.contains(sign));
    let start = coded::within_quotes(text, from);
    match digest(text, from) {
        None if answers && start > from + coded::blanks(&text[from..]) => coded::quotation(text, from),
        None if answers => after(text, from, Extent::Word),
        digest => digest,
    }
}

fn digest(text: &str, from: usize) -> Option<Range<usize>> {
    let blanks = steps::run(&text[from..], |c| steps::is_blank(c) || matches!(c, '\\' | '"' | '\''));
    let start = coded::within_quotes(text, from + blanks);
    let digits = text[start..].bytes().take(65).take_while(u8::is_ascii_hexdigit).count();
    steps::look(digits);
    matches!(digits, 32 | 64).then_some(start..start + digits)
}

/// A value that begins at or after `from`: quoted, in brackets, or as much as `extent` says.
pub(super) fn after(text: &str, from: usize, extent: Extent) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = from + steps::blanks(&text[from..]);
    let slashes = steps::run(&text[start..], |c| c == '\\');
    let open = start + slashes;
    if let Some(value) = coded::quotation(text, start) {
        return Some(value).filter(|inside| !inside.is_empty());
    }
    match bytes.get(open).copied() {
        None | Some(b'\n' | b'\r') => None,
        Some(quote @ (b'"' | b'\'' | b'`')) => inside(bytes, open, quote, slashes),
        Some(_) if matches!(extent, Extent::Word) && text[start..].starts_with(REDACTED) => {
            Some(start..start + REDACTED.len())
        }
        Some(_) => {
            if let Some(block) = block(text, start) {
                return Some(block);
            }
            let end = word(text, start);
            let end = match bytes.get(end) {
                // `b"…"`.
                Some(quote @ (b'"' | b'\'')) if matches!(&text[start..end], "b" | "r" | "br" | "u") => {
                    return inside(bytes, end, *quote, 0);
                }
                // `Some("…")`, and `${NAME}` with more of a value after it.
                Some(b'(' | b'{') => {
                    let end = word(text, bracketed(bytes, end));
                    // `string(7) "hunter2"` of PHP.
                    let follows = bytes.get(end) == Some(&b' ') && bytes.get(end + 1) == Some(&b'"');
                    if follows { quoted(bytes, end + 1, b'"', 0) } else { end }
                }
                _ if bytes[start] == b'[' => word(text, bracketed(bytes, start)),
                // `HeaderValue { inner: … }`.
                Some(b' ') if is_type(&text[start..end]) && bytes.get(end + 1) == Some(&b'{') => {
                    bracketed(bytes, end + 1)
                }
                // `!vault hunter2` of YAML.
                Some(b' ') if bytes[start] == b'!' => word(text, end + 1),
                _ => end,
            };
            let end = match extent {
                Extent::Word => end,
                Extent::List(sign) => end.max(list(bytes, start, sign)),
                Extent::Line(before) => end.max(line(bytes, start, before)),
            };
            let first = start..word(text, start);
            Some(start..end.max(credentials(text, first))).filter(|word| !word.is_empty())
        }
    }
}

/// The end of the word at `start`. Backslashes before a quote belong to the quote.
fn word(text: &str, start: usize) -> usize {
    let end = start + steps::run(&text[start..], |c| !ends_value(c));
    if !text[end..].starts_with(['"', '\'', '`']) {
        return end;
    }
    start + text[start..end].trim_end_matches('\\').len()
}

fn is_type(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The lines below `|` or `>` of YAML that are indented as far as the first.
fn block(text: &str, start: usize) -> Option<Range<usize>> {
    if !text[start..].starts_with(['|', '>']) {
        return None;
    }
    let head =
        start + 1 + steps::run(&text[start + 1..], |c| matches!(c, '-' | '+' | '0'..='9' | ' ' | '\r'));
    if text.as_bytes().get(head) != Some(&b'\n') {
        return None;
    }
    let indent = steps::run(&text[head + 1..], |c| c == ' ');
    if indent == 0 {
        return None;
    }
    let (begin, mut end) = (head + 1 + indent, head);
    while text.as_bytes().get(end) == Some(&b'\n') && steps::run(&text[end + 1..], |c| c == ' ') >= indent {
        end += 1 + steps::run(&text[end + 1..], |c| c != '\n');
    }
    (end > begin).then_some(begin..end)
}

/// What stands between quotes. One that is doubled, or written as `'\\''` for a shell, does not end it.
fn inside(bytes: &[u8], open: usize, quote: u8, slashes: usize) -> Option<Range<usize>> {
    let mut end = quoted(bytes, open, quote, slashes);
    if end == open + 1 {
        return None;
    }
    while slashes == 0 && quote != b'`' && end < bytes.len() {
        end = match &bytes[end + 1..] {
            [next, ..] if *next == quote => quoted(bytes, end + 1, quote, 0),
            [b'\\', next, again, ..] if *next == quote && *again == quote => quoted(bytes, end + 3, quote, 0),
            _ => break,
        };
    }
    Some(open + 1..end)
}

/// The end of what follows a scheme that stands for a value.
pub(super) fn credentials(text: &str, scheme: Range<usize>) -> usize {
    let written = &text[scheme.clone()];
    let Some((_, sign)) = SCHEMES.iter().find(|(known, _)| written.eq_ignore_ascii_case(known)) else {
        return scheme.end;
    };
    let start = scheme.end + coded::blanks(&text[scheme.end..]);
    match sign {
        _ if start == scheme.end => start,
        Some(sign) => list(text.as_bytes(), start, *sign),
        None => word(text, start),
    }
}

/// Where the line ends that a header's value is: at its end, be it written as an escape, or at a quote that opens no value.
fn line(bytes: &[u8], start: usize, before: Option<u8>) -> usize {
    let before = before.filter(|byte| matches!(byte, b'\'' | b'`'));
    ended(bytes, start, |at| Some(bytes[at]) == before)
}

/// Where the words end that are parted by `sign`.
fn list(bytes: &[u8], start: usize, sign: u8) -> usize {
    ended(bytes, start, |at| match bytes[at] {
        b' ' | b'\t' => at > start && !matches!(bytes[at - 1], b' ' | b'\t') && bytes[at - 1] != sign,
        b'&' | b')' | b'}' | b']' => true,
        other => other != sign && matches!(other, b';' | b','),
    })
}

fn ended(bytes: &[u8], start: usize, ends: impl Fn(usize) -> bool) -> usize {
    let end = end_of(bytes, start, ends);
    steps::look(end - start);
    end
}

fn end_of(bytes: &[u8], start: usize, ends: impl Fn(usize) -> bool) -> usize {
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'\r' | b'\n' => return at,
            b'\\' if matches!(bytes.get(at + 1), Some(b'r' | b'n')) => return at,
            b'"' | b'\\' => {
                let slashes = bytes[at..].iter().take_while(|byte| **byte == b'\\').count();
                let open = at + slashes;
                if bytes.get(open) == Some(&b'"') {
                    if at == start || bytes[at - 1] != b'=' {
                        return at;
                    }
                    at = quoted(bytes, open, b'"', slashes) + slashes;
                } else {
                    at = open - 1;
                }
            }
            _ if ends(at) => return at,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

pub(super) fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | ',' | ';' | '&' | '(' | ')' | '{' | '}' | ']' | '<' | '>')
}

/// Where the quotation that opens at `open` ends, `slashes` being those before the quote; the end of the text if nowhere.
fn quoted(bytes: &[u8], open: usize, quote: u8, slashes: usize) -> usize {
    let mut before = 0;
    for (at, byte) in bytes.iter().enumerate().skip(open + 1) {
        steps::look(0);
        if *byte == quote && before <= slashes {
            return at - before;
        }
        before = if *byte == b'\\' { before + 1 } else { 0 };
    }
    bytes.len()
}

/// Where the bracket that opens at `open` is closed; the end of the text if nowhere.
fn bracketed(bytes: &[u8], open: usize) -> usize {
    let (mut depth, mut at) = (0_usize, open);
    while at < bytes.len() {
        steps::look(0);
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            b'"' => at = quoted(bytes, at, b'"', 0),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}
