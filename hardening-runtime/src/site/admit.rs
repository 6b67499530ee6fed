//! What comes before each attempt: the wait for its turn, the breaker, the limits, the bulkhead.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hardening_spec::Per;
use tokio::time::sleep_until;

use super::Call;
use super::call::Phase;
use super::held::OfCall;
use super::refusal::Reason;
use super::state::{OtherBreakers, OtherBulkheads};
use crate::clock::{self, Nanos};
use crate::lifecycle;
use crate::policy::bulkhead::{Bulkhead, Entry};
use crate::policy::circuit_breaker::{Admission, Permit};
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

    /// Waits for the turn of the next attempt: the backoff, a limiter's turn, a place in the bulkhead. What that needs is in a
    /// box, since most calls never wait: without it the future of every call would be three times as large.
    #[cold]
    pub fn wait_for_turn(&mut self) -> Waiting<'_> {
        let load = self.attached.as_ref().and_then(|attached| attached.load.clone());
        let Some(load) = load else { return Waiting(Box::pin(self.take_turn())) };
        Waiting(Box::pin(async move {
            let mut turn = pin!(self.take_turn());
            poll_fn(|cx| {
                load.begin_poll(cx);
                load.suspend();
                turn.as_mut().poll(cx)
            })
            .await;
        }))
    }

    async fn take_turn(&mut self) {
        if self.resume != 0 && !matches!(self.reserved, Some((Per::Attempt, _))) {
            self.pause().await;
            if self.refusal.is_none() && self.now >= self.deadline {
                self.refuse(Reason::DeadlineExceeded);
            }
            if !self.refusal.is_none() || !self.prepare() {
                return;
            }
        }
        let of_key = || self.attached.as_ref().and_then(|attached| attached.breaker);
        let breaker = self.state.breaker.one.or_else(of_key);
        let waiting = breaker.and_then(|breaker| breaker.waits(self.permit));
        self.queue().await;
        if let Some(waiting) = waiting {
            waiting.begins(self.now);
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
            match breaker.admit(self.now) {
                Admission::Admitted(permit) => {
                    happened!(self, CircuitPassed);
                    self.permit = permit;
                }
                Admission::Refused { retry_after } => {
                    self.refuse_open(retry_after);
                    return false;
                }
            }
        } else if let Some(other) = &state.breaker.other
            && !self.ask_other(other)
        {
            return false;
        }
        if state.attempt_limits.any {
            self.charge_limits(&state.attempt_limits, Per::Attempt, self.limit);
            if self.resume != 0 {
                return true;
            }
        }
        self.refusal.is_none() && self.take_place()
    }

    /// Asks the circuit of a key, or a throttle.
    #[cold]
    fn ask_other(&mut self, breakers: &'static OtherBreakers) -> bool {
        let admission = match breakers {
            OtherBreakers::Keyed(keyed) => {
                let bulkhead_key = usize::from(self.state.bulkhead.keyed().is_some());
                let (breaker, admission) = keyed.admit(self.key(1 + bulkhead_key), self.now);
                self.attach().breaker = Some(breaker);
                admission
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
                self.refuse_open(retry_after);
                false
            }
        }
    }

    #[cold]
    fn refuse_open(&mut self, retry_after: Nanos) {
        self.refuse(Reason::CircuitOpen);
        self.refusal.retry_after = retry_after;
    }

    /// Takes a place in the bulkhead; true when there is one in the queue.
    #[inline(always)]
    fn take_place(&mut self) -> bool {
        let entry = if let Some(bulkhead) = self.state.bulkhead.one {
            bulkhead.enter()
        } else if let Some(other) = &self.state.bulkhead.other {
            self.enter_other(other)
        } else {
            return false;
        };
        match entry {
            Entry::Entered => {
                happened!(self, BulkheadEntered);
                self.inside = true;
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
    fn enter_other(&mut self, bulkheads: &'static OtherBulkheads) -> Entry {
        match bulkheads {
            OtherBulkheads::Learning(bulkhead) => bulkhead.enter(),
            OtherBulkheads::Keyed(keyed) => {
                let (bulkhead, entry) = keyed.enter(self.key(1), self.now);
                self.attach().bulkhead = Some(bulkhead);
                entry
            }
        }
    }

    /// Waits for a limiter's turn, then for the bulkhead.
    async fn queue(&mut self) {
        if self.resume != 0 {
            self.pause().await;
            if !self.refusal.is_none() || !self.take_place() {
                return;
            }
        }
        let Some(bulkhead) = self.bulkhead() else { return };
        let patience = self.now.saturating_add(bulkhead.max_wait());
        let entered = Self::until(patience.min(self.limit), bulkhead.queue()).await;
        self.now = clock::now();
        match entered {
            Wait::Done => {
                happened!(self, BulkheadEntered);
                self.inside = true;
            }
            Wait::Stopped => self.refuse(Reason::ShuttingDown),
            Wait::TooLong if patience < self.limit => self.refuse_full(),
            Wait::TooLong => self.refuse(self.cut()),
        }
    }

    /// Waits until `resume`.
    pub(super) async fn pause(&mut self) {
        let waited = Self::until(self.resume, std::future::pending()).await;
        let now = clock::now();
        if matches!(waited, Wait::Stopped) {
            self.refund_reserved(now);
            self.refuse(Reason::ShuttingDown);
        }
        self.now = now;
        self.resume = 0;
        self.reserved = None;
    }

    pub(super) async fn until(moment: Nanos, done: impl Future<Output = ()>) -> Wait {
        let mut done = pin!(done);
        let mut too_long = pin!(clock::instant(moment).map(sleep_until));
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
