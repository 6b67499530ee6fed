//! Section 7: the circuit breaker together with other policies.

use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{
    CircuitState, Rejected, bulkhead, circuit_breaker, deadline, fallback, rate_limited, retry, timeout,
};

use crate::support::{
    Answer, Error, Reply, Script, begin, calls, cancel, check, circuit, end, guarded, ms, pass, said, settle,
    state, table,
};

guarded! {
    #[retry(attempts = 8, backoff = 0ms, budget = none, on = Error::F, idempotent)]
    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 50s, probes = 1)]
    mix_01;

    #[retry(attempts = 8, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 50s, probes = 1)]
    mix_02;

    #[retry(attempts = 8, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 50s, probes = 1)]
    #[timeout(100ms)]
    mix_03;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    mix_04_inner;

    #[retry(attempts = 8, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    mix_06;

    #[retry(attempts = 11, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(failure_rate = 100%, window = 5, min_calls = 5, open_for = 1s)]
    mix_07;

    #[retry(attempts = 11, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(failure_rate = 100%, window = 5, min_calls = 5, open_for = 1s)]
    mix_09;

    #[circuit_breaker(failure_rate = 100%, window = 3, min_calls = 3, open_for = 1s)]
    #[bulkhead(max = 1, queue = 1)]
    mix_10;

    #[circuit_breaker(failure_rate = 100%, window = 3, min_calls = 3, open_for = 1s, failure = Error::F)]
    #[bulkhead(max = 1)]
    mix_12;

    #[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 1s, probes = 1)]
    #[bulkhead(max = 1)]
    mix_17;

    #[retry(attempts = 3, backoff = 0ms, budget = none, on = Error::F, idempotent)]
    #[circuit_breaker(failure_rate = 100%, window = 3, min_calls = 3, open_for = 1s)]
    #[rate_limited(1/s, per = attempt)]
    mix_15;

    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(failure_rate = 100%, window = 3, min_calls = 3, open_for = 1s)]
    #[rate_limited(1/s, per = attempt)]
    mix_15_any;

    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)]
    #[timeout(200ms)]
    #[bulkhead(max = 1, queue = 2)]
    mix_16;

    #[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 10s)]
    #[timeout(100ms)]
    #[bulkhead(max = 1, queue = 4)]
    mix_18;

    #[deadline(100ms)]
    #[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 10s)]
    mix_19;

    #[circuit_breaker(failure_rate = 100%, window = 9, min_calls = 9, open_for = 10s, slow_call = 100ms)]
    #[bulkhead(max = 1, queue = 4)]
    mix_22;

    #[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 10s, probes = 1)]
    #[bulkhead(max = 1, queue = 4)]
    mix_23;

    #[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 10s)]
    #[timeout(1s)]
    mix_20;
}

table! {
    mix_01_to_09_attempts_are_what_the_breaker_counts {
        "MIX-01": mix_01, "F" => "Open", 4;
        "MIX-02 every error": mix_02, "F" => "Open", 4;
        "MIX-03": mix_03, "S(1000)" => "Open", 4;
        "MIX-07": mix_07, "F F S" => "S", 3;
        "MIX-09": mix_09, "F" => "Open", 5;
        "MIX-09 open": mix_09, "S" => "Open", 0;
    }
}

#[retry(
    attempts = 21, backoff = 100ms, jitter = none, budget = none, idempotent,
    on = Error::Rejected(Rejected::CircuitOpen { .. }),
)]
async fn mix_04(body: Script) -> Answer {
    mix_04_inner(body).await
}

#[tokio::test(start_paused = true)]
async fn mix_04_an_outer_call_may_wait_for_the_circuit() {
    check("MIX-04", calls(4, || mix_04_inner(Script::new("F"))).await.as_str(), "F F F F");
    let body = Script::new("S");
    check("MIX-04", said(&mix_04(body.clone()).await), "S");
    check("MIX-04", body.starts(), vec![1000]);
}

#[tokio::test(start_paused = true)]
async fn mix_06_an_open_circuit_is_not_repeated() {
    check("MIX-06", calls(1, || mix_06(Script::new("F"))).await.as_str(), "Open");
    let body = Script::new("S");
    check("MIX-06", (said(&mix_06(body.clone()).await), body.exec(), body.elapsed()), ("Open", 0, 0));
}

#[tokio::test(start_paused = true)]
async fn mix_07_and_09_what_the_breaker_saw() {
    let (seen, window) = ("combined::mix_08", circuit("combined::mix_08"));
    check("MIX-07", calls(1, || mix_08(Script::new("F F S"))).await.as_str(), "S");
    check("MIX-07", (state(seen), window.window()), (CircuitState::Closed, (3, 2, 0)));
}

guarded! {
    #[retry(attempts = 11, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(failure_rate = 100%, window = 5, min_calls = 5, open_for = 1s)]
    mix_08;
}

#[tokio::test(start_paused = true)]
async fn mix_10_and_12_a_full_bulkhead_is_no_failure() {
    let body = Script::new("S(1000)");
    let a = begin(mix_10(body.clone())).await;
    let b = begin(mix_10(body.clone())).await;
    check("MIX-10", calls(5, || mix_10(body.clone())).await.as_str(), "Full Full Full Full Full");
    check("MIX-10", circuit("combined::mix_10").window(), (0, 0, 0));
    check("MIX-10", (end(a).await, end(b).await, body.starts()), ("S", "S", vec![0, 1000]));
    check("MIX-10", circuit("combined::mix_10").window(), (2, 0, 0));

    let body = Script::new("S(1000)");
    let a = begin(mix_12(body.clone())).await;
    check("MIX-12", calls(5, || mix_12(body.clone())).await.as_str(), "Full Full Full Full Full");
    check("MIX-12", (end(a).await, state("combined::mix_12")), ("S", CircuitState::Closed));
}

#[tokio::test(start_paused = true)]
async fn mix_17_a_probe_that_finds_the_bulkhead_full_gives_its_place_back() {
    let old = begin(mix_17(Script::new("S(5000)"))).await;
    circuit("combined::mix_17").open_for(ms(1000));
    pass(1000).await;
    check("MIX-17", calls(2, || mix_17(Script::new("S"))).await.as_str(), "Full Full");
    check("MIX-17", state("combined::mix_17"), CircuitState::HalfOpen);
    cancel(old).await;
    check("MIX-17", calls(1, || mix_17(Script::new("S"))).await.as_str(), "S");
    check("MIX-17", state("combined::mix_17"), CircuitState::Closed);
}

static ANSWERS: AtomicU32 = AtomicU32::new(0);

fn answer() -> Reply {
    ANSWERS.fetch_add(1, Ordering::SeqCst);
    Reply::Bad
}

#[fallback(Ok(answer()))]
#[retry(attempts = 2, backoff = 0ms, budget = none, idempotent)]
async fn mix_13(body: Script) -> Answer {
    body.run().await
}

#[fallback(Ok(Reply::Bad))]
#[retry(attempts = 8, backoff = 0ms, budget = none, idempotent)]
#[circuit_breaker(failure_rate = 100%, window = 3, min_calls = 3, open_for = 10s)]
async fn mix_14(body: Script) -> Answer {
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn mix_13_and_14_the_fallback_answers_once() {
    let body = Script::new("F");
    check("MIX-13", (said(&mix_13(body.clone()).await), body.exec()), ("B", 2));
    check("MIX-13", ANSWERS.load(Ordering::SeqCst), 1);
    let body = Script::new("F");
    check("MIX-14", (calls(3, || mix_14(body.clone())).await.as_str(), body.exec()), ("B B B", 3));
    check("MIX-14 a fallback is no success", state("combined::mix_14"), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn mix_15_a_rate_limit_is_no_failure() {
    let body = Script::new("F");
    check("MIX-15", (said(&mix_15(body.clone()).await), body.exec()), ("Limited", 1));
    check("MIX-15", circuit("combined::mix_15").window(), (1, 1, 0));

    // Without `on` the refusal is repeated, when the limit says that it can succeed.
    let body = Script::new("F");
    check("MIX-15 any", (said(&mix_15_any(body.clone()).await), body.starts()), ("F", vec![0, 1000]));
    check("MIX-15 any", circuit("combined::mix_15_any").window(), (2, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn mix_16_timed_out_in_the_queue_and_queued_again() {
    let body = Script::new("S(150)");
    let a = begin(mix_16(body.clone())).await;
    let b = begin(mix_16(body.clone())).await;
    pass(60).await;
    let late = Script::new("S(10)");
    let c = begin(mix_16(late.clone())).await;
    check("MIX-16 a", end(a).await, "S");
    // The second gives up at 98, half of its time less what timers may be late, and queues again behind the third, which came
    // at 60. It runs from 160, is cut at 298, and runs once more.
    check("MIX-16 c", (end(c).await, late.starts(), body.elapsed()), ("S", vec![90], 160));
    check("MIX-16 b", (end(b).await, body.starts(), body.elapsed()), ("S", vec![0, 160, 298], 448));
    check("MIX-16", body.most_inside(), 1);
}

#[tokio::test(start_paused = true)]
async fn mix_18_a_timeout_in_the_queue_is_no_failure() {
    let running = begin(mix_18(Script::new("S(99)"))).await;
    check("MIX-18", end(running).await, "S");
    let body = Script::new("S(5000)");
    let running: Vec<_> = (0..3).map(|_| tokio::spawn(mix_18(body.clone()))).collect();
    settle().await;
    for call in running {
        check("MIX-18", end(call).await, "Timeout");
    }
    check("MIX-18 one ran", body.exec(), 1);
    check(
        "MIX-18",
        (state("combined::mix_18"), circuit("combined::mix_18").window()),
        (CircuitState::Closed, (2, 1, 0)),
    );
}

#[tokio::test(start_paused = true)]
async fn mix_22_waiting_in_the_queue_is_not_slow() {
    let body = Script::new("S(90)");
    let running = [
        begin(mix_22(body.clone())).await,
        begin(mix_22(body.clone())).await,
        begin(mix_22(body.clone())).await,
    ];
    for call in running {
        check("MIX-22", end(call).await, "S");
    }
    check("MIX-22", (circuit("combined::mix_22").window(), body.starts()), ((3, 0, 0), vec![0, 90, 180]));
}

#[tokio::test(start_paused = true)]
async fn mix_23_a_probe_that_leaves_the_queue_gives_its_place_back() {
    let circuit = circuit("combined::mix_23");
    let running = begin(mix_23(Script::new("S(5000)"))).await;
    circuit.open_for(ms(1000));
    pass(1000).await;
    let probe = begin(mix_23(Script::new("S"))).await;
    check("MIX-23 the only place", said(&mix_23(Script::new("S")).await), "Open");
    cancel(probe).await;
    cancel(running).await;
    check("MIX-23", circuit.state(), CircuitState::HalfOpen);
    check("MIX-23", said(&mix_23(Script::new("S")).await), "S");
    check("MIX-23", circuit.state(), CircuitState::Closed);
}

/// Gives its inner call less time than the call's own timeout.
async fn within(millis: u64, body: Script) -> Answer {
    let deadline = tokio::time::Instant::now() + ms(millis);
    hardening::context::scope(std::sync::Arc::default(), Some(deadline), mix_20(body)).await
}

#[tokio::test(start_paused = true)]
async fn mix_19_and_20_a_deadline_is_a_failure_after_a_fair_share_of_time() {
    check("MIX-19 no timeout", calls(2, || mix_19(Script::new("S(500)"))).await.as_str(), "Deadline Open");

    check("MIX-20 less than half", said(&within(499, Script::new("S(5000)")).await), "Deadline");
    check("MIX-20 less than half", state("combined::mix_20"), CircuitState::Closed);
    check("MIX-20 half", said(&within(500, Script::new("S(5000)")).await), "Deadline");
    check("MIX-20 half", state("combined::mix_20"), CircuitState::Open);
}

#[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 10s)]
async fn mix_21(body: Script) -> Answer {
    body.run().await
}

#[tokio::test(start_paused = true)]
async fn mix_21_a_caller_that_leaves_is_no_failure() {
    let call = begin(mix_21(Script::new("F(100)"))).await;
    pass(50).await;
    cancel(call).await;
    check("MIX-21", circuit("combined::mix_21").window(), (0, 0, 0));
    check("MIX-21", said(&mix_21(Script::new("S")).await), "S");
}
