//! What bounds and refuses: rights, times, repetitions, circuits, limits, places, fallbacks.

use std::pin::Pin;
use std::pin::pin;
use std::time::Duration;

use hardening_spec::RateLimitSpec;
use hardening_spec::units::{brief, show};
use tokio::time::{Instant, advance};

use super::super::drill::{Body, End, call};
use super::super::record::{What, record};
use super::{Drill, Kept, TICK, poll_once, that};
use crate::Rejected;
use crate::clock;
use crate::policy::bulkhead::Bulkhead;
use crate::policy::circuit_breaker::{Circuit, CircuitState};
use crate::policy::rate_limit::hash_key;

/// Callers at once.
const MOST_DRILLED: u32 = 10_000;

impl Drill<'_> {
    pub(super) async fn requires(&self) -> Kept {
        let mut refused = self.site.begin_call();
        let wait = refused.must_wait_for_turn();
        let outcome = refused.run_attempt(pin!(Body::Succeeds.run())).await;
        let ended = refused.settle_only_attempt(outcome);
        let result = refused.finish_call(ended);
        that(!wait && result == Err(Rejected::Unauthenticated), || format!("a stranger got {result:?}"))?;
        let end = self.unlimited(Body::Succeeds).await;
        that(end.result.is_ok(), || format!("who holds it got {:?}", end.result))
    }

    pub(super) async fn timeout(&self, timeout: Duration) -> Kept {
        let recorder = record(self.site.name());
        let _ = self.unlimited(Body::Hangs).await;
        let events = recorder.events();
        let at = |wanted: &dyn Fn(What) -> bool| {
            events.iter().find(|event| wanted(event.what)).map(|event| event.at)
        };
        let began = at(&|what| what == What::BodyBegun(1)).ok_or("the body never began")?;
        let ended = at(&|what| matches!(what, What::AttemptEnded(1, _))).ok_or("the attempt never ended")?;
        let took = ended.saturating_sub(began);
        that(took <= timeout + TICK, || format!("a body that hangs ran for {}", brief(took)))
    }

    pub(super) async fn deadline(&self, deadline: Duration) -> Kept {
        let began = Instant::now();
        let end = self.unlimited(Body::Hangs).await;
        let took = began.elapsed();
        that(took <= deadline + TICK, || format!("it took {}", brief(took)))?;
        that(end.result.is_err() || end.fell_back, || "a body that hangs succeeded".to_owned())
    }

    pub(super) async fn retry(&self, attempts: u32) -> Kept {
        let end = self.unlimited(Body::Fails).await;
        let most = attempts.max(1);
        that(end.bodies <= most, || format!("{} attempts were made", end.bodies))?;
        // An open circuit ends the retrying, and so does a deadline that leaves no time for the backoff.
        let opened = self.find_circuit().is_some_and(|circuit| circuit.state() != CircuitState::Closed);
        let backoff = self.spec.retry.map_or(Duration::ZERO, |retry| retry.backoff.from);
        let no_time = self.spec.deadline.is_some_and(|deadline| deadline <= backoff);
        that(end.bodies >= 2 || most == 1 || opened || no_time, || "a failure was not repeated".to_owned())
    }

    pub(super) async fn budget(&self, share: u32) -> Kept {
        const CALLS: u32 = 300;
        let began = Instant::now();
        let mut retries = 0;
        for _ in 0..CALLS {
            retries += u64::from(self.unlimited(Body::Fails).await.bodies.saturating_sub(1));
            // The circuit would end the outage.
            self.site.state().reset_circuits();
        }
        // What is free, and what was paid, comes anew with each ten seconds.
        let windows = began.elapsed().as_secs() / 10 + 2;
        let most = u64::from(CALLS) * u64::from(share) / 1_000_000 + 30 * windows;
        that(retries <= most, || {
            format!("{CALLS} failing calls were repeated {retries} times, not {most} at most")
        })
    }

    pub(super) async fn throttle(&self) -> Kept {
        let least = self.spec.circuit_breaker.map_or(0, |breaker| breaker.min_calls);
        let calls = 1000 + least.saturating_mul(2);
        let mut refused = 0;
        for _ in 0..calls {
            let end = self.unlimited(Body::Fails).await;
            refused += u32::from(end.bodies == 0);
        }
        that((1..calls).contains(&refused), || format!("of {calls} failing calls {refused} were refused"))
    }

    pub(super) async fn circuit(&mut self, probes: u32) -> Kept {
        self.key += 1;
        let circuit = self.find_circuit().ok_or("it has no circuit")?;
        let mut calls = 0;
        while circuit.state() == CircuitState::Closed {
            calls += 1;
            that(calls <= 100_000, || "100000 failures did not open it".to_owned())?;
            let _ = self.unlimited(Body::Fails).await;
        }
        let refused = self.unlimited(Body::Succeeds).await;
        let retry_after = circuit.retry_after();
        that(refused.bodies == 0, || "while open it let a call pass".to_owned())?;
        advance(retry_after.saturating_sub(TICK)).await;
        let early = self.unlimited(Body::Succeeds).await;
        that(early.bodies == 0, || format!("it let a call pass before {}", brief(retry_after)))?;
        advance(TICK * 2).await;
        for probe in 1..=probes {
            let end = self.unlimited(Body::Succeeds).await;
            that(end.bodies > 0, || format!("probe {probe} of {probes} did not pass"))?;
        }
        let state = circuit.state();
        that(state == CircuitState::Closed, || format!("after {probes} probes it is {}", state.name()))
    }

    fn find_circuit(&self) -> Option<Circuit> {
        self.site.circuit().or_else(|| self.site.circuit_of(hash_key(&self.key)))
    }

    pub(super) async fn limits(&mut self, burst: u32, first: RateLimitSpec) -> Kept {
        self.key += 1;
        let began = Instant::now();
        for number in 1..=burst {
            let end = call(self.site, Body::Succeeds, self.key).await;
            that(end.result.is_ok() && end.bodies == 1, || {
                format!("call {number} of {burst} ended with {:?}", end.result)
            })?;
        }
        that(began.elapsed() < TICK, || format!("{burst} calls at once took {}", brief(began.elapsed())))?;
        let end = call(self.site, Body::Succeeds, self.key).await;
        if self.spec.limits().any(|(_, limit)| !limit.wait.is_zero()) && end.result.is_ok() {
            let waited = began.elapsed();
            return that(!waited.is_zero(), || "one call more waited for nothing".to_owned());
        }
        let Err(Rejected::RateLimited { retry_after, .. }) = end.result else {
            // A fallback that answers for it hides when to return, and nothing else is left to see.
            return that(end.fell_back || end.bodies == 0, || {
                format!(
                    "one call more ended with {:?} instead of a refusal of {} in {}",
                    end.result,
                    first.rate.count,
                    show(first.rate.per)
                )
            });
        };
        advance(retry_after.saturating_sub(TICK)).await;
        // Who may wait comes early and waits.
        let waits = self.spec.limits().any(|(_, limit)| !limit.wait.is_zero());
        if waits {
            return Ok(());
        }
        let early = call(self.site, Body::Succeeds, self.key).await;
        that(early.bodies == 0 || retry_after <= TICK * 2, || {
            format!("it was told to return after {} and admitted before", brief(retry_after))
        })?;
        advance(TICK * 2).await;
        let end = call(self.site, Body::Succeeds, self.key).await;
        that(end.result.is_ok(), || format!("after {} it ended with {:?}", brief(retry_after), end.result))
    }

    /// How many callers are inside or wait when it is full, for one key.
    fn most_inside(&self) -> Option<u32> {
        let bulkheads = &self.site.state().bulkhead;
        let of_key = || bulkheads.keyed().map(|keyed| keyed.places(hash_key(&self.key), clock::now()));
        let places = bulkheads.common().map(Bulkhead::max).or_else(of_key)?;
        Some(places.saturating_add(self.spec.bulkhead.map_or(0, |bulkhead| bulkhead.queue)))
    }

    /// Why nobody fills it.
    pub(super) fn too_much_room(&self) -> Option<String> {
        let most = self.most_inside().filter(|most| *most > MOST_DRILLED)?;
        Some(format!("it has room for {most} callers, and at most {MOST_DRILLED} are drilled"))
    }

    pub(super) async fn bulkhead(&mut self) -> Kept {
        self.key += 1;
        // A first call makes the bulkhead of this key.
        let _ = self.unlimited(Body::Succeeds).await;
        let most = self.most_inside().ok_or("it has no bulkhead")?;
        let mut inside: Vec<Pin<Box<dyn Future<Output = End>>>> = Vec::new();
        for number in 1..=most {
            self.site.state().reset_limits();
            // Of calls that have not ended nobody knows whether they were accepted.
            self.site.state().reset_circuits();
            let mut next: Pin<Box<dyn Future<Output = End>>> =
                Box::pin(call(self.site, Body::Hangs, self.key));
            let ended = poll_once(&mut next).await;
            that(ended.is_none(), || {
                format!("caller {number} of {most} ended with {:?}", ended.map(|end| end.result))
            })?;
            inside.push(next);
        }
        self.site.state().reset_limits();
        self.site.state().reset_circuits();
        let mut one_more: Pin<Box<dyn Future<Output = End>>> =
            Box::pin(call(self.site, Body::Succeeds, self.key));
        let end = poll_once(&mut one_more).await;
        let refused = end.as_ref().is_none_or(|end| end.bodies == 0);
        that(refused, || format!("with {most} callers inside or waiting one more ran"))?;
        drop(one_more);
        drop(inside);
        self.site.state().reset_circuits();
        let end = self.unlimited(Body::Succeeds).await;
        that(end.bodies > 0, || format!("after all had gone the next ended with {:?}", end.result))
    }

    pub(super) async fn fallback(&self) -> Kept {
        let end = self.unlimited(Body::Fails).await;
        that(end.fell_back && end.result.is_ok(), || format!("a failure ended with {:?}", end.result))
    }
}
