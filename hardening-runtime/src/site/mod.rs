//! What an expansion talks to: the site of a call, and the call itself. The only place where the order of the
//! policies stands.
//!
//! `begin` does what comes once for a call (deadline, limits per call), `must_wait` what comes before each attempt
//! (circuit breaker, limits per attempt, bulkhead), `wait` its waits, `attempt` runs the body under its timeout, `settle` takes
//! the outcome and decides about a repetition, `finish` closes the books.

/// Tells the recorders of tests; nothing where the feature `testing` is off.
macro_rules! happened {
    ($call:expr, $($what:tt)*) => {
        #[cfg(feature = "testing")]
        crate::testing::happened($call.state.name, crate::testing::What::$($what)*);
    };
}

mod admit;
mod again;
mod attempt;
mod attempts;
mod blame;
mod cached;
mod call;
mod end;
mod execution;
mod fallback;
mod hedged;
mod held;
mod idempotent;
mod load;
mod loading;
mod nested;
mod observe;
mod patience;
mod place;
mod refusal;
mod settle;
mod span;
mod state;
mod verdict;

use std::hash::Hash;
use std::sync::{OnceLock, PoisonError, RwLock};

use hardening_spec::CallSpec;

pub use again::{Again, Keep, KeepError, KeepNothing, KeepResult, NotKept, Settled};
pub use attempt::Attempt;
pub use call::Call;
pub use hedged::Rest;
pub use held::Held;
pub use load::{Cached, Load};
pub use loading::{Fails, Handed, HandsOut, HandsOutDebug, HandsOutNothing, HandsOutText};
pub use place::{Level, Place};
pub(crate) use state::{OtherBreakers, State};
pub use verdict::{Cut, Outcome, Verdict};

use crate::clock;
use crate::names::Name;
use crate::policy::circuit_breaker::Circuit;
use crate::policy::rate_limit::Charge;
use crate::policy::shared::{SharedBreaker, SharedBudget, SharedBulkhead, SharedLimiter, Uses};

/// One annotated function: where it stands, what its attributes say, and, once called, the state of its policies.
///
/// State belongs to the site: it is shared by all instances and all instantiations of the function.
pub struct Site {
    place: Place,
    name: Name,
    declared: CallSpec,
    uses: Uses,
    /// What settings made of it.
    configured: RwLock<Option<CallSpec>>,
    state: OnceLock<State>,
    /// What a scrape before the first call shows.
    beginning: OnceLock<Box<State>>,
}

impl Site {
    /// The site at `place` with the policies that its attributes declare.
    pub const fn new(place: Place, declared: CallSpec) -> Self {
        Self {
            place,
            name: Name::new(),
            declared,
            uses: Uses::NONE,
            configured: RwLock::new(None),
            state: OnceLock::new(),
            beginning: OnceLock::new(),
        }
    }

    /// The same with a circuit that others share.
    #[must_use]
    pub const fn sharing_circuit_breaker(mut self, policy: &'static SharedBreaker) -> Self {
        self.uses.breaker = Some(policy);
        self
    }

    /// The same with the limit at this position one that others share.
    ///
    /// # Panics
    /// When there is no such position.
    #[must_use]
    pub const fn sharing_rate_limiter(mut self, position: usize, policy: &'static SharedLimiter) -> Self {
        self.uses.limits[position] = Some(policy);
        self
    }

    /// The same with a bulkhead that others share.
    #[must_use]
    pub const fn sharing_bulkhead(mut self, policy: &'static SharedBulkhead) -> Self {
        self.uses.bulkhead = Some(policy);
        self
    }

    /// The same with a budget of retries or hedges that others share.
    #[must_use]
    pub const fn sharing_retry_budget(mut self, policy: &'static SharedBudget) -> Self {
        self.uses.budget = Some(policy);
        self
    }

    /// The policies of this call that are shared, as settings name them, each with its name.
    pub fn shared(&self) -> Vec<(&'static str, &'static str)> {
        self.uses.names()
    }

    /// The call's name in metrics, logs and settings: with the crate in front where the site is of a crate that is not the
    /// program's own.
    pub fn name(&self) -> &'static str {
        self.name.get(&self.place)
    }

    pub(crate) const fn settled(&self) -> &Name {
        &self.name
    }

    /// Where it stands in the sources.
    pub const fn place(&self) -> &Place {
        &self.place
    }

    /// What its attributes say.
    pub const fn declared(&self) -> &CallSpec {
        &self.declared
    }

    /// What is in force: the attributes, overridden by settings.
    pub fn effective(&self) -> CallSpec {
        self.uses.effective(&self.own())
    }

    /// The same without the numbers of the policies that it shares.
    pub fn own(&self) -> CallSpec {
        self.configured.read().unwrap_or_else(PoisonError::into_inner).unwrap_or(self.declared)
    }

    /// Puts other numbers in force, at any time; states stay as they are. A policy that is missing in `spec` is switched
    /// off, one that the attributes do not declare is not added.
    pub fn configure(&'static self, spec: &CallSpec) {
        *self.configured.write().unwrap_or_else(PoisonError::into_inner) = Some(*spec);
        // What a scrape showed before the first call is shown no more after it.
        let beginning = || self.beginning.get().map(|state| &**state);
        if let Some(state) = self.state.get().or_else(beginning) {
            state.tune(spec, &self.uses);
        }
    }

    /// Why these numbers can be put in force only before the first call.
    pub fn refuses_to_become(&self, spec: &CallSpec) -> Option<&'static str> {
        self.state.get()?.refuses_to_become(spec)
    }

    /// The circuit, where the call has a breaker.
    pub fn circuit(&'static self) -> Option<Circuit> {
        self.state().breaker.common().map(Circuit)
    }

    /// The circuit of one key, where the call has one for each.
    pub fn circuit_of(&'static self, key: u64) -> Option<Circuit> {
        match &self.state().breaker.other {
            Some(OtherBreakers::Keyed(keyed)) => Some(Circuit(keyed.circuit(key, clock::now()))),
            _ => None,
        }
    }

    /// Begins a call.
    #[inline(always)]
    pub fn begin_call(&'static self) -> Call<'static> {
        Call::begin(self.state(), &[])
    }

    /// Begins a call with one charge for each rate limit, in the order in which they were written.
    #[inline(always)]
    pub fn begin_charged_call<'c>(&'static self, charges: &'c [Charge]) -> Call<'c> {
        Call::begin(self.state(), charges)
    }

    /// Begins a load in the background: it is nobody's request, so no right is asked for and no limit of calls is
    /// charged.
    pub fn begin_refresh_call<'c, K, V>(&'static self, charges: &'c [Charge], load: &Load<K, V>) -> Call<'c>
    where
        K: Hash + Eq + Clone,
    {
        Call::begin_refresh(self.state(), charges, load)
    }

    /// The state for a scrape, which is no call: a site that was never called shows what it would begin with, and begins with
    /// its first call.
    pub(crate) fn shown(&'static self) -> &'static State {
        let beginning = || Box::new(State::new(self, &self.effective()));
        self.state.get().unwrap_or_else(|| self.beginning.get_or_init(beginning))
    }

    #[inline(always)]
    pub(crate) fn state(&'static self) -> &'static State {
        match self.state.get() {
            Some(state) => state,
            None => self.first_state(),
        }
    }

    #[cold]
    fn first_state(&'static self) -> &'static State {
        self.state.get_or_init(|| State::new(self, &self.effective()))
    }
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site")
            .field("name", &self.name())
            .field("place", &self.place)
            .field("declared", &self.declared)
            .finish_non_exhaustive()
    }
}
