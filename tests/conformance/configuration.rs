//! Section 12: settings of calls, on paused time. Where they come from is tested with whole services, in
//! `tests/operations/configuration.rs`; every number is changed in `settings.rs`.

use hardening::testing::{What, record};
use hardening::{
    CircuitState, bulkhead, cached, circuit_breaker, deadline, fallback, rate_limited, retry, timeout,
};
use hardening_spec::settings::{POLICIES, Raw};

use crate::support::{
    Reply, Script, begin, calls, check, circuit, configure, end, guarded, pass, said, settle, state,
};

guarded! {
    #[timeout(100ms)] cfg_06;
    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)] cfg_08;
    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)] cfg_08_neighbour;
    #[circuit_breaker(consecutive = 2, open_for = 10s, probes = 1)] off_and_on;
    #[rate_limited(1/h, burst = 1)] charged_while_off;
    #[bulkhead(max = 1)] inside_while_off;
    #[bulkhead(max = 2, queue = 1)] blk_21;

    #[fallback(Ok(Reply::Bad))]
    #[deadline(2s)]
    #[rate_limited(1/h, burst = 1)]
    #[cached(ttl = 1h, key = 0)]
    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)]
    #[circuit_breaker(consecutive = 1, open_for = 1h)]
    #[timeout(1s)]
    #[bulkhead(max = 1)]
    cfg_13;

    #[rate_limited(10/s, burst = 10)]
    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)]
    #[rate_limited(10/s, burst = 10, per = attempt)]
    cfg_16;
}

#[track_caller]
fn set(call: &str, policy: &str, key: &str, value: Raw<'_>) {
    configure(&format!("configuration::{call}"), policy, key, value).unwrap();
}

#[track_caller]
fn switch(call: &str, policy: &str, on: bool) {
    let name = format!("configuration::{call}");
    if !on {
        return set(call, policy, "enabled", Raw::Bool(false));
    }
    // As a file that no longer says anything of it.
    let site = hardening::catalogue::site(&name).unwrap();
    site.configure(site.declared());
}

#[tokio::test(start_paused = true)]
async fn cfg_06_a_policy_that_is_not_there_is_not_added() {
    for policy in POLICIES.into_iter().filter(|policy| *policy != "timeout") {
        let why = configure("configuration::cfg_06", policy, "enabled", Raw::Bool(true)).unwrap_err();
        check("CFG-06", why.contains(&format!("this call has no `{policy}`")), true);
    }
    let body = Script::new("F");
    check("CFG-06", (said(&cfg_06(body.clone()).await), body.exec()), ("F", 1));
}

#[tokio::test(start_paused = true)]
async fn cfg_08_a_policy_of_one_call_is_switched_off() {
    switch("cfg_08", "retry", false);
    let body = Script::new("F");
    check("CFG-08", (said(&cfg_08(body.clone()).await), body.exec()), ("F", 1));
    let body = Script::new("F");
    check("CFG-08 another call", (said(&cfg_08_neighbour(body.clone()).await), body.exec()), ("F", 3));
    switch("cfg_08", "retry", true);
    let body = Script::new("F");
    check("CFG-08 on again", (said(&cfg_08(body.clone()).await), body.exec()), ("F", 3));
}

#[tokio::test(start_paused = true)]
async fn cfg_13_with_everything_off_the_body_runs_once() {
    check("CFG-13 before", (calls(2, || cfg_13(Script::new("F"))).await).as_str(), "B Limited");
    for policy in POLICIES {
        let _ = configure("configuration::cfg_13", policy, "enabled", Raw::Bool(false));
    }
    let body = Script::new("F");
    check("CFG-13", calls(3, || cfg_13(body.clone())).await.as_str(), "F F F");
    check("CFG-13", body.exec(), 3);
    let slow = Script::new("S(3000)");
    let first = begin(cfg_13(slow.clone())).await;
    let second = begin(cfg_13(slow.clone())).await;
    check("CFG-13", (end(first).await, end(second).await, slow.elapsed()), ("S", "S", 3000));
    check("CFG-13", state("configuration::cfg_13"), CircuitState::Disabled);
}

/// What was switched off goes on where it stood.
#[tokio::test(start_paused = true)]
async fn a_policy_that_is_switched_on_again_keeps_its_state() {
    check("opens", calls(3, || off_and_on(Script::new("F"))).await.as_str(), "F F Open");
    switch("off_and_on", "circuit_breaker", false);
    check("off", calls(2, || off_and_on(Script::new("F"))).await.as_str(), "F F");
    switch("off_and_on", "circuit_breaker", true);
    check("on", calls(1, || off_and_on(Script::new("S"))).await.as_str(), "Open");
    pass(10_000).await;
    check("probe", calls(1, || off_and_on(Script::new("S"))).await.as_str(), "S");
    check("closed", circuit("configuration::off_and_on").state(), CircuitState::Closed);

    check("charged", calls(2, || charged_while_off(Script::new("S"))).await.as_str(), "S Limited");
    switch("charged_while_off", "rate_limited", false);
    check("off", calls(3, || charged_while_off(Script::new("S"))).await.as_str(), "S S S");
    switch("charged_while_off", "rate_limited", true);
    check("on", calls(1, || charged_while_off(Script::new("S"))).await.as_str(), "Limited");

    // Who came in before or while it was off has a place when it is on again.
    let before = begin(inside_while_off(Script::new("S(100)"))).await;
    switch("inside_while_off", "bulkhead", false);
    let meanwhile = begin(inside_while_off(Script::new("S(200)"))).await;
    check("before", (end(before).await, said(&inside_while_off(Script::new("S")).await)), ("S", "S"));
    switch("inside_while_off", "bulkhead", true);
    check("full", said(&inside_while_off(Script::new("S")).await), "Full");
    check("meanwhile", end(meanwhile).await, "S");
    check("free", calls(3, || inside_while_off(Script::new("S"))).await.as_str(), "S S S");
}

/// What stands outside of the retry acts once for a call, what stands inside once for each attempt.
#[tokio::test(start_paused = true)]
async fn cfg_16_outside_once_for_the_call_inside_once_for_each_attempt() {
    let recorder = record("configuration::cfg_16");
    let body = Script::new("F F S");
    check("CFG-16", (said(&cfg_16(body.clone()).await), body.exec()), ("S", 3));
    let count = |what| recorder.order().into_iter().filter(|happened| *happened == what).count();
    check("CFG-16", (count(What::CallCharged), count(What::AttemptCharged)), (1, 3));
}

#[tokio::test(start_paused = true)]
async fn blk_21_more_places_let_those_who_wait_begin() {
    let bodies = [(); 5].map(|()| Script::new("S(1000)"));
    let mut calls = Vec::new();
    for body in &bodies[..3] {
        calls.push(begin(blk_21(body.clone())).await);
    }
    check("BLK-21 before", bodies.each_ref().map(Script::exec), [1, 1, 0, 0, 0]);
    pass(100).await;
    set("blk_21", "bulkhead", "max", Raw::Int(4));
    settle().await;
    check("BLK-21 after", bodies[2].starts(), vec![100]);
    calls.push(begin(blk_21(bodies[3].clone())).await);
    check("BLK-21 the fourth", bodies[3].starts(), vec![100]);
    // Fewer places: nobody is turned out, and the next waits until there is one of them.
    set("blk_21", "bulkhead", "max", Raw::Int(1));
    calls.push(begin(blk_21(bodies[4].clone())).await);
    check("BLK-21 the fifth", bodies[4].exec(), 0);
    for call in calls {
        check("BLK-21", end(call).await, "S");
    }
    check("BLK-21 lowered", bodies[4].starts(), vec![1100]);
}
