//! Policies that several functions share: the statics of `policy!`.

use std::fmt;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use hardening_spec::{
    BulkheadSpec, CallSpec, CircuitBreakerSpec, CircuitMode, RateLimitSpec, Ratio, RetrySpec,
};

use super::budget::Budget;
use super::bulkhead::Bulkhead;
use super::circuit_breaker::CircuitBreaker;
use super::rate_limit::Limiter;
use crate::clock;
use crate::names::Name;
use crate::site::Place;

/// A policy with its state, made at its first use.
pub struct Shared<T: 'static> {
    place: Place,
    name: Name,
    /// The policy as that of a call without any other, so that settings and rules are those of attributes.
    declared: CallSpec,
    configured: RwLock<Option<CallSpec>>,
    state: OnceLock<T>,
}

/// A circuit that several functions share.
pub type SharedBreaker = Shared<CircuitBreaker>;
/// A rate limit that several functions share.
pub type SharedLimiter = Shared<Limiter>;
/// A bulkhead that several functions share.
pub type SharedBulkhead = Shared<Bulkhead>;
/// A budget of retries and hedges that several functions share.
pub type SharedBudget = Shared<Arc<Budget>>;

/// What is made from a specification.
#[doc(hidden)]
pub trait Policy: Sized {
    /// Its attribute, as settings name it.
    const ATTRIBUTE: &'static str;
    /// With its state at the beginning.
    fn make(name: &'static str, spec: &CallSpec) -> Self;
    /// Other numbers from now on; a policy that is missing in `spec` is switched off.
    fn tune(&self, spec: &CallSpec, before: &CallSpec);
}

impl<T: Policy> Shared<T> {
    /// The policy's name in metrics, logs and settings.
    pub fn name(&self) -> &'static str {
        self.name.get(&self.place)
    }

    /// Its state.
    pub(crate) fn state(&'static self) -> &'static T {
        self.state.get_or_init(|| {
            let effective = self.effective();
            let made = T::make(self.name(), &or(&effective, &self.declared));
            // What is made is a circuit that decides.
            made.tune(&effective, &CallSpec::NONE.with_circuit_breaker(CircuitBreakerSpec::DEFAULT));
            made
        })
    }

    /// What is in force.
    pub(crate) fn effective(&self) -> CallSpec {
        self.configured.read().unwrap_or_else(PoisonError::into_inner).unwrap_or(self.declared)
    }

    fn configure(&'static self, spec: &CallSpec) {
        let before = self.effective();
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = Some(*spec);
        if let Some(state) = self.state.get() {
            state.tune(spec, &before);
        }
    }

    const fn new(place: Place, declared: &CallSpec) -> Self {
        let name = Name::new();
        Self { place, name, declared: *declared, configured: RwLock::new(None), state: OnceLock::new() }
    }
}

/// What is switched off is made all the same.
fn or(effective: &CallSpec, declared: &CallSpec) -> CallSpec {
    CallSpec {
        circuit_breaker: effective.circuit_breaker.or(declared.circuit_breaker),
        bulkhead: effective.bulkhead.or(declared.bulkhead),
        rate_limits: [effective.rate_limits[0].or(declared.rate_limits[0]), None, None, None],
        retry: effective.retry.or(declared.retry),
        ..CallSpec::NONE
    }
}

impl SharedBreaker {
    /// A circuit breaker of this specification.
    pub const fn circuit_breaker(place: Place, spec: CircuitBreakerSpec) -> Self {
        Self::new(place, &CallSpec::NONE.with_circuit_breaker(spec))
    }
}

impl SharedLimiter {
    /// A rate limit of this specification.
    pub const fn rate_limiter(place: Place, spec: RateLimitSpec) -> Self {
        Self::new(place, &CallSpec::NONE.with_rate_limited(spec))
    }
}

impl SharedBulkhead {
    /// A bulkhead of this specification.
    pub const fn bulkhead(place: Place, spec: BulkheadSpec) -> Self {
        Self::new(place, &CallSpec::NONE.with_bulkhead(spec))
    }
}

impl SharedBudget {
    /// A budget of this share.
    pub const fn retry_budget(place: Place, ratio: Ratio) -> Self {
        Self::new(
            place,
            &CallSpec::NONE.with_retry(RetrySpec::DEFAULT.with_idempotent(true).with_budget(Some(ratio))),
        )
    }
}

impl Policy for CircuitBreaker {
    const ATTRIBUTE: &'static str = "circuit_breaker";

    fn make(name: &'static str, spec: &CallSpec) -> Self {
        Self::new(name, spec.circuit_breaker.unwrap_or(CircuitBreakerSpec::DEFAULT), None, clock::now())
    }

    fn tune(&self, spec: &CallSpec, before: &CallSpec) {
        if let Some(spec) = &spec.circuit_breaker {
            Self::tune(self, spec, None);
        }
        let mode =
            |spec: &CallSpec| spec.circuit_breaker.map_or(CircuitMode::Disabled, |breaker| breaker.mode);
        // What an operator forced stays until settings say something else than before.
        if mode(spec) != mode(before) {
            self.give_mode(mode(spec).into());
        }
    }
}

impl Policy for Limiter {
    const ATTRIBUTE: &'static str = "rate_limited";

    fn make(name: &'static str, spec: &CallSpec) -> Self {
        let one = RateLimitSpec::new(hardening_spec::Rate::per_secs(1, 1));
        Self::new(name, spec.rate_limits[0].unwrap_or(one))
    }

    fn tune(&self, spec: &CallSpec, _: &CallSpec) {
        Self::tune(self, spec.rate_limits[0].as_ref());
    }
}

impl Policy for Bulkhead {
    const ATTRIBUTE: &'static str = "bulkhead";

    fn make(_: &'static str, spec: &CallSpec) -> Self {
        let made = Self::new(&spec.bulkhead.unwrap_or(BulkheadSpec::new(1)), clock::now());
        made.enter_exactly();
        made
    }

    fn tune(&self, spec: &CallSpec, _: &CallSpec) {
        Self::tune(self, spec.bulkhead.as_ref());
    }
}

impl Policy for Arc<Budget> {
    const ATTRIBUTE: &'static str = "retry";

    fn make(_: &'static str, spec: &CallSpec) -> Self {
        Self::new(Budget::new(spec.retry.and_then(|retry| retry.budget), clock::now()))
    }

    fn tune(&self, spec: &CallSpec, _: &CallSpec) {
        Budget::tune(self, spec.retry.and_then(|retry| retry.budget));
    }
}

impl<T: Policy> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.name())
            .field("policy", &T::ATTRIBUTE)
            .finish_non_exhaustive()
    }
}

/// A shared policy as the catalogue lists it.
pub trait Listed: Send + Sync {
    /// Where it stands in the sources.
    fn place(&'static self) -> &'static Place;
    /// Its name in metrics, logs and settings.
    fn name(&'static self) -> &'static str;
    /// Settles its name, once.
    #[doc(hidden)]
    fn named(&'static self, name: &'static str);
    /// The attribute that its numbers are those of.
    fn attribute(&self) -> &'static str;
    /// What its `policy!` says.
    fn declared(&self) -> &CallSpec;
    /// What is in force.
    fn effective(&self) -> CallSpec;
    /// Puts other numbers in force, at any time; its state stays as it is.
    fn configure(&'static self, spec: &CallSpec);
    /// Why these numbers can be put in force only before the first use.
    fn refuses_to_become(&self, spec: &CallSpec) -> Option<&'static str>;
    /// What metrics show of it.
    fn metered(&'static self) -> Metered;
    /// Gives it the state that it begins with.
    #[cfg(feature = "testing")]
    fn reset(&'static self) {
        let now = clock::now();
        match self.metered() {
            Metered::Breaker(breaker) => breaker.reset(now),
            Metered::Limiter(limiter) => limiter.reset(),
            Metered::Budget(budget) => budget.reset(now),
            Metered::Bulkhead(bulkhead) => bulkhead.restart(now),
        }
    }
}

/// What metrics show of a shared policy.
#[derive(Clone, Copy, Debug)]
pub enum Metered {
    /// A circuit.
    Breaker(&'static CircuitBreaker),
    /// A rate limit.
    Limiter(&'static Limiter),
    /// A bulkhead.
    Bulkhead(&'static Bulkhead),
    /// A budget of retries.
    Budget(&'static Budget),
}

/// The kinds of policies that can be shared, for [`Listed`].
pub(crate) trait Meter: Policy {
    fn metered(&'static self) -> Metered;

    fn refuses_to_become(&self, _: &CallSpec) -> Option<&'static str> {
        None
    }
}

impl Meter for CircuitBreaker {
    fn metered(&'static self) -> Metered {
        Metered::Breaker(self)
    }
}

impl Meter for Limiter {
    fn metered(&'static self) -> Metered {
        Metered::Limiter(self)
    }
}

impl Meter for Bulkhead {
    fn metered(&'static self) -> Metered {
        Metered::Bulkhead(self)
    }

    fn refuses_to_become(&self, spec: &CallSpec) -> Option<&'static str> {
        let queue = spec.bulkhead.is_some_and(|bulkhead| bulkhead.queue > 0);
        (queue && !self.can_queue())
            .then_some("a bulkhead that runs without a queue gets one with the next start")
    }
}

impl Meter for Arc<Budget> {
    fn metered(&'static self) -> Metered {
        Metered::Budget(self)
    }
}

impl<T: Meter + Send + Sync> Listed for Shared<T> {
    fn place(&'static self) -> &'static Place {
        &self.place
    }

    fn name(&'static self) -> &'static str {
        Self::name(self)
    }

    fn named(&'static self, name: &'static str) {
        self.name.set(name);
    }

    fn attribute(&self) -> &'static str {
        T::ATTRIBUTE
    }

    fn declared(&self) -> &CallSpec {
        &self.declared
    }

    fn effective(&self) -> CallSpec {
        Self::effective(self)
    }

    fn configure(&'static self, spec: &CallSpec) {
        Self::configure(self, spec);
    }

    fn refuses_to_become(&self, spec: &CallSpec) -> Option<&'static str> {
        self.state.get()?.refuses_to_become(spec)
    }

    fn metered(&'static self) -> Metered {
        self.state().metered()
    }
}

/// One entry of the catalogue; made by `policy!`.
#[doc(hidden)]
pub enum PolicyEntry {
    /// A circuit breaker.
    CircuitBreaker(&'static SharedBreaker),
    /// A rate limit.
    RateLimiter(&'static SharedLimiter),
    /// A bulkhead.
    Bulkhead(&'static SharedBulkhead),
    /// A budget.
    RetryBudget(&'static SharedBudget),
}

inventory::collect!(PolicyEntry);

impl PolicyEntry {
    fn listed(&'static self) -> &'static dyn Listed {
        match self {
            Self::CircuitBreaker(policy) => *policy,
            Self::RateLimiter(policy) => *policy,
            Self::Bulkhead(policy) => *policy,
            Self::RetryBudget(policy) => *policy,
        }
    }
}

/// Every shared policy in the binary, by name.
pub fn policies() -> Vec<&'static dyn Listed> {
    let mut all: Vec<_> = inventory::iter::<PolicyEntry>().map(PolicyEntry::listed).collect();
    all.sort_by_key(|policy| (policy.place().written, policy.place().file, policy.place().line));
    all
}

/// The shared policies that one site uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Uses {
    pub(crate) breaker: Option<&'static SharedBreaker>,
    /// By position among the call's limits.
    pub(crate) limits: [Option<&'static SharedLimiter>; hardening_spec::MAX_RATE_LIMITS],
    pub(crate) bulkhead: Option<&'static SharedBulkhead>,
    pub(crate) budget: Option<&'static SharedBudget>,
}

impl Uses {
    pub(crate) const NONE: Self = Self { breaker: None, limits: [None; 4], bulkhead: None, budget: None };

    /// The policies of a call, as settings name them, that are shared, each with its name.
    pub(crate) fn names(&self) -> Vec<(&'static str, &'static str)> {
        const LIMITS: [&str; 4] = ["rate_limited", "rate_limited_2", "rate_limited_3", "rate_limited_4"];
        let mut names = Vec::new();
        names.extend(self.breaker.map(|policy| ("circuit_breaker", policy.name())));
        names.extend(self.bulkhead.map(|policy| ("bulkhead", policy.name())));
        let limits = LIMITS.into_iter().zip(self.limits);
        names.extend(limits.filter_map(|(at, policy)| Some((at, policy?.name()))));
        names
    }

    /// `spec` with the numbers of the shared policies in it.
    pub(crate) fn effective(&self, spec: &CallSpec) -> CallSpec {
        let mut spec = *spec;
        if let (Some(policy), Some(own)) = (self.breaker, spec.circuit_breaker) {
            spec.circuit_breaker = policy
                .effective()
                .circuit_breaker
                .map(|breaker| CircuitBreakerSpec { timeouts_count: own.timeouts_count, ..breaker });
        }
        if let Some(policy) = self.bulkhead {
            spec.bulkhead = policy.effective().bulkhead;
        }
        for (limit, policy) in spec.rate_limits.iter_mut().zip(self.limits) {
            if let (Some(policy), Some(own)) = (policy, *limit) {
                *limit =
                    policy.effective().rate_limits[0].map(|limit| RateLimitSpec { per: own.per, ..limit });
            }
        }
        if let Some(policy) = self.budget
            && let Some(retry) = &mut spec.retry
        {
            retry.budget = policy.effective().retry.and_then(|retry| retry.budget);
        }
        spec
    }
}
