//! Calls inside one another that name one policy: the inner one runs under what the outer one holds.
//!
//! A permit is used by one call inside at a time; another one beside it takes a permit of its own. The outer call records its outcome
//! with the circuit breaker, and the inner one nothing. A circuit that tries whether its dependency has healed refuses no call inside
//! one that it has admitted: where it would, the inner call shares the permit with the others. A rate limit's charge covers the first
//! call inside that costs no more.

use std::sync::{Arc, PoisonError, Weak};

use hardening_spec::Per;

use super::Call;
use super::state::Charged;
use crate::context::permits::{self, Loan, Permit, Policy, Shown};
use crate::context::waits::{self, Waiting};
use crate::policy::bulkhead::Bulkhead;
use crate::policy::circuit_breaker::{self, CircuitBreaker};
use crate::policy::rate_limit::Charge;

/// What a call shares with those inside it and around it.
#[derive(Debug, Default)]
pub(crate) struct Nested {
    /// What it holds, for the call or for the attempt in hand.
    lent: Vec<(Per, Arc<Permit>)>,
    /// What earlier attempts held, for as long as a call inside that was moved elsewhere still uses it.
    left: Vec<Weak<Permit>>,
    /// The limits that another call's charge covers, by position.
    covered: Vec<(Per, u8, Loan)>,
}

impl Nested {
    /// Shows the permits to the calls that are polled meanwhile.
    pub(super) fn show(&self) -> Option<Shown> {
        (!self.lent.is_empty()).then(|| permits::show(self.lent.iter().map(|(_, permit)| permit)))
    }

    fn lends(&self, policy: Policy) -> bool {
        self.lent.iter().any(|(_, permit)| permit.policy() == policy)
    }

    /// The attempt in hand is about to give back what it holds: a call inside that goes on elsewhere keeps its place.
    pub(super) fn leave(&self) {
        self.lent.iter().for_each(|(_, permit)| permit.is_left());
    }

    fn end_attempt(&mut self) {
        let over = self.lent.extract_if(.., |(per, _)| *per == Per::Attempt);
        self.left.extend(over.map(|(_, permit)| Arc::downgrade(&permit)));
        self.covered.retain(|(per, ..)| *per == Per::Call);
    }
}

impl Call<'_> {
    fn lend(&mut self, per: Per, policy: Policy, cost: u32, name: &'static str) {
        let permit = Permit::new(policy, cost, self.state.name, name);
        self.attach().nested.lent.push((per, permit));
    }

    /// Uses another call's permit in the attempt in hand, and lends it on.
    fn use_loan(&mut self, policy: Policy, loan: Loan) {
        self.warn_of_nested_use(loan.permit());
        let permit = Permit::under(policy, loan, self.state.name);
        self.attach().nested.lent.push((Per::Attempt, permit));
    }

    /// Passes a circuit with the permit of an enclosing call.
    pub(super) fn borrow_circuit(&mut self, breaker: &'static CircuitBreaker) -> bool {
        let policy = Policy::of(breaker);
        let Some(loan) = permits::borrow(policy, 0) else { return false };
        happened!(self, CircuitPassed);
        self.permit = circuit_breaker::Permit::NONE;
        self.use_loan(policy, loan);
        true
    }

    /// Passes a circuit that has refused the call with the permit that another call inside the same one uses. Else a function that
    /// makes several calls at once would be refused by its own probe.
    pub(super) fn share_circuit(&mut self, breaker: &'static CircuitBreaker) -> bool {
        if !breaker.is_trying(self.now) {
            return false;
        }
        let Some(permit) = permits::shared(Policy::of(breaker)) else { return false };
        self.warn_of_nested_use(&permit);
        happened!(self, CircuitPassed);
        self.permit = circuit_breaker::Permit::NONE;
        true
    }

    pub(super) fn lend_circuit(&mut self, breaker: &'static CircuitBreaker) {
        let policy = Policy::of(breaker);
        if !self.attach().nested.lends(policy) {
            self.lend(Per::Attempt, policy, 0, breaker.name());
        }
    }

    /// Whether calls inside may run in the same place. A function that calls itself is refused by a bulkhead of its own without a queue,
    /// as everybody is who finds no place: only where it would wait for itself does it not.
    pub(super) fn lends_place_of(&self, bulkhead: &'static Bulkhead) -> bool {
        self.state.shares_bulkhead || bulkhead.can_queue()
    }

    /// Runs in the place of an enclosing call, or in that of an earlier attempt: a call inside may have kept it that waits to be polled
    /// by this attempt.
    pub(super) fn borrow_place(&mut self, bulkhead: &'static Bulkhead) -> bool {
        if self.take_back_place(bulkhead) {
            return true;
        }
        let lends = self.lends_place_of(bulkhead);
        let loan = if lends { permits::borrow(Policy::of(bulkhead), 0) } else { None };
        let borrowed = loan.is_some();
        if let Some(loan) = loan {
            self.use_place(bulkhead, loan);
        }
        borrowed
    }

    /// Whether an earlier attempt may have left a call behind inside.
    pub(super) fn has_left_calls(&self) -> bool {
        self.attached.as_ref().is_some_and(|attached| !attached.nested.left.is_empty())
    }

    fn take_back_place(&mut self, bulkhead: &'static Bulkhead) -> bool {
        let Some(attached) = self.attached.as_mut() else { return false };
        let left = std::mem::take(&mut attached.nested.left);
        let mut left = left.iter().filter_map(Weak::upgrade);
        let of_bulkhead =
            |permit: &Arc<Permit>| permit.policy() == Policy::of(bulkhead) && permit.is_taken_back();
        let Some(permit) = left.find(of_bulkhead) else { return false };
        let is_place = permit.is_place();
        attached.nested.lent.push((Per::Attempt, permit));
        if is_place {
            happened!(self, BulkheadEntered);
            self.inside = true;
        }
        true
    }

    pub(super) fn use_place(&mut self, bulkhead: &'static Bulkhead, loan: Loan) {
        // From the first time on, every call of this bulkhead says what it holds.
        bulkhead.enter_exactly();
        self.use_loan(Policy::of(bulkhead), loan);
    }

    pub(super) fn lend_place(&mut self, bulkhead: &'static Bulkhead) {
        bulkhead.entered_exactly();
        let permit = Permit::of_place(bulkhead, self.state.name, self.state.bulkhead_name);
        self.attach().nested.lent.push((Per::Attempt, permit));
    }

    /// What an execution beside the first lends to the calls inside it: the place that it has just taken.
    pub(super) fn permit_beside(&self, bulkhead: &'static Bulkhead) -> Option<Arc<Permit>> {
        let lends = bulkhead.is_tight() && self.lends_place_of(bulkhead);
        lends.then(|| Permit::of_place(bulkhead, self.state.name, self.state.bulkhead_name))
    }

    /// Begins to charge the limits of one kind.
    pub(super) fn begin_charging(&mut self, per: Per) {
        if let Some(attached) = self.attached.as_mut() {
            attached.nested.covered.retain(|(of, ..)| *of != per);
        }
    }

    /// Uses the charge of an enclosing call for this one, if there is one that covers it.
    pub(super) fn cover(&mut self, charged: &'static Charged, charge: Charge, per: Per) {
        let policy = Policy::of(charged.limiter).with_key(charge.key());
        let Some(mut loan) = permits::borrow(policy, charge.cost().max(1)) else { return };
        loan.spend(true);
        self.warn_of_nested_use(loan.permit());
        self.attach().nested.covered.push((per, charged.position, loan));
    }

    pub(super) fn is_covered(&self, charged: &Charged, per: Per) -> bool {
        let covered = self.attached.as_ref().map_or(&[][..], |attached| &attached.nested.covered);
        covered.iter().any(|(of, position, _)| *of == per && *position == charged.position)
    }

    /// Gives the charges back that covered those of a call which is not made.
    pub(super) fn uncover(&mut self, per: Per) {
        if let Some(attached) = self.attached.as_mut() {
            attached.nested.covered.iter_mut().for_each(|(of, _, loan)| loan.spend(*of != per));
            attached.nested.covered.retain(|(of, ..)| *of != per);
        }
    }

    pub(super) fn lend_charge(&mut self, charged: &'static Charged, charge: Charge, per: Per) {
        let policy = Policy::of(charged.limiter).with_key(charge.key());
        self.lend(per, policy, charge.cost(), charged.limiter.name());
    }

    /// The attempt in hand is about to give back what it holds.
    #[cold]
    pub(super) fn leave_nested(&self) {
        if let Some(attached) = self.attached.as_ref() {
            attached.nested.leave();
        }
    }

    /// Ends what the attempt in hand shares.
    #[cold]
    pub(super) fn end_nested(&mut self) {
        if let Some(attached) = self.attached.as_mut() {
            attached.nested.end_attempt();
        }
    }

    /// Whether the log has not told this of a call and of a policy of this one.
    fn is_news(&self, call: &'static str, policy: &'static str) -> bool {
        let mut told = self.state.nested.lock().unwrap_or_else(PoisonError::into_inner);
        let known = told.contains(&(call, policy));
        if !known {
            told.push((call, policy));
        }
        !known
    }

    /// Begins to wait for a place while the calls around this one hold others, and says once when that closes a circle.
    pub(super) fn wait_holding(&self, bulkhead: &'static Bulkhead) -> Option<Waiting> {
        let waiting = waits::wait_for(Policy::of(bulkhead));
        if waiting.as_ref().is_some_and(|waiting| waiting.in_circle)
            && self.is_news(self.state.name, self.state.bulkhead_name)
        {
            tracing::warn!(
                call = self.state.name,
                policy = self.state.bulkhead_name,
                "a call waits for a place and holds another, for which those wait that hold this one: they may wait for ever; enter \
                 bulkheads in the same order everywhere, or give one of them a `max_wait`"
            );
        }
        waiting
    }

    /// Says once for each pair of calls and policy that one is made inside the other.
    #[cold]
    fn warn_of_nested_use(&self, permit: &Permit) {
        let (outer, policy) = (permit.call, permit.name);
        if !self.is_news(outer, policy) {
            return;
        }
        tracing::warn!(
            call = self.state.name,
            outer,
            policy,
            "a call is made inside another call that has passed the same policy: it runs under the permit of that call"
        );
    }
}
