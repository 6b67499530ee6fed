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
mod encoded;
mod escaped;
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

/// How many names were added: what [`is_secret`] says stays the same while this does.
#[cfg(feature = "service")]
pub(crate) fn names() -> usize {
    NAMES.count()
}

/// From now on names that are or end with `name` are those of secrets; `-`, `_` and case make no difference.
pub fn add_name(name: &str) {
    let name = name.trim().to_ascii_lowercase().replace('-', "_");
    if !name.is_empty() {
        NAMES.add(&name);
    }
}

/// From now on `value` is not told, wherever it stands and however it is escaped, in base64 or in hex, until many others came after it. Values of less
/// than six bytes are left alone, since they would be found where they are not meant.
pub fn remember(value: &str) {
    if let Some(value) = looked_for(value) {
        VALUES.remember(value);
    }
}

/// As [`remember`], and it is not forgotten before what is returned is dropped: for a secret that is in force.
#[cfg(feature = "service")]
pub(crate) fn pin(value: &str) -> Option<Pin> {
    looked_for(value).map(|value| Pin::new(&VALUES, value))
}

/// Whether `value` is pinned.
#[cfg(all(test, feature = "service"))]
pub(crate) fn is_pinned(value: &str) -> bool {
    VALUES.is_pinned(value)
}

/// As [`remember`], and it is not forgotten before many later settings came: for a setting, which each load tells again.
#[cfg(feature = "service")]
pub(crate) fn keep(value: &str) {
    if let Some(value) = looked_for(value) {
        VALUES.keep(value);
    }
}

/// `value` as it is looked for.
fn looked_for(value: &str) -> Option<&str> {
    let value = value.trim();
    (value.len() >= SHORTEST).then_some(value)
}
