//! Section 10: the fallback answers once for the whole call.

use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{bulkhead, circuit_breaker, deadline, fallback, retry, timeout};

use crate::support::{
    Answer, Error, Reply, Script, begin, calls, cancel, check, circuit, end, ended, guarded, metric, ms,
    pass, said,
};

// Where a fallback is the policy under test it answers `B`.
guarded! {
    #[fallback(Ok(Reply::Bad))] #[retry(attempts = 2, backoff = 0ms, idempotent)] fbk_01;
    #[fallback(Ok(Reply::Bad))] #[retry(attempts = 2, backoff = 0ms, idempotent)] #[timeout(500ms)] fbk_03;
    #[fallback(Ok(Reply::Bad))] fbk_04;
    #[fallback(Err(Error::Io))] fbk_06;
    #[fallback(Ok(Reply::Bad), on = Error::F)] fbk_07;
    #[fallback(Ok(Reply::Bad), not_on = Error::X)] fbk_08;
    #[fallback(Ok(Reply::Bad))] #[retry(attempts = 3, backoff = 0ms, idempotent)]
    #[timeout(500ms)] #[circuit_breaker(window = 4, min_calls = 4)] fbk_13;
    #[fallback(repaired().await)] fbk_16;
    #[fallback(Ok(Reply::Bad))] #[timeout(100ms)] for_a_timeout;
    #[fallback(Ok(Reply::Bad))] #[deadline(100ms)] for_a_deadline;
    #[fallback(Ok(Reply::Bad))] #[circuit_breaker(window = 2, min_calls = 2, open_for = 1s)] for_an_open_circuit;
    #[fallback(Ok(Reply::Bad))] #[bulkhead(max = 1)] for_a_full_bulkhead;
    #[fallback(Ok(Reply::Bad), on_rejected = bulkhead_full)] #[bulkhead(max = 1)] #[timeout(100ms)] for_full_alone;
    #[fallback(Ok(Reply::Bad), on = Error::F)] #[timeout(100ms)] patterns_are_for_bodies;
    #[fallback(after(5_000).await)] slow_by_default;
    #[fallback(after(200).await, within = 100ms)] too_slow;
    #[fallback(after(100).await, within = 100ms)] just_in_time;
    #[fallback(after(200).await)] #[deadline(100ms)] beyond_its_own_deadline;
    #[fallback(after(100).await)] cancelled_within;
    #[fallback(unwell())] unwell_within;
    #[fallback(Ok(Reply::Bad))] #[circuit_breaker(window = 2, min_calls = 2, ignore = Error::X)] ignored_too;
}

async fn after(millis: u64) -> Answer {
    pass(millis).await;
    Ok(Reply::Bad)
}

fn unwell() -> Answer {
    panic!("the fallback is unwell")
}

static REPAIRS: AtomicU32 = AtomicU32::new(0);

#[retry(attempts = 2, backoff = 0ms, idempotent)]
async fn repaired() -> Answer {
    if REPAIRS.fetch_add(1, Ordering::SeqCst) == 0 { Err(Error::Io) } else { Ok(Reply::Bad) }
}

#[tokio::test(start_paused = true)]
async fn fbk_01_after_the_last_attempt_once() {
    let body = Script::new("F");
    check("FBK-01", (said(&fbk_01(body.clone()).await), body.exec()), ("B", 2));
    check("FBK-01 counted", ended("fallback::fbk_01", "fallback"), 1);
    check("FBK-01 no failure", ended("fallback::fbk_01", "failure"), 0);
    let body = Script::new("F S");
    check("FBK-01 a success", (said(&fbk_01(body.clone()).await), body.exec()), ("S", 2));
}

#[tokio::test(start_paused = true)]
async fn fbk_03_after_timeouts() {
    let body = Script::new("S(1000)");
    check("FBK-03", (said(&fbk_03(body.clone()).await), body.exec(), body.elapsed()), ("B", 2, 1000));
}

#[tokio::test(start_paused = true)]
async fn fbk_04_alone() {
    let body = Script::new("F S");
    check("FBK-04", calls(2, || fbk_04(body.clone())).await, "B S");
    check("FBK-04 exec", body.exec(), 2);
}

#[tokio::test(start_paused = true)]
async fn fbk_06_a_fallback_s_own_error_is_the_answer() {
    check("FBK-06", said(&fbk_06(Script::new("F")).await), "I");
    let counts = ["failure", "fallback", "success"].map(|outcome| ended("fallback::fbk_06", outcome));
    check("FBK-06 counted", counts, [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn fbk_07_and_08_errors_that_it_is_not_for() {
    let body = Script::new("F X I S");
    check("FBK-07", calls(4, || fbk_07(body.clone())).await, "B X I S");
    check("FBK-07 counted", ["fallback", "failure"].map(|it| ended("fallback::fbk_07", it)), [1, 2]);
    let body = Script::new("F X I S");
    check("FBK-08", calls(4, || fbk_08(body.clone())).await, "B X B S");
}

/// E0 is an exception, E1 an E0, E2 an E1; each has a further kind of its own.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Exception {
    Plain,
    Runtime,
    E0(E0),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum E0 {
    Plain,
    Special,
    E1(E1),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum E1 {
    Plain,
    Special,
    E2(E2),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum E2 {
    Plain,
    Special,
}

impl From<hardening::Rejected> for Exception {
    fn from(_: hardening::Rejected) -> Self {
        Self::Runtime
    }
}

// An E2 is an E0, so naming it beside E0 would add nothing; the compiler says so.
#[fallback(Ok(()), on = Exception::E0(_), not_on = Exception::E0(E0::E1(_)))]
async fn e0_and_e2_but_not_e1(fails_with: Exception) -> Result<(), Exception> {
    Err(fails_with)
}

#[fallback(Ok(()), on = _, not_on = Exception::E0(_))]
async fn all_and_e1_but_not_e0_nor_e2(fails_with: Exception) -> Result<(), Exception> {
    Err(fails_with)
}

#[fallback(Ok(()), on = Exception::E0(E0::E1(E1::Plain | E1::Special)))]
async fn e1_alone(fails_with: Exception) -> Result<(), Exception> {
    Err(fails_with)
}

#[tokio::test(start_paused = true)]
async fn fbk_09_kinds_within_kinds() {
    let special = |e1| Exception::E0(E0::E1(e1));
    let kinds = [
        Exception::Plain,
        Exception::Runtime,
        Exception::E0(E0::Plain),
        Exception::E0(E0::Special),
        special(E1::Plain),
        special(E1::Special),
        special(E1::E2(E2::Plain)),
        special(E1::E2(E2::Special)),
    ];
    let mut found = [String::new(), String::new(), String::new()];
    for kind in kinds {
        let answers = [
            e0_and_e2_but_not_e1(kind).await,
            all_and_e1_but_not_e0_nor_e2(kind).await,
            e1_alone(kind).await,
        ];
        for (found, answer) in found.iter_mut().zip(answers) {
            assert!(answer.is_ok() || answer == Err(kind), "{kind:?} became {answer:?}");
            found.push(if answer.is_ok() { 'B' } else { '-' });
        }
    }
    check("FBK-09", found, ["--BB----", "BB------", "----BB--"]);
}

/// An error that comes after the body has waited is an error like any other.
#[tokio::test(start_paused = true)]
async fn fbk_10_an_error_that_comes_later() {
    check("FBK-10", said(&fbk_04(Script::new("F(1000)")).await), "B");
}

#[tokio::test(start_paused = true)]
async fn fbk_13_with_every_other_policy_switched_off() {
    let site = hardening::catalogue::site("fallback::fbk_13").unwrap();
    let mut spec = *site.declared();
    (spec.retry, spec.timeout, spec.circuit_breaker) = (None, None, None);
    site.configure(&spec);
    let body = Script::new("F(60000)");
    check("FBK-13", (said(&fbk_13(body.clone()).await), body.exec(), body.elapsed()), ("B", 1, 60_000));
    // Switched on again while it is in use: the circuit and the timeout hold at once.
    site.configure(&site.declared().clone());
    let body = Script::new("F(60000)");
    assert!(fbk_13(body.clone()).await.is_ok() && body.elapsed() < 60_000);
}

trait Warehouse {
    const STOCK: u32;

    #[fallback(Ok(Self::STOCK))]
    async fn stock(&self) -> Result<u32, Error> {
        Err(Error::F)
    }
}

struct Near;
impl Warehouse for Near {
    const STOCK: u32 = 7;
}

struct Far;
impl Warehouse for Far {
    const STOCK: u32 = 8;

    #[fallback(Ok(80))]
    async fn stock(&self) -> Result<u32, Error> {
        Err(Error::X)
    }
}

#[fallback(Ok(T::default()))]
async fn any_of<T: Default>(_: &T) -> Result<T, Error> {
    Err(Error::F)
}

#[tokio::test(start_paused = true)]
async fn fbk_15_generic_functions_and_traits() {
    check("a default method", Near.stock().await, Ok(7));
    check("an implementation", Far.stock().await, Ok(80));
    check("generic", (any_of(&5_u32).await, any_of(&String::from("x")).await), (Ok(0), Ok(String::new())));
}

#[tokio::test(start_paused = true)]
async fn fbk_16_a_fallback_with_policies_of_its_own() {
    check("FBK-16", said(&fbk_16(Script::new("F")).await), "B");
    check("FBK-16 repairs", REPAIRS.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn refusals_that_it_answers_for() {
    check("timeout", said(&for_a_timeout(Script::new("S(500)")).await), "B");
    check("deadline", said(&for_a_deadline(Script::new("S(500)")).await), "B");
    let body = Script::new("F");
    check("open", calls(4, || for_an_open_circuit(body.clone())).await, "B B B B");
    check("open exec", body.exec(), 2);
    check("its answers feed no breaker", circuit("fallback::for_an_open_circuit").window().0, 0);
    let holder = begin(for_a_full_bulkhead(Script::new("S(100)"))).await;
    check("full", said(&for_a_full_bulkhead(Script::new("S")).await), "B");
    check("holder", end(holder).await, "S");
    let holder = begin(for_full_alone(Script::new("S(500)"))).await;
    check("named", said(&for_full_alone(Script::new("S")).await), "B");
    check("not named", end(holder).await, "Timeout");
    check("on is for bodies", said(&patterns_are_for_bodies(Script::new("S(500)")).await), "B");
}

#[tokio::test(start_paused = true)]
async fn it_has_a_limit_of_its_own() {
    let body = Script::new("F");
    check("default", (said(&slow_by_default(body.clone()).await), body.elapsed()), ("Timeout", 1000));
    let body = Script::new("F(300)");
    check("written", (said(&too_slow(body.clone()).await), body.elapsed()), ("Timeout", 400));
    check("in time", said(&just_in_time(body.clone()).await), "B");
    let body = Script::new("S(500)");
    check(
        "its call's deadline",
        (said(&beyond_its_own_deadline(body.clone()).await), body.elapsed()),
        ("B", 300),
    );
}

#[deadline(150ms)]
async fn around(body: Script) -> Answer {
    hurried(body).await
}

#[fallback(after(500).await)]
#[timeout(100ms)]
async fn hurried(body: Script) -> Answer {
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn it_keeps_the_deadline_of_what_surrounds_it() {
    let body = Script::new("S(400)");
    check("cut", (said(&around(body.clone()).await), body.elapsed()), ("Deadline", 150));
    check("inner", ["failure", "cancelled"].map(|it| ended("fallback::hurried", it)), [1, 0]);
}

/// The call's attempt is over when its fallback begins: what becomes of the fallback is the call's outcome alone.
#[tokio::test(start_paused = true)]
async fn an_abandoned_fallback_is_no_attempt() {
    let call = begin(cancelled_within(Script::new("F"))).await;
    cancel(call).await;
    let name = "fallback::cancelled_within";
    let attempts = |name: &str, outcome: &str| {
        metric(&format!("hardening_attempts_total{{call=\"{name}\",outcome=\"{outcome}\"}}"))
    };
    check(
        "cancelled",
        (ended(name, "cancelled"), attempts(name, "cancelled"), attempts(name, "failure")),
        (1, 0, 1),
    );
    let call = begin(unwell_within(Script::new("F"))).await;
    check("panicked", end(call).await, "panic");
    let name = "fallback::unwell_within";
    check(
        "panicked",
        (ended(name, "panicked"), attempts(name, "panicked"), attempts(name, "failure")),
        (1, 0, 1),
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_nothing_to_answer_for() {
    let call = begin(fbk_08(Script::new("P"))).await;
    check("panic", end(call).await, "panic");
    check("counted", ended("fallback::fbk_08", "panicked"), 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_breaker_ignores_it_still_answers_for() {
    let body = Script::new("X");
    check("ignored", calls(3, || ignored_too(body.clone())).await, "B B B");
    check("window", circuit("fallback::ignored_too").window(), (0, 0, 0));
}

#[fallback(remember(error, &order).await, within = 100ms)]
async fn with_arguments(order: String) -> Result<String, Error> {
    drop(order);
    Err(Error::X)
}

async fn remember(error: &Error, order: &str) -> Result<String, Error> {
    tokio::time::sleep(ms(50)).await;
    Ok(format!("{order}: {error:?}"))
}

#[tokio::test(start_paused = true)]
async fn it_sees_the_error_and_arguments_that_the_body_used_up() {
    check("with both", with_arguments("seven".to_owned()).await, Ok("seven: X".to_owned()));
}
