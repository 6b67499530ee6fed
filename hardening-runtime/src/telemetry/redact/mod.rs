//! What must not be told is replaced before it is written.
//!
//! Three rules, each of its own worth: the value of a field, header or parameter whose *name* is one of a secret
//! ([`is_secret`]); what has the *form* of a credential (a URL's user information, `Bearer` and `Basic`, a JSON web token,
//! a private key); and the *values* that came by a reference to a secret ([`remember`]), wherever they stand.
//! A text with nothing of these in it is handed back as it is, without an allocation.

mod below;
mod coded;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod cost;
mod known;
mod labelled;
mod markup;
mod name;
mod named;
mod prefixed;
mod prose;
mod scan;
mod sentence;
mod short;
mod spared;
mod steps;
#[cfg(test)]
mod tests;
mod urls;
mod value;
mod webhooks;
mod words;

use std::borrow::Cow;
use std::fmt::Write as _;

#[cfg(feature = "service")]
pub(crate) use known::Pin;
use known::{Names, Values};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The shortest value that is looked for in texts: a shorter one would be found where it is not meant.
const SHORTEST: usize = 6;

/// Names of secrets besides the usual ones, lower case with `_` for `-`.
static NAMES: Names = Names::new();
/// Values of secrets.
static VALUES: Values = Values::new();

/// Whether a field, a header or a parameter of this name holds a secret: `password`, but also `db_password`,
/// `X-Api-Key` and `clientSecret`; not `token_count`. Names of `[log] redact` count too.
pub fn is_secret(name: &str) -> bool {
    words::is_secret(name) || NAMES.any(|word| words::ends_with(name, word))
}

/// `text` without what must not be told.
pub fn text(text: &str) -> Cow<'_, str> {
    let told = scan::told(text, &is_secret);
    VALUES.without(&told).map_or(told, Cow::Owned)
}

/// The value of a field, a header or a parameter of this name, without what must not be told.
pub fn field<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    if is_secret(name) { Cow::Borrowed(REDACTED) } else { text(value) }
}

/// From now on names that are or end with `name` are those of secrets; `-`, `_` and case make no difference.
pub fn add_name(name: &str) {
    let name = name.trim().to_ascii_lowercase().replace('-', "_");
    if !name.is_empty() {
        NAMES.add(&name);
    }
}

/// From now on `value` is not told, wherever it stands, until many others came after it. Values of less than six bytes are left
/// alone, since they would be found where they are not meant.
pub fn remember(value: &str) {
    for form in forms(value) {
        VALUES.remember(&form);
    }
}

/// As [`remember`], and it is not forgotten before what is returned is dropped: for a secret that is in force.
#[cfg(feature = "service")]
pub(crate) fn pin(value: &str) -> Pin {
    Pin::new(&VALUES, forms(value))
}

/// Whether `value` is pinned.
#[cfg(all(test, feature = "service"))]
pub(crate) fn is_pinned(value: &str) -> bool {
    VALUES.is_pinned(value)
}

/// As [`remember`], and it is not forgotten before many later settings came: for a setting, which each load tells again.
#[cfg(feature = "service")]
pub(crate) fn keep(value: &str) {
    for form in forms(value) {
        VALUES.keep(&form);
    }
}

/// `value` as it is looked for: as it is, as Rust's `{:?}` and JSON write it, once and within another text, and
/// percent-encoded, with digits of either case and as a form has it.
fn forms(value: &str) -> Vec<Box<str>> {
    let value = value.trim();
    if value.len() < SHORTEST {
        return Vec::new();
    }
    let debug = |value: &str| {
        let quoted = format!("{value:?}");
        quoted[1..quoted.len() - 1].to_owned()
    };
    let encoded = percent_encoded(value, b"0123456789ABCDEF");
    let mut forms: Vec<Box<str>> = Vec::with_capacity(1);
    for form in [
        value.to_owned(),
        debug(value),
        json(value),
        debug(&debug(value)),
        json(&json(value)),
        encoded.replace("%20", "+"),
        percent_encoded(value, b"0123456789abcdef"),
        encoded,
    ] {
        if !forms.iter().any(|known| **known == form) {
            forms.push(form.into());
        }
    }
    forms
}

/// `value` as it stands between the quotes of a JSON string, with or without the feature that brings a writer of JSON.
fn json(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for letter in value.chars() {
        match letter {
            '"' => escaped.push_str("\\\""),
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            '\u{8}' => escaped.push_str("\\b"),
            '\u{c}' => escaped.push_str("\\f"),
            control @ ..' ' => {
                let _ = write!(escaped, "\\u{:04x}", u32::from(control));
            }
            letter => escaped.push(letter),
        }
    }
    escaped
}

fn percent_encoded(value: &str, digits: &[u8; 16]) -> String {
    let mut encoded = String::with_capacity(value.len());
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.extend([byte >> 4, byte & 15].map(|digit| char::from(digits[usize::from(digit)])));
        }
    }
    encoded
}
