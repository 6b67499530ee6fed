//! The live side of a site: its policies with their state, and its counts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hardening_spec::{BulkheadSpec, CallSpec, CircuitBreakerSpec, CircuitMode, Per, RateLimitSpec};

use super::Site;
use super::span::Spans;
use crate::clock::{self, NEVER, Nanos, nanos};
use crate::policy::bulkhead::{Bulkhead, KeyedBulkheads};
use crate::policy::cache::Stores;
use crate::policy::circuit_breaker::{CircuitBreaker, KeyedBreakers};
use crate::policy::hedge::Hedge;
use crate::policy::idempotency::Idempotency;
use crate::policy::rate_limit::Limiter;
use crate::policy::retry::Retry;
use crate::policy::shared::{Shared, SharedBreaker, SharedBulkhead, SharedLimiter, Uses};
use crate::policy::throttle::Throttle;
use crate::telemetry::calls::CallMetrics;
use crate::tunable::Tunable;

/// What the calls of one site share. Which policies there are, the attributes say; their numbers may change at any time.
pub(crate) struct State {
    pub(crate) name: &'static str,
    /// What the attributes say; for what no setting changes.
    pub(crate) declared: CallSpec,
    /// How long one attempt may take, [`NEVER`] for no limit.
    pub(crate) timeout: Tunable,
    /// How long the call may take, [`NEVER`] for no limit.
    pub(crate) deadline: Tunable,
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
    pub(crate) breaker: Breakers,
    pub(crate) bulkhead: Bulkheads,
    /// How long the fallback may take, [`OFF`] where there is none.
    pub(crate) fallback_within: Tunable,
    /// How long a load in the background may take.
    pub(crate) refresh_timeout: Tunable,
    /// The mode that settings gave the circuits last.
    mode: Mutex<CircuitMode>,
    /// Whether others share the budget, and the bulkhead: then they are shown once, under their own name.
    pub(crate) shares_budget: bool,
    pub(crate) shares_bulkhead: bool,
    pub(crate) metrics: CallMetrics,
    pub(crate) spans: Spans,
}

/// A fallback that settings have switched off.
pub(crate) const OFF: Nanos = Nanos::MAX;

impl State {
    pub(crate) fn new(site: &'static Site, effective: &CallSpec) -> Self {
        let name = site.place.name;
        let now = clock::now();
        let (declared, uses) = (site.declared, &site.uses);
        // What is switched off is there all the same, since it may be switched on again.
        let spec = or_declared(effective, &declared);
        let limits = |per| {
            let of_kind = spec.limits().filter(|(_, limit)| limit.per == per);
            Limits::new(of_kind.map(|(at, limit)| Charged::new(name, at, limit, uses.limits[at])).collect())
        };
        let only_observed = CallSpec { fallback: None, ..declared } == CallSpec::NONE;
        let state = Self {
            name,
            declared,
            timeout: Tunable::default(),
            deadline: Tunable::default(),
            refuses: !only_observed,
            call_limits: limits(Per::Call).behind(declared.requires.is_some()),
            attempt_limits: limits(Per::Attempt),
            idempotency: spec.idempotent.as_ref().map(Idempotency::new),
            hedge: spec.hedged.as_ref().map(|hedge| match uses.budget {
                Some(budget) => Hedge::sharing(hedge, Arc::clone(budget.state()), now),
                None => Hedge::new(hedge, now),
            }),
            cache: spec.cached.as_ref().map(Stores::new),
            retry: spec.retry.as_ref().map(|retry| match uses.budget {
                Some(budget) => Retry::sharing(retry, Arc::clone(budget.state())),
                None => Retry::new(retry, now),
            }),
            breaker: Breakers::new(name, &spec, uses.breaker, now),
            bulkhead: Bulkheads::new(name, &spec, uses.bulkhead, now),
            fallback_within: Tunable::default(),
            refresh_timeout: Tunable::default(),
            mode: Mutex::new(CircuitMode::Automatic),
            shares_budget: uses.budget.is_some(),
            shares_bulkhead: uses.bulkhead.is_some(),
            metrics: CallMetrics::default(),
            spans: Spans::new(site),
        };
        state.tune(effective, uses);
        state
    }

    /// Puts other numbers in force; every state stays. A policy that is missing in `spec` is switched off. Shared policies
    /// have their own numbers.
    pub(crate) fn tune(&self, spec: &CallSpec, uses: &Uses) {
        self.timeout.set(spec.timeout.map_or(NEVER, nanos));
        self.deadline.set(spec.deadline.map_or(NEVER, nanos));
        for charged in self.limits() {
            let position = usize::from(charged.position);
            if uses.limits[position].is_none() {
                charged.limiter.tune(spec.rate_limits[position].as_ref());
            }
        }
        if let Some(retry) = &self.retry {
            retry.tune(spec.retry.as_ref());
            if let (Some(spec), None) = (&spec.retry, uses.budget) {
                retry.budget().tune(spec.budget);
            }
        }
        if let Some(hedge) = &self.hedge {
            hedge.tune(spec.hedged.as_ref());
            if let (Some(spec), None) = (&spec.hedged, uses.budget) {
                hedge.budget().tune(Some(spec.budget));
            }
        }
        if let Some(cache) = &self.cache {
            cache.tune(spec.cached.as_ref());
        }
        if let (Some(idempotency), Some(spec)) = (&self.idempotency, &spec.idempotent) {
            idempotency.store.tune(spec);
        }
        if uses.bulkhead.is_none() {
            self.bulkhead.tune(spec.bulkhead.as_ref());
        }
        if uses.breaker.is_none() {
            self.breaker.tune(spec.circuit_breaker.as_ref(), spec.timeout);
            let mode = spec.circuit_breaker.map_or(CircuitMode::Disabled, |breaker| breaker.mode);
            let mut before = self.mode.lock().unwrap_or_else(PoisonError::into_inner);
            // What an operator forced stays until settings say something else than before.
            if std::mem::replace(&mut *before, mode) != mode {
                self.breaker.set_mode(mode);
            }
        }
        self.fallback_within.set(spec.fallback.map_or(OFF, |fallback| nanos(fallback.within).min(OFF - 1)));
        self.refresh_timeout.set(spec.cached.map_or(NEVER, |cache| nanos(cache.refresh_timeout)));
    }

    /// Why these numbers cannot be put in force while the process runs.
    pub(crate) fn refuses_to_become(&self, spec: &CallSpec) -> Option<&'static str> {
        let queue = spec.bulkhead.is_some_and(|bulkhead| bulkhead.queue > 0);
        (queue && !self.bulkhead.can_queue())
            .then_some("a bulkhead that runs without a queue gets one with the next start")
    }
}

/// `effective`, with what is switched off there as it is declared.
fn or_declared(effective: &CallSpec, declared: &CallSpec) -> CallSpec {
    CallSpec {
        requires: declared.requires,
        timeout: effective.timeout,
        deadline: effective.deadline,
        retry: effective.retry.or(declared.retry),
        circuit_breaker: effective.circuit_breaker.or(declared.circuit_breaker),
        idempotent: effective.idempotent.or(declared.idempotent),
        hedged: effective.hedged.or(declared.hedged),
        cached: effective.cached.or(declared.cached),
        rate_limits: std::array::from_fn(|at| effective.rate_limits[at].or(declared.rate_limits[at])),
        bulkhead: effective.bulkhead.or(declared.bulkhead),
        fallback: effective.fallback.or(declared.fallback),
    }
}

impl State {
    /// Every rate limit.
    pub(crate) fn limits(&self) -> impl Iterator<Item = &Charged> {
        self.call_limits.as_slice().iter().chain(self.attempt_limits.as_slice())
    }
}

/// What refuses the calls of a dependency that fails.
pub(crate) enum Breakers {
    None,
    /// Of the call, or shared with others. It lives as long as the site, which is for ever.
    One(&'static CircuitBreaker),
    Keyed(Box<KeyedBreakers>),
    Throttle(Box<Throttle>),
}

impl Breakers {
    fn tune(&self, spec: Option<&CircuitBreakerSpec>, timeout: Option<Duration>) {
        match (self, spec) {
            (Self::Throttle(throttle), spec) => throttle.tune(spec),
            (Self::One(breaker), Some(spec)) => breaker.tune(spec, timeout),
            (Self::Keyed(keyed), Some(spec)) => keyed.tune(spec, timeout),
            (Self::None | Self::One(_) | Self::Keyed(_), _) => {}
        }
    }

    fn set_mode(&self, mode: CircuitMode) {
        match self {
            Self::None | Self::Throttle(_) => {}
            Self::One(breaker) => breaker.set_mode(mode.into()),
            Self::Keyed(keyed) => keyed.set_mode(mode.into()),
        }
    }

    fn new(name: &'static str, spec: &CallSpec, shared: Option<&'static SharedBreaker>, now: Nanos) -> Self {
        if let Some(shared) = shared {
            return Self::One(shared.state());
        }
        match spec.circuit_breaker {
            None => Self::None,
            Some(breaker) if breaker.adaptive.is_some() => {
                Self::Throttle(Box::new(Throttle::new(&breaker, now)))
            }
            Some(breaker) if breaker.keyed => {
                Self::Keyed(Box::new(KeyedBreakers::new(name, breaker, spec.timeout)))
            }
            Some(breaker) => {
                Self::One(Box::leak(Box::new(CircuitBreaker::new(name, breaker, spec.timeout, now))))
            }
        }
    }
}

/// The bounds on concurrent executions of a call.
pub(crate) enum Bulkheads {
    None,
    /// As [`Breakers::One`].
    One(&'static Bulkhead),
    /// One that follows latency.
    Learning(&'static Bulkhead),
    Keyed(Box<KeyedBulkheads>),
}

impl Bulkheads {
    fn new(name: &'static str, spec: &CallSpec, shared: Option<&'static SharedBulkhead>, now: Nanos) -> Self {
        match spec.bulkhead {
            None => Self::None,
            Some(bulkhead) if shared.is_some() => match shared.map(Shared::state) {
                Some(shared) if bulkhead.adaptive.is_some() => Self::Learning(shared),
                Some(shared) => Self::One(shared),
                None => Self::None,
            },
            Some(bulkhead) if bulkhead.keyed => Self::Keyed(Box::new(KeyedBulkheads::new(name, bulkhead))),
            Some(bulkhead) => {
                let made = Box::leak(Box::new(Bulkhead::new(&bulkhead, now)));
                if bulkhead.adaptive.is_some() { Self::Learning(made) } else { Self::One(made) }
            }
        }
    }

    /// Puts other numbers in force, `None` for no bound.
    fn tune(&self, spec: Option<&BulkheadSpec>) {
        match self {
            Self::None => {}
            Self::One(bulkhead) | Self::Learning(bulkhead) => bulkhead.tune(spec),
            Self::Keyed(keyed) => keyed.tune(spec),
        }
    }

    /// Whether callers can wait.
    fn can_queue(&self) -> bool {
        match self {
            Self::None => true,
            Self::One(bulkhead) | Self::Learning(bulkhead) => bulkhead.can_queue(),
            Self::Keyed(keyed) => keyed.can_queue(),
        }
    }

    /// Places, callers inside and callers in the queue; those of all keys together.
    pub(crate) fn occupancy(&self) -> Option<(u32, u32, u32)> {
        match self {
            Self::None => None,
            Self::One(bulkhead) | Self::Learning(bulkhead) => {
                Some((bulkhead.max(), bulkhead.running(), bulkhead.waiting()))
            }
            Self::Keyed(keyed) => Some(keyed.occupancy()),
        }
    }
}

/// A rate limit with its place among those of its call. It lives as long as the site, which is for ever.
pub(crate) struct Charged {
    pub(crate) position: u8,
    pub(crate) limiter: &'static Limiter,
}

impl Charged {
    fn new(
        name: &'static str,
        position: usize,
        spec: &RateLimitSpec,
        shared: Option<&'static SharedLimiter>,
    ) -> Self {
        let limiter = match shared {
            Some(shared) => shared.state(),
            None => Box::leak(Box::new(Limiter::new(name, *spec))),
        };
        // At most `MAX_RATE_LIMITS`.
        Self { position: position as u8, limiter }
    }
}

/// The rate limits of one kind.
pub(crate) enum Limits {
    None,
    /// The most frequent case.
    One(Charged),
    Many(Box<[Charged]>),
    /// Those of a call that requires a right first.
    Gated(Box<[Charged]>),
}

impl Limits {
    fn new(mut limits: Vec<Charged>) -> Self {
        match limits.len() {
            0 => Self::None,
            1 => limits.pop().map_or(Self::None, Self::One),
            _ => Self::Many(limits.into_boxed_slice()),
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

    pub(crate) fn as_slice(&self) -> &[Charged] {
        match self {
            Self::None => &[],
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(many) | Self::Gated(many) => many,
        }
    }
}
