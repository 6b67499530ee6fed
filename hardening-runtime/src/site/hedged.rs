//! Executions side by side: the first success wins, and the others are gone before the call goes on.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use hardening_spec::Per;
use tokio::time::{Sleep, sleep_until};

use super::Call;
use super::Outcome;
use super::call::Phase;
use super::refusal::Refusal;
use super::verdict::Cut;
use crate::clock::{self, NEVER, Nanos};
use crate::policy::bulkhead::{Bulkhead, Entry};
use crate::policy::hedge::{Extra, Hedge};

/// The body, unless a test has put a fault into its place: then `None`.
#[cfg(feature = "testing")]
async fn may_fail<F: Future>(name: &'static str, body: F) -> Option<F::Output> {
    if let Some(mut fault) = crate::testing::decide(name)
        && poll_fn(|cx| fault.poll(cx)).await.is_err()
    {
        return None;
    }
    Some(body.await)
}

#[cfg(not(feature = "testing"))]
async fn may_fail<F: Future>(_: &'static str, body: F) -> Option<F::Output> {
    Some(body.await)
}

/// How an execution ended.
enum End<R> {
    Returned(R),
    /// Its time was over.
    Cut,
}

/// An execution beside the first.
struct Other<F> {
    body: Pin<Box<F>>,
    timer: Option<Pin<Box<Sleep>>>,
    began: Nanos,
    limit: Nanos,
    /// Dropped with it.
    _place: Place,
}

/// A place in the bulkhead, where there is one.
struct Place(Option<&'static Bulkhead>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(bulkhead) = self.0 {
            bulkhead.leave();
        }
    }
}

impl Call<'_> {
    /// Runs the body, and more of it side by side when it takes long, unless the attempt was refused.
    pub async fn hedged<T, E, F>(&mut self, body: impl Fn() -> F) -> Outcome<Result<T, E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        if !self.refusal.is_none() {
            return Outcome::Refused(Cut(()));
        }
        let Some(hedge) = &self.state.hedge else { return self.attempt(body()).await };
        let name = self.state.name;
        let body = || may_fail(name, body());
        hedge.budget().deposit(self.now);
        let mut first = pin!(Some(body()));
        let mut first_end = None;
        let mut others: Vec<Other<_>> = Vec::new();
        let (mut begun, mut failed) = (0, false);
        let mut alarm = self.alarm(hedge, self.now);
        let mut limit = pin!(clock::instant(self.limit).map(sleep_until));
        let winner = poll_fn(|cx| {
            if let Some(running) = first.as_mut().as_pin_mut() {
                let end = match self.poll_inside(self.limit, true, || running.poll(cx)) {
                    Poll::Ready(result) => Some(End::Returned(result)),
                    Poll::Pending => limit
                        .as_mut()
                        .as_pin_mut()
                        .is_some_and(|limit| limit.poll(cx).is_ready())
                        .then_some(End::Cut),
                };
                if let Some(end) = end {
                    first.set(None);
                    hedge.learn(clock::now().saturating_sub(self.now), clock::now());
                    if let End::Returned(Some(result @ Ok(_))) = end {
                        return Poll::Ready(Some((result, None)));
                    }
                    failed = true;
                    first_end = Some(end);
                }
            }
            loop {
                let mut at = 0;
                while at < others.len() {
                    match self.poll_other(&mut others[at], cx) {
                        Poll::Pending => at += 1,
                        Poll::Ready(End::Returned(Some(result @ Ok(_)))) => {
                            let won = others.swap_remove(at);
                            return Poll::Ready(Some((result, Some((won.began, won.limit)))));
                        }
                        Poll::Ready(_) => {
                            failed = true;
                            drop(others.swap_remove(at));
                        }
                    }
                }
                let rang = alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(cx).is_ready());
                if begun == hedge.max() || !(rang || failed) {
                    break;
                }
                // A failure begins the next execution at once.
                failed = false;
                let now = clock::now();
                let Some(other) = self.begin_other(hedge, &body, now) else {
                    begun = hedge.max();
                    break;
                };
                others.push(other);
                begun += 1;
                alarm = if begun < hedge.max() { self.alarm(hedge, now) } else { None };
            }
            if first_end.is_some() && others.is_empty() {
                return Poll::Ready(None);
            }
            // Being dropped from here on is no panic.
            self.phase = Phase::InHand;
            Poll::Pending
        })
        .await;
        let now = clock::now();
        if first.as_ref().as_pin_ref().is_some() {
            // It ran at least so long; leaving it out would make the percentile ever shorter.
            hedge.learn(now.saturating_sub(self.now), now);
        }
        first.set(None);
        drop(others);
        match (winner, first_end) {
            (Some((result, Some((began, limit)))), _) => {
                hedge.count(Extra::Won);
                hedge.learn(now.saturating_sub(began), now);
                self.limit = limit;
                Outcome::Returned(result)
            }
            (Some((result, None)), _) | (None, Some(End::Returned(Some(result)))) => {
                Outcome::Returned(result)
            }
            #[cfg(feature = "testing")]
            (None, Some(End::Returned(None))) => {
                self.refuse(super::refusal::Reason::Injected);
                self.refusal.ran = true;
                Outcome::Refused(Cut(()))
            }
            (None, _) => {
                self.refuse(self.cut());
                self.refusal.ran = true;
                Outcome::Refused(Cut(()))
            }
        }
    }

    /// When the next execution is due.
    fn alarm(&self, hedge: &Hedge, now: Nanos) -> Option<Pin<Box<Sleep>>> {
        let left = self.limit.min(self.deadline).saturating_sub(now);
        let due = now.saturating_add(hedge.delay(now, left)?);
        clock::instant(due).map(|due| Box::pin(sleep_until(due)))
    }

    /// Begins another execution, if the budget, the limits and the bulkhead have room for it.
    fn begin_other<F>(&mut self, hedge: &Hedge, body: &impl Fn() -> F, now: Nanos) -> Option<Other<F>> {
        let limit = now.saturating_add(self.state.timeout.get()).min(self.deadline);
        if now >= limit {
            return None;
        }
        if !hedge.budget().withdraw(now) {
            hedge.count(Extra::OverBudget);
            return None;
        }
        let Some(place) = self.room_for_other(now) else {
            hedge.count(Extra::Refused);
            return None;
        };
        hedge.count(Extra::Sent);
        happened!(self, Hedged);
        Some(Other { body: Box::pin(body()), timer: None, began: now, limit, _place: place })
    }

    /// Charges the limits per attempt and takes a place, without waiting for either.
    fn room_for_other(&mut self, now: Nanos) -> Option<Place> {
        let state = self.state;
        if state.attempt_limits.any {
            let began = std::mem::replace(&mut self.now, now);
            self.charge_limits(&state.attempt_limits, Per::Attempt, now);
            self.now = began;
            if !std::mem::replace(&mut self.refusal, Refusal::NONE).is_none() {
                return None;
            }
        }
        let Some(bulkhead) = self.bulkhead() else { return Some(Place(None)) };
        match bulkhead.enter() {
            Entry::Entered => Some(Place(Some(bulkhead))),
            Entry::Queue => {
                // Dropped before its first poll, it leaves the queue.
                drop(bulkhead.queue());
                None
            }
            Entry::Full => None,
        }
    }

    fn poll_other<F: Future>(&mut self, other: &mut Other<F>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        let body = other.body.as_mut();
        if let Poll::Ready(result) = self.poll_inside(other.limit, true, || body.poll(cx)) {
            return Poll::Ready(End::Returned(result));
        }
        if other.limit == NEVER {
            return Poll::Pending;
        }
        if other.timer.is_none() {
            other.timer = clock::instant(other.limit).map(|limit| Box::pin(sleep_until(limit)));
        }
        other.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx)).map(|()| End::Cut)
    }
}
