//! Section 2: when the next attempt starts, and when none does.

use std::time::Duration;

use hardening::__private::{DurationRange, Jitter, RetrySpec};
use hardening::{Rejected, deadline, hardened, retry, timeout};
use hardening_runtime::policy::retry::Backoff;

use crate::support::{Answer, Script, begin, calls, cancel, check, ended, guarded, metric, ms, pass};

guarded! {
    #[retry(attempts = 91, backoff = 0ms, max_duration = 1s, budget = none, idempotent)]
    rtm_01;

    #[retry(attempts = 11, backoff = 800ms, max_duration = 3200ms, budget = none, idempotent)]
    rtm_03;

    #[retry(attempts = 101, backoff = 400ms, max_duration = 3200ms, budget = none, idempotent)]
    rtm_04;

    #[retry(attempts = 3, backoff = 500ms, jitter = none, max_duration = 1s, budget = none, idempotent)]
    rtm_09;

    #[retry(attempts = 4_294_967_295, backoff = 0ms, max_duration = 1s, budget = none, idempotent)]
    rtm_12;

    #[retry(attempts = 6, backoff = 0ms, max_duration = 1s, budget = none, idempotent)]
    rtm_13;

    #[retry(attempts = 6, backoff = 1ms..10ms, factor = 3, jitter = none, budget = none, idempotent)]
    rtm_15;

    #[retry(attempts = 6, backoff = 100ms, jitter = none, budget = none, idempotent)]
    constant;

    #[retry(attempts = 5, backoff = 100ms..10s, factor = 1.5, jitter = none, budget = none, idempotent)]
    fractional;

    #[retry(attempts = 5, backoff = 2s..5s, jitter = none, budget = none, idempotent)]
    rtm_22;

    #[hardened(name = "rtm-27")]
    #[retry(attempts = 3, backoff = 100ms, jitter = none, budget = none, idempotent)]
    rtm_27;

    #[deadline(1s)]
    #[retry(attempts = 9, backoff = 400ms, jitter = none, budget = none, idempotent)]
    within_deadline;

    #[deadline(800ms)]
    #[retry(attempts = 9, backoff = 400ms, jitter = none, budget = none, idempotent)]
    at_deadline;

    #[retry(attempts = 9, backoff = 100ms, jitter = none, max_duration = 1s, budget = none, idempotent)]
    #[timeout(450ms)]
    timed;
}

/// Runs one call and answers its outcome, when the body was started, and when the call was over.
macro_rules! run {
    ($call:path, $script:literal) => {{
        let body = Script::new($script);
        let out = calls(1, || $call(body.clone())).await;
        (out, body.starts(), body.elapsed())
    }};
}

/// The waits of a call that always fails.
macro_rules! waits_of {
    ($call:path) => {{
        let body = Script::new("F");
        calls(1, || $call(body.clone())).await;
        body.waits()
    }};
}

fn at(starts: &[u128]) -> Vec<u128> {
    starts.to_vec()
}

#[tokio::test(start_paused = true)]
async fn rtm_01_and_12_no_attempt_starts_after_max_duration() {
    let hundreds: Vec<u128> = (0..10).map(|attempt| attempt * 100).collect();
    check("RTM-01", run!(rtm_01, "F(100)"), ("F".into(), hundreds.clone(), 1000));
    check("RTM-12", run!(rtm_12, "F(100)"), ("F".into(), hundreds, 1000));
}

#[tokio::test(start_paused = true)]
async fn rtm_03_and_04_spread_waits_stay_in_bounds() {
    let body = Script::new("F");
    check("RTM-03", calls(1, || rtm_03(body.clone())).await.as_str(), "F");
    assert!((5..=11).contains(&body.exec()), "RTM-03: {}", body.exec());
    assert!(body.waits().iter().all(|wait| *wait <= 800), "RTM-03: {:?}", body.waits());

    let body = Script::new("F");
    check("RTM-04", calls(1, || rtm_04(body.clone())).await.as_str(), "F");
    assert!((9..100).contains(&body.exec()), "RTM-04: {}", body.exec());
    assert!(body.waits().iter().any(|wait| *wait > 5), "RTM-04: {:?}", body.waits());
    assert!(body.elapsed() < 3200, "RTM-04: nothing to wait for once no attempt can follow");
}

#[tokio::test(start_paused = true)]
async fn rtm_08_to_11_a_limit_that_is_reached_is_exceeded() {
    check("RTM-08 at 999", run!(rtm_09, "F(499)"), ("F".into(), at(&[0, 999]), 1498));
    check("RTM-09 at exactly 1000", run!(rtm_09, "F(500)"), ("F".into(), at(&[0]), 500));
    check("RTM-10 at 1500", run!(rtm_09, "F(1000)"), ("F".into(), at(&[0]), 1000));
    check("RTM-10 the last error", run!(rtm_09, "F(400) I(200)"), ("I".into(), at(&[0, 900]), 1100));
}

#[tokio::test(start_paused = true)]
async fn rtm_13_max_duration_cuts_no_body() {
    check("RTM-13", run!(rtm_13, "F(1500)"), ("F".into(), at(&[0]), 1500));
    check("RTM-13 success", run!(rtm_13, "S(1500)"), ("S".into(), at(&[0]), 1500));
    check("RTM-14 the last attempt", run!(rtm_13, "F(600) S(900)"), ("S".into(), at(&[0, 600]), 1500));
}

#[tokio::test(start_paused = true)]
async fn rtm_15_to_22_waits_grow_to_their_cap() {
    for (id, waits, expected) in [
        ("RTM-15", waits_of!(rtm_15), vec![1, 3, 9, 10, 10]),
        ("RTM-20 constant", waits_of!(constant), vec![100; 5]),
        ("RTM-22", waits_of!(rtm_22), vec![2000, 4000, 5000, 5000]),
        ("RTM-23 another factor", waits_of!(fractional), vec![100, 150, 225, 337]),
    ] {
        // Tokio's timers tick in whole milliseconds and round up.
        let near =
            waits.len() == expected.len() && waits.iter().zip(&expected).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(near, "{id}: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn rtm_27_cancelled_while_waiting() {
    let body = Script::new("F");
    let call = begin(rtm_27(body.clone())).await;
    pass(50).await;
    cancel(call).await;
    pass(1000).await;
    check("RTM-27", body.exec(), 1);
    check("RTM-27", (ended("rtm-27", "cancelled"), ended("rtm-27", "failure")), (1, 0));
    check("RTM-27", metric("hardening_in_flight{call=\"rtm-27\"}"), 0);
}

#[tokio::test(start_paused = true)]
async fn rtm_deadline_no_wait_ends_after_it() {
    check("RTM deadline", run!(within_deadline, "F"), ("F".into(), at(&[0, 400, 800]), 800));
    check("RTM deadline reached exactly", run!(at_deadline, "F"), ("F".into(), at(&[0, 400]), 400));
    check(
        "RTM deadline cuts a body",
        run!(within_deadline, "F S(700)"),
        ("Deadline".into(), at(&[0, 400]), 1000),
    );
    check("RTM timed out attempts", run!(timed, "S(900)"), ("Timeout".into(), at(&[0, 550]), 1000));
}

/// An error that may say when to come back.
#[derive(Debug, PartialEq)]
enum Hint {
    After(Duration),
    No,
    Rejected(Rejected),
}

impl From<Rejected> for Hint {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Hint {
    fn delay(&self) -> Option<Duration> {
        if let Self::After(delay) = self { Some(*delay) } else { None }
    }
}

/// Fails with the hint once, then succeeds.
async fn once(hint: Option<u64>, body: &Script) -> Result<(), Hint> {
    let _ = body.run().await;
    if body.exec() > 1 { Ok(()) } else { Err(hint.map_or(Hint::No, |hint| Hint::After(ms(hint)))) }
}

#[retry(attempts = 4, backoff = 100ms, jitter = none, budget = none, idempotent, retry_after = error.delay())]
async fn rtm_28(hint: Option<u64>, body: Script) -> Result<(), Hint> {
    once(hint, &body).await
}

#[deadline(2s)]
#[retry(attempts = 4, backoff = 100ms, jitter = none, budget = none, idempotent, retry_after = error.delay())]
async fn hint_in_deadline(hint: Option<u64>, body: Script) -> Result<(), Hint> {
    once(hint, &body).await
}

#[retry(
    attempts = 4, backoff = 100ms, jitter = none, budget = none, idempotent, max_duration = 2s,
    retry_after = outcome.as_ref().err().and_then(Hint::delay),
)]
async fn hint_in_max_duration(hint: Option<u64>, body: Script) -> Result<(), Hint> {
    once(hint, &body).await
}

#[tokio::test(start_paused = true)]
async fn rtm_24_and_28_the_other_side_asks_for_a_delay() {
    let hint = |millis| Err(Hint::After(ms(millis)));
    let body = Script::new("S");
    check("RTM-28", (rtm_28(Some(3000), body.clone()).await, body.starts()), (Ok(()), at(&[0, 3000])));
    let body = Script::new("S");
    check("RTM-28 shorter", (rtm_28(Some(20), body.clone()).await, body.starts()), (Ok(()), at(&[0, 20])));
    let body = Script::new("S");
    check("RTM-28 none", (rtm_28(Some(0), body.clone()).await, body.starts()), (Ok(()), at(&[0, 0])));
    let body = Script::new("S");
    check("RTM-24", (rtm_28(None, body.clone()).await, body.starts()), (Ok(()), at(&[0, 100])));
    let body = Script::new("S");
    let out = hint_in_deadline(Some(3000), body.clone()).await;
    check("RTM-28 beyond the deadline", (out, body.starts(), body.elapsed()), (hint(3000), at(&[0]), 0));
    let body = Script::new("S");
    let out = hint_in_deadline(Some(1999), body.clone()).await;
    check("RTM-28 within the deadline", (out, body.starts()), (Ok(()), at(&[0, 1999])));
    let body = Script::new("S");
    let out = hint_in_max_duration(Some(2000), body.clone()).await;
    check("RTM-28 beyond max_duration", (out, body.starts(), body.elapsed()), (hint(2000), at(&[0]), 0));
}

#[tokio::test(start_paused = true)]
async fn rtm_28_a_delay_without_end_is_no_delay_at_all() {
    let body = Script::new("S");
    let out = rtm_28(Some(u64::MAX), body.clone()).await;
    check(
        "RTM-28 for ever",
        (out, body.starts(), body.elapsed()),
        (Err(Hint::After(ms(u64::MAX))), at(&[0]), 0),
    );
}

#[deadline(300ms)]
async fn hurried(body: Script) -> Answer {
    constant_400(body).await
}

guarded! {
    #[retry(attempts = 4, backoff = 400ms, jitter = none, budget = none, idempotent)]
    constant_400;
}

#[tokio::test(start_paused = true)]
async fn rtm_deadline_of_the_caller_bounds_the_waits() {
    check("RTM caller's deadline", run!(hurried, "F"), ("F".into(), at(&[0]), 0));
    check("RTM no deadline", run!(constant_400, "F"), ("F".into(), at(&[0, 400, 800, 1200]), 1200));
}

fn backoff(from: u64, to: u64, factor: f64, jitter: Jitter) -> Backoff {
    Backoff::new(&RetrySpec {
        backoff: DurationRange::new(ms(from), ms(to)),
        factor,
        jitter,
        ..RetrySpec::DEFAULT
    })
}

const MS: u64 = 1_000_000;

/// 1000 numbers that are spread over 0..1 as the random ones are, both ends tried.
fn numbers() -> impl Iterator<Item = f64> {
    (0..1000).map(|number| f64::from(number) / 1000.0).chain([1.0 - f64::EPSILON])
}

#[test]
fn rtm_06_to_21_waits_are_uniform_within_their_bounds() {
    for (id, jitter, low, high) in [
        ("RTM-06 full", Jitter::Full, 0, 100),
        ("RTM-19 equal", Jitter::Equal, 50, 100),
        ("RTM-21 decorrelated", Jitter::Decorrelated, 100, 300),
        ("RTM-07 none", Jitter::None, 100, 100),
    ] {
        let backoff = backoff(100, 10_000, 2.0, jitter);
        let samples: Vec<u64> = numbers().map(|random| backoff.delay(1, 0, random)).collect();
        assert!(samples.iter().all(|wait| (low * MS..=high * MS).contains(wait)), "{id}: outside");
        let mean = samples.iter().sum::<u64>() / samples.len() as u64;
        assert!(mean.abs_diff((low + high) * MS / 2) < MS, "{id}: mean {mean}");
        let lower = samples.iter().filter(|wait| **wait < (low + high) * MS / 2).count();
        assert!(low == high || lower.abs_diff(500) < 5, "{id}: {lower} in the lower half");
    }
}

#[test]
fn rtm_25_no_attempt_overflows() {
    for jitter in [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None] {
        for factor in [1.0, 2.0, 1e300] {
            let backoff = backoff(2000, 5000, factor, jitter);
            for retry in [1, 64, 1100, 2000, u32::MAX] {
                let wait = backoff.delay(retry, u64::MAX, 0.999);
                assert!(wait <= 5000 * MS, "RTM-25: retry {retry}, factor {factor}, {jitter:?}: {wait}");
            }
        }
    }
    let widest = Backoff::new(&RetrySpec {
        backoff: DurationRange::new(Duration::MAX, Duration::MAX),
        jitter: Jitter::Decorrelated,
        ..RetrySpec::DEFAULT
    });
    check("RTM-25 the longest delay there is", widest.delay(3, u64::MAX, 0.5), u64::MAX);
}
