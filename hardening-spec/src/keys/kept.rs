//! The tables of what keeps answers.

use super::tables::{key, setting};
use super::{Attribute, Kind};

/// `#[idempotent]`.
pub const IDEMPOTENT: Attribute = Attribute {
    name: "idempotent",
    positional: None,
    keys: &[
        key(
            "key",
            Kind::Key,
            "`idempotency_key`",
            "What a request that is sent again has in common with the first.",
        ),
        key(
            "fingerprint",
            Kind::Expression,
            "method, path and body of the HTTP request",
            "What was asked: a key that comes with another one is refused.",
        ),
        key(
            "owner",
            Kind::Key,
            "those with the same `authorization`, `cookie` and `x-api-key`",
            "Whose a key is, of a caller without a principal: one owner's answer is never another's.",
        ),
        setting("ttl", Kind::Duration, "24h", "How long an answer is kept."),
        setting(
            "max_keys",
            Kind::Count,
            "100000",
            "The bound on keys held at once; further ones are refused, and what goes beyond one owner's share.",
        ),
        setting(
            "max_bytes",
            Kind::Bytes,
            "256MiB",
            "The bound on the size of all answers that are kept; what has no room is given and not kept.",
        ),
        setting(
            "lease",
            Kind::Duration,
            "what is left of the deadline and 2s, or 30s without one",
            "How long a run keeps its key without a sign of life; a run that goes on gives three in that time.",
        ),
        setting(
            "on_takeover",
            Kind::Choice(&["rerun", "conflict"]),
            "rerun",
            "What a request gets whose first run went away unfinished: another run, or a refusal until `ttl` is over.",
        ),
        key(
            "duplicate",
            Kind::Choice(&["replay", "no_content"]),
            "replay",
            "What a request gets whose first run succeeded: its answer again, or a 204.",
        ),
        key("scope", Kind::Choice(&["local"]), "local", "Where answers are kept."),
        key(
            "instances",
            Kind::Choice(&["shared"]),
            "none",
            "On a method: a key stands for one request to all instances, though it does not mention `self`.",
        ),
    ],
    example: "#[idempotent(key = idempotency_key)]",
};

/// `#[cached]`.
pub const CACHED: Attribute = Attribute {
    name: "cached",
    positional: None,
    keys: &[
        key("key", Kind::Key, "required", "What tells results apart."),
        setting("ttl", Kind::Duration, "required", "How long a result is fresh."),
        setting("max_entries", Kind::Count, "10000", "The bound on results held at once."),
        setting(
            "max_bytes",
            Kind::Bytes,
            "none",
            "The bound on the size of all results and their keys; the size of a result is its `hardening::ByteSize`.",
        ),
        setting(
            "jitter",
            Kind::Ratio,
            "5%",
            "How far `ttl` is spread, so that results do not all end together.",
        ),
        key(
            "stale_while_revalidate",
            Kind::Duration,
            "0s",
            "How long beyond `ttl` a result is served while one call loads it anew in the background.",
        ),
        setting(
            "stale_if_error",
            Kind::Duration,
            "0s",
            "How long beyond `ttl` a result is served when loading it anew fails.",
        ),
        setting("refresh_timeout", Kind::Duration, "30s", "The longest a load in the background may take."),
        setting(
            "negative",
            Kind::Negative,
            "none",
            "Errors that are kept too, and how long; in settings how long alone.",
        ),
        key(
            "instances",
            Kind::Choice(&["shared"]),
            "none",
            "On a method: results are those of all instances, though the key does not mention `self`.",
        ),
    ],
    example: "#[cached(ttl = 30s, key = sku)]",
};
