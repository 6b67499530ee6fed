//! The live side of a site: its policies with their state, and its counts.

use hardening_spec::{CallSpec, Per};

use super::Site;
use super::span::Spans;
use crate::clock::{self, NEVER, Nanos, nanos};
use crate::policy::bulkhead::Bulkhead;
use crate::policy::cache::Stores;
use crate::policy::circuit_breaker::CircuitBreaker;
use crate::policy::hedge::Hedge;
use crate::policy::idempotency::Idempotency;
use crate::policy::rate_limit::Limiter;
use crate::policy::retry::Retry;
use crate::telemetry::calls::CallMetrics;

/// What the calls of one site share.
pub(crate) struct State {
    pub(crate) name: &'static str,
    pub(crate) spec: CallSpec,
    /// How long one attempt may take, [`NEVER`] for no limit.
    pub(crate) timeout: Nanos,
    /// How long the call may take, [`NEVER`] for no limit.
    pub(crate) deadline: Nanos,
    /// Whether any policy may refuse: a call without one is never refused, whatever surrounds it.
    pub(crate) refuses: bool,
    /// The limits charged once for the call.
    pub(crate) call_limits: Limits,
    /// The limits charged for each attempt.
    pub(crate) attempt_limits: Limits,
    pub(crate) idempotency: Option<Idempotency>,
    pub(crate) hedge: Option<Hedge>,
    pub(crate) cache: Option<Stores>,
    pub(crate) retry: Option<Retry>,
    pub(crate) breaker: Option<CircuitBreaker>,
    pub(crate) bulkhead: Option<Bulkhead>,
    pub(crate) metrics: CallMetrics,
    pub(crate) spans: Spans,
}

impl State {
    pub(crate) fn new(site: &'static Site, spec: &CallSpec) -> Self {
        let name = site.place.name;
        let now = clock::now();
        let limits = |per| {
            let declared = spec.limits().filter(|(_, limit)| limit.per == per);
            Limits::new(declared.map(|(at, limit)| Limiter::new(name, *limit).at(at as u8)).collect())
        };
        let only_observed = CallSpec { fallback: None, ..*spec } == CallSpec::NONE;
        Self {
            name,
            spec: *spec,
            timeout: spec.timeout.map_or(NEVER, nanos),
            deadline: spec.deadline.map_or(NEVER, nanos),
            refuses: !only_observed,
            call_limits: limits(Per::Call).behind(spec.requires.is_some()),
            attempt_limits: limits(Per::Attempt),
            idempotency: spec.idempotent.as_ref().map(Idempotency::new),
            hedge: spec.hedged.as_ref().map(|hedge| Hedge::new(hedge, now)),
            cache: spec.cached.as_ref().map(Stores::new),
            retry: spec.retry.as_ref().map(Retry::new),
            breaker: spec
                .circuit_breaker
                .map(|breaker| CircuitBreaker::new(name, breaker, spec.timeout, now)),
            bulkhead: spec.bulkhead.as_ref().map(Bulkhead::new),
            metrics: CallMetrics::default(),
            spans: Spans::new(site),
        }
    }
}

impl State {
    /// Every rate limit.
    pub(crate) fn limits(&self) -> impl Iterator<Item = &Limiter> {
        self.call_limits.as_slice().iter().chain(self.attempt_limits.as_slice())
    }
}

/// The rate limits of one kind.
#[expect(clippy::large_enum_variant, reason = "one for each site, and a box would cost every call a jump")]
pub(crate) enum Limits {
    None,
    /// The most frequent case.
    One(Limiter),
    Many(Box<[Limiter]>),
    /// Those of a call that requires a right first.
    Gated(Box<[Limiter]>),
}

impl Limits {
    fn new(mut limiters: Vec<Limiter>) -> Self {
        match limiters.len() {
            0 => Self::None,
            1 => limiters.pop().map_or(Self::None, Self::One),
            _ => Self::Many(limiters.into_boxed_slice()),
        }
    }

    /// The same behind the gate of a right.
    fn behind(self, gate: bool) -> Self {
        match self {
            limits if !gate => limits,
            Self::None => Self::Gated(Box::default()),
            Self::One(only) => Self::Gated(Box::new([only])),
            Self::Many(many) | Self::Gated(many) => Self::Gated(many),
        }
    }

    pub(crate) fn as_slice(&self) -> &[Limiter] {
        match self {
            Self::None => &[],
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(many) | Self::Gated(many) => many,
        }
    }
}
