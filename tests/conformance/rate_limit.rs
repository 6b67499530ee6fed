//! Section 9. The limiter is GCRA: the smooth family with a full burst at the start.

use std::time::Duration;

use hardening::Rejected;
use hardening::{circuit_breaker, deadline, fallback, rate_limited, retry, timeout};
use tokio::time::{Instant, advance, sleep_until};

use crate::support::{
    Answer, Error, Reply, Script, begin, calls, cancel, check, circuit, configure, end, ended, guarded,
    metric, ms, pass, said, settle,
};
use hardening_spec::settings::Raw;

guarded! {
    #[rate_limited(2/100ms, burst = 2)] rls_01;
    #[rate_limited(4/100ms, burst = 4)] rls_03;
    #[rate_limited(4/100ms, burst = 4)] rls_04;
    #[rate_limited(2/100ms, burst = 2)] rls_06;
    #[rate_limited(4/100ms, burst = 4)] #[rate_limited(1/5ms, burst = 1, per = attempt)] rls_07;
    #[rate_limited(3/s)] a_third;
    #[rate_limited(2/100ms, burst = 2)] rlm_01;
    #[rate_limited(1/250ms, burst = 1)] rla_01;
    #[rate_limited(1/250ms, burst = 1, wait = 250ms)] rla_03;
    #[rate_limited(1/250ms, burst = 1)] rla_04;
    #[rate_limited(1/250ms, burst = 1, wait = 1s)] rla_06;
    #[rate_limited(1/250ms, burst = 1, wait = 250ms)] rla_07;
    #[rate_limited(1/250ms, burst = 1)] rla_09;
    #[rate_limited(1/10s, burst = 1, wait = 5s)] rla_10;
    #[rate_limited(10/1s, burst = 10)] rla_12;
    #[rate_limited(1/100ms, burst = 1, wait = 1s)] first_come;
    #[rate_limited(1/100ms, burst = 1, wait = 10s)] #[deadline(250ms)] hurried;
    #[rate_limited(1/100ms, burst = 1, wait = 10s, per = attempt)] #[timeout(50ms)] per_attempt_in_time;
    #[rate_limited(1/s, burst = 1, wait = 100ms)] exactly;
    #[rate_limited(2/s, burst = 2)] #[circuit_breaker(window = 4, min_calls = 4)] guarded_too;
    #[rate_limited(1/s, burst = 1)] #[retry(attempts = 3, backoff = 0ms, idempotent)] once_for_the_call;
    #[rate_limited(2/s, burst = 2, per = attempt)]
    #[retry(attempts = 6, backoff = 0ms, jitter = none, idempotent)] each_attempt;
    #[rate_limited(2/s, burst = 2, per = attempt)]
    #[retry(attempts = 5, backoff = 0ms, on = Error::F, idempotent)] narrowed;
}

/// The answer in a table's words: 0, or milliseconds until the next permit.
fn told(answer: &Answer) -> u64 {
    match answer {
        Ok(Reply::Good) => 0,
        Err(Error::Rejected(Rejected::RateLimited { retry_after, .. })) => {
            u64::try_from(retry_after.as_millis()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

/// Changes a limit as settings do.
#[track_caller]
fn limit(call: &str, rate: &str, burst: i64) {
    let call = format!("rate_limit::{call}");
    configure(&call, "rate_limited", "burst", Raw::Int(burst)).unwrap();
    configure(&call, "rate_limited", "rate", Raw::Text(rate)).unwrap();
}

async fn sequence(id: &str, call: impl AsyncFn(Script) -> Answer, table: &[(u64, &[u64])]) {
    let begun = Instant::now();
    for (at, expected) in table {
        sleep_until(begun + ms(*at)).await;
        let mut found = Vec::new();
        for _ in *expected {
            found.push(told(&call(Script::new("S")).await));
        }
        check(&format!("{id} at {at}"), found, expected.to_vec());
    }
}

#[tokio::test(start_paused = true)]
async fn rls_01_to_07_smooth_with_a_full_burst() {
    sequence("RLS-01", rls_01, &[(0, &[0, 0, 50]), (50, &[0, 50]), (100, &[0, 50])]).await;
    let refilling: [(u64, &[u64]); 4] =
        [(0, &[0, 0, 0, 0, 25]), (50, &[0, 0, 25]), (100, &[0, 0, 25]), (200, &[0, 0, 0, 0, 25])];
    sequence("RLS-03", rls_03, &refilling).await;
    let between: [(u64, &[u64]); 5] = [
        (0, &[0, 0, 0, 0, 25]),
        (50, &[0, 0, 25]),
        (75, &[0, 25]),
        (100, &[0, 25]),
        (200, &[0, 0, 0, 0, 25]),
    ];
    sequence("RLS-04", rls_04, &between).await;
    sequence("RLS-06", rls_06, &[(0, &[0, 0, 50]), (550, &[0, 0, 50]), (1050, &[0, 0, 50])]).await;
    // The least spacing is a second limit; its refusals come from what the first one had room for.
    let spaced: [(u64, &[u64]); 7] =
        [(0, &[0]), (25, &[0]), (28, &[2]), (50, &[0]), (100, &[0]), (123, &[0]), (130, &[0])];
    sequence("RLS-07", rls_07, &spaced).await;
}

/// Three in a second does not divide the second: the spacing is rounded up, never down.
#[tokio::test(start_paused = true)]
async fn a_spacing_that_divides_nothing_is_rounded_up() {
    let body = Script::new("S");
    check("3/s", calls(4, || a_third(body.clone())).await, "S S S Limited");
    let Err(Error::Rejected(Rejected::RateLimited { retry_after, limit, remaining, limiter })) =
        a_third(body.clone()).await
    else {
        panic!("admitted");
    };
    check("retry after", retry_after, Duration::from_nanos(333_333_334));
    check("limit", (limit, remaining, limiter), (3, 0, "rate_limit::a_third"));
    advance(Duration::from_nanos(333_333_333)).await;
    check("1 ns early", said(&a_third(body.clone()).await), "Limited");
    advance(Duration::from_nanos(1)).await;
    check("in time", said(&a_third(body.clone()).await), "S");
}

#[tokio::test(start_paused = true)]
async fn rlm_01_simultaneous_calls_share_the_burst() {
    let body = Script::new("S(10)");
    let (a, b, c, d) =
        tokio::join!(rlm_01(body.clone()), rlm_01(body.clone()), rlm_01(body.clone()), rlm_01(body.clone()));
    check("RLM-01", [told(&a), told(&b), told(&c), told(&d)], [0, 0, 50, 50]);
    check("RLM-01 exec", body.exec(), 2);
}

#[tokio::test(start_paused = true)]
async fn rla_01_one_per_cycle() {
    sequence("RLA-01", rla_01, &[(0, &[0, 250]), (250, &[0, 250])]).await;
    limit("rla_01", "2/250ms", 2);
    sequence("RLA-01 two", rla_01, &[(250, &[0, 0, 125])]).await;
}

#[tokio::test(start_paused = true)]
async fn rla_03_what_cannot_be_reserved_changes_nothing() {
    let body = Script::new("S");
    check("first", said(&rla_03(body.clone()).await), "S");
    let second = begin(rla_03(body.clone())).await;
    let third = rla_03(body.clone()).await;
    check("third", (told(&third), body.elapsed()), (500, 0));
    check("fourth", told(&rla_03(body.clone()).await), 500);
    check("second", (end(second).await, body.starts()), ("S", vec![0, 250]));
}

#[tokio::test(start_paused = true)]
async fn rla_04_idle_cycles_are_not_saved_up() {
    sequence("RLA-04", rla_04, &[(0, &[0, 250]), (1500, &[0, 250])]).await;
}

#[tokio::test(start_paused = true)]
async fn rla_06_a_cancelled_waiter_gives_its_turn_back() {
    let body = Script::new("S");
    check("first", said(&rla_06(body.clone()).await), "S");
    let waiter = begin(rla_06(body.clone())).await;
    pass(100).await;
    cancel(waiter).await;
    let next = begin(rla_06(body.clone())).await;
    check("RLA-06", (end(next).await, body.starts()), ("S", vec![0, 250]));
    check("cancelled", ended("rate_limit::rla_06", "cancelled"), 1);
}

/// A change takes effect at once: what has passed weighs at most the new burst, and the caller that waits gets a turn under
/// the new rate.
#[tokio::test(start_paused = true)]
async fn rla_07_a_limit_that_changes_while_one_waits() {
    let body = Script::new("S");
    check("first", said(&rla_07(body.clone()).await), "S");
    let second = begin(rla_07(body.clone())).await;
    check("before", told(&rla_07(body.clone()).await), 500);
    limit("rla_07", "2/250ms", 1);
    let third = begin(rla_07(body.clone())).await;
    check("RLA-07", (told(&rla_07(body.clone()).await), body.elapsed()), (375, 0));
    check("RLA-07 second", (end(second).await, body.starts()), ("S", vec![0, 125]));
    check("RLA-07 third", (end(third).await, body.starts()), ("S", vec![0, 125, 250]));
    pass(250).await;
    let after = (told(&rla_07(body.clone()).await), told(&rla_07(body.clone()).await));
    check("RLA-07 after", (after, body.starts()), ((0, 0), vec![0, 125, 250, 500, 625]));
}

#[tokio::test(start_paused = true)]
async fn rla_09_time_is_told_to_the_nanosecond() {
    let body = Script::new("S");
    check("first", said(&rla_09(body.clone()).await), "S");
    advance(Duration::from_nanos(249_999_999)).await;
    let refused = rla_09(body.clone()).await.unwrap_err();
    let Error::Rejected(rejected) = refused else { panic!("{refused:?}") };
    check("RLA-09", rejected.retry_after(), Some(Duration::from_nanos(1)));
    advance(Duration::from_nanos(1)).await;
    check("RLA-09 then", said(&rla_09(body.clone()).await), "S");
}

#[tokio::test(start_paused = true)]
async fn rla_10_a_wait_that_is_too_short_is_refused_at_once() {
    let body = Script::new("S");
    check("first", said(&rla_10(body.clone()).await), "S");
    let refused = rla_10(body.clone()).await;
    check("RLA-10", (told(&refused), body.elapsed()), (10_000, 0));
    pass(5_000).await;
    check("RLA-10 then", (said(&rla_10(body.clone()).await), body.elapsed()), ("S", 10_000));
}

#[tokio::test(start_paused = true)]
async fn rla_12_no_double_burst_at_a_window_s_edge() {
    let body = Script::new("S");
    pass(990).await;
    check("at 990", calls(10, || rla_12(body.clone())).await, ["S"; 10].join(" "));
    pass(20).await;
    check("at 1010", calls(10, || rla_12(body.clone())).await, ["Limited"; 10].join(" "));
}

#[tokio::test(start_paused = true)]
async fn waiters_run_in_the_order_of_their_coming() {
    let bodies = [(); 5].map(|()| Script::new("S"));
    let mut waiting = Vec::new();
    for body in &bodies {
        waiting.push(begin(first_come(body.clone())).await);
    }
    for call in waiting {
        check("order", end(call).await, "S");
    }
    check("order", bodies.map(|body| body.starts()[0]), [0, 100, 200, 300, 400]);
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_half_of_the_deadline_is_refused_at_once() {
    let body = Script::new("S");
    check("first", said(&hurried(body.clone()).await), "S");
    let second = begin(hurried(body.clone())).await;
    let third = hurried(body.clone()).await;
    check("third", (told(&third), body.elapsed()), (200, 0));
    check("waited", (end(second).await, body.elapsed()), ("S", 100));
}

/// The wait of a limit that each attempt is charged is part of the attempt's time, at most half of it.
#[tokio::test(start_paused = true)]
async fn a_wait_of_an_attempt_beyond_half_of_its_timeout_is_refused_at_once() {
    let body = Script::new("S");
    check("first", said(&per_attempt_in_time(body.clone()).await), "S");
    check("second", told(&per_attempt_in_time(body.clone()).await), 100);
    pass(60).await;
    check("third", told(&per_attempt_in_time(body.clone()).await), 40);
    pass(20).await;
    check("fourth", (said(&per_attempt_in_time(body.clone()).await), body.elapsed()), ("S", 100));
}

#[tokio::test(start_paused = true)]
async fn a_call_repeated_exactly_after_the_told_time_is_admitted() {
    let body = Script::new("S");
    for _ in 0..5 {
        check("admitted", said(&exactly(body.clone()).await), "S");
        advance(Duration::from_micros(12_345)).await;
        let Err(Error::Rejected(rejected)) = exactly(body.clone()).await else { panic!("admitted early") };
        advance(rejected.retry_after().unwrap()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_limit_feed_no_breaker() {
    let body = Script::new("S");
    let out = calls(12, || guarded_too(body.clone())).await;
    check("out", out.matches("Limited").count(), 10);
    check("window", circuit("rate_limit::guarded_too").window(), (2, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_is_charged_once_whatever_its_attempts() {
    let body = Script::new("F F S");
    check("first", (said(&once_for_the_call(body.clone()).await), body.exec()), ("S", 3));
    check("second", (said(&once_for_the_call(body.clone()).await), body.exec()), ("Limited", 3));
    let allowed = "hardening_rate_limit_decisions_total{limiter=\"rate_limit::once_for_the_call\",decision=\"allowed\"}";
    check("allowed", metric(allowed), 1);
}

/// The third and the fifth attempt have no permit; the call waits as long as the limiter says and tries again.
#[tokio::test(start_paused = true)]
async fn each_attempt_is_charged_and_repeated_when_its_turn_has_come() {
    let body = Script::new("F F F S");
    check("out", said(&each_attempt(body.clone()).await), "S");
    check("starts", body.starts(), vec![0, 0, 500, 1000]);
}

/// `on` says what alone is worth repeating, so a refusal is not.
#[tokio::test(start_paused = true)]
async fn a_narrowed_retry_does_not_repeat_a_refusal() {
    let body = Script::new("F F F S");
    check("out", (said(&narrowed(body.clone()).await), body.exec()), ("Limited", 2));
}

#[rate_limited(1/s, burst = 1, key = who)]
async fn keyed(who: &'static str, body: Script) -> Answer {
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_limit_of_its_own() {
    let body = Script::new("S");
    for (who, expected) in [("a", 0), ("a", 1000), ("b", 0), ("b", 1000), ("a", 1000)] {
        check(who, told(&keyed(who, body.clone()).await), expected);
    }
}

#[rate_limited(10/s, burst = 10, cost = size)]
async fn sized(size: u32, body: Script) -> Answer {
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn a_call_costs_what_it_says() {
    let body = Script::new("S");
    for (size, expected) in [(8, 0), (3, 100), (2, 0), (1, 100)] {
        check(&format!("cost {size}"), told(&sized(size, body.clone()).await), expected);
    }
    let Err(Error::Rejected(rejected)) = sized(11, body.clone()).await else { panic!("admitted") };
    let never = Rejected::RateLimited {
        limiter: "rate_limit::sized",
        retry_after: Duration::MAX,
        limit: 10,
        remaining: 0,
    };
    check("above the burst", (rejected.retry_after(), rejected), (None, never));
}

#[rate_limited(5/s, burst = 5)]
#[rate_limited(1/s, burst = 1, key = who)]
async fn twice_limited(who: &'static str, body: Script) -> Answer {
    body.run().await
}

/// What one limit refuses is not charged to the other.
#[tokio::test(start_paused = true)]
async fn a_refused_call_is_charged_nowhere() {
    let body = Script::new("S");
    let mut out = Vec::new();
    for who in ["a", "a", "a", "a", "a", "b", "c", "d", "e", "f"] {
        out.push(said(&twice_limited(who, body.clone()).await));
    }
    check("out", out.join(" "), "S Limited Limited Limited Limited S S S S Limited");
    pass(200).await;
    check("f was not charged", said(&twice_limited("f", body.clone()).await), "S");
}

#[fallback(Ok(Reply::Bad))]
#[rate_limited(1/s, burst = 1)]
async fn not_hidden(body: Script) -> Answer {
    body.run().await
}

#[fallback(Ok(Reply::Bad), on_rejected = rate_limited)]
#[rate_limited(1/s, burst = 1)]
async fn hidden(body: Script) -> Answer {
    body.run().await
}

#[fallback(Ok(Reply::Bad))]
#[rate_limited(1/s, burst = 1, per = attempt)]
async fn of_an_attempt(body: Script) -> Answer {
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn a_fallback_hides_a_call_s_limit_only_when_told_to() {
    let body = Script::new("S");
    check("default", calls(2, || not_hidden(body.clone())).await, "S Limited");
    check("named", calls(2, || hidden(body.clone())).await, "S B");
    check("per attempt", calls(2, || of_an_attempt(body.clone())).await, "S B");
}

/// Those behind a cancelled waiter keep their turns; its own is for the next that comes.
#[tokio::test(start_paused = true)]
async fn a_cancelled_waiter_in_the_middle_disturbs_nobody() {
    let bodies = [(); 4].map(|()| Script::new("S"));
    let mut waiting = Vec::new();
    for body in &bodies[..3] {
        waiting.push(begin(in_turn(body.clone())).await);
    }
    let last = waiting.pop().unwrap();
    cancel(waiting.pop().unwrap()).await;
    let late = begin(in_turn(bodies[3].clone())).await;
    check("late", (end(late).await, bodies[3].starts()), ("S", vec![100]));
    check("last", (end(last).await, bodies[2].starts()), ("S", vec![200]));
    settle().await;
    check("cancelled", bodies[1].exec(), 0);
}

/// In whatever order a line of waiters gives up, nothing of it is left.
#[tokio::test(start_paused = true)]
async fn a_line_that_is_given_up_leaves_nothing_behind() {
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]] {
        let body = Script::new("S");
        check("first", said(&given_up(body.clone()).await), "S");
        let mut waiting = Vec::new();
        for _ in order {
            waiting.push(Some(begin(given_up(body.clone())).await));
        }
        for at in order {
            cancel(waiting[at].take().unwrap()).await;
        }
        let next = begin(given_up(body.clone())).await;
        check(&format!("{order:?}"), (end(next).await, body.starts()), ("S", vec![0, 100]));
        pass(100).await;
    }
}

guarded! {
    #[rate_limited(1/100ms, burst = 1, wait = 1s)] in_turn;
    #[rate_limited(1/100ms, burst = 1, wait = 1s)] given_up;
}
