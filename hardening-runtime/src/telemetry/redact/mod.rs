//! What must not be told is replaced before it is written.
//!
//! Three rules, each of its own worth: the value of a field, header or parameter whose *name* is one of a secret
//! ([`is_secret`]); what has the *form* of a credential (a URL's user information, `Bearer` and `Basic`, a JSON web token,
//! a private key); and the *values* that came by a reference to a secret ([`remember`]), wherever they stand.
//! A text with nothing of these in it is handed back as it is, without an allocation.

mod scan;
#[cfg(test)]
mod tests;
mod words;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The shortest value that is looked for in texts: a shorter one would be found where it is not meant.
const SHORTEST: usize = 6;
/// How many values are looked for; the oldest is forgotten first.
const MOST: usize = 64;

/// Names of secrets besides the usual ones, lower case with `_` for `-`.
static NAMES: Known = Known::new();
/// Values of secrets.
static VALUES: Known = Known::new();

/// A list that is mostly empty, and read without a lock while it is.
struct Known {
    any: AtomicBool,
    list: RwLock<Vec<Box<str>>>,
}

impl Known {
    const fn new() -> Self {
        Self { any: AtomicBool::new(false), list: RwLock::new(Vec::new()) }
    }

    fn add(&self, added: &str) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        if list.iter().any(|known| **known == *added) {
            return;
        }
        if list.len() == MOST {
            list.remove(0);
        }
        list.push(added.into());
        self.any.store(true, Ordering::Release);
    }

    fn with<R>(&self, none: R, look: impl FnOnce(&[Box<str>]) -> R) -> R {
        if !self.any.load(Ordering::Acquire) {
            return none;
        }
        look(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether a field, a header or a parameter of this name holds a secret: `password`, but also `db_password`,
/// `X-Api-Key` and `clientSecret`; not `token_count`. Names of `[log] redact` count too.
pub fn is_secret(name: &str) -> bool {
    words::is_secret(name) || NAMES.with(false, |names| names.iter().any(|word| words::ends_with(name, word)))
}

/// `text` without what must not be told.
pub fn text(text: &str) -> Cow<'_, str> {
    let told = scan::told(text, &is_secret);
    VALUES.with(None, |values| without(&told, values)).map_or(told, Cow::Owned)
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

/// From now on `value` is not told, wherever it stands. Values of less than six bytes are left alone, since they would be
/// found where they are not meant.
pub fn remember(value: &str) {
    let value = value.trim();
    if value.len() < SHORTEST {
        return;
    }
    VALUES.add(value);
    // As JSON and Rust's `{:?}` write it.
    let escaped: String = value.escape_debug().collect();
    if escaped != value {
        VALUES.add(&escaped);
    }
}

fn without(text: &str, values: &[Box<str>]) -> Option<String> {
    let mut out: Option<String> = None;
    let mut found: Vec<&str> =
        values.iter().map(|value| &**value).filter(|value| text.contains(value)).collect();
    // A longer one may hold a shorter one.
    found.sort_unstable_by_key(|value| std::cmp::Reverse(value.len()));
    for value in found {
        out = Some(out.as_deref().unwrap_or(text).replace(value, REDACTED));
    }
    out
}
