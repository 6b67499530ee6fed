//! What comes before each attempt: the wait for its turn, the breaker, the limits, the bulkhead.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use hardening_spec::{MAX_RATE_LIMITS, Per};
use tokio::time::sleep_until;

use super::Call;
use crate::clock::{self, Nanos};
use crate::policy::bulkhead::Entry;
use crate::policy::circuit_breaker::Admission;
use crate::{Rejected, lifecycle};

impl Call {
    /// Waits for the turn of the next attempt and takes everything it needs; a refusal is kept for the attempt.
    #[inline]
    pub async fn admit(&mut self) {
        if self.resume != 0 {
            self.pause().await;
        }
        if self.refusal.is_none() && self.prepare() {
            self.queue().await;
        }
    }

    /// Takes what the attempt needs; true when it has to wait for the rest.
    #[inline]
    fn prepare(&mut self) -> bool {
        let state = self.state;
        if state.refuses && self.now >= self.deadline {
            self.refusal = Some(self.deadline_exceeded());
            return false;
        }
        self.attempts += 1;
        self.ran = false;
        self.body_started = self.now;
        self.limit = self.now.saturating_add(state.timeout).min(self.deadline);
        if let Some(spans) = &mut self.spans {
            spans.begin_attempt(self.attempts);
        }
        if let Some(breaker) = &state.breaker {
            match breaker.admit(self.now) {
                Admission::Admitted(permit) => self.permit = Some(permit),
                Admission::Refused { retry_after } => {
                    self.refusal = Some(Rejected::CircuitOpen { circuit: state.name, retry_after });
                    return false;
                }
            }
        }
        if state.limits_attempts {
            self.charge_limits(Per::Attempt, self.limit);
            if self.refusal.is_some() || self.resume != 0 {
                return self.refusal.is_none();
            }
        }
        self.enter()
    }

    /// Takes a place in the bulkhead; true when there is one in the queue.
    #[inline]
    fn enter(&mut self) -> bool {
        let Some(bulkhead) = &self.state.bulkhead else { return false };
        match bulkhead.enter() {
            Entry::Entered => self.inside = true,
            Entry::Queue => return true,
            Entry::Full => {
                self.refusal = Some(Rejected::BulkheadFull { call: self.state.name, limit: bulkhead.max() });
            }
        }
        false
    }

    /// Waits for a limiter's turn, then for the bulkhead.
    #[cold]
    async fn queue(&mut self) {
        if self.resume != 0 {
            self.pause().await;
            if self.refusal.is_some() || !self.enter() {
                self.body_started = self.now;
                return;
            }
        }
        let Some(bulkhead) = &self.state.bulkhead else { return };
        let patience = self.now.saturating_add(bulkhead.max_wait());
        let entered = Self::until(patience.min(self.limit), bulkhead.queue()).await;
        self.now = clock::now();
        self.body_started = self.now;
        match entered {
            Wait::Done => self.inside = true,
            Wait::Stopped => self.refusal = Some(Rejected::ShuttingDown),
            Wait::TooLong if patience < self.limit => {
                self.refusal = Some(Rejected::BulkheadFull { call: self.state.name, limit: bulkhead.max() });
            }
            Wait::TooLong => self.refusal = Some(self.cut()),
        }
    }

    /// Waits until `resume`.
    #[cold]
    async fn pause(&mut self) {
        let waited = Self::until(self.resume, std::future::pending()).await;
        self.now = clock::now();
        self.resume = 0;
        let reserved = self.reserved.take();
        if matches!(waited, Wait::Stopped) {
            if let Some(per) = reserved {
                self.refund_limits(per, MAX_RATE_LIMITS);
            }
            self.refusal = Some(Rejected::ShuttingDown);
        }
    }

    async fn until(moment: Nanos, done: impl Future<Output = ()>) -> Wait {
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

/// How a wait ended.
enum Wait {
    Done,
    TooLong,
    Stopped,
}
