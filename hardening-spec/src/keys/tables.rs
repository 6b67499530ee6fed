//! The tables: every attribute with every key.

use super::beside::{BACKGROUND, HARDENED_SERVICE, HEALTH_CHECK};
use super::kept::{CACHED, IDEMPOTENT};
use super::{Attribute, Key, Kind};

pub(super) const fn key(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc, setting: false }
}

pub(super) const fn setting(name: &'static str, kind: Kind, default: &'static str, doc: &'static str) -> Key {
    Key { name, kind, default, doc, setting: true }
}

const NAME: Key =
    key("name", Kind::Text, "module path and function", "The call's name in metrics, logs and settings.");

/// `#[hardened]`.
pub const HARDENED: Attribute = Attribute {
    name: "hardened",
    positional: None,
    keys: &[
        NAME,
        key(
            "span_fields",
            Kind::Fields,
            "none",
            "Arguments recorded on the span; nothing is recorded unless named.",
        ),
        key(
            "level",
            Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            "info",
            "The level of the call's span.",
        ),
    ],
    example: "#[hardened(name = \"price\", timeout = 500ms)]",
};

/// `#[timeout]`.
pub const TIMEOUT: Attribute = Attribute {
    name: "timeout",
    positional: Some("after"),
    keys: &[setting(
        "after",
        Kind::Duration,
        "required",
        "The longest one attempt may take, the bulkhead's queue included.",
    )],
    example: "#[timeout(500ms)]",
};

/// `#[deadline]`.
pub const DEADLINE: Attribute = Attribute {
    name: "deadline",
    positional: Some("after"),
    keys: &[setting(
        "after",
        Kind::Duration,
        "required",
        "The longest the whole call may take, every attempt and wait included.",
    )],
    example: "#[deadline(3s)]",
};

/// `#[retry]`.
pub const RETRY: Attribute = Attribute {
    name: "retry",
    positional: None,
    keys: &[
        setting("attempts", Kind::Count, "3", "Attempts, the first one included."),
        setting("backoff", Kind::Range, "50ms..2s", "The delay before the second attempt, and its cap."),
        setting("factor", Kind::Factor, "2", "Growth of the delay from one retry to the next."),
        setting(
            "jitter",
            Kind::Choice(&["full", "equal", "decorrelated", "none"]),
            "full",
            "How the delay is spread.",
        ),
        key("on", Kind::Pattern, "every `Err`", "What the body must have returned for it to be repeated."),
        key("not_on", Kind::Pattern, "none", "What is never repeated; wins over `on`."),
        key("idempotent", Kind::Flag, "none", "Evidence: running the body twice does no harm."),
        key(
            "not_executed",
            Kind::Pattern,
            "none",
            "Evidence: errors raised before anything was done; these alone are repeated.",
        ),
        key(
            "retry_after",
            Kind::Expression,
            "none",
            "An `Option<Duration>` that the other side asked for, from `error` or `outcome`.",
        ),
        setting(
            "budget",
            Kind::RatioOrNone,
            "20%",
            "Retries as a share of calls, with a small floor for rare calls; or a `RetryBudget` of `policy!`.",
        ),
        setting("max_duration", Kind::Duration, "none", "No attempt starts when this much has passed."),
        setting(
            "max_retry_after",
            Kind::Duration,
            "60s",
            "The longest delay that the other side may ask for; when it asks for more, the call ends.",
        ),
    ],
    example: "#[retry(attempts = 3, backoff = 50ms..2s, idempotent)]",
};

/// `#[circuit_breaker]`.
pub const CIRCUIT_BREAKER: Attribute = Attribute {
    name: "circuit_breaker",
    positional: None,
    keys: &[
        setting("failure_rate", Kind::Ratio, "50%", "The share of failures that opens the circuit."),
        setting(
            "window",
            Kind::Window,
            "10s",
            "The time, or the last so many calls, that the shares are taken over.",
        ),
        setting(
            "min_calls",
            Kind::Count,
            "20",
            "Outcomes needed in the window before a share means anything.",
        ),
        setting(
            "consecutive",
            Kind::Count,
            "none",
            "So many failures in a row open the circuit whatever the share.",
        ),
        setting(
            "slow_call",
            Kind::Duration,
            "none",
            "A body that ran this long is slow, whether it has ended or still runs.",
        ),
        setting("slow_rate", Kind::Ratio, "50%", "The share of slow calls that opens the circuit."),
        setting(
            "open_for",
            Kind::Range,
            "5s..60s",
            "How long the circuit stays open: exact, or doubling within the range on each consecutive opening, with ±20 % jitter.",
        ),
        setting("probes", Kind::Count, "3", "Calls admitted half-open, all of which must succeed to close."),
        setting(
            "probe_timeout",
            Kind::Duration,
            "the timeout, else 10s",
            "A probe not answered by then has failed.",
        ),
        setting(
            "ramp",
            Kind::Duration,
            "none",
            "After closing, the admitted share of the calls grows from 10 % to all of them over this time.",
        ),
        key("failure", Kind::Pattern, "every `Err`", "What counts as a failure of the dependency."),
        key("ignore", Kind::Pattern, "none", "What is neither success nor failure; wins over `failure`."),
        key(
            "timeouts",
            Kind::Choice(&["count", "ignore"]),
            "count",
            "Whether a timeout that cut the body is a failure.",
        ),
        key("key", Kind::Key, "none", "Each value has a circuit of its own."),
        setting("max_keys", Kind::Count, "10000", "The bound on circuits; further keys share circuits."),
        setting(
            "mode",
            Kind::Choice(&["automatic", "forced_open", "disabled", "metrics_only"]),
            "automatic",
            "Whether its state decides; `metrics_only` makes and reports transitions that decide nothing.",
        ),
        key(
            "adaptive",
            Kind::Flag,
            "off",
            "Refuses a share of the calls instead of all for a time, as much as the dependency does not accept.",
        ),
        setting(
            "multiplier",
            Kind::Factor,
            "2",
            "With `adaptive`: so many times what the dependency accepts may be asked of it.",
        ),
    ],
    example: "#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]",
};

/// `#[rate_limited]`.
pub const RATE_LIMITED: Attribute = Attribute {
    name: "rate_limited",
    positional: Some("rate"),
    keys: &[
        setting("rate", Kind::Rate, "required", "The sustained rate."),
        setting("burst", Kind::Count, "one second's worth, at least 1", "How many may come at once."),
        key("key", Kind::Key, "none", "Each value has a limit of its own."),
        setting("max_keys", Kind::Count, "10000", "The bound on keys held; further ones share limits."),
        key("cost", Kind::Expression, "1", "What one call costs, a `u32` from the arguments."),
        setting("wait", Kind::Duration, "0s", "How long a call may wait for its turn."),
        key(
            "per",
            Kind::Choice(&["call", "attempt"]),
            "call",
            "Whether the call or each attempt is charged.",
        ),
        key("scope", Kind::Choice(&["local"]), "local", "Where the limit is kept."),
    ],
    example: "#[rate_limited(100/s, burst = 20)]",
};

/// `#[bulkhead]`.
pub const BULKHEAD: Attribute = Attribute {
    name: "bulkhead",
    positional: None,
    keys: &[
        setting(
            "max",
            Kind::Count,
            "required, 200 with `adaptive`",
            "Executions at once; with `adaptive` the highest limit.",
        ),
        setting("queue", Kind::CountOrZero, "0", "Callers that may wait for a place."),
        setting("max_wait", Kind::Duration, "half of what is left of the deadline", "How long one may wait."),
        key("adaptive", Kind::Flag, "off", "The limit is found from latency."),
        setting("min", Kind::Count, "1", "With `adaptive`: the lowest limit."),
        setting("initial", Kind::Count, "20", "With `adaptive`: the limit before anything is known."),
        key("key", Kind::Key, "none", "Each value has a bulkhead of its own."),
        setting("max_keys", Kind::Count, "10000", "The bound on bulkheads; further keys share bulkheads."),
    ],
    example: "#[bulkhead(max = 10)]",
};

/// `#[fallback]`.
pub const FALLBACK: Attribute = Attribute {
    name: "fallback",
    positional: Some("value"),
    keys: &[
        key(
            "value",
            Kind::Expression,
            "required",
            "The answer: an expression of the function's return type, with the arguments and `error` in scope.",
        ),
        key("on", Kind::Pattern, "every `Err`", "The body's errors that it answers for."),
        key("not_on", Kind::Pattern, "none", "The body's errors that it never answers for; wins over `on`."),
        key(
            "on_rejected",
            Kind::Refusals,
            "timeout, deadline_exceeded, circuit_open, bulkhead_full",
            "The refusals that it answers for.",
        ),
        setting("within", Kind::Duration, "1s", "The longest the fallback itself may take."),
    ],
    example: "#[fallback(cached_price(sku).await)]",
};

/// `#[hedged]`.
pub const HEDGED: Attribute = Attribute {
    name: "hedged",
    positional: None,
    keys: &[
        setting(
            "after",
            Kind::After,
            "required",
            "When an extra execution begins: after so long, or when this share of the recent successes were faster.",
        ),
        setting("max", Kind::Count, "1", "Extra executions of one call."),
        setting(
            "budget",
            Kind::Ratio,
            "5%",
            "Extra executions as a share of calls; or a `RetryBudget` of `policy!`.",
        ),
        key("idempotent", Kind::Flag, "compulsory", "Evidence: running the body twice does no harm."),
    ],
    example: "#[hedged(after = p95, idempotent)]",
};

/// `#[requires]`.
pub const REQUIRES: Attribute = Attribute {
    name: "requires",
    positional: Some("scope"),
    keys: &[key("scope", Kind::Text, "required", "The scope that the caller's principal must hold.")],
    example: "#[requires(\"orders:write\")]",
};

/// The attributes that make up a call, in canonical order, outermost first.
pub const POLICIES: [&Attribute; 12] = [
    &HARDENED,
    &REQUIRES,
    &FALLBACK,
    &DEADLINE,
    &RATE_LIMITED,
    &IDEMPOTENT,
    &CACHED,
    &RETRY,
    &CIRCUIT_BREAKER,
    &HEDGED,
    &TIMEOUT,
    &BULKHEAD,
];

/// Every attribute.
pub const ATTRIBUTES: [&Attribute; 15] = [
    &HARDENED,
    &TIMEOUT,
    &DEADLINE,
    &RETRY,
    &CIRCUIT_BREAKER,
    &RATE_LIMITED,
    &BULKHEAD,
    &FALLBACK,
    &HEDGED,
    &CACHED,
    &IDEMPOTENT,
    &REQUIRES,
    &HEALTH_CHECK,
    &BACKGROUND,
    &HARDENED_SERVICE,
];
