//! Section 3: how long an attempt, and a call, may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use hardening::{Rejected, bulkhead, deadline, fallback, hardened, retry, timeout};

use crate::support::{
    Answer, Error, Reply, Script, begin, calls, cancel, check, end, ended, guarded, ms, pass, said, settle,
    table,
};

guarded! {
    #[timeout(1000ms)]
    of_1000;

    #[timeout(2s)]
    of_2000;

    #[timeout(500ms)]
    of_500;

    #[retry(attempts = 2, backoff = 0ms, budget = none, idempotent)]
    #[timeout(500ms)]
    twice;

    #[retry(attempts = 2, backoff = 0ms, budget = none, on = Error::X, idempotent)]
    #[timeout(500ms)]
    tmo_13;

    #[retry(attempts = 2, backoff = 0ms, budget = none, not_on = Error::X, idempotent)]
    #[timeout(500ms)]
    not_on_x;

    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)]
    #[timeout(500ms)]
    tmo_15;

    #[fallback(Ok(Reply::Bad))]
    #[timeout(500ms)]
    tmo_16;

    #[timeout(500ms)]
    #[bulkhead(max = 1, queue = 1)]
    tmo_19;

    #[hardened(name = "tmo-22")]
    #[timeout(500ms)]
    tmo_22;

    #[deadline(1s)]
    #[retry(attempts = 6, backoff = 0ms, budget = none, idempotent)]
    #[timeout(400ms)]
    tmo_27;

    #[deadline(1s)]
    only_deadline;

    #[deadline(400ms)]
    #[timeout(400ms)]
    both_equal;

    #[timeout(5s)]
    patient;
}

table! {
    tmo_01_to_18_cuts_what_takes_too_long {
        "TMO-01": of_1000, "S(20000)" => "Timeout", 1;
        "TMO-02": of_1000, "S(999)" => "S", 1;
        "TMO-02 exactly": of_1000, "S(1000)" => "S", 1;
        "TMO-02 just over": of_1000, "S(1001)" => "Timeout", 1;
        "TMO-03": of_2000, "S(2500) S(1500)" => "Timeout S", 2;
        "TMO-04": of_500, "S(1000) S(10)" => "Timeout S", 2;
        "TMO-05 an error in time": of_500, "F(499)" => "F", 1;
        "TMO-05 an error too late": of_500, "F(501)" => "Timeout", 1;
        "TMO-06 one": of_2000, "S(1000)" => "S", 1;
        "TMO-06 another": of_500, "S(1000)" => "Timeout", 1;
        "TMO-18": of_2000, "S(500)" => "S", 1;
    }

    tmo_11_to_16_with_other_policies {
        "TMO-11": twice, "S(1000)" => "Timeout", 2;
        "TMO-12": twice, "F(10)" => "F", 2;
        "TMO-12 then in time": twice, "S(1000) S(10)" => "S", 2;
        "TMO-13": tmo_13, "S(1000)" => "Timeout", 1;
        "TMO-14 not_on leaves timeouts": not_on_x, "S(1000)" => "Timeout", 2;
        "TMO-16": tmo_16, "S(5000)" => "B", 1;
        "TMO-16 in time": tmo_16, "S(100)" => "S", 1;
    }
}

#[tokio::test(start_paused = true)]
async fn tmo_01_cuts_exactly_at_the_limit() {
    let body = Script::new("S(20000)");
    let out = of_1000(body.clone()).await;
    let expected = Rejected::Timeout { call: "timeout::of_1000", after: ms(1000) };
    check("TMO-01", (out, body.elapsed(), body.inside()), (Err(Error::Rejected(expected)), 1000, 0));
    let body = Script::new("S(5000)");
    check("TMO-16", (said(&tmo_16(body.clone()).await), body.elapsed()), ("B", 500));
}

#[timeout(20ms)]
#[expect(clippy::disallowed_methods, reason = "a body that holds its thread is what the case is about")]
async fn tmo_09(block: u64) -> Answer {
    thread::sleep(ms(block));
    Ok(Reply::Good)
}

#[tokio::test]
async fn tmo_09_a_result_after_its_time_is_a_timeout() {
    check("TMO-09", said(&tmo_09(60).await), "Timeout");
    check("TMO-09 afterwards", said(&tmo_09(0).await), "S");
}

#[timeout(500ms)]
async fn tmo_10(done: Arc<AtomicBool>) -> Answer {
    let task = tokio::spawn(async move {
        pass(5000).await;
        done.store(true, Ordering::SeqCst);
    });
    task.await.map(|()| Reply::Good).map_err(|_| Error::F)
}

#[tokio::test(start_paused = true)]
async fn tmo_10_work_of_its_own_task_goes_on() {
    let done = Arc::new(AtomicBool::new(false));
    let clock = Script::new("S");
    check("TMO-10", said(&tmo_10(Arc::clone(&done)).await), "Timeout");
    check("TMO-10", (clock.elapsed(), done.load(Ordering::SeqCst)), (500, false));
    pass(4500).await;
    settle().await;
    check("TMO-10", done.load(Ordering::SeqCst), true);
}

#[tokio::test(start_paused = true)]
async fn tmo_15_a_cut_attempt_ends_before_the_next_begins() {
    let body = Script::new("S(1500)");
    check("TMO-15", calls(1, || tmo_15(body.clone())).await.as_str(), "Timeout");
    check("TMO-15", (body.starts(), body.elapsed(), body.most_inside()), (vec![0, 500, 1000], 1500, 1));
}

#[tokio::test(start_paused = true)]
async fn tmo_19_the_queue_counts_towards_the_timeout() {
    let body = Script::new("S(1500)");
    let a = begin(tmo_19(body.clone())).await;
    let b = begin(tmo_19(body.clone())).await;
    check("TMO-19 third", calls(1, || tmo_19(body.clone())).await.as_str(), "Full");
    check("TMO-19 a", (end(a).await, body.elapsed()), ("Timeout", 500));
    check("TMO-19 b", (end(b).await, body.elapsed()), ("Timeout", 500));
    check("TMO-19 b never starts", body.starts(), vec![0]);

    // With real cancellation both places are free again at once.
    let body = Script::new("S(100)");
    let c = begin(tmo_19(body.clone())).await;
    let d = begin(tmo_19(body.clone())).await;
    check("TMO-19 c, d", (end(c).await, end(d).await), ("S", "S"));
    check("TMO-19 c, d", (body.starts(), body.most_inside()), (vec![0, 100], 1));
}

#[tokio::test(start_paused = true)]
async fn tmo_20_time_in_the_queue_is_taken_from_the_body() {
    let body = Script::new("S(300)");
    let a = begin(tmo_19(body.clone())).await;
    let b = begin(tmo_19(body.clone())).await;
    check("TMO-20 a", (end(a).await, body.elapsed()), ("S", 300));
    check("TMO-20 b waits for half of its time", (end(b).await, body.starts()), ("Timeout", vec![0]));

    let body = Script::new("S(240) S(300)");
    let a = begin(tmo_19(body.clone())).await;
    let b = begin(tmo_19(body.clone())).await;
    check("TMO-20 a", (end(a).await, body.elapsed()), ("S", 240));
    check("TMO-20 b", (end(b).await, body.elapsed()), ("Timeout", 500));
    check("TMO-20 b", body.starts(), vec![0, 240]);
}

#[tokio::test(start_paused = true)]
async fn tmo_21_ten_thousand_timers_are_given_back() {
    let body = Script::new("S(10)");
    for _ in 0..10_000 {
        check("TMO-21", said(&patient(body.clone()).await), "S");
    }
    check("TMO-21", (body.exec(), body.inside(), body.elapsed()), (10_000, 0, 100_000));
}

#[tokio::test(start_paused = true)]
async fn tmo_22_a_caller_that_leaves_is_no_timeout() {
    let body = Script::new("S(1000)");
    let call = begin(tmo_22(body.clone())).await;
    pass(200).await;
    cancel(call).await;
    pass(1000).await;
    check("TMO-22", (body.inside(), body.exec()), (0, 1));
    let counts = ["cancelled", "timeout", "success", "failure"].map(|outcome| ended("tmo-22", outcome));
    check("TMO-22", counts, [1, 0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn tmo_27_the_deadline_spans_every_attempt() {
    let body = Script::new("S(10000)");
    let out = tmo_27(body.clone()).await;
    let expected = Rejected::DeadlineExceeded { call: "timeout::tmo_27" };
    check("TMO-27", (out, body.starts()), (Err(Error::Rejected(expected)), vec![0, 400, 800]));
    check("TMO-27", (body.elapsed(), body.inside()), (1000, 0));
}

#[tokio::test(start_paused = true)]
async fn tmo_28_deadlines_alone_and_within_one_another() {
    let body = Script::new("S(5000)");
    check("TMO-28 alone", (said(&only_deadline(body.clone()).await), body.elapsed()), ("Deadline", 1000));
    let body = Script::new("S(5000)");
    check("TMO-28 equal", (said(&both_equal(body.clone()).await), body.elapsed()), ("Deadline", 400));
    let body = Script::new("S(5000)");
    check("TMO-28 nested", (said(&outer(body.clone()).await), body.elapsed()), ("Deadline", 300));
    check("TMO-28 after the caller's", (said(&late(body.clone()).await), body.exec()), ("Deadline", 1));
}

#[deadline(300ms)]
async fn outer(body: Script) -> Answer {
    patient(body).await
}

/// Its own deadline has passed when it makes its inner call.
#[deadline(300ms)]
async fn late(body: Script) -> Answer {
    tokio::time::advance(ms(300)).await;
    patient(body).await
}
