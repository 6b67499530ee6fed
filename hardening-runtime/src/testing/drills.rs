//! The promises of every call in the binary, kept or broken.
//!
//! A drill runs the site of a call on paused time: its policies with the numbers in force, in their order, around a body of the
//! drill's own. What it shows is that a policy is there, that it does what its attribute says, and that its numbers work
//! together; of the user's body and patterns it says nothing.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use hardening_spec::units::show;
use hardening_spec::{CallSpec, CircuitMode, RateLimitSpec};
use tokio::time::{Instant, advance};

use super::drill::{Body, End, call};
use super::record::{What, record};
use crate::Rejected;
use crate::catalogue;
use crate::clock;
use crate::policy::bulkhead::Bulkhead;
use crate::policy::circuit_breaker::{Circuit, CircuitState};
use crate::policy::rate_limit::hash_key;
use crate::site::Site;

/// One promise of one attribute.
#[derive(Clone, Debug)]
pub struct Promise {
    /// The call.
    pub call: &'static str,
    /// The source file of its attribute.
    pub file: &'static str,
    /// The line.
    pub line: u32,
    /// The attribute.
    pub policy: &'static str,
    /// What it promises, with its numbers.
    pub text: String,
    /// `Err` says how it was broken.
    pub kept: Result<(), String>,
}

/// Every promise of every call.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of the calls' names.
    pub promises: Vec<Promise>,
    /// What was not drilled, and why.
    pub left_out: Vec<String>,
}

impl Report {
    /// The promises that were broken.
    pub fn broken(&self) -> impl Iterator<Item = &Promise> {
        self.promises.iter().filter(|promise| promise.kept.is_err())
    }

    /// Prints every promise.
    ///
    /// # Panics
    /// When one was broken, or no call promises anything: then nothing is protected.
    #[track_caller]
    pub fn assert(&self) {
        println!("{self}");
        assert!(self.broken().next().is_none(), "promises were broken:\n{self}");
        assert!(
            !self.promises.is_empty(),
            "no call in this binary promises anything: are its crates linked?"
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Promise { call, file, line, policy, text, kept } in &self.promises {
            match kept {
                Ok(()) => writeln!(f, "kept    {call} {policy}: {text} ({file}:{line})")?,
                Err(why) => writeln!(f, "BROKEN  {call} {policy}: {text} ({file}:{line}): {why}")?,
            }
        }
        for left_out in &self.left_out {
            writeln!(f, "not drilled  {left_out}")?;
        }
        let broken = self.broken().count();
        write!(f, "{} promises kept, {broken} broken", self.promises.len() - broken)
    }
}

/// Drills every call in the binary, on paused time of its own. No other test that asks for [`alone`](super::alone) runs
/// meanwhile.
///
/// # Panics
/// When the runtime for it cannot be made.
pub fn drill() -> Report {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime with a clock").block_on(drill_all())
    };
    // A thread of its own, since the caller's may belong to a runtime.
    std::thread::scope(|scope| scope.spawn(run).join())
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

async fn drill_all() -> Report {
    let _alone = super::alone();
    super::seed(7);
    let mut sites: Vec<&'static Site> = catalogue::sites().collect();
    sites.sort_by_key(|site| site.name());
    let mut report = Report::default();
    for site in sites {
        let mut drill = Drill { site, spec: site.effective(), report: &mut report, key: 0 };
        drill.all().await;
    }
    report
}

struct Drill<'r> {
    site: &'static Site,
    /// What is in force.
    spec: CallSpec,
    report: &'r mut Report,
    /// Each drill has keys of its own.
    key: u64,
}

type Kept = Result<(), String>;

fn that(holds: bool, otherwise: impl FnOnce() -> String) -> Kept {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The clock's timers go by milliseconds.
const TICK: Duration = Duration::from_millis(2);

impl Drill<'_> {
    async fn all(&mut self) {
        let declared = *self.site.declared();
        let spec = self.spec;
        if let Some(scope) = declared.requires {
            let text = format!("who does not hold `{scope}` is refused");
            let kept = self.requires().await;
            self.promise("requires", text, kept);
        }
        if let Some(timeout) = spec.timeout {
            let kept = self.timeout(timeout).await;
            self.promise("timeout", format!("an attempt is cut after {}", show(timeout)), kept);
        }
        if let Some(deadline) = spec.deadline {
            let kept = self.deadline(deadline).await;
            self.promise("deadline", format!("the call is over after {}", show(deadline)), kept);
        }
        if let Some(retry) = spec.retry {
            let kept = self.retry(retry.attempts).await;
            self.promise(
                "retry",
                format!("a failure is repeated, {} attempts at most", retry.attempts),
                kept,
            );
            if let Some(share) = retry.budget {
                let kept = self.budget(share.millionths).await;
                let percent = f64::from(share.millionths) / 10_000.0;
                self.promise(
                    "retry",
                    format!("in an outage {percent} % of the calls are repeated, and 30"),
                    kept,
                );
            }
        }
        if let Some(breaker) = spec.circuit_breaker {
            if breaker.adaptive.is_some() {
                let kept = self.throttle().await;
                self.promise(
                    "circuit_breaker",
                    "a share of the calls is refused in an outage".to_owned(),
                    kept,
                );
            } else if breaker.mode == CircuitMode::Automatic {
                let kept = self.circuit(breaker.probes).await;
                let text = format!("it opens on failures and closes after {} probes", breaker.probes);
                self.promise("circuit_breaker", text, kept);
            } else {
                self.leave_out("circuit_breaker", breaker.mode.name());
            }
        }
        if let Some((_, limit)) = spec.limits().next() {
            let tightest = spec.limits().map(|(_, limit)| limit.burst()).min().unwrap_or(0);
            let kept = self.limits(tightest, *limit).await;
            let text =
                format!("after {tightest} calls at once the next waits its turn or is told when to return");
            self.promise("rate_limited", text, kept);
        }
        if spec.bulkhead.is_some() {
            let kept = self.bulkhead().await;
            let places = self.site.state().bulkhead.occupancy().map_or(0, |(places, _, _)| places);
            self.promise("bulkhead", format!("{places} run at once, and dropped ones leave"), kept);
        }
        if spec.fallback.is_some() {
            let kept = self.fallback().await;
            self.promise("fallback", "it answers instead of a failure".to_owned(), kept);
        }
        for (policy, there) in [
            ("idempotent", declared.idempotent.is_some()),
            ("cached", declared.cached.is_some()),
            ("hedged", declared.hedged.is_some()),
        ] {
            if there {
                self.leave_out(policy, "it needs the function's own types");
            }
        }
        self.switched_off(&declared);
    }

    /// What settings have switched off promises nothing.
    fn switched_off(&mut self, declared: &CallSpec) {
        let spec = self.spec;
        for (policy, off) in [
            ("timeout", declared.timeout.is_some() && spec.timeout.is_none()),
            ("deadline", declared.deadline.is_some() && spec.deadline.is_none()),
            ("retry", declared.retry.is_some() && spec.retry.is_none()),
            ("circuit_breaker", declared.circuit_breaker.is_some() && spec.circuit_breaker.is_none()),
            ("rate_limited", declared.limits().next().is_some() && spec.limits().next().is_none()),
            ("bulkhead", declared.bulkhead.is_some() && spec.bulkhead.is_none()),
            ("fallback", declared.fallback.is_some() && spec.fallback.is_none()),
        ] {
            if off {
                self.leave_out(policy, "settings have switched it off");
            }
        }
    }

    fn promise(&mut self, policy: &'static str, text: String, kept: Kept) {
        let place = self.site.place();
        let promise = Promise { call: place.name, file: place.file, line: place.line, policy, text, kept };
        self.report.promises.push(promise);
        super::reset();
    }

    fn leave_out(&mut self, policy: &str, why: &str) {
        let place = self.site.place();
        self.report.left_out.push(format!("{} {policy}: {why} ({}:{})", place.name, place.file, place.line));
    }

    /// One call with every limit full.
    async fn unlimited(&self, body: Body) -> End {
        self.site.state().reset_limits();
        call(self.site, body, self.key).await
    }

    async fn requires(&self) -> Kept {
        let mut refused = self.site.begin();
        let wait = refused.must_wait();
        let outcome = refused.attempt(Body::Succeeds.run()).await;
        let ended = refused.settle_once(outcome);
        let result = refused.finish(ended);
        that(!wait && result == Err(Rejected::Unauthenticated), || format!("a stranger got {result:?}"))?;
        let end = self.unlimited(Body::Succeeds).await;
        that(end.result.is_ok(), || format!("who holds it got {:?}", end.result))
    }

    async fn timeout(&self, timeout: Duration) -> Kept {
        let recorder = record(self.site.name());
        let _ = self.unlimited(Body::Hangs).await;
        let events = recorder.events();
        let at = |wanted: &dyn Fn(What) -> bool| {
            events.iter().find(|event| wanted(event.what)).map(|event| event.at)
        };
        let began = at(&|what| what == What::BodyBegun(1)).ok_or("the body never began")?;
        let ended = at(&|what| matches!(what, What::AttemptEnded(1, _))).ok_or("the attempt never ended")?;
        let took = ended.saturating_sub(began);
        that(took <= timeout + TICK, || format!("a body that hangs ran for {}", show(took)))
    }

    async fn deadline(&self, deadline: Duration) -> Kept {
        let began = Instant::now();
        let end = self.unlimited(Body::Hangs).await;
        let took = began.elapsed();
        that(took <= deadline + TICK, || format!("it took {}", show(took)))?;
        that(end.result.is_err() || end.fell_back, || "a body that hangs succeeded".to_owned())
    }

    async fn retry(&self, attempts: u32) -> Kept {
        let end = self.unlimited(Body::Fails).await;
        let most = attempts.max(1);
        that(end.bodies <= most, || format!("{} attempts were made", end.bodies))?;
        // An open circuit ends the retrying, and so does a deadline that leaves no time for the backoff.
        let opened = self.find_circuit().is_some_and(|circuit| circuit.state() != CircuitState::Closed);
        let backoff = self.spec.retry.map_or(Duration::ZERO, |retry| retry.backoff.from);
        let no_time = self.spec.deadline.is_some_and(|deadline| deadline <= backoff);
        that(end.bodies >= 2 || most == 1 || opened || no_time, || "a failure was not repeated".to_owned())
    }

    async fn budget(&self, share: u32) -> Kept {
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

    async fn throttle(&self) -> Kept {
        let least = self.spec.circuit_breaker.map_or(0, |breaker| breaker.min_calls);
        let calls = 1000 + least.saturating_mul(2);
        let mut refused = 0;
        for _ in 0..calls {
            let end = self.unlimited(Body::Fails).await;
            refused += u32::from(end.bodies == 0);
        }
        that((1..calls).contains(&refused), || format!("of {calls} failing calls {refused} were refused"))
    }

    async fn circuit(&mut self, probes: u32) -> Kept {
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
        that(early.bodies == 0, || format!("it let a call pass before {}", show(retry_after)))?;
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

    async fn limits(&mut self, burst: u32, first: RateLimitSpec) -> Kept {
        self.key += 1;
        let began = Instant::now();
        for number in 1..=burst {
            let end = call(self.site, Body::Succeeds, self.key).await;
            that(end.result.is_ok() && end.bodies == 1, || {
                format!("call {number} of {burst} ended with {:?}", end.result)
            })?;
        }
        that(began.elapsed() < TICK, || format!("{burst} calls at once took {}", show(began.elapsed())))?;
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
            format!("it was told to return after {} and admitted before", show(retry_after))
        })?;
        advance(TICK * 2).await;
        let end = call(self.site, Body::Succeeds, self.key).await;
        that(end.result.is_ok(), || format!("after {} it ended with {:?}", show(retry_after), end.result))
    }

    async fn bulkhead(&mut self) -> Kept {
        self.key += 1;
        // A first call makes the bulkhead of this key.
        let _ = self.unlimited(Body::Succeeds).await;
        let bulkheads = &self.site.state().bulkhead;
        let of_key = || bulkheads.keyed().map(|keyed| keyed.places(hash_key(&self.key), clock::now()));
        let common = bulkheads.common().map(Bulkhead::max);
        let places = common.or_else(of_key).ok_or("it has no bulkhead")?;
        let queue = self.spec.bulkhead.map_or(0, |bulkhead| bulkhead.queue);
        let most = places.saturating_add(queue);
        if most > 10_000 {
            return Ok(());
        }
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

    async fn fallback(&self) -> Kept {
        let end = self.unlimited(Body::Fails).await;
        that(end.fell_back && end.result.is_ok(), || format!("a failure ended with {:?}", end.result))
    }
}

async fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
