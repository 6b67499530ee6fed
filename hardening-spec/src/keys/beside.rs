//! The tables of what stands beside calls: policies that are shared, checks, services.

use super::tables::{key, setting};
use super::{Attribute, Kind};

/// A `RateLimiter` of `policy!`.
pub const RATE_LIMITER: Attribute = Attribute {
    name: "RateLimiter",
    positional: None,
    keys: &[
        setting("rate", Kind::Rate, "required", "The sustained rate."),
        setting("burst", Kind::Count, "one second's worth, at least 1", "How many may come at once."),
        key(
            "keyed",
            Kind::Flag,
            "off",
            "Each function that uses it gives a `key`, and each key has a limit of its own.",
        ),
        setting("max_keys", Kind::Count, "10000", "The bound on keys held; further ones share limits."),
        setting("wait", Kind::Duration, "0s", "How long a call may wait for its turn."),
    ],
    example: "static API: RateLimiter = { rate = 100/s, burst = 20 };",
};

/// A `RetryBudget` of `policy!`.
pub const RETRY_BUDGET: Attribute = Attribute {
    name: "RetryBudget",
    positional: None,
    keys: &[setting(
        "ratio",
        Kind::Ratio,
        "required",
        "Retries and hedges as a share of calls, with three a second free.",
    )],
    example: "static REDIS_RETRIES: RetryBudget = { ratio = 20% };",
};

/// `#[health_check]`.
pub const HEALTH_CHECK: Attribute = Attribute {
    name: "health_check",
    positional: None,
    keys: &[
        key("name", Kind::Text, "the function's name", "The check's name in reports and metrics."),
        key("every", Kind::Duration, "5s", "How often it runs."),
        key("timeout", Kind::Duration, "1s", "The longest one run may take."),
        key("down_after", Kind::Count, "3", "Failures in a row after which it is down."),
        key("up_after", Kind::Count, "2", "Successes in a row after which it is up again."),
        key("kind", Kind::Choice(&["ready", "degraded", "startup"]), "degraded", "What it decides."),
    ],
    example: "#[health_check(every = 5s, timeout = 1s, kind = ready)]",
};

/// `#[background]`.
pub const BACKGROUND: Attribute = Attribute {
    name: "background",
    positional: None,
    keys: &[
        key("name", Kind::Text, "the function's name", "The task's name in metrics, logs and settings."),
        setting(
            "restart",
            Kind::RangeOrNever,
            "1s..60s",
            "How long it waits after a failure before it begins again, growing from the first to the second.",
        ),
        key(
            "order",
            Kind::CountOrZero,
            "0",
            "Tasks of a higher order are stopped first, and those of one order together.",
        ),
    ],
    example: "#[background(restart = 1s..60s)]",
};

/// `#[hardened_service]`.
pub const HARDENED_SERVICE: Attribute = Attribute {
    name: "hardened_service",
    positional: None,
    keys: &[
        key("name", Kind::Text, "the package's name", "The service's name in logs and metrics."),
        key("listen", Kind::Text, "\"127.0.0.1:8080\"", "Where it serves."),
        key("admin", Kind::Text, "\"127.0.0.1:9090\"", "Where metrics and health are served."),
        key("grace", Kind::Duration, "30s", "The longest a shutdown may take."),
        key("config", Kind::Text, "\"hardening.toml\" if present", "The settings file."),
    ],
    example: "#[hardened_service(name = \"orders\")]",
};
