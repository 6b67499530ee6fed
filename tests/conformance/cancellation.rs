//! Section 11: a call is a future, and a dropped future gives everything back.

use std::sync::Arc;

use hardening::{bulkhead, circuit_breaker, fallback, hardened, rate_limited, retry, timeout};
use tokio::sync::Mutex;

use crate::support::{
    Answer, Reply, Script, begin, cancel, check, circuit, end, ended, guarded, metric, ms, pass, said, settle,
};

guarded! {
    #[hardened] asy_01;
    #[retry(attempts = 3, backoff = 0ms, idempotent)] asy_03;
    #[retry(attempts = 4, backoff = 0ms, idempotent)] asy_06;
    #[timeout(10s)] asy_09;
    #[bulkhead(max = 1, queue = 1)] asy_12;
    #[retry(attempts = 6, backoff = 0ms, idempotent)] #[timeout(5s)] asy_13;
    #[retry(attempts = 6, backoff = 1s, jitter = none, idempotent)] in_backoff;
    #[bulkhead(max = 1, queue = 1)] #[timeout(1s)] in_the_queue;
    #[circuit_breaker(window = 2, min_calls = 2)] #[bulkhead(max = 1)] neither;
    #[retry(attempts = 2, backoff = 0ms, budget = 100%, idempotent)] unpaid;
    #[fallback(Ok(Reply::Bad))] no_answer_for_the_gone;
    #[rate_limited(1/100ms, burst = 1, wait = 1s)] #[retry(attempts = 2, backoff = 0ms, idempotent)] in_line;
    #[hardened] never_polled;
    #[timeout(100ms)] a_timeout_first;
}

#[tokio::test(start_paused = true)]
async fn asy_01_a_call_is_pending_until_its_body_is_done() {
    let body = Script::new("S(1000)");
    let call = begin(asy_01(body.clone())).await;
    check("ASY-01 at once", (call.is_finished(), body.elapsed(), body.exec()), (false, 0, 1));
    check("ASY-01 later", (end(call).await, body.elapsed()), ("S", 1000));
}

#[tokio::test(start_paused = true)]
async fn asy_03_and_06_attempts_of_bodies_that_wait() {
    let body = Script::new("F(10)");
    check("ASY-03", (said(&asy_03(body.clone()).await), body.exec()), ("F", 3));
    let body = Script::new("F(10) F(10) S(10)");
    check("ASY-06", (said(&asy_06(body.clone()).await), body.exec(), body.elapsed()), ("S", 3, 30));
}

#[retry(attempts = 3, backoff = 0ms, idempotent)]
async fn asy_07(left: Script, right: Script) -> Answer {
    let (left, right) = tokio::join!(left.run(), right.run());
    left.and(right)
}

#[tokio::test(start_paused = true)]
async fn asy_07_two_chains_at_once() {
    let (left, right) = (Script::new("F(10)*2 S(10)"), Script::new("S(20)"));
    check("ASY-07", said(&asy_07(left.clone(), right.clone()).await), "S");
    check("ASY-07 exec", (left.exec(), right.exec(), left.elapsed()), (3, 3, 60));
}

#[tokio::test(start_paused = true)]
async fn asy_09_a_dropped_call_s_body_is_gone_at_once() {
    let body = Script::new("S(1000)");
    let call = begin(asy_09(body.clone())).await;
    pass(100).await;
    check("ASY-09 before", body.inside(), 1);
    cancel(call).await;
    check("ASY-09 after", (body.inside(), body.elapsed()), (0, 100));
    let counts = ["cancelled", "success", "failure", "timeout"].map(|it| ended("cancellation::asy_09", it));
    check("ASY-09 counted", counts, [1, 0, 0, 0]);
    check("ASY-09 in flight", metric("hardening_in_flight{call=\"cancellation::asy_09\"}"), 0);
}

#[tokio::test(start_paused = true)]
async fn asy_12_cancelled_in_the_queue() {
    let [a, b, c] = [(); 3].map(|()| Script::new("S(100)"));
    let running = begin(asy_12(a.clone())).await;
    let queued = begin(asy_12(b.clone())).await;
    check("ASY-12 full", said(&asy_12(Script::new("S")).await), "Full");
    cancel(queued).await;
    let next = begin(asy_12(c.clone())).await;
    check("ASY-12", (end(running).await, end(next).await), ("S", "S"));
    check("ASY-12 starts", (a.starts(), b.starts(), c.starts()), (vec![0], vec![], vec![100]));
}

#[tokio::test(start_paused = true)]
async fn asy_13_a_cancelled_attempt_is_not_repeated() {
    let body = Script::new("S(1000)");
    let call = begin(asy_13(body.clone())).await;
    cancel(call).await;
    pass(60_000).await;
    check("ASY-13", body.exec(), 1);
    check(
        "ASY-13 retries",
        metric("hardening_retries_total{call=\"cancellation::asy_13\",reason=\"failure\"}"),
        0,
    );
}

#[tokio::test(start_paused = true)]
async fn cancelled_between_two_attempts() {
    let body = Script::new("F");
    let call = begin(in_backoff(body.clone())).await;
    pass(1500).await;
    cancel(call).await;
    pass(60_000).await;
    check("exec", body.exec(), 2);
    let attempts = |outcome: &str| {
        metric(&format!(
            "hardening_attempts_total{{call=\"cancellation::in_backoff\",outcome=\"{outcome}\"}}"
        ))
    };
    check("attempts", (attempts("failure"), attempts("cancelled")), (2, 0));
    check("calls", ended("cancellation::in_backoff", "cancelled"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_place_that_was_just_handed_over_is_not_lost() {
    let [a, b, c] = [(); 3].map(|()| Script::new("S(100)"));
    let running = begin(in_the_queue(a.clone())).await;
    let queued = begin(in_the_queue(b.clone())).await;
    // The place goes to the queued call, which is dropped before it can run.
    running.abort();
    queued.abort();
    check("both", (end(running).await, end(queued).await), ("cancelled", "cancelled"));
    let next = begin(in_the_queue(c.clone())).await;
    check("next", (end(next).await, b.exec(), c.starts()), ("S", 0, vec![0]));
    check("queue", metric("hardening_queue_depth{call=\"cancellation::in_the_queue\"}"), 0);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_neither_success_nor_failure() {
    for _ in 0..5 {
        let call = begin(neither(Script::new("F(100)"))).await;
        cancel(call).await;
    }
    check("window", circuit("cancellation::neither").window(), (0, 0, 0));
    check("next", said(&neither(Script::new("S")).await), "S");
}

/// A call that was given up pays no retries of others.
#[tokio::test(start_paused = true)]
async fn a_cancelled_call_feeds_no_budget() {
    let name = "hardening_retry_budget_remaining{budget=\"cancellation::unpaid\"}";
    let before = metric(name);
    for _ in 0..5 {
        let call = begin(unpaid(Script::new("S(100)"))).await;
        cancel(call).await;
    }
    check("unpaid", metric(name), before);
    check("paid", (said(&unpaid(Script::new("S")).await), metric(name)), ("S", before + 1));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_gets_no_fallback() {
    let call = begin(no_answer_for_the_gone(Script::new("F(100)"))).await;
    cancel(call).await;
    let counts = ["cancelled", "fallback"].map(|it| ended("cancellation::no_answer_for_the_gone", it));
    check("counted", counts, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn cancelled_in_line_of_a_limit() {
    let bodies = [(); 3].map(|()| Script::new("S"));
    check("first", said(&in_line(bodies[0].clone()).await), "S");
    let waiting = begin(in_line(bodies[1].clone())).await;
    pass(50).await;
    cancel(waiting).await;
    let next = begin(in_line(bodies[2].clone())).await;
    check("next", (end(next).await, bodies[1].exec(), bodies[2].starts()), ("S", 0, vec![100]));
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_never_polled_is_no_call() {
    let body = Script::new("S");
    drop(never_polled(body.clone()));
    check("exec", body.exec(), 0);
    let text = metric("hardening_in_flight{call=\"cancellation::never_polled\"}");
    check("counted", (ended("cancellation::never_polled", "cancelled"), text), (0, 0));
}

/// Whichever of two ends comes first is the only one that counts.
#[tokio::test(start_paused = true)]
async fn cancelled_after_the_timeout_is_a_timeout() {
    let call = begin(a_timeout_first(Script::new("S(500)"))).await;
    pass(100).await;
    settle().await;
    call.abort();
    check("out", end(call).await, "Timeout");
    let counts = ["timeout", "cancelled"].map(|it| ended("cancellation::a_timeout_first", it));
    check("counted", counts, [1, 0]);
}

#[retry(attempts = 2, backoff = 0ms, idempotent)]
#[timeout(100ms)]
async fn under_lock(shared: Arc<Mutex<u32>>, length: u64) -> Answer {
    let mut shared = shared.lock().await;
    *shared += 1;
    tokio::time::sleep(ms(length)).await;
    Ok(Reply::Good)
}

/// A lock that a body holds is free again when its attempt is cut: the next attempt takes it.
#[tokio::test(start_paused = true)]
async fn a_lock_does_not_outlive_its_attempt() {
    let shared = Arc::new(Mutex::new(0));
    check("cut twice", said(&under_lock(shared.clone(), 500).await), "Timeout");
    check("entered", *shared.try_lock().unwrap(), 2);
    let call = begin(under_lock(shared.clone(), 50)).await;
    cancel(call).await;
    check("next", (said(&under_lock(shared.clone(), 50).await), *shared.lock().await), ("S", 4));
}

/// Both callers' futures are dropped together with the runtime's task that holds them.
#[tokio::test(start_paused = true)]
async fn the_loser_of_a_race_is_cancelled() {
    let (fast, slow) = (Script::new("S(10)"), Script::new("S(100)"));
    let won = tokio::select! {
        _ = raced(fast.clone()) => "fast",
        _ = raced(slow.clone()) => "slow",
    };
    check("won", (won, slow.inside()), ("fast", 0));
    check("counted", ["success", "cancelled"].map(|it| ended("cancellation::raced", it)), [1, 1]);
}

guarded! {
    #[bulkhead(max = 2)] raced;
}
