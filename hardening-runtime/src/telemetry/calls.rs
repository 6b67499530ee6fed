//! What each call counts: atomics of its own, read when somebody scrapes, so that counting costs an addition and
//! every series exists at zero from the start.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use crate::catalogue::sites;
use crate::clock::{self, Nanos};
use crate::policy::cache::Request;
use crate::policy::circuit_breaker::CircuitState;
use crate::policy::hedge::Extra;
use crate::policy::idempotency::Fate;
use crate::site::{Site, State};
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
    const ALL: [Self; 3] = [Self::Failure, Self::Timeout, Self::Refused];

    const fn name(self) -> &'static str {
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
            let others: u64 = CallOutcome::ALL.into_iter().map(read).sum();
            let successes = self.duration.count().saturating_sub(others);
            // A call that ends between the two readings would make the figure fall back by one, and a counter
            // that falls is taken for a restart.
            return self.shown.fetch_max(successes, Ordering::Relaxed).max(successes);
        }
        read(outcome)
    }

    /// Attempts that ended with this outcome.
    pub fn attempts(&self, outcome: CallOutcome) -> u64 {
        let counted = self.attempts[outcome as usize].load(Ordering::Relaxed);
        if outcome == CallOutcome::Success { counted + self.calls(outcome) } else { counted }
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
    // A scrape is no call: a site that was never called shows what it would begin with, and can still be configured.
    let read = |site: &'static Site| site.used().ok_or_else(|| Box::new(State::new(site, &site.effective())));
    let read: Vec<Result<&State, Box<State>>> = sites().map(read).collect();
    let mut states: Vec<&State> =
        read.iter().map(|state| state.as_ref().map_or_else(|new| &**new, |used| *used)).collect();
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

fn policies(out: &mut String, states: &[&State]) {
    let now = clock::now();
    let mut family = Family::gauge(out, "hardening_circuit_state", "1 for the state that a circuit is in.");
    for (state, breaker) in states.iter().filter_map(|state| Some((state, state.breaker.as_ref()?))) {
        let current = breaker.state(now);
        for candidate in CircuitState::ALL {
            let labels = [("circuit", state.name), ("state", candidate.name())];
            family.sample(&labels, u8::from(candidate == current));
        }
    }
    let mut family =
        Family::counter(out, "hardening_circuit_transitions_total", "Changes of a circuit's state.");
    for (state, breaker) in states.iter().filter_map(|state| Some((state, state.breaker.as_ref()?))) {
        for (from, to) in CircuitState::changes() {
            let labels = [("circuit", state.name), ("from", from.name()), ("to", to.name())];
            family.sample(&labels, breaker.transition_count(from, to));
        }
    }
    let mut family = Family::counter(
        out,
        "hardening_rate_limit_decisions_total",
        "Charges to a rate limit; overflow counts those that found no room for their key.",
    );
    for (state, limiter) in
        states.iter().flat_map(|state| state.limits().map(move |limiter| (state, limiter)))
    {
        // As settings name them.
        let name = match limiter.position() {
            0 => state.name.to_owned(),
            further => format!("{}.rate_limited_{}", state.name, further + 1),
        };
        let (allowed, refused, overflow) = limiter.counts();
        for (decision, count) in [("allowed", allowed), ("refused", refused), ("overflow", overflow)] {
            family.sample(&[("limiter", &name), ("decision", decision)], count);
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
    let mut family = Family::gauge(out, "hardening_concurrency_limit", "Places of a bulkhead.");
    for (state, bulkhead) in states.iter().filter_map(|state| Some((state, state.bulkhead.as_ref()?))) {
        family.sample(&[("call", state.name)], bulkhead.max());
    }
    let mut family =
        Family::gauge(out, "hardening_queue_depth", "Callers that wait for a place in a bulkhead.");
    for (state, bulkhead) in states.iter().filter_map(|state| Some((state, state.bulkhead.as_ref()?))) {
        family.sample(&[("call", state.name)], bulkhead.waiting());
    }
    let mut family =
        Family::gauge(out, "hardening_retry_budget_remaining", "Retries that a budget would pay for now.");
    for (state, left) in
        states.iter().filter_map(|state| Some((state, state.retry.as_ref()?.budget_left(now)?)))
    {
        family.sample(&[("budget", state.name)], left);
    }
}
