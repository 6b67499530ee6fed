//! The numbers of the attributes as a [`CallSpec`], for the rules that attributes and settings share.

use hardening_spec::{
    AdaptiveSpec, After, BulkheadSpec, CacheSpec, CallSpec, CircuitBreakerSpec, CircuitMode, DurationRange,
    FallbackSpec, HedgeSpec, IdempotentSpec, Jitter, Per, Rate, RateLimitSpec, Ratio, RetrySpec,
    ThrottleSpec, Window, rules,
};
use std::time::Duration;
use syn::{Expr, ExprLit, Lit};

use crate::syntax::{Policy, Time, Value};

/// What breaks a rule in a policy that calls share.
pub(crate) fn of_shared(policy: &Policy) -> Vec<rules::Finding> {
    let spec = match policy.name() {
        "circuit_breaker" => CallSpec::NONE.with_circuit_breaker(circuit_breaker(policy)),
        "RateLimiter" => CallSpec::NONE
            .with_rate_limited(RateLimitSpec { keyed: policy.has("keyed"), ..rate_limit(policy) }),
        "bulkhead" => CallSpec::NONE.with_bulkhead(bulkhead(policy)),
        _ => {
            let budget = policy.ratio("ratio");
            let retry = RetrySpec { idempotent: true, budget, ..RetrySpec::DEFAULT };
            CallSpec::NONE.with_retry(retry)
        }
    };
    let findings = rules::check(&spec, &|_, key| policy.get(key).is_none_or(|entry| known(&entry.value)));
    // What is a rule of a budget's share.
    findings
        .into_iter()
        .map(|finding| rules::Finding {
            key: if finding.key == "budget" { "ratio" } else { finding.key },
            ..finding
        })
        .collect()
}

fn known(value: &Value) -> bool {
    match value {
        Value::Duration(time) => time.known().is_some(),
        Value::Range(from, to) => from.known().is_some() && to.known().is_some(),
        _ => true,
    }
}

/// What breaks a rule.
pub(crate) fn findings(policies: &[Policy]) -> Vec<rules::Finding> {
    let is_known = |policy: &str, key: &str| {
        let mut written = policies.iter().filter(|written| written.name() == policy);
        // The numbers of a shared policy stand elsewhere.
        written.all(|written| {
            written.shared.is_none() && written.get(key).is_none_or(|entry| known(&entry.value))
        })
    };
    rules::check(&spec(policies), &is_known)
}

/// The specification, as far as it is written in literals.
fn spec(policies: &[Policy]) -> CallSpec {
    let mut spec = CallSpec::NONE;
    let mut limits = spec.rate_limits.iter_mut();
    for policy in policies {
        if policy.shared.is_some() {
            // Its numbers were judged where they stand. A limit keeps its place among the others.
            if policy.name() == "rate_limited" {
                limits.next();
            }
            continue;
        }
        match policy.name() {
            "timeout" => spec.timeout = spec.timeout.or(policy.time("after")),
            "deadline" => spec.deadline = spec.deadline.or(policy.time("after")),
            "retry" => spec.retry = Some(retry(policy)),
            "circuit_breaker" => spec.circuit_breaker = Some(circuit_breaker(policy)),
            "rate_limited" => {
                if let Some(limit) = limits.next() {
                    *limit = Some(rate_limit(policy));
                }
            }
            "bulkhead" => spec.bulkhead = Some(bulkhead(policy)),
            "fallback" => {
                let within = policy.time("within").unwrap_or(FallbackSpec::DEFAULT.within);
                spec.fallback = Some(FallbackSpec { within, ..FallbackSpec::DEFAULT });
            }
            "idempotent" => {
                let default = IdempotentSpec::DEFAULT;
                let ttl = policy.time("ttl").unwrap_or(default.ttl);
                let max_keys = policy.count("max_keys").unwrap_or(default.max_keys);
                let max_bytes = policy.bytes("max_bytes").or(default.max_bytes);
                let lease = policy.time("lease");
                spec.idempotent = Some(IdempotentSpec { ttl, max_keys, max_bytes, lease, ..default });
            }
            "hedged" => spec.hedged = Some(hedge(policy)),
            "cached" => spec.cached = Some(cache(policy)),
            _ => {}
        }
    }
    spec
}

fn retry(policy: &Policy) -> RetrySpec {
    let default = RetrySpec::DEFAULT;
    RetrySpec {
        attempts: policy.count("attempts").unwrap_or(default.attempts),
        backoff: policy.range("backoff").unwrap_or(default.backoff),
        factor: match policy.get("factor").map(|entry| &entry.value) {
            Some(Value::Factor(factor)) => *factor,
            _ => default.factor,
        },
        jitter: match policy.choice("jitter") {
            Some("equal") => Jitter::Equal,
            Some("decorrelated") => Jitter::Decorrelated,
            Some("none") => Jitter::None,
            _ => Jitter::Full,
        },
        idempotent: policy.has("idempotent"),
        narrowed: policy.has("on"),
        told: policy.has("retry_after"),
        budget: match policy.get("budget").map(|entry| &entry.value) {
            Some(Value::Budget(budget)) => *budget,
            _ => default.budget,
        },
        max_duration: policy.time("max_duration"),
        max_retry_after: policy.time("max_retry_after").unwrap_or(default.max_retry_after),
    }
}

fn circuit_breaker(policy: &Policy) -> CircuitBreakerSpec {
    let adaptive = policy.has("adaptive");
    let default = if adaptive { CircuitBreakerSpec::ADAPTIVE } else { CircuitBreakerSpec::DEFAULT };
    CircuitBreakerSpec {
        adaptive: match policy.get("multiplier").map(|entry| &entry.value) {
            Some(Value::Factor(multiplier)) if adaptive => Some(ThrottleSpec { multiplier: *multiplier }),
            _ => default.adaptive,
        },
        failure_rate: policy.ratio("failure_rate").unwrap_or(default.failure_rate),
        window: match policy.get("window").map(|entry| &entry.value) {
            Some(Value::Window(window)) => *window,
            Some(Value::Duration(time)) => time.known().map_or(default.window, Window::Time),
            _ => default.window,
        },
        min_calls: policy.count("min_calls").unwrap_or(default.min_calls),
        consecutive: policy.count("consecutive"),
        slow_call: policy.time("slow_call"),
        slow_rate: policy.ratio("slow_rate").unwrap_or(default.slow_rate),
        open_for: policy.range("open_for").unwrap_or(default.open_for),
        probes: policy.count("probes").unwrap_or(default.probes),
        probe_timeout: policy.time("probe_timeout"),
        ramp: policy.time("ramp"),
        timeouts_count: policy.choice("timeouts") != Some("ignore"),
        keyed: policy.has("key"),
        max_keys: policy.count("max_keys").unwrap_or(default.max_keys),
        mode: policy.choice("mode").and_then(CircuitMode::named).unwrap_or(default.mode),
    }
}

fn rate_limit(policy: &Policy) -> RateLimitSpec {
    let rate = match policy.get("rate").map(|entry| &entry.value) {
        Some(Value::Rate(rate)) => *rate,
        // A missing rate is reported where it is missing; this one breaks no rule.
        _ => Rate::new(1, Duration::from_secs(1)),
    };
    let default = RateLimitSpec::new(rate);
    RateLimitSpec {
        burst: policy.count("burst"),
        keyed: policy.has("key"),
        max_keys: policy.count("max_keys").unwrap_or(default.max_keys),
        wait: policy.time("wait").unwrap_or(default.wait),
        per: if policy.choice("per") == Some("attempt") { Per::Attempt } else { Per::Call },
        cost: if policy.has("rate") { cost(policy).unwrap_or(default.cost) } else { default.cost },
        rate,
    }
}

/// What each call costs, where that is a number.
pub(crate) fn cost(policy: &Policy) -> Option<u32> {
    match policy.expression("cost")? {
        Expr::Lit(ExprLit { lit: Lit::Int(cost), .. }) => cost.base10_parse().ok(),
        _ => None,
    }
}

fn hedge(policy: &Policy) -> HedgeSpec {
    // A missing or computed delay breaks no rule.
    let after = match policy.get("after").map(|entry| &entry.value) {
        Some(Value::After(after)) => *after,
        _ => After::Duration(policy.time("after").unwrap_or_default()),
    };
    let default = HedgeSpec::new(after);
    HedgeSpec {
        max: policy.count("max").unwrap_or(default.max),
        budget: policy.ratio("budget").unwrap_or(default.budget),
        ..default
    }
}

fn cache(policy: &Policy) -> CacheSpec {
    // A missing or computed `ttl` breaks no rule.
    let default = CacheSpec::new(policy.time("ttl").unwrap_or(Duration::from_secs(1)));
    CacheSpec {
        max_entries: policy.count("max_entries").unwrap_or(default.max_entries),
        max_bytes: policy.bytes("max_bytes"),
        jitter: policy.ratio("jitter").unwrap_or(default.jitter),
        stale_while_revalidate: policy.time("stale_while_revalidate").unwrap_or_default(),
        stale_if_error: policy.time("stale_if_error").unwrap_or_default(),
        refresh_timeout: policy.time("refresh_timeout").unwrap_or(default.refresh_timeout),
        negative: match policy.get("negative").map(|entry| &entry.value) {
            Some(Value::Negative(_, time)) => time.known(),
            _ => None,
        },
        ..default
    }
}

pub(crate) fn bulkhead(policy: &Policy) -> BulkheadSpec {
    let default = if policy.has("adaptive") { BulkheadSpec::adaptive() } else { BulkheadSpec::new(1) };
    BulkheadSpec {
        max: policy.count("max").unwrap_or(default.max),
        queue: policy.count("queue").unwrap_or(0),
        max_wait: policy.time("max_wait"),
        adaptive: default.adaptive.map(|adaptive| AdaptiveSpec {
            min: policy.count("min").unwrap_or(adaptive.min),
            initial: policy.count("initial").unwrap_or_else(|| {
                let most = policy.count("max").unwrap_or(default.max);
                adaptive.initial.clamp(policy.count("min").unwrap_or(1).min(most), most)
            }),
        }),
        keyed: policy.has("key"),
        max_keys: policy.count("max_keys").unwrap_or(default.max_keys),
    }
}

impl Policy {
    /// The literal number of `key`.
    pub(crate) fn count(&self, key: &str) -> Option<u32> {
        match self.get(key)?.value {
            Value::Count(count) => Some(count),
            _ => None,
        }
    }

    fn bytes(&self, key: &str) -> Option<u64> {
        match self.get(key)?.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The literal duration of `key`.
    pub(crate) fn time(&self, key: &str) -> Option<Duration> {
        match &self.get(key)?.value {
            Value::Duration(time) => time.known(),
            _ => None,
        }
    }

    fn ratio(&self, key: &str) -> Option<Ratio> {
        match self.get(key)?.value {
            Value::Ratio(ratio) => Some(ratio),
            _ => None,
        }
    }

    fn range(&self, key: &str) -> Option<DurationRange> {
        match &self.get(key)?.value {
            Value::Range(Time::Known(from), Time::Known(to)) => Some(DurationRange::new(*from, *to)),
            _ => None,
        }
    }
}
