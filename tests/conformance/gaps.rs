//! Section 18: what no suite covers.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use hardening::{cached, fallback, hedged, policy, retry, timeout};
use tokio::sync::Mutex as Lock;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber};

use crate::support::{Answer, Reply, Script, begin, cancel, check, end, guarded, pass, said};

policy! {
    static STORM: RetryBudget = { ratio = 10% };
}

guarded! {
    #[retry(attempts = 4, backoff = 0ms, budget = 10%, idempotent)] gap_01;
    #[cached(ttl = 10s, jitter = 1%, key = 0)] gap_03;
    #[timeout(1s)] gap_07;
    #[retry(attempts = 4, backoff = 0ms, budget = none, idempotent)] gap_10_inner;
    #[retry(attempts = 4, backoff = 0ms, budget = STORM, idempotent)] gap_10_inner_shared;

    #[fallback(Ok(Reply::Bad))]
    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)]
    gap_06;

    #[fallback(Ok(Reply::Bad))]
    #[hedged(after = 10ms, budget = 100%, idempotent)]
    gap_06_hedged;
}

#[tokio::test(start_paused = true)]
async fn gap_01_an_outage_is_not_answered_with_a_storm() {
    let body = Script::new("F");
    for _ in 0..1000 {
        check("GAP-01", said(&gap_01(body.clone()).await), "F");
    }
    // A tenth of the calls, and the thirty that rare calls have free.
    check("GAP-01", body.exec(), 1130);
}

#[tokio::test(start_paused = true)]
async fn gap_03_a_hundred_who_miss_together_load_once() {
    let body = Script::new("S(50)");
    for round in 1..=3 {
        let mut asking = Vec::new();
        for _ in 0..100 {
            asking.push(begin(gap_03(body.clone())).await);
        }
        for asking in asking {
            check("GAP-03", end(asking).await, "S");
        }
        check("GAP-03", body.exec(), round);
        pass(10_000).await;
    }
}

/// What a call tells tracing: the spans with their parents and fields, and the levels of events.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Told>>);

#[derive(Default)]
struct Told {
    spans: Vec<Span>,
    entered: Vec<u64>,
    events: Vec<(Level, String)>,
}

struct Span {
    name: &'static str,
    parent: Option<u64>,
    level: Level,
    fields: String,
}

impl Heard {
    /// Each span's name, parent and fields.
    fn spans(&self) -> Vec<(&'static str, Option<u64>, String)> {
        let told = self.0.lock().unwrap();
        told.spans.iter().map(|span| (span.name, span.parent, span.fields.clone())).collect()
    }
}

struct Words<'w>(&'w mut String);

impl Visit for Words<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        write!(self.0, "{}={value} ", field.name()).unwrap();
    }
}

impl Heard {
    /// Hears this thread until what it answers is dropped. While there is one subscriber alone, a thread without it decides
    /// for all threads that a span or a line is never written, so there are two.
    fn listens(&self) -> (Dispatch, DefaultGuard) {
        (Dispatch::new(Self::default()), set_default(self.clone()))
    }
}

impl Subscriber for Heard {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut told = self.0.lock().unwrap();
        let mut fields = String::new();
        span.record(&mut Words(&mut fields));
        let around = told.entered.last().copied().filter(|_| span.is_contextual());
        let parent = span.parent().map(Id::into_u64).or(around);
        let metadata = span.metadata();
        told.spans.push(Span { name: metadata.name(), parent, level: *metadata.level(), fields });
        Id::from_u64(told.spans.len() as u64)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut told = self.0.lock().unwrap();
        values.record(&mut Words(&mut told.spans[span.into_u64() as usize - 1].fields));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut words = String::new();
        event.record(&mut Words(&mut words));
        self.0.lock().unwrap().events.push((*event.metadata().level(), words));
    }

    fn enter(&self, span: &Id) {
        self.0.lock().unwrap().entered.push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.lock().unwrap().entered.pop();
    }
}

#[tokio::test(start_paused = true)]
async fn gap_06_a_call_is_one_span_and_each_attempt_a_child_of_it() {
    let heard = Heard::default();
    let _heard = heard.listens();
    check("GAP-06", said(&gap_06(Script::new("F")).await), "B");
    let attempt = |number, parent| {
        ("attempt", Some(parent), format!("hardening.attempt={number} hardening.outcome=failure "))
    };
    let call =
        |name, attempts| (name, None, format!("hardening.outcome=fallback hardening.attempts={attempts} "));
    check(
        "GAP-06",
        heard.spans(),
        vec![call("gaps::gap_06", 3), attempt(1, 1), attempt(2, 1), attempt(3, 1)],
    );
    // Executions side by side are one attempt, with one outcome.
    check("GAP-06 hedged", said(&gap_06_hedged(Script::new("F(20)")).await), "B");
    check("GAP-06 hedged", heard.spans()[4..].to_vec(), vec![call("gaps::gap_06_hedged", 1), attempt(1, 5)]);
    check("GAP-06 left", heard.0.lock().unwrap().entered.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn gap_07_a_call_that_goes_well_writes_no_line() {
    let heard = Heard::default();
    let _heard = heard.listens();
    for _ in 0..10 {
        check("GAP-07", said(&gap_07(Script::new("S(10)")).await), "S");
    }
    let told = heard.0.lock().unwrap();
    check("GAP-07", told.events.clone(), Vec::<(Level, String)>::new());
    check("GAP-07", told.spans.iter().all(|span| span.level == Level::INFO), true);
}

#[timeout(100ms)]
async fn gap_09(lock: Arc<Lock<u32>>, body: Script) -> Answer {
    let mut held = lock.lock().await;
    *held += 1;
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn gap_09_what_a_body_holds_is_given_back_when_it_is_cut() {
    let lock = Arc::new(Lock::new(0));
    check("GAP-09", said(&gap_09(lock.clone(), Script::new("S(1000)")).await), "Timeout");
    check("GAP-09 cut", lock.try_lock().map(|held| *held).ok(), Some(1));
    let call = begin(gap_09(lock.clone(), Script::new("S(1000)"))).await;
    check("GAP-09 held", lock.try_lock().is_err(), true);
    cancel(call).await;
    check("GAP-09 dropped", lock.try_lock().map(|held| *held).ok(), Some(2));
    check("GAP-09 next", said(&gap_09(lock.clone(), Script::new("S(10)")).await), "S");
}

#[retry(attempts = 4, backoff = 0ms, budget = none, idempotent)]
async fn gap_10(body: Script) -> Answer {
    gap_10_inner(body).await
}

#[retry(attempts = 4, backoff = 0ms, budget = STORM, idempotent)]
async fn gap_10_shared(body: Script) -> Answer {
    gap_10_inner_shared(body).await
}

#[tokio::test(start_paused = true)]
async fn gap_10_attempts_within_attempts_multiply_unless_a_budget_is_shared() {
    let heard = Heard::default();
    let _heard = heard.listens();
    let body = Script::new("F");
    for exec in [16, 32] {
        check("GAP-10", (said(&gap_10(body.clone()).await), body.exec()), ("F", exec));
    }
    {
        let told = heard.0.lock().unwrap();
        let warned: Vec<_> = told.events.iter().filter(|(level, _)| *level == Level::WARN).collect();
        check("GAP-10 warned once", warned.len(), 1);
        check("GAP-10", warned[0].1.contains("gap_10") && warned[0].1.contains("gap_10_inner"), true);
    }
    let body = Script::new("F");
    for _ in 0..100 {
        check("GAP-10 shared", said(&gap_10_shared(body.clone()).await), "F");
    }
    // Both pay in, a tenth for each call of theirs, and thirty are free: every repetition of either is paid from there.
    check("GAP-10 shared", (130..=160).contains(&body.exec()), true);
}
