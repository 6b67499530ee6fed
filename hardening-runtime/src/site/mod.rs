//! What an expansion talks to: the site of a call, and the call itself. The only place where the order of the
//! policies stands.
//!
//! `begin` does what comes once for a call (deadline, limits per call), `must_wait` what comes before each attempt
//! (circuit breaker, limits per attempt, bulkhead), `wait` its waits, `attempt` runs the body under its timeout, `settle` takes
//! the outcome and decides about a repetition, `finish` closes the books.

mod admit;
mod attempt;
mod cached;
mod call;
mod hedged;
mod idempotent;
mod place;
mod refusal;
mod settle;
mod span;
mod state;
mod verdict;

use std::sync::OnceLock;

use hardening_spec::CallSpec;

pub use attempt::Attempt;
pub use cached::{Cached, Load};
pub use call::Call;
pub use place::{Level, Place};
pub(crate) use state::State;
pub use verdict::{Cut, Outcome, Verdict};

use crate::policy::circuit_breaker::Circuit;
use crate::policy::rate_limit::Charge;

/// One annotated function: where it stands, what its attributes say, and, once called, the state of its policies.
///
/// State belongs to the site: it is shared by all instances and all instantiations of the function.
pub struct Site {
    place: Place,
    declared: CallSpec,
    configured: OnceLock<CallSpec>,
    state: OnceLock<State>,
}

/// The site was called before it could be configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyInUse;

impl Site {
    /// The site at `place` with the policies that its attributes declare.
    pub const fn new(place: Place, declared: CallSpec) -> Self {
        Self { place, declared, configured: OnceLock::new(), state: OnceLock::new() }
    }

    /// The call's name: in metrics, logs, settings.
    pub const fn name(&self) -> &'static str {
        self.place.name
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
        *self.configured.get().unwrap_or(&self.declared)
    }

    /// Puts other numbers in force, before the first call.
    ///
    /// # Errors
    /// When the site was called or configured already.
    pub fn configure(&'static self, spec: CallSpec) -> Result<(), AlreadyInUse> {
        if self.state.get().is_some() {
            return Err(AlreadyInUse);
        }
        self.configured.set(spec).map_err(|_| AlreadyInUse)
    }

    /// The circuit, where the call has a breaker.
    pub fn circuit(&'static self) -> Option<Circuit> {
        self.state().breaker.as_ref().map(Circuit)
    }

    /// The state, once the site was called or its circuit looked at.
    pub(crate) fn used(&'static self) -> Option<&'static State> {
        self.state.get()
    }

    /// Begins a call.
    #[inline(always)]
    pub fn begin(&'static self) -> Call<'static> {
        Call::begin(self.state(), &[])
    }

    /// Begins a call with one charge for each rate limit, in the order in which they were written.
    #[inline(always)]
    pub fn begin_charged<'c>(&'static self, charges: &'c [Charge]) -> Call<'c> {
        Call::begin(self.state(), charges)
    }

    /// Begins a load in the background: it is nobody's request, so no right is asked for and no limit of calls is
    /// charged.
    pub fn begin_refresh<'c>(&'static self, charges: &'c [Charge]) -> Call<'c> {
        Call::begin_refresh(self.state(), charges)
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
            .field("place", &self.place)
            .field("declared", &self.declared)
            .finish_non_exhaustive()
    }
}
