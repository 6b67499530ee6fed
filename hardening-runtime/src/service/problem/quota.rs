//! The limit of an operation in the header fields of a refusal. Its own name would tell of the internals.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderValue};

use crate::service::limit::FIELDS;

/// What the limit of any operation is called.
pub(super) const OPERATION: &str = "operation";

/// A limit that admits no more for now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quota {
    /// Its burst.
    pub(super) limit: u32,
    /// What is left of it, and not enough.
    pub(super) remaining: u32,
}

impl Quota {
    /// Tells of it, and of the wait that `Retry-After` tells.
    pub(super) fn tell(self, after: Option<u64>, headers: &mut HeaderMap) {
        let Self { limit, remaining } = self;
        let [state, policy, x_limit, x_remaining, x_reset] = FIELDS.each_ref();
        let mut text = format!("\"{OPERATION}\";r={remaining}");
        if let Some(after) = after {
            // Writing to a string cannot fail.
            let _ = write!(text, ";t={after}");
            headers.insert(x_reset, HeaderValue::from(after));
        }
        for (name, text) in [(state, text), (policy, format!("\"{OPERATION}\";q={limit}"))] {
            // Digits and our own names are header text.
            if let Ok(value) = HeaderValue::try_from(text) {
                headers.insert(name, value);
            }
        }
        headers.insert(x_limit, HeaderValue::from(limit));
        headers.insert(x_remaining, HeaderValue::from(remaining));
    }
}
