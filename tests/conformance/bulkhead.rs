//! Section 8: how many run at once, who waits, and who is turned away.

use std::sync::{Arc, Mutex};

use hardening::{Rejected, bulkhead, deadline, hardened, retry, timeout};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::support::{
    Answer, Error, Reply, Script, begin, calls, cancel, check, end, guarded, metric, ms, pass, said, settle,
};

guarded! {
    #[bulkhead(max = 3)]
    blk_01;

    #[bulkhead(max = 3)]
    blk_03;

    #[bulkhead(max = 10, queue = 10)]
    blk_04_a;

    #[bulkhead(max = 3, queue = 10)]
    blk_04_b;

    #[bulkhead(max = 5, queue = 5)]
    blk_04_c;

    #[bulkhead(max = 5)]
    blk_07;

    #[hardened(name = "blk-08")]
    #[bulkhead(max = 5, queue = 5)]
    blk_08;

    #[bulkhead(max = 2, queue = 1, max_wait = 100ms)]
    blk_13;

    #[hardened(name = "blk-15")]
    #[bulkhead(max = 2, queue = 1)]
    blk_15;

    #[bulkhead(max = 1)]
    blk_17;

    #[bulkhead(max = 1)]
    blk_18;

    #[bulkhead(max = 1, queue = 1)]
    blk_18_queue;

    #[bulkhead(max = 1, queue = 10_000)]
    blk_19;

    #[deadline(300ms)]
    #[bulkhead(max = 1, queue = 1)]
    blk_20;

    #[retry(attempts = 1000, backoff = 100ms, jitter = none, max_duration = 3s, budget = none, idempotent)]
    #[bulkhead(max = 1, queue = 1)]
    brt_01;

    #[retry(attempts = 3, backoff = 100ms, jitter = none, budget = none, idempotent)]
    #[bulkhead(max = 1)]
    brt_02;

    #[retry(attempts = 4, backoff = 100ms, jitter = none, budget = none, on = Error::X, idempotent)]
    #[bulkhead(max = 1, queue = 1)]
    brt_04;

    #[retry(attempts = 4, backoff = 100ms, jitter = none, budget = none, not_executed = Error::X)]
    #[bulkhead(max = 1)]
    brt_05;

    #[retry(attempts = 1, idempotent)]
    #[bulkhead(max = 1, queue = 1)]
    brt_06;

    #[timeout(100ms)]
    #[bulkhead(max = 1)]
    cut;
}

/// Begins `count` calls, each of which runs until it waits.
macro_rules! fill {
    ($call:path, $body:expr, $count:literal) => {{
        let mut calls = Vec::new();
        for _ in 0..$count {
            calls.push(begin($call($body.clone())).await);
        }
        calls
    }};
}

/// The outcomes of calls that were begun.
async fn ends(calls: Vec<JoinHandle<Answer>>) -> String {
    let mut out = Vec::new();
    for call in calls {
        out.push(end(call).await);
    }
    out.join(" ")
}

#[tokio::test(start_paused = true)]
async fn blk_01_to_03_full_at_once() {
    let body = Script::new("S(1000)");
    let running = fill!(blk_01, body, 3);
    let full = Rejected::BulkheadFull { call: "bulkhead::blk_01", limit: 3 };
    check("BLK-01", blk_01(body.clone()).await, Err(Error::Rejected(full)));
    check("BLK-01", (body.exec(), body.elapsed()), (3, 0));
    check("BLK-02", (ends(running).await.as_str(), said(&blk_01(body.clone()).await)), ("S S S", "S"));

    let body = Script::new("S(500) S(1000) F(1000) S(1000)");
    let mut running = fill!(blk_03, body, 3);
    check("BLK-03", end(running.remove(0)).await, "S");
    running.push(begin(blk_03(body.clone())).await);
    check("BLK-03", calls(2, || blk_03(body.clone())).await.as_str(), "Full Full");
    check("BLK-03", (ends(running).await.as_str(), body.most_inside()), ("S F S", 3));
    check("BLK-03 an error gives its place back", fill!(blk_03, body, 3).len(), body.inside() as usize);
}

#[tokio::test(start_paused = true)]
async fn blk_04_a_queue_of_its_own_length() {
    macro_rules! row {
        ($id:literal: $call:path, $max:literal + $queue:literal) => {{
            let body = Script::new("S(1000)");
            let accepted: Vec<_> = (0..$max + $queue).map(|_| tokio::spawn($call(body.clone()))).collect();
            settle().await;
            check($id, (body.exec(), said(&$call(body.clone()).await)), ($max, "Full"));
            let out = ends(accepted).await;
            check($id, (out.as_str(), body.exec()), (["S"; $max + $queue].join(" ").as_str(), $max + $queue));
            check($id, (body.most_inside(), body.inside()), ($max, 0));
        }};
    }
    row!("BLK-04 10 + 10": blk_04_a, 10 + 10);
    row!("BLK-04 3 + 10": blk_04_b, 3 + 10);
    row!("BLK-04 5 + 5": blk_04_c, 5 + 5);
}

#[bulkhead(max = 2, queue = 2)]
async fn blk_06(gate: Arc<Notify>, starts: Arc<Mutex<u32>>) -> Answer {
    *starts.lock().unwrap() += 1;
    gate.notified().await;
    Ok(Reply::Good)
}

#[tokio::test(start_paused = true)]
async fn blk_06_the_place_is_held_to_the_end() {
    let (gate, starts) = (Arc::new(Notify::new()), Arc::new(Mutex::new(0)));
    let call = || blk_06(Arc::clone(&gate), Arc::clone(&starts));
    let accepted = [begin(call()).await, begin(call()).await, begin(call()).await, begin(call()).await];
    pass(60_000).await;
    check("BLK-06", said(&call().await), "Full");
    check("BLK-06", *starts.lock().unwrap(), 2);
    gate.notify_one();
    settle().await;
    check("BLK-06 the next one starts", *starts.lock().unwrap(), 3);
    for call in accepted {
        gate.notify_waiters();
        check("BLK-06", end(call).await, "S");
        settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn blk_07_and_08_pressure() {
    let body = Script::new("S(50)");
    let mut running = Vec::new();
    for _ in 0..10 {
        running.extend((0..100).map(|_| tokio::spawn(blk_07(body.clone()))));
        pass(25).await;
    }
    let out = ends(running).await;
    check("BLK-07", (body.most_inside(), body.inside()), (5, 0));
    check("BLK-07", (out.matches('S').count(), out.matches("Full").count()), (25, 975));

    let body = Script::new("S(50)");
    let mut running = Vec::new();
    for _ in 0..10 {
        running.extend((0..100).map(|_| tokio::spawn(blk_08(body.clone()))));
        pass(25).await;
    }
    check("BLK-08", metric("hardening_queue_depth{call=\"blk-08\"}"), 5);
    let out = ends(running).await;
    check("BLK-08", (body.most_inside(), body.inside(), out.matches('S').count()), (5, 0, 30));
    check("BLK-08", metric("hardening_queue_depth{call=\"blk-08\"}"), 0);
    check("BLK-08", metric("hardening_in_flight{call=\"blk-08\"}"), 0);
}

struct Store;

impl Store {
    #[hardened(name = "Store::read")]
    #[bulkhead(max = 8)]
    async fn read(&self, body: Script) -> Answer {
        body.run().await
    }
}

trait Reads {
    async fn read(&self, body: Script) -> Answer;
}

struct Left;
struct Right;

impl Reads for Left {
    #[hardened(name = "Left::read")]
    #[bulkhead(max = 8)]
    async fn read(&self, body: Script) -> Answer {
        body.run().await
    }
}

impl Reads for Right {
    #[hardened(name = "Right::read")]
    #[bulkhead(max = 8)]
    async fn read(&self, body: Script) -> Answer {
        body.run().await
    }
}

#[tokio::test(start_paused = true)]
async fn blk_10_to_12_instances_share_and_types_do_not() {
    static STORES: [Store; 2] = [Store, Store];
    let body = Script::new("S(100)");
    let mut running = Vec::new();
    for at in 0..8 {
        running.push(begin(STORES[at % 2].read(body.clone())).await);
    }
    for store in &STORES {
        check("BLK-10", said(&store.read(body.clone()).await), "Full");
    }
    check("BLK-10", (ends(running).await, body.exec()), (["S"; 8].join(" "), 8));

    let body = Script::new("S(100)");
    let mut running = Vec::new();
    for _ in 0..8 {
        running.push(begin(Left.read(body.clone())).await);
        running.push(begin(Right.read(body.clone())).await);
    }
    check("BLK-12", said(&Left.read(body.clone()).await), "Full");
    check("BLK-12", said(&Right.read(body.clone()).await), "Full");
    check("BLK-12", (ends(running).await, body.exec()), (["S"; 16].join(" "), 16));
}

#[tokio::test(start_paused = true)]
async fn blk_13_and_14_waits_no_longer_than_it_may() {
    let body = Script::new("S(1000)");
    let running = fill!(blk_13, body, 2);
    check("BLK-13", (said(&blk_13(body.clone()).await), body.elapsed(), body.exec()), ("Full", 100, 2));
    pass(850).await;
    check("BLK-14 in time", (said(&blk_13(body.clone()).await), body.elapsed()), ("S", 2000));
    check("BLK-13", ends(running).await.as_str(), "S S");
}

#[tokio::test(start_paused = true)]
async fn blk_15_a_waiting_caller_leaves() {
    let body = Script::new("S(1000)");
    let running = fill!(blk_15, body, 2);
    let third = begin(blk_15(body.clone())).await;
    check("BLK-15", said(&blk_15(body.clone()).await), "Full");
    cancel(third).await;
    check("BLK-15", metric("hardening_queue_depth{call=\"blk-15\"}"), 0);
    let fourth = begin(blk_15(body.clone())).await;
    check("BLK-15", body.exec(), 2);
    check("BLK-15", (ends(running).await.as_str(), end(fourth).await), ("S S", "S"));
    check("BLK-15", (body.starts(), body.most_inside()), (vec![0, 0, 1000], 2));
}

#[tokio::test(start_paused = true)]
async fn blk_17_and_18_every_end_gives_the_place_back() {
    let call = begin(blk_17(Script::new("P"))).await;
    check("BLK-17", (end(call).await, said(&blk_17(Script::new("F")).await)), ("panic", "F"));
    check("BLK-17 after a panic and an error", said(&blk_17(Script::new("S")).await), "S");
    check(
        "BLK-17 after a timeout",
        calls(2, || cut(Script::new("S(500)"))).await.as_str(),
        "Timeout Timeout",
    );

    let body = Script::new("S(1000)");
    let running = begin(blk_18(body.clone())).await;
    pass(100).await;
    cancel(running).await;
    check("BLK-18", (said(&blk_18(body.clone()).await), body.elapsed()), ("S", 1100));

    let body = Script::new("S(1000)");
    let running = begin(blk_18_queue(body.clone())).await;
    let waiting = begin(blk_18_queue(body.clone())).await;
    pass(100).await;
    cancel(running).await;
    check("BLK-18 the next one starts", (end(waiting).await, body.starts()), ("S", vec![0, 100]));
}

#[tokio::test(start_paused = true)]
async fn blk_19_a_long_queue_drains_in_order() {
    #[bulkhead(max = 1, queue = 10_000)]
    async fn ordered(number: u32, log: Arc<Mutex<Vec<u32>>>, gate: Arc<Notify>) -> Answer {
        if number == 0 {
            gate.notified().await;
        }
        log.lock().unwrap().push(number);
        Ok(Reply::Good)
    }
    let (log, gate) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Notify::new()));
    let call = |number| tokio::spawn(ordered(number, Arc::clone(&log), Arc::clone(&gate)));
    let queued: Vec<_> = (0..=10_000).map(call).collect();
    settle().await;
    check("BLK-19", end(call(10_001)).await, "Full");
    gate.notify_one();
    check("BLK-19", ends(queued).await.matches('S').count(), 10_001);
    check("BLK-19", log.lock().unwrap().iter().copied().eq(0..=10_000), true);

    // Callers that leave a long queue at once leave nothing behind.
    let body = Script::new("S(1000)");
    let running = begin(blk_19(body.clone())).await;
    let queued: Vec<_> = (0..10_000).map(|_| tokio::spawn(blk_19(body.clone()))).collect();
    // Time stands still until every one of them waits.
    pass(1).await;
    check("BLK-19 full", said(&blk_19(body.clone()).await), "Full");
    for call in queued {
        cancel(call).await;
    }
    let next = begin(blk_19(body.clone())).await;
    check("BLK-19", (end(running).await, end(next).await, body.starts()), ("S", "S", vec![0, 1000]));
}

#[tokio::test(start_paused = true)]
async fn blk_20_the_deadline_bounds_the_queue() {
    let body = Script::new("S(250)");
    let running = begin(blk_20(body.clone())).await;
    let waiting = begin(blk_20(body.clone())).await;
    // Half of the deadline is the body's, and 2 ms are those of timers that are late.
    check("BLK-20", (end(waiting).await, body.elapsed()), ("Deadline", 148));
    check("BLK-20", (end(running).await, body.elapsed(), body.exec()), ("S", 250, 1));
}

#[tokio::test(start_paused = true)]
async fn brt_01_and_02_a_full_bulkhead_is_worth_another_try() {
    let body = Script::new("S(1000)");
    let a = begin(brt_01(body.clone())).await;
    let b = begin(brt_01(body.clone())).await;
    let c = begin(brt_01(body.clone())).await;
    check("BRT-01", (end(a).await, end(b).await, end(c).await), ("S", "S", "S"));
    check("BRT-01", (body.starts(), body.most_inside()), (vec![0, 1000, 2000], 1));

    let body = Script::new("S(1000)");
    let a = begin(brt_02(body.clone())).await;
    check("BRT-02 used up", (said(&brt_02(body.clone()).await), body.elapsed()), ("Full", 200));
    pass(750).await;
    check("BRT-02 the second try", (said(&brt_02(body.clone()).await), end(a).await), ("S", "S"));
    check("BRT-02", body.starts(), vec![0, 1050]);
}

#[retry(attempts = 2, backoff = 0ms, budget = none, idempotent)]
#[bulkhead(max = 1, queue = 10)]
async fn brt_03(name: &'static str, log: Arc<Mutex<Vec<&'static str>>>) -> Answer {
    log.lock().unwrap().push(name);
    tokio::time::sleep(ms(100)).await;
    if name == "A" { Err(Error::F) } else { Ok(Reply::Good) }
}

#[tokio::test(start_paused = true)]
async fn brt_03_a_repetition_queues_at_the_back() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut running = Vec::new();
    for name in ["A", "B", "C"] {
        running.push(begin(brt_03(name, Arc::clone(&log))).await);
    }
    check("BRT-03", ends(running).await.as_str(), "F S S");
    check("BRT-03", log.lock().unwrap().join(" ").as_str(), "A B C A");
}

#[tokio::test(start_paused = true)]
async fn brt_04_to_06_full_at_once() {
    let body = Script::new("S(1000)");
    let running = fill!(brt_04, body, 2);
    check("BRT-04", (said(&brt_04(body.clone()).await), body.elapsed()), ("Full", 0));
    check("BRT-04", ends(running).await.as_str(), "S S");

    let body = Script::new("S(250)");
    let running = fill!(brt_05, body, 1);
    check("BRT-05 nothing was done", (said(&brt_05(body.clone()).await), body.starts()), ("S", vec![0, 300]));
    check("BRT-05", ends(running).await.as_str(), "S");

    let body = Script::new("S(1000)");
    let running = fill!(brt_06, body, 2);
    check("BRT-06", (said(&brt_06(body.clone()).await), body.elapsed()), ("Full", 0));
    check("BRT-06", ends(running).await.as_str(), "S S");
}
