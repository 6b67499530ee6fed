//! What became of credentials, as metrics: the client is told none of the reasons.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::text::Family;

/// How a caller showed who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    ApiKey,
    Jwt,
    Certificate,
    /// Not in a way that is known here.
    Other,
    /// Not at all.
    None,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    /// No credential was shown where one must be.
    Missing,
    /// It cannot be one.
    Malformed,
    /// Nobody knows this key.
    Unknown,
    /// It is no longer valid.
    Expired,
    #[cfg(feature = "jwt")]
    NotYetValid,
    /// It is signed in a way that is not taken.
    #[cfg(feature = "jwt")]
    Algorithm,
    /// Somebody else made it.
    #[cfg(feature = "jwt")]
    Signature,
    /// It is of another issuer.
    #[cfg(feature = "jwt")]
    Issuer,
    /// It is for somebody else.
    #[cfg(feature = "jwt")]
    Audience,
    /// It says too little, or what it must not.
    #[cfg(feature = "jwt")]
    Claims,
    /// There are no keys to check it with.
    #[cfg(feature = "jwt")]
    Unavailable,
}

type Series = (Method, &'static str, Outcome, &'static str);

/// Every series; each is there at zero.
const SERIES: &[Series] = &[
    (Method::ApiKey, "api_key", Outcome::Accepted, "accepted"),
    (Method::ApiKey, "api_key", Outcome::Malformed, "malformed"),
    (Method::ApiKey, "api_key", Outcome::Unknown, "unknown"),
    (Method::ApiKey, "api_key", Outcome::Expired, "expired"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Accepted, "accepted"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Malformed, "malformed"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Unknown, "unknown"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Expired, "expired"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::NotYetValid, "not_yet_valid"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Algorithm, "algorithm"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Signature, "signature"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Issuer, "issuer"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Audience, "audience"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Claims, "claims"),
    #[cfg(feature = "jwt")]
    (Method::Jwt, "jwt", Outcome::Unavailable, "unavailable"),
    (Method::Certificate, "certificate", Outcome::Accepted, "accepted"),
    (Method::Other, "other", Outcome::Malformed, "malformed"),
    (Method::None, "none", Outcome::Missing, "missing"),
];

/// How often each came about.
#[derive(Debug, Default)]
pub(super) struct Counts {
    judged: [AtomicU64; SERIES.len()],
    applied: AtomicU64,
    refused: AtomicU64,
}

impl Counts {
    pub(super) fn count(&self, method: Method, outcome: Outcome) {
        let at = SERIES.iter().position(|series| (series.0, series.2) == (method, outcome));
        if let Some(count) = at.and_then(|at| self.judged.get(at)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The file of callers was read again.
    pub(super) fn reloaded(&self, applied: bool) {
        let count = if applied { &self.applied } else { &self.refused };
        count.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn render(&self, out: &mut String) {
        let mut family = Family::counter(
            out,
            "http_authentications_total",
            "Credentials of requests by what became of them.",
        );
        for ((_, method, _, result), count) in SERIES.iter().zip(&self.judged) {
            family.sample(&[("method", method), ("result", result)], count.load(Ordering::Relaxed));
        }
        let mut family = Family::counter(
            out,
            "auth_keys_reloads_total",
            "Reloads of the file of API keys by their result.",
        );
        for (result, count) in [("applied", &self.applied), ("refused", &self.refused)] {
            family.sample(&[("result", result)], count.load(Ordering::Relaxed));
        }
    }
}
