//! What each call counts: atomics of its own, read when somebody scrapes, so that counting costs an addition and
//! every series exists at zero from the start.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::catalogue::sites;
use crate::clock::{self, Nanos};
use crate::policy::cache::Request;
use crate::policy::circuit_breaker::{CircuitBreaker, CircuitState, KeyedBreakers};
use crate::policy::hedge::Extra;
use crate::policy::idempotency::Fate;
use crate::policy::rate_limit::Limiter;
use crate::policy::shared::{self, Metered};
use crate::site::{OtherBreakers, Site, State};
use crate::telemetry::histogram::Histogram;
use crate::telemetry::text::{Family, label};

/// How a call ended, or an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// The body succeeded.
    Success,
    /// The body failed.
    Failure,
    /// The fallback answered.
    Fallback,
    /// An attempt ran into its timeout.
    Timeout,
    /// The deadline passed.
    DeadlineExceeded,
    /// The circuit was open.
    CircuitOpen,
    /// A rate limit refused.
    RateLimited,
    /// The bulkhead was full.
    BulkheadFull,
    /// The caller went away.
    Cancelled,
    /// The body panicked.
    Panicked,
    /// An error that the patterns say is the caller's own.
    Ignored,
    /// Any other refusal.
    Rejected,
}

impl CallOutcome {
    /// Every outcome.
    pub const ALL: [Self; 12] = [
        Self::Success,
        Self::Failure,
        Self::Fallback,
        Self::Timeout,
        Self::DeadlineExceeded,
        Self::CircuitOpen,
        Self::RateLimited,
        Self::BulkheadFull,
        Self::Cancelled,
        Self::Panicked,
        Self::Ignored,
        Self::Rejected,
    ];

    /// Its name in metrics and on spans.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Fallback => "fallback",
            Self::Timeout => "timeout",
            Self::DeadlineExceeded => "deadline_exceeded",
            Self::CircuitOpen => "circuit_open",
            Self::RateLimited => "rate_limited",
            Self::BulkheadFull => "bulkhead_full",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
            Self::Ignored => "ignored",
            Self::Rejected => "rejected",
        }
    }
}

/// Why an attempt was repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryReason {
    /// The body's outcome.
    Failure,
    /// It ran into its timeout.
    Timeout,
    /// A rate limit or the bulkhead refused it.
    Refused,
}

impl RetryReason {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Failure, Self::Timeout, Self::Refused];

    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
        }
    }
}

/// The counts of one call.
#[derive(Debug, Default)]
pub struct CallMetrics {
    calls: [AtomicU64; CallOutcome::ALL.len()],
    attempts: [AtomicU64; CallOutcome::ALL.len()],
    retries: [AtomicU64; RetryReason::ALL.len()],
    duration: Histogram,
    /// The most successes that were ever read.
    shown: AtomicU64,
    in_flight: AtomicU32,
    nested_retry: AtomicBool,
}

impl CallMetrics {
    #[inline(always)]
    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the end of a call. Successes are not counted one by one: they are what the histogram holds beyond
    /// the other outcomes.
    #[inline(always)]
    pub(crate) fn finish(&self, outcome: CallOutcome, took: Nanos) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        if outcome != CallOutcome::Success {
            self.calls[outcome as usize].fetch_add(1, Ordering::Relaxed);
        }
        // Behind its outcome, for whoever reads both.
        self.duration.record(took);
    }

    /// Counts the end of an attempt, unless it was the success that ends its call.
    #[inline(always)]
    pub(crate) fn attempted(&self, outcome: CallOutcome) {
        self.attempts[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn retried(&self, reason: RetryReason) {
        self.retries[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn first_nested_retry(&self) -> bool {
        !self.nested_retry.swap(true, Ordering::Relaxed)
    }

    /// Calls that ended with this outcome.
    pub fn calls(&self, outcome: CallOutcome) -> u64 {
        let read = |outcome: CallOutcome| self.calls[outcome as usize].load(Ordering::Relaxed);
        if outcome == CallOutcome::Success {
            // In this order: whoever reads a call's time finds its outcome counted, and a call that ends between the two readings
            // makes the difference too small, never too large. So the most that was ever read is no more than there were.
            let ended = self.duration.count();
            let others: u64 = CallOutcome::ALL.into_iter().map(read).sum();
            let successes = ended.saturating_sub(others);
            // A counter that falls is taken for a restart.
            return self.shown.fetch_max(successes, Ordering::Relaxed).max(successes);
        }
        read(outcome)
    }

    /// Attempts that ended with this outcome.
    pub fn attempts(&self, outcome: CallOutcome) -> u64 {
        let counted = self.attempts[outcome as usize].load(Ordering::Relaxed);
        if outcome == CallOutcome::Success { counted + self.calls(outcome) } else { counted }
    }

    /// How long they took.
    #[cfg(feature = "service")]
    pub(crate) fn duration(&self) -> &Histogram {
        &self.duration
    }

    /// Attempts that were repeated.
    pub fn retries(&self) -> u64 {
        self.retries.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Calls that have begun and not ended.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }
}

/// Writes every `hardening_*` series of every call in the binary as Prometheus text.
pub fn render(out: &mut String) {
    let mut states: Vec<&State> = sites().map(Site::shown).collect();
    states.sort_by_key(|state| state.name);
    calls(out, &states);
    policies(out, &states);
}

fn calls(out: &mut String, states: &[&State]) {
    let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let mut family = Family::counter(out, "hardening_calls_total", "Calls by their outcome.");
    for state in states {
        for outcome in CallOutcome::ALL {
            family.sample(&[("call", state.name), ("outcome", outcome.name())], state.metrics.calls(outcome));
        }
    }
    let mut family = Family::counter(out, "hardening_attempts_total", "Attempts by their outcome.");
    for state in states {
        for outcome in CallOutcome::ALL {
            family.sample(
                &[("call", state.name), ("outcome", outcome.name())],
                state.metrics.attempts(outcome),
            );
        }
    }
    let mut family = Family::counter(
        out,
        "hardening_retries_total",
        "Attempts that were repeated, by what they had ended with.",
    );
    for state in states.iter().filter(|state| state.retry.is_some()) {
        for reason in RetryReason::ALL {
            let count = read(&state.metrics.retries[reason as usize]);
            family.sample(&[("call", state.name), ("reason", reason.name())], count);
        }
    }
    let mut family = Family::gauge(out, "hardening_in_flight", "Calls that have begun and not ended.");
    for state in states {
        family.sample(&[("call", state.name)], state.metrics.in_flight());
    }
    let mut family = Family::histogram(out, "hardening_call_duration_seconds", "How long calls took.");
    for state in states {
        family.distribution(&label("call", state.name), &state.metrics.duration);
    }
}

/// How many series of budgets for retries there can be: one for each call that is repeated, and for each that is shared.
#[cfg(feature = "service")]
pub(crate) fn budgets() -> usize {
    let own = sites().map(Site::shown).filter(|state| state.retry.is_some() && !state.shares_budget);
    own.count() + policies_metered().filter(|(_, metered)| matches!(metered, Metered::Budget(_))).count()
}

/// The limits of one call, as settings name them.
fn own_limits(state: &State) -> impl Iterator<Item = (&'static str, &'static Limiter)> {
    let own = state.limits().filter(|charged| !charged.shared);
    own.map(|charged| (charged.limiter.name(), charged.limiter))
}

fn shared_limits() -> impl Iterator<Item = (&'static str, &'static Limiter)> {
    policies_metered().filter_map(|(name, metered)| match metered {
        Metered::Limiter(limiter) => Some((name, limiter)),
        _ => None,
    })
}

fn policies_metered() -> impl Iterator<Item = (&'static str, Metered)> {
    shared::policies().into_iter().map(|policy| (policy.name(), policy.metered()))
}

/// A circuit, or those of one call's keys.
#[derive(Clone, Copy)]
pub(crate) enum Circuits<'a> {
    One(&'static CircuitBreaker),
    Keyed(&'static str, &'a KeyedBreakers),
}

impl Circuits<'_> {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One(breaker) => breaker.name(),
            Self::Keyed(name, _) => name,
        }
    }
}

/// Those of the calls, then those that are shared.
pub(crate) fn circuits_of<'a>(states: &[&'a State]) -> Vec<Circuits<'a>> {
    let own = states.iter().filter_map(|state| match (state.breaker.one, &state.breaker.other) {
        (Some(breaker), _) if breaker.name() == state.name => Some(Circuits::One(breaker)),
        (_, Some(OtherBreakers::Keyed(keyed))) => Some(Circuits::Keyed(state.name, keyed)),
        _ => None,
    });
    let shared = policies_metered().filter_map(|(_, metered)| match metered {
        Metered::Breaker(breaker) => Some(Circuits::One(breaker)),
        _ => None,
    });
    own.chain(shared).collect()
}

/// Circuits, and shares that are refused instead.
fn circuits(out: &mut String, states: &[&State], now: Nanos) {
    let mut family = Family::gauge(
        out,
        "hardening_circuit_state",
        "Circuits in each state: 1 or 0, or a count where each key has one.",
    );
    for circuits in circuits_of(states) {
        let counts = match circuits {
            Circuits::One(breaker) => {
                CircuitState::ALL.map(|candidate| u64::from(candidate == breaker.state(now)))
            }
            Circuits::Keyed(_, keyed) => keyed.states(now),
        };
        for (candidate, count) in CircuitState::ALL.into_iter().zip(counts) {
            family.sample(&[("circuit", circuits.name()), ("state", candidate.name())], count);
        }
    }
    let mut family =
        Family::counter(out, "hardening_circuit_transitions_total", "Changes of a circuit's state.");
    for circuits in circuits_of(states) {
        for (from, to) in CircuitState::changes() {
            let count = match circuits {
                Circuits::One(breaker) => breaker.transition_count(from, to),
                Circuits::Keyed(_, keyed) => keyed.transitions(from, to),
            };
            family.sample(&[("circuit", circuits.name()), ("from", from.name()), ("to", to.name())], count);
        }
    }
    let mut family = Family::counter(
        out,
        "hardening_throttle_decisions_total",
        "Attempts that an adaptive circuit breaker let through or refused.",
    );
    for state in states {
        let Some(OtherBreakers::Throttle(throttle)) = &state.breaker.other else { continue };
        let (allowed, refused) = throttle.decisions();
        for (decision, count) in [("allowed", allowed), ("refused", refused)] {
            family.sample(&[("call", state.name), ("decision", decision)], count);
        }
    }
}

fn policies(out: &mut String, states: &[&State]) {
    let now = clock::now();
    circuits(out, states, now);
    let mut family = Family::counter(
        out,
        "hardening_rate_limit_decisions_total",
        "Charges to a rate limit; overflow counts those that found no room for their key.",
    );
    for (name, limiter) in states.iter().flat_map(|state| own_limits(state)).chain(shared_limits()) {
        let (allowed, refused, overflow) = limiter.counts();
        for (decision, count) in [("allowed", allowed), ("refused", refused), ("overflow", overflow)] {
            family.sample(&[("limiter", name), ("decision", decision)], count);
        }
    }
    let mut family = Family::counter(
        out,
        "hardening_cache_requests_total",
        "Requests for cached results by what became of them.",
    );
    for (state, stores) in states.iter().filter_map(|state| Some((state, state.cache.as_ref()?))) {
        for request in Request::ALL {
            family.sample(&[("call", state.name), ("result", request.name())], stores.requests(request));
        }
    }
    let mut family = Family::counter(
        out,
        "hardening_idempotency_total",
        "Requests with an idempotency key by what became of them.",
    );
    for (state, kept) in states.iter().filter_map(|state| Some((state, state.idempotency.as_ref()?))) {
        for fate in Fate::ALL {
            family.sample(&[("call", state.name), ("result", fate.name())], kept.counted(fate));
        }
    }
    let mut family = Family::counter(
        out,
        "hardening_hedges_total",
        "Extra executions of slow bodies by what became of them.",
    );
    for (state, hedge) in states.iter().filter_map(|state| Some((state, state.hedge.as_ref()?))) {
        for extra in Extra::ALL {
            family.sample(&[("call", state.name), ("result", extra.name())], hedge.counted(extra));
        }
    }
    let occupied = || {
        let own = states.iter().filter(|state| !state.shares_bulkhead);
        let own = own.filter_map(|state| Some((state.name, state.bulkhead.occupancy()?)));
        own.chain(policies_metered().filter_map(|(name, metered)| match metered {
            Metered::Bulkhead(bulkhead) => {
                Some((name, (bulkhead.max(), bulkhead.running(), bulkhead.waiting())))
            }
            _ => None,
        }))
    };
    let mut family = Family::gauge(out, "hardening_concurrency_limit", "Places of a bulkhead.");
    for (call, (places, _, _)) in occupied() {
        family.sample(&[("call", call)], places);
    }
    let mut family =
        Family::gauge(out, "hardening_queue_depth", "Callers that wait for a place in a bulkhead.");
    for (call, (_, _, waiting)) in occupied() {
        family.sample(&[("call", call)], waiting);
    }
    let mut family =
        Family::gauge(out, "hardening_retry_budget_remaining", "Retries that a budget would pay for now.");
    let own = states.iter().filter(|state| !state.shares_budget);
    let own = own.filter_map(|state| Some((state.name, state.retry.as_ref()?.budget().left(now)?)));
    let shared = policies_metered().filter_map(|(name, metered)| match metered {
        Metered::Budget(budget) => Some((name, budget.left(now)?)),
        _ => None,
    });
    for (budget, left) in own.chain(shared) {
        family.sample(&[("budget", budget)], left);
    }
}

#[cfg(test)]
mod tests;
