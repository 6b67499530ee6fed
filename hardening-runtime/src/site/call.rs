//! One call on its way through its policies.

use std::fmt::Debug;
use std::hash::Hash;
use std::mem::ManuallyDrop;

use hardening_spec::{MAX_RATE_LIMITS, Per};
use tokio::time::Sleep;

use super::load::Load;
use super::refusal::{Reason, Refusal};
use super::span::{Attached, CallSpans};
use super::state::{Charged, Limits, OtherBreakers, State};
use crate::clock::{self, NEVER, Nanos};
use crate::context;
use crate::policy::bulkhead::Bulkhead;
use crate::policy::circuit_breaker::{self, Permit};
use crate::policy::rate_limit::{self, Asked, Charge, Entered, Refused};
use crate::telemetry::calls::CallOutcome;

/// One call. Dropping it before it is finished gives everything back and counts as cancelled, or as panicked
/// when the body was running.
#[must_use]
pub struct Call<'c> {
    pub(super) state: &'static State,
    /// When the call began.
    pub(super) started: Nanos,
    /// When everything must be over.
    pub(super) deadline: Nanos,
    /// The last look at the clock: while an attempt runs, when its body began.
    pub(super) now: Nanos,
    /// When the attempt in hand must be over.
    pub(super) limit: Nanos,
    /// When the wait in hand ends: a backoff, or a limiter's turn; 0 for none.
    pub(super) resume: Nanos,
    /// The delay before the attempt in hand.
    pub(super) last_delay: Nanos,
    /// Why the attempt in hand does not run.
    pub(super) refusal: Refusal,
    pub(super) permit: Permit,
    /// Attempts begun.
    pub(super) attempts: u32,
    /// The limits whose turn the wait in hand is for.
    pub(super) reserved: Option<Per>,
    pub(super) phase: Phase,
    /// Whether a place in the bulkhead is held.
    pub(super) inside: bool,
    /// Whether a body has run in an attempt before this one.
    pub(super) has_run: bool,
    /// Whether what comes once for the call has happened before its attempts.
    pub(super) came_in: bool,
    /// How the last attempt ended, where it was no plain success.
    pub(super) ended: CallOutcome,
    /// Taken when the call ends, so that the end of a call without costs one comparison.
    pub(super) attached: ManuallyDrop<Option<Box<Attached>>>,
    /// What each limit is charged, where it is not one unit without a key.
    pub(super) charges: &'c [Charge],
    /// Nothing. The compiler computes the layout of a timer while it looks at the outermost call of a chain, where it has
    /// most of its recursion limit left, and finds it known at the innermost one.
    pub(super) _timers: [ManuallyDrop<Sleep>; 0],
}

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Phase {
    /// No attempt is in hand.
    Between = 0,
    /// An attempt was begun and not settled.
    InHand,
    /// The user's code runs at this moment, the body or the patterns that judge its result; left standing by a panic.
    Polling,
    /// The same after the last attempt: the fallback and its patterns.
    Answering,
    /// Counted.
    Finished,
}

impl<'c> Call<'c> {
    #[inline(always)]
    pub(super) fn begin(state: &'static State, charges: &'c [Charge]) -> Self {
        // Only values here, nothing that takes the call's address: so it is made where it will stay.
        let now = clock::now();
        #[cfg(feature = "testing")]
        crate::testing::happened(state.name, crate::testing::What::Begun);
        state.metrics.enter();
        Self {
            state,
            started: now,
            deadline: context::ambient().deadline.min(now.saturating_add(state.deadline.get())),
            now,
            limit: NEVER,
            resume: 0,
            last_delay: 0,
            refusal: Refusal::NONE,
            permit: Permit::NONE,
            attempts: 0,
            reserved: None,
            phase: Phase::Between,
            inside: false,
            has_run: false,
            came_in: false,
            ended: CallOutcome::Success,
            attached: ManuallyDrop::new(state.spans.open()),
            charges,
            _timers: [],
        }
    }

    #[cold]
    pub(super) fn begin_refresh<K: Hash + Eq + Clone, V>(
        state: &'static State,
        charges: &'c [Charge],
        load: &Load<K, V>,
    ) -> Self {
        let mut call = Self::begin(state, charges);
        call.attach().load = load.mark();
        call.came_in = true;
        call.deadline = call.deadline.min(call.now.saturating_add(state.refresh_timeout.get()));
        call
    }

    /// What comes once for the call.
    #[inline(always)]
    pub(super) fn enter(&mut self) {
        let limits = &self.state.call_limits;
        if let Some(only) = limits.one
            && self.charges.is_empty()
            && only.admits_one(self.now)
        {
            happened!(self, CallCharged);
            return;
        }
        if limits.any {
            self.enter_any();
        }
    }

    #[cold]
    fn enter_any(&mut self) {
        if !self.state.call_limits.gated || self.holds_right() {
            self.charge_limits(&self.state.call_limits, Per::Call, self.patience(Per::Call));
        }
    }

    /// Refuses a caller without the right that the call requires.
    pub(super) fn holds_right(&mut self) -> bool {
        let Some(scope) = self.state.declared.requires else { return true };
        match context::holds(scope) {
            Some(true) => {
                happened!(self, Authorized);
                return true;
            }
            Some(false) => self.refuse(Reason::Forbidden),
            None => self.refuse(Reason::Unauthenticated),
        }
        false
    }

    /// Records an argument on the call's span.
    pub fn record_field(&mut self, field: &'static str, value: &dyn Debug) {
        if let Some(spans) = self.attached.as_ref().and_then(|attached| attached.spans.as_ref()) {
            spans.record(field, value);
        }
    }

    /// Keeps the reason why the attempt in hand does not run.
    #[cold]
    pub(super) fn refuse(&mut self, reason: Reason) {
        self.refusal = Refusal::because(reason);
        happened!(self, Refused(self.refusal.kind()));
        if reason == Reason::DeadlineExceeded {
            self.give_up_for_time();
        }
    }

    /// Charges the limits of one kind, all of them or none, or keeps the turn that comes by `until`. What the charge of an
    /// enclosing call covers is not charged.
    #[cold]
    pub(super) fn charge_limits(&mut self, limits: &'static Limits, per: Per, until: Nanos) {
        let all = limits.as_slice();
        self.begin_charging(per);
        for charged in all.iter().filter(|charged| charged.shared) {
            self.cover(charged, self.charge(charged), per);
        }
        let own = || all.iter().filter(|charged| !self.is_covered(charged, per));
        let refuses = |charged: &Charged| !charged.limiter.admits(self.charge(charged), self.now);
        let Some(at) = own().position(refuses) else { return self.have_charged(per) };
        own().take(at).for_each(|charged| charged.limiter.refund(self.charge(charged), self.now));
        let ask = |charged: &Charged| Asked {
            limiter: charged.limiter,
            charge: self.charge(charged),
            position: charged.position,
        };
        let asked: Vec<_> = own().map(ask).collect();
        match rate_limit::enter(&asked, self.now, until) {
            Entered::Now => self.have_charged(per),
            Entered::Later(turn) => {
                self.resume = turn.turn();
                self.reserved = Some(per);
                self.attach().turn = Some(turn);
            }
            Entered::Refused(limiter, refused) => {
                self.uncover(per);
                self.refuse_limited(limiter, &refused);
            }
        }
    }

    #[cold]
    pub(super) fn refuse_limited(&mut self, limiter: u8, refused: &Refused) {
        happened!(self, Refused("rate_limited"));
        self.refusal = Refusal {
            reason: Reason::RateLimited,
            limiter,
            ran: false,
            remaining: refused.remaining,
            retry_after: refused.retry_after,
        };
        self.give_up_for_turn();
    }

    /// Counts what was charged, and lends it to the calls inside.
    pub(super) fn have_charged(&mut self, per: Per) {
        let limits = match per {
            Per::Call => &self.state.call_limits,
            Per::Attempt => &self.state.attempt_limits,
        };
        for charged in limits.as_slice() {
            if !self.is_covered(charged, per) {
                charged.limiter.count_allowed();
            }
            if charged.shared {
                self.lend_charge(charged, self.charge(charged), per);
            }
        }
        match per {
            _ if limits.as_slice().is_empty() => {}
            Per::Call => {
                happened!(self, CallCharged);
            }
            Per::Attempt => {
                happened!(self, AttemptCharged);
            }
        }
    }

    #[inline(always)]
    fn charge(&self, charged: &Charged) -> Charge {
        match self.charges {
            [] => Charge::ONE,
            charges => charges.get(usize::from(charged.position)).copied().unwrap_or(Charge::ONE),
        }
    }

    /// Gives up the turn that the call waits for.
    #[cold]
    pub(super) fn give_up_turn(&mut self) {
        let Some(per) = self.reserved.take() else { return };
        if let Some(attached) = &mut *self.attached {
            attached.turn = None;
        }
        self.uncover(per);
    }

    /// Gives back everything that the attempt in hand holds, once; `verdict` is the breaker's, `took` how long the body ran.
    #[inline(always)]
    pub(super) fn release(&mut self, verdict: circuit_breaker::Verdict, took: Nanos) {
        if self.inside {
            happened!(self, BulkheadLeft);
            match self.state.bulkhead.one {
                Some(bulkhead) => bulkhead.leave(),
                None => self.leave_other(verdict, took),
            }
        }
        if let Some(breaker) = self.state.breaker.one {
            happened!(self, CircuitTold);
            breaker.record(self.permit, self.now, verdict, took);
        } else if self.state.breaker.other.is_some() {
            self.record_other(verdict, took);
        }
    }

    /// Leaves a bulkhead that is of a key, or learns.
    #[cold]
    fn leave_other(&mut self, verdict: circuit_breaker::Verdict, took: Nanos) {
        let Some(bulkhead) = self.bulkhead() else { return };
        // What failed tells nothing of how long an answer takes.
        match self.refusal.reason {
            Reason::None if verdict == circuit_breaker::Verdict::Success => {
                bulkhead.learn(took, false, self.now);
            }
            Reason::Timeout if self.refusal.ran => bulkhead.learn(took, true, self.now),
            _ => {}
        }
        bulkhead.leave();
    }

    /// Tells the outcome to the circuit of a key, or to a throttle.
    #[cold]
    fn record_other(&mut self, verdict: circuit_breaker::Verdict, took: Nanos) {
        match &self.state.breaker.other {
            Some(OtherBreakers::Throttle(throttle)) => {
                if let Some(admitted) = self.permit.moment() {
                    throttle.ended(admitted, verdict);
                }
            }
            Some(OtherBreakers::Shared(breaker)) => {
                happened!(self, CircuitTold);
                breaker.record(self.permit, self.now, verdict, took);
            }
            Some(OtherBreakers::Keyed(_)) => {
                if let Some(breaker) = self.attached.as_mut().and_then(|attached| attached.breaker.take()) {
                    breaker.record(self.permit, self.now, verdict, took);
                }
            }
            _ => {}
        }
    }

    /// The bulkhead that the attempt in hand is in, or waits for.
    pub(super) fn bulkhead(&self) -> Option<&'static Bulkhead> {
        let common = self.state.bulkhead.common();
        common.or_else(|| self.attached.as_ref().and_then(|attached| attached.bulkhead))
    }

    /// The hash of the key of the breaker or the bulkhead: they come behind the limits, in this order.
    pub(super) fn key(&self, from_end: usize) -> u64 {
        let at = self.charges.len().checked_sub(from_end);
        at.and_then(|at| self.charges.get(at)).map_or(0, Charge::key)
    }

    /// Why an attempt that reached its limit is cut.
    pub(super) fn cut(&self) -> Reason {
        if self.limit < self.deadline { Reason::Timeout } else { Reason::DeadlineExceeded }
    }

    /// The call's spans, if anybody listens.
    pub(super) fn spans(&mut self) -> Option<&mut CallSpans> {
        self.attached.as_mut()?.spans.as_mut()
    }

    /// What few calls carry, made where it is missing.
    #[cold]
    pub(super) fn attach(&mut self) -> &mut Attached {
        self.attached.get_or_insert_default()
    }

    /// Ends the attempt's span.
    #[cold]
    pub(super) fn end_attempt_span(&mut self, outcome: CallOutcome) {
        let attempts = self.attempts;
        if let Some(spans) = self.spans() {
            spans.end_attempt(attempts, outcome.name());
        }
    }

    /// Leaves executions that wait.
    pub(super) fn suspend(&mut self) {
        self.phase = Phase::InHand;
        if let Some(mark) = self.attached.as_ref().and_then(|attached| attached.load.as_ref()) {
            mark.suspend();
        }
    }

    /// Says once that this call, which is about to repeat an attempt, is made inside another that repeats.
    #[cold]
    pub(super) fn warn_of_nested_retry(&self) {
        if let Some(outer) = context::ambient().attempt.filter(|outer| outer.is_retry)
            && self.state.metrics.first_nested_retry()
        {
            tracing::warn!(
                call = self.state.name,
                outer = outer.call,
                "a call that retries is made inside an attempt of another call that retries: attempts multiply"
            );
        }
    }

    /// The longest a fallback may take, as a moment, and whether that is what surrounds the call.
    pub(super) fn fallback_limit(&self) -> (Nanos, bool) {
        let within = self.state.fallback_within.get();
        let (own, surrounding) = (clock::now().saturating_add(within), context::ambient().deadline);
        (own.min(surrounding), surrounding <= own)
    }
}

/// A call carries at most so many charges, and a position fits into a byte.
const _: () = assert!(MAX_RATE_LIMITS < u8::MAX as usize);
