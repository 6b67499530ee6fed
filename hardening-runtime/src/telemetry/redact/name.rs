//! The name that stands before a sign.

use std::borrow::Cow;
use std::ops::Range;

use super::scan::IsSecret;
use super::steps;

/// The longest name that is looked at. Bounded, since an encoded sign does not end the name before it.
const LONGEST: usize = 96;

/// `%252561` is as deep as anybody encodes.
const DEEPEST: usize = 3;

/// Quotes as HTML writes them.
const ENTITIES: [&str; 5] = ["&quot;", "&#34;", "&#39;", "&apos;", "&#x27;"];

pub(super) const fn of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// A name, and where it stands.
pub(super) struct Name<'t> {
    pub(super) at: Range<usize>,
    pub(super) text: Cow<'t, str>,
    /// The letter of an escape that stands right before it: `\ntoken` is `token` on a new line, or `ntoken`.
    escaped: Option<char>,
}

impl<'t> Name<'t> {
    /// The name that ends at `end`: `password`, `"password"`, `\"password\"`, `%22password%22`, `p%61ssword`, `user[password]`.
    pub(super) fn before(text: &'t str, end: usize) -> Self {
        let end = without_quotes(text, end);
        let window = steps::window(text, end, LONGEST);
        let bytes = text.as_bytes();
        let of = |byte: u8| of_name(byte) || matches!(byte, b'%' | b'\\');
        let start = bytes[window.clone()].iter().rposition(|byte| !of(*byte));
        let start = start.map_or(window.start, |at| window.start + at + 1);
        let raw = &text[start..end];
        if !raw.contains(['%', '\\']) {
            return Self { at: start..end, text: Cow::Borrowed(raw), escaped: None };
        }
        let decoded = decoded(raw);
        let place = place(decoded.as_bytes()).unwrap_or_default();
        let named =
            decoded[..decoded.len() - place].trim_end_matches(|c: char| !c.is_ascii() || !of_name(c as u8));
        let from = named.rfind(|c: char| !c.is_ascii() || !of_name(c as u8));
        let escaped = from.and_then(|at| match named[at..].chars().next() {
            Some('\n') => Some('n'),
            Some('\r') => Some('r'),
            Some('\t') => Some('t'),
            _ => None,
        });
        let from = from.map_or(0, |at| at + named[at..].chars().next().map_or(1, char::len_utf8));
        Self { at: start..end, text: Cow::Owned(named[from..].to_owned()), escaped }
    }

    /// Whether it is that of a secret.
    pub(super) fn is_secret(&self, text: &str, is_secret: IsSecret<'_>) -> bool {
        if self.text.is_empty() {
            return false;
        }
        if is_secret(&self.text) {
            return true;
        }
        if let Some(letter) = self.escaped {
            return is_secret(&format!("{letter}{}", self.text));
        }
        // `api key`.
        let key = self.text.eq_ignore_ascii_case("key") && text[..self.at.start].ends_with(' ');
        key && {
            let before = steps::window(text, self.at.start - 1, LONGEST);
            let word = &text[before];
            let from = word
                .rfind(|c: char| !c.is_ascii_alphanumeric())
                .map_or(0, |at| at + word[at..].chars().next().map_or(1, char::len_utf8));
            !word[from..].is_empty() && is_secret(&format!("{}_key", &word[from..]))
        }
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.text.eq_ignore_ascii_case(name)
    }
}

/// `end` without blanks, quotes and brackets before it, and without the places of a list: `secret[]`, `secret[0]`.
fn without_quotes(text: &str, end: usize) -> usize {
    let bytes = text.as_bytes();
    let mut end = steps::without_blanks(text, end);
    // A name in a name in a name is as deep as forms go.
    for _ in 0..3 {
        let Some(place) = place(&bytes[..end]) else { break };
        end -= place;
    }
    let mut back = |skip: fn(u8) -> bool| {
        while end > 0 && skip(bytes[end - 1]) {
            steps::look(1);
            end -= 1;
        }
        end
    };
    back(|byte| matches!(byte, b'"' | b'\'' | b'`' | b']'));
    let end = back(|byte| byte == b'\\');
    if end == 0 || bytes[end - 1] != b';' {
        return end;
    }
    let entity = ENTITIES.iter().find(|entity| bytes[..end].ends_with(entity.as_bytes()));
    entity.map_or(end, |entity| end - entity.len())
}

/// The length of `[]` or `[12]` that `name` ends with.
fn place(name: &[u8]) -> Option<usize> {
    let inside = name.strip_suffix(b"]")?;
    let digits = inside.iter().rev().take(4).take_while(|byte| byte.is_ascii_digit()).count();
    steps::look(digits);
    inside[..inside.len() - digits].ends_with(b"[").then_some(digits + 2)
}

/// `raw` without the escapes of URLs and of texts in code.
fn decoded(raw: &str) -> String {
    let mut out = once_decoded(raw.as_bytes());
    for _ in 1..DEEPEST {
        if !out.contains('%') {
            break;
        }
        out = once_decoded(out.as_bytes());
    }
    out
}

fn once_decoded(raw: &[u8]) -> String {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let digits = |from, digits| hex(raw, from, digits).map(|byte| (byte, from + digits));
        let escape = match (raw[at], raw.get(at + 1)) {
            (b'%', _) => digits(at + 1, 2),
            (b'\\', Some(b'u')) => digits(at + 2, 4),
            (b'\\', Some(b'x')) => digits(at + 2, 2),
            (b'\\', Some(b'n')) => Some((b'\n', at + 2)),
            (b'\\', Some(b'r')) => Some((b'\r', at + 2)),
            (b'\\', Some(b't')) => Some((b'\t', at + 2)),
            _ => None,
        };
        // What is no escape stands for itself.
        let (byte, next) = escape.unwrap_or((raw[at], at + 1));
        out.push(byte);
        at = next;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The byte that these hexadecimal digits are.
fn hex(raw: &[u8], from: usize, digits: usize) -> Option<u8> {
    let digits = std::str::from_utf8(raw.get(from..from + digits)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}
