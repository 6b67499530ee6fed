//! What comes before each attempt: the wait for its turn, the breaker, the limits, the bulkhead.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hardening_spec::Per;

use super::Call;
use super::call::Phase;
use super::held::OfCall;
use super::loading;
use super::refusal::Reason;
use super::state::{OtherBreakers, OtherBulkheads};
use crate::clock::{self, Nanos};
use crate::context::permits::{self, Policy};
use crate::lifecycle;
use crate::policy::bulkhead::{Bulkhead, Entry};
use crate::policy::circuit_breaker::{Admission, CircuitBreaker, KeyedBreakers, Permit, Verdict};
use crate::policy::rate_limit::{Look, Reservation};
use crate::policy::retry::random;
use crate::policy::throttle::Throttle;

impl Call<'_> {
    /// What comes once for the call, its wait included, before its result is looked for elsewhere. False when the call
    /// is refused.
    pub(super) async fn come_in(&mut self) -> bool {
        if std::mem::replace(&mut self.came_in, true) {
            return self.refusal.is_none();
        }
        if self.now >= self.deadline {
            self.come_too_late();
            return false;
        }
        self.enter();
        if self.resume != 0 && self.refusal.is_none() {
            self.pause().await;
            if self.refusal.is_none() && self.now >= self.deadline {
                self.refuse(Reason::DeadlineExceeded);
            }
        }
        self.refusal.is_none()
    }

    /// Takes what the next attempt needs; true when it has to [`Call::wait_for_turn`] for its turn first. A refusal is kept
    /// for the attempt.
    #[inline(always)]
    pub fn must_wait_for_turn(&mut self) -> bool {
        if self.attempts == 0 {
            if self.now >= self.deadline && self.state.refuses {
                self.come_too_late();
                return false;
            }
            self.enter();
        }
        self.must_wait_within_call()
    }

    /// The same once the call has come in.
    #[inline(always)]
    pub fn must_wait_within_call(&mut self) -> bool {
        self.resume != 0 || (self.refusal.is_none() && self.prepare())
    }

    /// Waits for the turn of the next attempt: a limiter's turn, a place in the bulkhead. What that needs is in a
    /// box, since most calls never wait: without it the future of every call would be three times as large.
    #[cold]
    pub fn wait_for_turn(&mut self) -> Waiting<'_> {
        let load = self.attached.as_ref().and_then(|attached| attached.load.clone());
        let Some(load) = load else { return Waiting(Box::pin(self.take_turn())) };
        Waiting(Box::pin(async move {
            let mut turn = pin!(self.take_turn());
            poll_fn(|cx| {
                load.wait(cx);
                turn.as_mut().poll(cx)
            })
            .await;
        }))
    }

    async fn take_turn(&mut self) {
        if self.resume != 0 && self.reserved != Some(Per::Attempt) {
            self.pause().await;
            if self.refusal.is_none() && self.now >= self.deadline {
                self.refuse(Reason::DeadlineExceeded);
            }
            if !self.refusal.is_none() || !self.prepare() {
                return;
            }
        }
        let of_key = || self.attached.as_ref().and_then(|attached| attached.breaker);
        let breaker = self.state.breaker.common().or_else(of_key);
        let waiting = breaker.and_then(|breaker| breaker.waits(self.permit, self.now));
        let patience = self.patience(Per::Attempt);
        self.queue(patience).await;
        let keeps_place = waiting.is_none_or(|waiting| waiting.begins(self.now));
        if let Some(breaker) = breaker
            && self.refusal.is_none()
            && !(keeps_place && breaker.still_admits(self.permit))
        {
            self.ask_again(breaker);
        }
        // A turn that comes with the attempt's last moment comes too late: its body would be begun only to be cut.
        if self.refusal.is_none() && self.now >= self.limit {
            self.refuse(self.cut());
        }
    }

    /// A caller without a right learns of that first.
    #[cold]
    fn come_too_late(&mut self) {
        if self.holds_right() {
            self.refuse(Reason::DeadlineExceeded);
        }
    }

    /// Takes what the attempt needs; true when it has to wait for the rest.
    #[inline(always)]
    fn prepare(&mut self) -> bool {
        let state = self.state;
        self.attempts += 1;
        self.phase = Phase::InHand;
        self.limit = self.now.saturating_add(state.timeout.get()).min(self.deadline);
        if let Some(breaker) = state.breaker.one {
            if let Some(permit) = breaker.admit_plainly() {
                happened!(self, CircuitPassed);
                self.permit = permit;
            } else if !self.ask_exactly(breaker, false) {
                return false;
            }
        } else if let Some(other) = &state.breaker.other
            && !self.ask_other(other)
        {
            return false;
        }
        if state.attempt_limits.any {
            self.charge_limits(&state.attempt_limits, Per::Attempt, self.patience(Per::Attempt));
            if self.resume != 0 {
                return true;
            }
        }
        self.refusal.is_none() && self.take_place()
    }

    /// Asks a circuit that an enclosing call may have asked already: that of others, or one that is not closed.
    #[cold]
    fn ask_exactly(&mut self, breaker: &'static CircuitBreaker, shared: bool) -> bool {
        if self.borrow_circuit(breaker) {
            return true;
        }
        match breaker.admit(self.now) {
            Admission::Admitted(permit) => {
                happened!(self, CircuitPassed);
                self.permit = permit;
                if shared || CircuitBreaker::is_probe(permit) || breaker.is_trying(self.now) {
                    self.lend_circuit(breaker);
                }
                true
            }
            Admission::Refused { .. } if self.share_circuit(breaker) => true,
            Admission::Refused { retry_after } => {
                self.refuse_open(retry_after);
                false
            }
        }
    }

    /// Asks a circuit that has changed while the attempt waited for the rest, or has given its place as a probe to another.
    #[cold]
    fn ask_again(&mut self, breaker: &'static CircuitBreaker) {
        happened!(self, CircuitTold);
        breaker.record(self.permit, self.now, Verdict::Neither, 0);
        self.permit = Permit::NONE;
        // The circuit of a key may be that of another key by now.
        let admission = match &self.state.breaker.other {
            Some(OtherBreakers::Keyed(keyed)) => self.admit_of_key(keyed, self.key_of_circuit()),
            _ => self.lend_probe(breaker, breaker.admit(self.now)),
        };
        match admission {
            Admission::Admitted(permit) => {
                happened!(self, CircuitPassed);
                self.permit = permit;
            }
            Admission::Refused { retry_after } => {
                let of_key = self.attached.as_ref().and_then(|attached| attached.breaker);
                if !self.share_circuit(of_key.unwrap_or(breaker)) {
                    self.refuse_open(retry_after);
                }
            }
        }
    }

    /// Asks the circuit of a key, which may be another one each time.
    fn admit_of_key(&mut self, keyed: &'static KeyedBreakers, key: u64) -> Admission {
        let (breaker, admission) = keyed.admit(key, self.now);
        self.attach().breaker = Some(breaker);
        self.lend_probe(breaker, admission)
    }

    /// Lends a probe's permit to the calls inside.
    fn lend_probe(&mut self, breaker: &'static CircuitBreaker, admission: Admission) -> Admission {
        if let Admission::Admitted(permit) = admission
            && CircuitBreaker::is_probe(permit)
        {
            self.lend_circuit(breaker);
        }
        admission
    }

    /// Asks a circuit of others or of a key, or a throttle.
    #[cold]
    fn ask_other(&mut self, breakers: &'static OtherBreakers) -> bool {
        let admission = match breakers {
            OtherBreakers::Shared(breaker) => return self.ask_exactly(breaker, true),
            OtherBreakers::Keyed(keyed) => {
                let key = self.key_of_circuit();
                if permits::are_held() && self.borrow_circuit(keyed.circuit(key, self.now)) {
                    return true;
                }
                self.admit_of_key(keyed, key)
            }
            OtherBreakers::Throttle(throttle) if throttle.admit(self.now, random()) => {
                Admission::Admitted(Permit::at(self.now))
            }
            OtherBreakers::Throttle(_) => Admission::Refused { retry_after: Throttle::ASK_AGAIN },
        };
        match admission {
            Admission::Admitted(permit) => {
                self.permit = permit;
                true
            }
            Admission::Refused { retry_after } => {
                let of_key = self.attached.as_ref().and_then(|attached| attached.breaker);
                if of_key.is_some_and(|breaker| self.share_circuit(breaker)) {
                    return true;
                }
                self.refuse_open(retry_after);
                false
            }
        }
    }

    /// The hash of the circuit's key, which comes before that of the bulkhead.
    fn key_of_circuit(&self) -> u64 {
        self.key(1 + usize::from(self.state.bulkhead.keyed().is_some()))
    }

    #[cold]
    fn refuse_open(&mut self, retry_after: Nanos) {
        self.refuse(Reason::CircuitOpen);
        self.refusal.retry_after = retry_after;
    }

    /// Takes a place in the bulkhead; true when there is one in the queue.
    #[inline(always)]
    fn take_place(&mut self) -> bool {
        if let Some(bulkhead) = self.state.bulkhead.one {
            if bulkhead.enter_plainly() {
                happened!(self, BulkheadEntered);
                self.inside = true;
                return false;
            }
            self.enter_exactly(bulkhead)
        } else if let Some(other) = &self.state.bulkhead.other {
            self.enter_other(other)
        } else {
            false
        }
    }

    /// Enters a bulkhead that an enclosing call may be in: that of others, one with no more than one place left, or one that such
    /// calls were seen in.
    #[cold]
    fn enter_exactly(&mut self, bulkhead: &'static Bulkhead) -> bool {
        if self.borrow_place(bulkhead) {
            return false;
        }
        let entry = bulkhead.enter();
        self.entered(bulkhead, entry)
    }

    #[cold]
    fn entered(&mut self, bulkhead: &'static Bulkhead, entry: Entry) -> bool {
        match entry {
            Entry::Entered => {
                happened!(self, BulkheadEntered);
                self.inside = true;
                if bulkhead.is_tight() && self.lends_place_of(bulkhead) {
                    self.lend_place(bulkhead);
                }
            }
            Entry::Queue => return true,
            Entry::Full => self.refuse_full(),
        }
        false
    }

    #[cold]
    fn refuse_full(&mut self) {
        self.refuse(Reason::BulkheadFull);
        self.refusal.remaining = self.bulkhead().map_or(0, Bulkhead::max);
    }

    #[cold]
    fn enter_other(&mut self, bulkheads: &'static OtherBulkheads) -> bool {
        match bulkheads {
            OtherBulkheads::Learning(bulkhead) if bulkhead.enter_plainly() => {
                happened!(self, BulkheadEntered);
                self.inside = true;
                false
            }
            OtherBulkheads::Learning(bulkhead) => self.enter_exactly(bulkhead),
            OtherBulkheads::Keyed(keyed) => {
                let key = self.key(1);
                if (permits::are_held() || self.has_left_calls())
                    && self.borrow_place(keyed.bulkhead(key, self.now))
                {
                    return false;
                }
                let (bulkhead, entry) = keyed.enter(key, self.now);
                self.attach().bulkhead = Some(bulkhead);
                self.entered(bulkhead, entry)
            }
        }
    }

    /// Waits for a limiter's turn, then for the bulkhead, until `patience` at the latest.
    async fn queue(&mut self, patience: Nanos) {
        if self.resume != 0 {
            self.pause().await;
            if !self.refusal.is_none() || !self.take_place() {
                return;
            }
        }
        let Some(bulkhead) = self.bulkhead() else { return };
        let max_wait = self.now.saturating_add(bulkhead.max_wait());
        let until = patience.min(max_wait);
        // A permit of an enclosing call that another call inside it gives back will do as well.
        let mut loan = None;
        let own_load = self.attached.as_ref().and_then(|attached| attached.load.clone());
        let _wants = loading::want(Policy::of(bulkhead), own_load);
        let _waits = self.wait_holding(bulkhead);
        let mut place = pin!(bulkhead.queue_until(until));
        let entered = Self::until_of(
            self.state.name,
            until,
            poll_fn(|cx| {
                loan = permits::borrow_later(Policy::of(bulkhead), cx.waker());
                if loan.is_some() { Poll::Ready(()) } else { place.as_mut().poll(cx) }
            }),
        );
        let entered = entered.await;
        self.now = clock::now();
        match entered {
            Wait::Done => {
                if let Some(loan) = loan {
                    self.use_place(bulkhead, loan);
                } else {
                    happened!(self, BulkheadEntered);
                    self.inside = true;
                    self.lend_place(bulkhead);
                }
            }
            Wait::Stopped => self.refuse(Reason::ShuttingDown),
            Wait::TooLong if max_wait < patience => self.refuse_full(),
            Wait::TooLong => self.refuse(self.cut()),
        }
    }

    /// Waits for the turn that is kept.
    async fn pause(&mut self) {
        let turn = self.attached.as_mut().and_then(|attached| attached.turn.take());
        if let (Some(per), Some(turn)) = (self.reserved, turn) {
            self.take_limits(per, turn).await;
        }
        self.resume = 0;
        self.reserved = None;
    }

    /// Waits for a turn in the limits, which may change.
    async fn take_limits(&mut self, per: Per, turn: Reservation) {
        loop {
            self.now = clock::now();
            match turn.look(self.now) {
                Look::Passed => return self.have_charged(per),
                Look::Refused(limiter, refused) => {
                    self.uncover(per);
                    return self.refuse_limited(limiter, &refused);
                }
                Look::Waits(until) => {
                    let waited = Self::until_of(self.state.name, until, turn.changed()).await;
                    if matches!(waited, Wait::Stopped) {
                        self.now = clock::now();
                        turn.give_up(self.now);
                        self.uncover(per);
                        return self.refuse(Reason::ShuttingDown);
                    }
                }
            }
        }
    }

    pub(super) async fn until(moment: Nanos, done: impl Future<Output = ()>) -> Wait {
        Self::until_of("a call under policies", moment, done).await
    }

    pub(super) async fn until_of(call: &'static str, moment: Nanos, done: impl Future<Output = ()>) -> Wait {
        let mut done = pin!(done);
        let mut too_long = pin!(clock::timer(moment, call));
        let mut stopped = pin!(lifecycle::stopped());
        poll_fn(|cx| {
            if done.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Wait::Done);
            }
            if too_long.as_mut().as_pin_mut().is_some_and(|sleep| sleep.poll(cx).is_ready()) {
                return Poll::Ready(Wait::TooLong);
            }
            stopped.as_mut().poll(cx).map(|()| Wait::Stopped)
        })
        .await
    }
}

/// The wait for the turn of an attempt.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Waiting<'a>(Pin<Box<dyn Future<Output = ()> + Send + Sync + 'a>>);

impl Future for Waiting<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl OfCall for Waiting<'_> {
    // The attempt that it waits for learns of the loss.
    fn lose(self: Pin<&mut Self>) {}
}

/// How a wait ended.
pub(super) enum Wait {
    Done,
    TooLong,
    Stopped,
}
