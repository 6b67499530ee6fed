//! One pass over a text, from one secret to the next.

use std::borrow::Cow;
use std::ops::Range;

use super::REDACTED;

type IsSecret<'a> = &'a dyn Fn(&str) -> bool;

/// `text` with each secret replaced, in a time that grows with its length alone.
pub(super) fn told<'t>(text: &'t str, is_secret: IsSecret<'_>) -> Cow<'t, str> {
    // Most texts have none of the bytes that every secret of a known form has.
    if !text.bytes().fold(false, |may, byte| may | MAY_TELL[usize::from(byte)]) {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let (mut copied, mut at) = (0, 0);
    let (mut urls, mut words) = (Urls::default(), Words::default());
    while let Some(secret) = next(text, at, is_secret, &mut urls, &mut words) {
        at = secret.end.max(at + 1);
        if &text[secret.clone()] != REDACTED {
            out.push_str(&text[copied..secret.start]);
            out.push_str(REDACTED);
            copied = secret.end;
        }
    }
    if copied == 0 && out.is_empty() {
        return Cow::Borrowed(text);
    }
    out.push_str(&text[copied..]);
    Cow::Owned(out)
}

/// The first secret that is found at or after `from`.
fn next(
    text: &str,
    from: usize,
    is_secret: IsSecret<'_>,
    urls: &mut Urls,
    words: &mut Words,
) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        at += bytes[at..].iter().position(|byte| BEGINS[usize::from(*byte)])?;
        let after = bytes.get(at + 1).copied().unwrap_or_default();
        let found = match bytes[at] {
            b':' if text[at..].starts_with("://") => urls.user_information(text, at + 3),
            b'=' | b':' => named(text, at, is_secret),
            b',' if at > 0 && bytes[at - 1] == b'"' => pair(text, at, is_secret),
            b'b' | b'B' if matches!(after, b'e' | b'a' | b'E' | b'A') && starts_word(bytes, at) => {
                scheme(text, at)
            }
            b'e' if after == b'y' && starts_word(bytes, at) => words.web_token(text, at),
            b'-' if after == b'-' && text[at..].starts_with("-----BEGIN ") => private_key(text, at),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        at += 1;
    }
}

/// The bytes at which a closer look begins.
const BEGINS: [bool; 256] = among(b":=,bBe-");

/// One of these stands in every secret of a known form: a web token has dots, a scheme and the head of a key have a space.
const MAY_TELL: [bool; 256] = among(b":=, .");

const fn among(bytes: &[u8]) -> [bool; 256] {
    let mut among = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        among[bytes[at] as usize] = true;
        at += 1;
    }
    among
}

fn starts_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// What is known of the word without a space that URLs stand in, so that it is looked through once.
#[derive(Default)]
struct Urls {
    end: usize,
    last_at: Option<usize>,
}

impl Urls {
    /// `user:password@` of what follows a URL's `://`.
    fn user_information(&mut self, text: &str, from: usize) -> Option<Range<usize>> {
        if from >= self.end {
            let rest = &text[from..];
            self.end = from + rest.find(ends_url).unwrap_or(rest.len());
            self.last_at = text[from..self.end].rfind('@').map(|at| from + at);
        }
        let last_at = self.last_at.filter(|at| *at >= from)?;
        let url = &text[from..self.end];
        let authority = &url[..url.find(['/', '?', '#']).unwrap_or(url.len())];
        if let Some(end) = authority.rfind('@') {
            return Some(from..from + end);
        }
        // `user:pass/word@host`, which should have been escaped: what stands for the port is no number.
        let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
        let odd = !authority.starts_with('[') && !port.bytes().all(|byte| byte.is_ascii_digit());
        odd.then_some(from..last_at)
    }
}

fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\')
}

const fn of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'%')
}

/// The name that ends at `end`: `password`, `"password"` or `\"password\"`.
fn name_before(text: &str, end: usize) -> &str {
    let bytes = text.as_bytes();
    let mut end = end;
    let mut back = |skip: fn(u8) -> bool| {
        while end > 0 && skip(bytes[end - 1]) {
            end -= 1;
        }
        end
    };
    back(|byte| byte == b' ');
    back(|byte| matches!(byte, b'"' | b'\'' | b'`' | b']'));
    let end = back(|byte| byte == b'\\');
    let start = bytes[..end].iter().rposition(|byte| !of_name(*byte)).map_or(0, |before| before + 1);
    &text[start..end]
}

/// The value after `name=`, `name: ` and what is like them; the sign stands at `at`.
fn named(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    // `secret::Error`, `secret://file/…`, `a == b`.
    let next = bytes.get(at + 1).copied();
    if next == Some(bytes[at]) || at > 0 && bytes[at - 1] == bytes[at] {
        return None;
    }
    let name = name_before(text, at);
    if name.is_empty() || !is_secret(name) {
        return None;
    }
    let from = if next == Some(b'>') { at + 2 } else { at + 1 };
    let whole_line = ["authorization", "cookie"].iter().any(|word| super::words::ends_with(name, word));
    value(text, from, whole_line && bytes[at] == b':')
}

/// The second text of `("name", "value")`; the comma stands at `at`.
fn pair(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let rest = text[at + 1..].trim_start();
    let name = name_before(text, at);
    (rest.starts_with('"') && is_secret(name)).then(|| value(text, at + 1, false))?
}

/// A value that begins at or after `from`: quoted, in brackets, or a word. A `whole_line` holds several words.
fn value(text: &str, from: usize, whole_line: bool) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let start = from + bytes[from..].iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    let slashes = bytes[start..].iter().take_while(|byte| **byte == b'\\').count();
    let open = start + slashes;
    match bytes.get(open).copied() {
        None | Some(b'\n' | b'\r') => None,
        Some(quote @ (b'"' | b'\'' | b'`')) => {
            let end = quoted(bytes, open, quote, slashes);
            Some(open + 1..end).filter(|inside| !inside.is_empty())
        }
        Some(_) if text[start..].starts_with(REDACTED) => Some(start..start + REDACTED.len()),
        Some(b'(' | b'[' | b'{') => Some(start..bracketed(bytes, start)),
        Some(_) => {
            let rest = &text[start..];
            let word = start + rest.find(ends_value).unwrap_or(rest.len());
            let end = match bytes.get(word) {
                // `Some("…")`.
                Some(b'(' | b'{') => bracketed(bytes, word),
                _ => word,
            };
            let end = if whole_line { end.max(start + line(rest)) } else { end };
            Some(start..end).filter(|word| !word.is_empty())
        }
    }
}

fn line(text: &str) -> usize {
    text.find(['\r', '\n', '"']).unwrap_or(text.len())
}

fn ends_value(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | ',' | ';' | '&' | '(' | ')' | '{' | '}' | ']' | '<' | '>')
}

/// Where the quotation that opens at `open` ends, `slashes` being those before the quote; the end of the text if nowhere.
fn quoted(bytes: &[u8], open: usize, quote: u8, slashes: usize) -> usize {
    let mut before = 0;
    for (at, byte) in bytes.iter().enumerate().skip(open + 1) {
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

/// What follows `Bearer ` or `Basic `, where it looks like no word of a sentence.
fn scheme(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let start = ["bearer ", "basic "].iter().find_map(|scheme| {
        let head = rest.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(at + scheme.len())
    })?;
    let credential = credential(&text[start..]);
    // A sentence ends in dots.
    let word = credential.trim_end_matches('.');
    let odd = word.bytes().skip(1).any(|byte| !byte.is_ascii_lowercase());
    let found = word.len() >= SHORTEST && odd || word.len() >= LONGEST_WORD;
    found.then(|| start..start + credential.len())
}

/// The shortest credential after its scheme, and how long a text of nothing but letters must be to be no word.
const SHORTEST: usize = 6;
const LONGEST_WORD: usize = 20;

/// Web tokens that are looked for in one word: whoever writes more of what only begins like one hides nothing of others.
const TRIES: u32 = 8;

/// What is known of the word that may be a web token, so that it is not looked through at each of its letters.
#[derive(Default)]
struct Words {
    end: usize,
    tries: u32,
}

impl Words {
    /// `eyJ….….…`
    fn web_token(&mut self, text: &str, at: usize) -> Option<Range<usize>> {
        if !text[at..].starts_with("eyJ") {
            return None;
        }
        if at >= self.end {
            (self.end, self.tries) = (at + credential(&text[at..]).len(), TRIES);
        }
        self.tries = self.tries.checked_sub(1)?;
        let token = &text[at..self.end];
        let long = token.split('.').take(2).all(|part| part.len() >= 8);
        (long && token.matches('.').count() >= 2).then_some(at..self.end)
    }
}

fn credential(text: &str) -> &str {
    let of = |c: char| c.is_ascii_alphanumeric() || "-._~+/=".contains(c);
    &text[..text.find(|c| !of(c)).unwrap_or(text.len())]
}

/// From `-----BEGIN … PRIVATE KEY-----` to the end of its last line.
fn private_key(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let head = &rest[..rest[11..].find("-----").map(|end| end + 11)?];
    if !head.ends_with("PRIVATE KEY") {
        return None;
    }
    let end = rest.find("-----END ").and_then(|end| Some(end + 9 + rest[end + 9..].find("-----")? + 5));
    Some(at..at + end.unwrap_or(rest.len()))
}
