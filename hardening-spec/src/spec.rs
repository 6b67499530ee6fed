//! The specification of one call: every policy with every number, `const`-constructible and `Copy`.

use std::time::Duration;

use crate::FallbackSpec;
use crate::circuit::CircuitBreakerSpec;
use crate::values::{DurationRange, Jitter, Rate, Ratio};

/// How many `#[rate_limited]` attributes one function may carry.
pub const MAX_RATE_LIMITS: usize = 4;

/// Everything the attributes of one function say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CallSpec {
    /// The scope that the caller's principal must hold.
    pub requires: Option<&'static str>,
    /// The longest one attempt may take, its time in the bulkhead's queue included.
    pub timeout: Option<Duration>,
    /// The longest the whole call may take, every attempt and wait included.
    pub deadline: Option<Duration>,
    /// Repetition of failed attempts.
    pub retry: Option<RetrySpec>,
    /// The circuit breaker around each attempt.
    pub circuit_breaker: Option<CircuitBreakerSpec>,
    /// Answers to requests that are sent again.
    pub idempotent: Option<IdempotentSpec>,
    /// Extra executions of slow bodies.
    pub hedged: Option<HedgeSpec>,
    /// Kept results.
    pub cached: Option<CacheSpec>,
    /// The rate limits, in the order in which they were written.
    pub rate_limits: [Option<RateLimitSpec>; MAX_RATE_LIMITS],
    /// The bound on concurrent executions.
    pub bulkhead: Option<BulkheadSpec>,
    /// The answer given instead of a failure.
    pub fallback: Option<FallbackSpec>,
}

impl CallSpec {
    /// A call without any policy: instrumentation alone.
    pub const NONE: Self = Self {
        requires: None,
        timeout: None,
        deadline: None,
        retry: None,
        circuit_breaker: None,
        idempotent: None,
        hedged: None,
        cached: None,
        rate_limits: [None; MAX_RATE_LIMITS],
        bulkhead: None,
        fallback: None,
    };

    /// The rate limits that were declared, each with its position.
    pub fn limits(&self) -> impl Iterator<Item = (usize, &RateLimitSpec)> {
        self.rate_limits.iter().enumerate().filter_map(|(at, limit)| limit.as_ref().map(|limit| (at, limit)))
    }
}

/// `#[retry(…)]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySpec {
    /// Attempts, the first one included.
    pub attempts: u32,
    /// The delay before the second attempt and its cap.
    pub backoff: DurationRange,
    /// Growth of the delay from one retry to the next; at least 1.
    pub factor: f64,
    /// How the delay is spread.
    pub jitter: Jitter,
    /// Whether every failure may be repeated; otherwise those that `not_executed` names alone.
    pub idempotent: bool,
    /// Whether `on` narrows what is repeated; the call's own refusals are not repeated then.
    pub narrowed: bool,
    /// Whether the other side may ask for a delay, which takes the place of the backoff's: `retry_after` is written.
    pub told: bool,
    /// Retries as a share of calls, with a small floor; `None` for no budget.
    pub budget: Option<Ratio>,
    /// No attempt starts when this much has passed since the call began.
    pub max_duration: Option<Duration>,
    /// The longest delay that the other side may ask for; a call that is asked to wait longer is not repeated.
    pub max_retry_after: Duration,
}

impl RetrySpec {
    /// The defaults of every key; `idempotent` is false, so evidence has to be added.
    pub const DEFAULT: Self = Self {
        attempts: 3,
        backoff: DurationRange::new(Duration::from_millis(50), Duration::from_secs(2)),
        factor: 2.0,
        jitter: Jitter::Full,
        idempotent: false,
        narrowed: false,
        told: false,
        budget: Some(Ratio::percent(20)),
        max_duration: None,
        max_retry_after: Duration::from_mins(1),
    };
}

/// What a rate limit charges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// Once for the call, outside retries.
    Call,
    /// Once for each attempt.
    Attempt,
}

/// `#[rate_limited(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitSpec {
    /// The sustained rate.
    pub rate: Rate,
    /// How many may come at once; `None` for one second's worth, at least 1.
    pub burst: Option<u32>,
    /// Whether each key has a limit of its own.
    pub keyed: bool,
    /// The bound on keys held at once.
    pub max_keys: u32,
    /// How long a call may wait for its turn; zero refuses at once.
    pub wait: Duration,
    /// What is charged.
    pub per: Per,
    /// How much is charged, where that is a number; 1, the least, where it is an expression.
    pub cost: u32,
}

impl RateLimitSpec {
    /// The defaults of every key, at `rate`.
    pub const fn new(rate: Rate) -> Self {
        Self {
            rate,
            burst: None,
            keyed: false,
            max_keys: 10_000,
            wait: Duration::ZERO,
            per: Per::Call,
            cost: 1,
        }
    }

    /// The burst in force.
    pub const fn burst(&self) -> u32 {
        match self.burst {
            Some(burst) => burst,
            None => self.rate.one_second(),
        }
    }
}

/// `#[bulkhead(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkheadSpec {
    /// Executions at once, of an adaptive limit the most.
    pub max: u32,
    /// Callers that may wait for a place.
    pub queue: u32,
    /// How long one may wait; `None` for half of what is left of the deadline.
    pub max_wait: Option<Duration>,
    /// A limit found from latency.
    pub adaptive: Option<AdaptiveSpec>,
    /// Whether each key has a bulkhead of its own.
    pub keyed: bool,
    /// The bound on bulkheads of keys.
    pub max_keys: u32,
}

/// A limit found from latency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdaptiveSpec {
    /// The lowest limit.
    pub min: u32,
    /// The limit before anything is known.
    pub initial: u32,
}

impl AdaptiveSpec {
    /// The defaults of every key.
    pub const DEFAULT: Self = Self { min: 1, initial: 20 };
    /// The highest limit, where none is written.
    pub const MAX: u32 = 200;
}

impl BulkheadSpec {
    /// `max` at once, nobody waits.
    pub const fn new(max: u32) -> Self {
        Self { max, queue: 0, max_wait: None, adaptive: None, keyed: false, max_keys: 10_000 }
    }

    /// A limit found from latency, nobody waits.
    pub const fn adaptive() -> Self {
        Self { adaptive: Some(AdaptiveSpec::DEFAULT), ..Self::new(AdaptiveSpec::MAX) }
    }

    /// The bounds of an adaptive limit, the defaults for one that is not yet.
    const fn bounds(&self) -> AdaptiveSpec {
        match self.adaptive {
            Some(bounds) => bounds,
            None => AdaptiveSpec::DEFAULT,
        }
    }

    /// The same with another lowest limit.
    #[must_use]
    pub const fn with_min(self, min: u32) -> Self {
        Self { adaptive: Some(AdaptiveSpec { min, ..self.bounds() }), ..self }
    }

    /// The same with another limit to begin with.
    #[must_use]
    pub const fn with_initial(self, initial: u32) -> Self {
        Self { adaptive: Some(AdaptiveSpec { initial, ..self.bounds() }), ..self }
    }
}

/// `#[idempotent(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotentSpec {
    /// How long an answer is kept.
    pub ttl: Duration,
    /// The bound on keys held at once.
    pub max_keys: u32,
    /// The bound on the size of all answers that are kept.
    pub max_bytes: Option<u64>,
    /// How long a run keeps its key without a sign of life; `None` for what is left of the deadline and a little more.
    pub lease: Option<Duration>,
    /// What a request gets whose first run went away unfinished.
    pub on_takeover: OnTakeover,
}

impl IdempotentSpec {
    /// The defaults of every key.
    pub const DEFAULT: Self = Self {
        ttl: Duration::from_hours(24),
        max_keys: 100_000,
        max_bytes: Some(256 << 20),
        lease: None,
        on_takeover: OnTakeover::Rerun,
    };
}

/// What a request gets whose first run went away unfinished: what that one did, nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTakeover {
    /// It is run again.
    Rerun,
    /// It is refused.
    Conflict,
}

impl OnTakeover {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rerun => "rerun",
            Self::Conflict => "conflict",
        }
    }
}

/// When an extra execution begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// When the body has run so long.
    Duration(Duration),
    /// When it has run longer than this share of the recent successes.
    Percentile(Ratio),
}

/// `#[hedged(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HedgeSpec {
    /// When an extra execution begins.
    pub after: After,
    /// Extra executions of one call.
    pub max: u32,
    /// Extra executions as a share of calls.
    pub budget: Ratio,
}

impl HedgeSpec {
    /// The defaults of every key.
    pub const fn new(after: After) -> Self {
        Self { after, max: 1, budget: Ratio::percent(5) }
    }
}

/// `#[cached(…)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSpec {
    /// How long a result is fresh.
    pub ttl: Duration,
    /// The bound on results held at once.
    pub max_entries: u32,
    /// The bound on the size of all results and their keys.
    pub max_bytes: Option<u64>,
    /// How far `ttl` is spread, so that results of one moment do not end in one moment.
    pub jitter: Ratio,
    /// How long beyond `ttl` a result is still served while one call loads it anew.
    pub stale_while_revalidate: Duration,
    /// How long beyond `ttl` a result is still served when loading it anew fails.
    pub stale_if_error: Duration,
    /// The longest a load in the background may take.
    pub refresh_timeout: Duration,
    /// How long an error that a pattern names is kept; `None` for none.
    pub negative: Option<Duration>,
}

impl CacheSpec {
    /// The defaults of every key, for results that are fresh so long.
    pub const fn new(ttl: Duration) -> Self {
        Self {
            ttl,
            max_entries: 10_000,
            max_bytes: None,
            jitter: Ratio::percent(5),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            refresh_timeout: Duration::from_secs(30),
            negative: None,
        }
    }
}
