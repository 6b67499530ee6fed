//! The live side of a site: its policies with their state, and its counts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hardening_spec::{BulkheadSpec, CallSpec, CircuitBreakerSpec, CircuitMode, Per, RateLimitSpec};

use super::Site;
use super::attempts::Attempts;
use super::span::Spans;
use crate::clock::{self, NEVER, Nanos, nanos};
use crate::policy::bulkhead::{Bulkhead, KeyedBulkheads};
use crate::policy::cache::Stores;
use crate::policy::circuit_breaker::{CircuitBreaker, KeyedBreakers};
use crate::policy::hedge::Hedge;
use crate::policy::idempotency::Idempotency;
use crate::policy::rate_limit::Limiter;
use crate::policy::retry::Retry;
use crate::policy::shared::{SharedBreaker, SharedBulkhead, SharedLimiter, Uses};
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
    pub(crate) attempts: Attempts,
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
    /// The bulkhead's name in the log.
    pub(crate) bulkhead_name: &'static str,
    /// Calls around and policies of theirs that this one was made under, as far as the log has told it.
    pub(crate) nested: Mutex<Vec<(&'static str, &'static str)>>,
    pub(crate) metrics: CallMetrics,
    pub(crate) spans: Spans,
}

/// A fallback that settings have switched off.
pub(crate) const OFF: Nanos = Nanos::MAX;

impl State {
    pub(crate) fn new(site: &'static Site, effective: &CallSpec) -> Self {
        let name = site.name();
        let now = clock::now();
        let (declared, uses) = (site.declared, &site.uses);
        // What is switched off is there all the same, since it may be switched on again.
        let spec = or_declared(effective, &declared);
        let limits = |per, gated| {
            let of_kind = spec.limits().filter(|(_, limit)| limit.per == per);
            let charged = of_kind.map(|(at, limit)| Charged::new(name, at, limit, uses.limits[at]));
            Limits::new(charged.collect(), gated)
        };
        let only_observed = CallSpec { fallback: None, ..declared } == CallSpec::NONE;
        let state = Self {
            name,
            declared,
            timeout: Tunable::default(),
            deadline: Tunable::default(),
            refuses: !only_observed,
            call_limits: limits(Per::Call, declared.requires.is_some()),
            attempt_limits: limits(Per::Attempt, false),
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
            attempts: Attempts::new(name, spec.retry.is_some(), spec.hedged.is_some()),
            breaker: Breakers::new(name, &spec, uses.breaker, now),
            bulkhead: Bulkheads::new(name, &spec, uses.bulkhead, now),
            fallback_within: Tunable::default(),
            refresh_timeout: Tunable::default(),
            mode: Mutex::new(CircuitMode::Automatic),
            shares_budget: uses.budget.is_some(),
            shares_bulkhead: uses.bulkhead.is_some(),
            bulkhead_name: uses.bulkhead.map_or(name, SharedBulkhead::name),
            nested: Mutex::default(),
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

#[cfg(feature = "testing")]
impl State {
    /// The state that everything begins with.
    pub(crate) fn reset(&self) {
        let now = clock::now();
        self.reset_limits();
        self.reset_circuits();
        if let Some(bulkhead) = self.bulkhead.common() {
            bulkhead.restart(now);
        }
        if let Some(keyed) = self.bulkhead.keyed() {
            keyed.reset(now);
        }
        if let Some(retry) = &self.retry {
            retry.budget().reset(now);
        }
        if let Some(hedge) = &self.hedge {
            hedge.reset(now);
        }
        if let Some(cache) = &self.cache {
            cache.clear();
        }
        if let Some(idempotency) = &self.idempotency {
            idempotency.store.clear();
        }
    }

    pub(crate) fn reset_limits(&self) {
        for charged in self.limits() {
            charged.limiter.reset();
        }
    }

    pub(crate) fn reset_circuits(&self) {
        let now = clock::now();
        if let Some(breaker) = self.breaker.common() {
            breaker.reset(now);
        }
        match &self.breaker.other {
            Some(OtherBreakers::Keyed(keyed)) => keyed.reset(now),
            Some(OtherBreakers::Throttle(throttle)) => throttle.reset(now),
            Some(OtherBreakers::Shared(_)) | None => {}
        }
    }
}

impl State {
    /// Every rate limit.
    pub(crate) fn limits(&self) -> impl Iterator<Item = &Charged> {
        self.call_limits.as_slice().iter().chain(self.attempt_limits.as_slice())
    }
}

/// What refuses the calls of a dependency that fails.
#[derive(Default)]
pub(crate) struct Breakers {
    /// The circuit of the call; it lives as long as the site, which is for ever. The most frequent case, told by one
    /// comparison.
    pub(crate) one: Option<&'static CircuitBreaker>,
    pub(crate) other: Option<OtherBreakers>,
}

/// What is no plain circuit.
pub(crate) enum OtherBreakers {
    /// One that others share.
    Shared(&'static CircuitBreaker),
    Keyed(Box<KeyedBreakers>),
    Throttle(Box<Throttle>),
}

impl Breakers {
    fn new(name: &'static str, spec: &CallSpec, shared: Option<&'static SharedBreaker>, now: Nanos) -> Self {
        if let Some(shared) = shared {
            return Self { one: None, other: Some(OtherBreakers::Shared(shared.state())) };
        }
        let other = match spec.circuit_breaker {
            None => return Self::default(),
            Some(breaker) if breaker.adaptive.is_some() => {
                OtherBreakers::Throttle(Box::new(Throttle::new(&breaker, now)))
            }
            Some(breaker) if breaker.keyed => {
                OtherBreakers::Keyed(Box::new(KeyedBreakers::new(name, breaker, spec.timeout)))
            }
            Some(breaker) => {
                let made = Box::leak(Box::new(CircuitBreaker::new(name, breaker, spec.timeout, now)));
                return Self { one: Some(made), other: None };
            }
        };
        Self { one: None, other: Some(other) }
    }

    /// The one that all calls share.
    pub(crate) fn common(&self) -> Option<&'static CircuitBreaker> {
        self.one.or(match &self.other {
            Some(OtherBreakers::Shared(breaker)) => Some(*breaker),
            _ => None,
        })
    }

    fn tune(&self, spec: Option<&CircuitBreakerSpec>, timeout: Option<Duration>) {
        if let (Some(breaker), Some(spec)) = (self.one, spec) {
            breaker.tune(spec, timeout);
        }
        match (&self.other, spec) {
            (Some(OtherBreakers::Throttle(throttle)), spec) => throttle.tune(spec),
            (Some(OtherBreakers::Keyed(keyed)), Some(spec)) => keyed.tune(spec, timeout),
            _ => {}
        }
    }

    fn set_mode(&self, mode: CircuitMode) {
        if let Some(breaker) = self.one {
            breaker.give_mode(mode.into());
        }
        if let Some(OtherBreakers::Keyed(keyed)) = &self.other {
            keyed.set_mode(mode.into());
        }
    }
}

/// The bounds on concurrent executions of a call.
#[derive(Default)]
pub(crate) struct Bulkheads {
    /// As [`Breakers::one`].
    pub(crate) one: Option<&'static Bulkhead>,
    pub(crate) other: Option<OtherBulkheads>,
}

/// What is no plain bulkhead.
pub(crate) enum OtherBulkheads {
    /// One that follows latency.
    Learning(&'static Bulkhead),
    Keyed(Box<KeyedBulkheads>),
}

impl Bulkheads {
    fn new(name: &'static str, spec: &CallSpec, shared: Option<&'static SharedBulkhead>, now: Nanos) -> Self {
        let Some(bulkhead) = spec.bulkhead else { return Self::default() };
        if bulkhead.keyed && shared.is_none() {
            return Self {
                one: None,
                other: Some(OtherBulkheads::Keyed(Box::new(KeyedBulkheads::new(name, bulkhead)))),
            };
        }
        let made = match shared {
            Some(shared) => shared.state(),
            None => Box::leak(Box::new(Bulkhead::new(&bulkhead, now))),
        };
        if bulkhead.adaptive.is_some() {
            return Self { one: None, other: Some(OtherBulkheads::Learning(made)) };
        }
        Self { one: Some(made), other: None }
    }

    /// The one that all calls share.
    pub(crate) fn common(&self) -> Option<&'static Bulkhead> {
        self.one.or(match &self.other {
            Some(OtherBulkheads::Learning(bulkhead)) => Some(*bulkhead),
            _ => None,
        })
    }

    /// Those of keys.
    pub(crate) fn keyed(&self) -> Option<&KeyedBulkheads> {
        match &self.other {
            Some(OtherBulkheads::Keyed(keyed)) => Some(keyed),
            _ => None,
        }
    }

    /// Puts other numbers in force, `None` for no bound.
    fn tune(&self, spec: Option<&BulkheadSpec>) {
        if let Some(bulkhead) = self.common() {
            bulkhead.tune(spec);
        }
        if let Some(keyed) = self.keyed() {
            keyed.tune(spec);
        }
    }

    /// Whether callers can wait.
    fn can_queue(&self) -> bool {
        self.common().is_none_or(Bulkhead::can_queue) && self.keyed().is_none_or(KeyedBulkheads::can_queue)
    }

    /// Places, callers inside and callers in the queue; those of all keys together.
    pub(crate) fn occupancy(&self) -> Option<(u32, u32, u32)> {
        let one = self.common().map(|bulkhead| (bulkhead.max(), bulkhead.running(), bulkhead.waiting()));
        one.or_else(|| self.keyed().map(KeyedBulkheads::occupancy))
    }
}

/// A rate limit with its place among those of its call. It lives as long as the site, which is for ever.
pub(crate) struct Charged {
    pub(crate) position: u8,
    pub(crate) limiter: &'static Limiter,
    /// Whether other calls are charged to it as well.
    pub(crate) shared: bool,
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
            None => Box::leak(Box::new(Limiter::new(own_name(name, position), *spec))),
        };
        // At most `MAX_RATE_LIMITS`.
        Self { position: position as u8, limiter, shared: shared.is_some() }
    }
}

/// The name of a limit of the call's own, by its position: that of the call, with the section of settings behind it for further ones.
fn own_name(call: &'static str, position: usize) -> &'static str {
    match position {
        0 => call,
        // It lives as long as the limit, which is for ever.
        further => String::leak(format!("{call}.rate_limited_{}", further + 1)),
    }
}

/// The rate limits of one kind.
pub(crate) struct Limits {
    /// The only one, without keys, of this call alone and with no right to hold before it: the most frequent case, told by one comparison.
    pub(crate) one: Option<&'static Limiter>,
    /// Whether there is any, or a right to hold before them.
    pub(crate) any: bool,
    /// Whether a right must be held first.
    pub(crate) gated: bool,
    all: Box<[Charged]>,
}

impl Limits {
    fn new(limits: Vec<Charged>, gated: bool) -> Self {
        let one = match &limits[..] {
            [only] if !gated && !only.shared && !only.limiter.is_keyed() => Some(only.limiter),
            _ => None,
        };
        Self { one, any: gated || !limits.is_empty(), gated, all: limits.into_boxed_slice() }
    }

    pub(crate) fn as_slice(&self) -> &[Charged] {
        &self.all
    }
}
