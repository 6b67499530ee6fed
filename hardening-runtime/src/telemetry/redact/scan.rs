//! One pass over a text, from one secret to the next.

use std::borrow::Cow;
use std::ops::Range;

use super::named::{arrow, call, named, option, pair};
use super::urls::Urls;
use super::{REDACTED, coded, markup, prefixed, prose, short, steps, webhooks};

pub(super) type IsSecret<'a> = &'a dyn Fn(&str) -> bool;

/// `text` with each secret replaced, in a time that grows with its length alone.
pub(super) fn told<'t>(text: &'t str, is_secret: IsSecret<'_>) -> Cow<'t, str> {
    // Most texts have none of the bytes that every secret of a known form has, and ids, numbers and addresses have nothing else
    // than digits and a few signs.
    let bytes = text.bytes().fold(0, |bytes, byte| bytes | KINDS[usize::from(byte)]);
    if bytes != MAY_TELL | WORDS {
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
        let length = bytes[at..].iter().position(|byte| BEGINS[usize::from(*byte)]);
        steps::look(length.unwrap_or(bytes.len() - at));
        at += length?;
        let after = bytes.get(at + 1).copied().unwrap_or_default().to_ascii_lowercase();
        let found = match bytes[at] {
            b':' if text[at..].starts_with("://") => urls.user_information(text, at + 3),
            b'=' | b':' => named(text, at, is_secret),
            b',' if at > 0 && bytes[at - 1] == b'"' => pair(text, at, is_secret),
            b'(' => call(text, at, is_secret),
            b'b' | b'B' if matches!(after, b'e' | b'a') && starts_word(bytes, at) => scheme(text, at),
            b'b' | b'B' if after == b'y' && starts_word(bytes, at) => prose::identified_by(text, at),
            b'p' | b'P' if after == b'a' => prose::password(text, at),
            b'A' if after == b'u' && starts_word(bytes, at) => prose::auth(text, at),
            b'N' if matches!(after, b'e' | b't') => prose::negotiated(text, at),
            b'e' if after == b'y' && starts_word(bytes, at) => words.web_token(text, at),
            b'-' if after == b'-' && text[at..].starts_with("-----BEGIN ") => private_key(text, at),
            b'-' if after == b'>' => arrow(text, at, is_secret),
            b'-' => dash(text, at, is_secret),
            b'_' => prefixed::credential(text, at),
            b'<' => markup::element(text, at, is_secret),
            b'%' | b'\\' | b'&' => coded::named(text, at, is_secret).or_else(|| webhooks::address(text, at)),
            b'@' => prose::before_host(text, at, from),
            b'/' => webhooks::address(text, at),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        at += 1;
    }
}

/// What follows an option, or the sign in `glpat-…`.
fn dash(text: &str, at: usize, is_secret: IsSecret<'_>) -> Option<Range<usize>> {
    let long = text[at..].starts_with("--").then(|| option(text, at, is_secret)).flatten();
    let option = long.or_else(|| prose::user_option(text, at)).or_else(|| short::option(text, at));
    option.or_else(|| prefixed::credential(text, at))
}

/// The bytes at which a closer look begins.
const BEGINS: [bool; 256] = among(b":=,(bBpPANe-_<%\\&@/");

/// Bytes of which one stands in every secret of a known form: a web token has dots, an element brackets, and a scheme and the
/// head of a key are followed by a blank, of which those beyond ASCII begin with one of three bytes.
const MAY_TELL: u8 = 1;

/// Bytes that are neither hexadecimal digits nor signs between them: every name and every prefix has one.
const WORDS: u8 = 2;

/// What of these each byte is.
const KINDS: [u8; 256] = {
    let (tells, digits) = (among(b":=, .\t<%\\-_&(@\xc2\xe2\xe3"), among(b"0123456789abcdef.-"));
    let mut kinds = [0; 256];
    let mut at = 0;
    while at < kinds.len() {
        kinds[at] = if tells[at] { MAY_TELL } else { 0 } | if digits[at] { 0 } else { WORDS };
        at += 1;
    }
    kinds
};

const fn among(bytes: &[u8]) -> [bool; 256] {
    let mut among = [false; 256];
    let mut at = 0;
    while at < bytes.len() {
        among[bytes[at] as usize] = true;
        at += 1;
    }
    among
}

pub(super) fn starts_word(bytes: &[u8], at: usize) -> bool {
    at == 0 || !(bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_')
}

/// What follows `Bearer` or `Basic` and any number of blanks, where it looks like no word of a sentence.
fn scheme(text: &str, at: usize) -> Option<Range<usize>> {
    let after = ["bearer", "basic"].iter().find_map(|scheme| {
        let head = text[at..].get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then_some(at + scheme.len())
    })?;
    let start = after + coded::blanks(&text[after..]);
    if start == after {
        return None;
    }
    let quotes =
        steps::run(&text[start..], |c| matches!(c, '"' | '\'' | '`' | '[' | '<' | '{' | '\\')).min(4);
    let start = start + quotes;
    // `Bearer realm="…"` asks for one. Bounded, since the next sign may begin a scheme again.
    let parameter =
        text[start..].bytes().take(16).take_while(|byte| byte.is_ascii_lowercase() || *byte == b'_').count();
    if steps::unescaped(text[start + parameter..].strip_prefix('=').unwrap_or_default()).starts_with('"') {
        return None;
    }
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
    &text[..steps::run(text, of)]
}

/// From `-----BEGIN … PRIVATE KEY-----` to the end of its last line.
fn private_key(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let head = &rest[..steps::find(&rest[11..], "-----").map(|end| end + 11)?];
    if !head.ends_with("PRIVATE KEY") {
        return None;
    }
    let end = steps::find(rest, "-----END ")
        .and_then(|end| Some(end + 9 + steps::find(&rest[end + 9..], "-----")? + 5));
    Some(at..at + end.unwrap_or(rest.len()))
}
