//! One setting of one call: what `hardening.toml` and the environment may change, read by the same tables
//! and units as the attributes.

use std::fmt;
use std::time::Duration;

use crate::keys::{self, Attribute, Kind, list};
use crate::synonyms::meant;
use crate::units;
use crate::{
    BulkheadSpec, CacheSpec, CallSpec, CircuitBreakerSpec, CircuitMode, Jitter, OnTakeover, RateLimitSpec,
    RetrySpec,
};

/// A value as a settings source gives it; the environment gives texts alone.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Raw<'a> {
    /// A whole number.
    Int(i64),
    /// A decimal.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A string.
    Text(&'a str),
}

/// Why a setting was refused: one sentence that says what may be written instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetError(String);

impl SetError {
    /// A refusal with this sentence.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl fmt::Display for SetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SetError {}

/// The policies that a `[call."name".policy]` table may name. Further rate limits of one function are
/// `rate_limited_2` to `rate_limited_4`, in the order in which they were written.
pub const POLICIES: [&str; 13] = [
    "timeout",
    "deadline",
    "retry",
    "circuit_breaker",
    "rate_limited",
    "rate_limited_2",
    "rate_limited_3",
    "rate_limited_4",
    "bulkhead",
    "fallback",
    "cached",
    "hedged",
    "idempotent",
];

/// The attribute that a policy's name in settings stands for.
pub fn attribute(policy: &str) -> Option<&'static Attribute> {
    if !POLICIES.contains(&policy) {
        return None;
    }
    let base = if policy.starts_with("rate_limited") { "rate_limited" } else { policy };
    keys::attribute(base)
}

/// Changes `key` of `policy` in `spec`. `enabled = false` takes the policy away.
///
/// # Errors
/// When the policy or the key is unknown, the call does not have the policy, the key can only stand in the
/// attribute, or the value has not the key's form. The sentence names what is allowed.
pub fn set(spec: &mut CallSpec, policy: &str, key: &str, raw: Raw<'_>) -> Result<(), SetError> {
    if policy == keys::REQUIRES.name {
        return Err(SetError::new("what a caller must hold stands at the attribute and nowhere else"));
    }
    let Some(attribute) = attribute(policy) else {
        return Err(unknown(
            "policy",
            policy,
            &POLICIES[..5].iter().chain(&POLICIES[8..]).copied().collect::<Vec<_>>(),
        ));
    };
    if !has(spec, policy) {
        return Err(SetError(format!(
            "this call has no `{policy}`; settings change the numbers of policies, the attribute `{}` adds one",
            attribute.example
        )));
    }
    if key == "enabled" && policy == keys::IDEMPOTENT.name {
        return Err(SetError::new("`idempotent` cannot be switched off: requests would be done twice"));
    }
    if key == "enabled" {
        if !flag(raw)? {
            copy(spec, policy, &CallSpec::NONE);
        }
        return Ok(());
    }
    match attribute.key(key) {
        Some(known) if known.setting => assign(spec, policy, key, known.kind, raw),
        Some(_) => Err(SetError(format!("`{key}` can only be written at the attribute"))),
        None => {
            let mut known: Vec<&str> =
                attribute.keys.iter().filter(|key| key.setting).map(|key| key.name).collect();
            known.push("enabled");
            Err(unknown("key", key, &known))
        }
    }
}

/// "unknown key `attempst`; did you mean `attempts`? Known: …".
pub fn unknown(what: &str, given: &str, known: &[&str]) -> SetError {
    let near = meant(given, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    let end = if near.is_empty() { ";" } else { "" };
    SetError(format!("unknown {what} `{given}`{near}{end} known: {}", list(known)))
}

fn limit_index(policy: &str) -> Option<usize> {
    let rest = policy.strip_prefix("rate_limited")?;
    if rest.is_empty() { Some(0) } else { rest.strip_prefix('_')?.parse::<usize>().ok()?.checked_sub(1) }
}

/// Whether there is a policy of this name in `spec`.
pub fn has(spec: &CallSpec, policy: &str) -> bool {
    match policy {
        "timeout" => spec.timeout.is_some(),
        "deadline" => spec.deadline.is_some(),
        "retry" => spec.retry.is_some(),
        "circuit_breaker" => spec.circuit_breaker.is_some(),
        "bulkhead" => spec.bulkhead.is_some(),
        "fallback" => spec.fallback.is_some(),
        "cached" => spec.cached.is_some(),
        "hedged" => spec.hedged.is_some(),
        "idempotent" => spec.idempotent.is_some(),
        limit => limit_index(limit).is_some_and(|at| spec.rate_limits.get(at).is_some_and(Option::is_some)),
    }
}

/// Makes `policy` in `spec` what it is in `other`: there with its numbers, or not there.
pub fn copy(spec: &mut CallSpec, policy: &str, other: &CallSpec) {
    match policy {
        "timeout" => spec.timeout = other.timeout,
        "deadline" => spec.deadline = other.deadline,
        "retry" => spec.retry = other.retry,
        "circuit_breaker" => spec.circuit_breaker = other.circuit_breaker,
        "bulkhead" => spec.bulkhead = other.bulkhead,
        "fallback" => spec.fallback = other.fallback,
        "cached" => spec.cached = other.cached,
        "hedged" => spec.hedged = other.hedged,
        "idempotent" => spec.idempotent = other.idempotent,
        limit => {
            if let Some(at) = limit_index(limit).filter(|at| *at < spec.rate_limits.len()) {
                spec.rate_limits[at] = other.rate_limits[at];
            }
        }
    }
}

fn assign(spec: &mut CallSpec, policy: &str, key: &str, kind: Kind, raw: Raw<'_>) -> Result<(), SetError> {
    match policy {
        "timeout" => spec.timeout = Some(duration(kind, raw)?),
        "deadline" => spec.deadline = Some(duration(kind, raw)?),
        "retry" => {
            if let Some(retry) = &mut spec.retry {
                assign_retry(retry, key, kind, raw)?;
            }
        }
        "circuit_breaker" => {
            if let Some(breaker) = &mut spec.circuit_breaker {
                assign_breaker(breaker, key, kind, raw)?;
            }
        }
        "bulkhead" => {
            if let Some(bulkhead) = &mut spec.bulkhead {
                assign_bulkhead(bulkhead, key, kind, raw)?;
            }
        }
        "fallback" => {
            if let Some(fallback) = &mut spec.fallback {
                fallback.within = duration(kind, raw)?;
            }
        }
        "idempotent" => {
            if let Some(idempotent) = &mut spec.idempotent {
                match key {
                    "ttl" => idempotent.ttl = duration(kind, raw)?,
                    "lease" => idempotent.lease = unless_none(raw, |raw| duration(kind, raw))?,
                    "on_takeover" => {
                        idempotent.on_takeover = match raw {
                            Raw::Text("rerun") => OnTakeover::Rerun,
                            Raw::Text("conflict") => OnTakeover::Conflict,
                            _ => return Err(wrong(kind)),
                        };
                    }
                    "max_bytes" => idempotent.max_bytes = unless_none(raw, |raw| bytes(kind, raw))?,
                    _ => idempotent.max_keys = count(kind, raw)?,
                }
            }
        }
        "hedged" => {
            if let Some(hedge) = &mut spec.hedged {
                match key {
                    "after" => hedge.after = parsed(kind, raw, units::after)?,
                    "max" => hedge.max = count(kind, raw)?,
                    _ => hedge.budget = ratio(kind, raw)?,
                }
            }
        }
        "cached" => {
            if let Some(cache) = &mut spec.cached {
                assign_cache(cache, key, kind, raw)?;
            }
        }
        limit => {
            if let Some(limit) = limit_index(limit).and_then(|at| spec.rate_limits[at].as_mut()) {
                assign_limit(limit, key, kind, raw)?;
            }
        }
    }
    Ok(())
}

fn assign_retry(retry: &mut RetrySpec, key: &str, kind: Kind, raw: Raw<'_>) -> Result<(), SetError> {
    match key {
        "attempts" => retry.attempts = count(kind, raw)?,
        "backoff" => retry.backoff = parsed(kind, raw, units::range)?,
        "factor" => retry.factor = factor(kind, raw)?,
        "jitter" => {
            retry.jitter = match raw {
                Raw::Text("full") => Jitter::Full,
                Raw::Text("equal") => Jitter::Equal,
                Raw::Text("decorrelated") => Jitter::Decorrelated,
                Raw::Text("none") => Jitter::None,
                _ => return Err(wrong(kind)),
            };
        }
        "budget" => retry.budget = unless_none(raw, |raw| ratio(kind, raw))?,
        "max_retry_after" => retry.max_retry_after = duration(kind, raw)?,
        _ => retry.max_duration = unless_none(raw, |raw| duration(kind, raw))?,
    }
    Ok(())
}

fn assign_breaker(
    breaker: &mut CircuitBreakerSpec,
    key: &str,
    kind: Kind,
    raw: Raw<'_>,
) -> Result<(), SetError> {
    match key {
        "failure_rate" => breaker.failure_rate = ratio(kind, raw)?,
        "window" => {
            breaker.window = match raw {
                Raw::Int(calls) => units::window(&calls.to_string()).map_err(|why| because(&why, kind))?,
                raw => parsed(kind, raw, units::window)?,
            };
        }
        "min_calls" => breaker.min_calls = count(kind, raw)?,
        "consecutive" => breaker.consecutive = unless_none(raw, |raw| count(kind, raw))?,
        "slow_call" => breaker.slow_call = unless_none(raw, |raw| duration(kind, raw))?,
        "slow_rate" => breaker.slow_rate = ratio(kind, raw)?,
        "open_for" => breaker.open_for = parsed(kind, raw, units::range)?,
        "probes" => breaker.probes = count(kind, raw)?,
        "max_keys" => breaker.max_keys = count(kind, raw)?,
        "mode" => {
            breaker.mode = match raw {
                Raw::Text(name) => CircuitMode::named(name).ok_or_else(|| wrong(kind))?,
                _ => return Err(wrong(kind)),
            };
        }
        "ramp" => breaker.ramp = unless_none(raw, |raw| duration(kind, raw))?,
        "multiplier" if breaker.adaptive.is_none() => {
            return Err(SetError::new("this circuit breaker is not `adaptive`, so it has no `multiplier`"));
        }
        "multiplier" => *breaker = breaker.with_multiplier(factor(kind, raw)?),
        _ => breaker.probe_timeout = unless_none(raw, |raw| duration(kind, raw))?,
    }
    Ok(())
}

fn assign_bulkhead(bulkhead: &mut BulkheadSpec, key: &str, kind: Kind, raw: Raw<'_>) -> Result<(), SetError> {
    if matches!(key, "min" | "initial") && bulkhead.adaptive.is_none() {
        return Err(SetError::new(format!(
            "this bulkhead is not `adaptive`, so it has no `{key}`: set `max`"
        )));
    }
    match key {
        "max" => bulkhead.max = count(kind, raw)?,
        "queue" => bulkhead.queue = count_or_zero(kind, raw)?,
        "min" => *bulkhead = bulkhead.with_min(count(kind, raw)?),
        "initial" => *bulkhead = bulkhead.with_initial(count(kind, raw)?),
        "max_keys" => bulkhead.max_keys = count(kind, raw)?,
        _ => bulkhead.max_wait = unless_none(raw, |raw| duration(kind, raw))?,
    }
    Ok(())
}

fn assign_cache(cache: &mut CacheSpec, key: &str, kind: Kind, raw: Raw<'_>) -> Result<(), SetError> {
    match key {
        "ttl" => cache.ttl = duration(kind, raw)?,
        "max_entries" => cache.max_entries = count(kind, raw)?,
        "max_bytes" if cache.max_bytes.is_none() && raw == Raw::Text("none") => {}
        "max_bytes" if cache.max_bytes.is_none() => {
            return Err(SetError::new(
                "this cache does not know the size of its results; its attribute says that it shall: `max_bytes = 64MiB`",
            ));
        }
        "max_bytes" => cache.max_bytes = Some(bytes(kind, raw)?),
        "jitter" => cache.jitter = ratio(kind, raw)?,
        "negative" if cache.negative.is_none() => {
            return Err(SetError::new(
                "this cache keeps no errors; its attribute says which: `negative = Error::NotFound for 10s`",
            ));
        }
        "negative" => cache.negative = Some(duration(Kind::Duration, raw)?),
        "stale_if_error" => cache.stale_if_error = duration(kind, raw)?,
        _ => cache.refresh_timeout = duration(kind, raw)?,
    }
    Ok(())
}

fn assign_limit(limit: &mut RateLimitSpec, key: &str, kind: Kind, raw: Raw<'_>) -> Result<(), SetError> {
    match key {
        "rate" => limit.rate = parsed(kind, raw, units::rate)?,
        "burst" => limit.burst = Some(count(kind, raw)?),
        "max_keys" => limit.max_keys = count(kind, raw)?,
        _ => limit.wait = duration(kind, raw)?,
    }
    Ok(())
}

fn bytes(kind: Kind, raw: Raw<'_>) -> Result<u64, SetError> {
    match raw {
        Raw::Int(bytes) => u64::try_from(bytes).ok().filter(|bytes| *bytes > 0).ok_or_else(|| wrong(kind)),
        raw => parsed(kind, raw, units::bytes),
    }
}

fn wrong(kind: Kind) -> SetError {
    SetError(format!("write {}", kind.form()))
}

fn because(why: &units::Malformed, kind: Kind) -> SetError {
    SetError(format!("{why}; write {}", kind.form()))
}

/// A text read by `read`, one of [`units`]' functions.
fn parsed<T>(kind: Kind, raw: Raw<'_>, read: fn(&str) -> Result<T, units::Malformed>) -> Result<T, SetError> {
    match raw {
        Raw::Text(text) => read(text).map_err(|why| because(&why, kind)),
        _ => Err(wrong(kind)),
    }
}

fn duration(kind: Kind, raw: Raw<'_>) -> Result<Duration, SetError> {
    parsed(kind, raw, units::duration)
}

fn ratio(kind: Kind, raw: Raw<'_>) -> Result<crate::Ratio, SetError> {
    match raw {
        Raw::Float(value) => units::ratio(&value.to_string()).map_err(|why| because(&why, kind)),
        Raw::Int(value) => units::ratio(&value.to_string()).map_err(|why| because(&why, kind)),
        raw => parsed(kind, raw, units::ratio),
    }
}

fn count_or_zero(kind: Kind, raw: Raw<'_>) -> Result<u32, SetError> {
    let value = match raw {
        Raw::Int(value) => u32::try_from(value).ok(),
        Raw::Text(text) => text.replace('_', "").parse().ok(),
        Raw::Float(_) | Raw::Bool(_) => None,
    };
    value.ok_or_else(|| wrong(kind))
}

fn count(kind: Kind, raw: Raw<'_>) -> Result<u32, SetError> {
    count_or_zero(kind, raw).and_then(|value| if value == 0 { Err(wrong(kind)) } else { Ok(value) })
}

fn factor(kind: Kind, raw: Raw<'_>) -> Result<f64, SetError> {
    let value = match raw {
        Raw::Int(value) => f64::from(i32::try_from(value).map_err(|_| wrong(kind))?),
        Raw::Float(value) => value,
        Raw::Text(text) => text.parse().map_err(|_| wrong(kind))?,
        Raw::Bool(_) => return Err(wrong(kind)),
    };
    if value.is_finite() && value >= 1.0 { Ok(value) } else { Err(wrong(kind)) }
}

fn flag(raw: Raw<'_>) -> Result<bool, SetError> {
    match raw {
        Raw::Bool(value) => Ok(value),
        Raw::Text("true") => Ok(true),
        Raw::Text("false") => Ok(false),
        _ => Err(SetError::new("write `true` or `false`")),
    }
}

fn unless_none<'a, T>(
    raw: Raw<'a>,
    read: impl FnOnce(Raw<'a>) -> Result<T, SetError>,
) -> Result<Option<T>, SetError> {
    if raw == Raw::Text("none") { Ok(None) } else { read(raw).map(Some) }
}

#[cfg(test)]
mod tests;
