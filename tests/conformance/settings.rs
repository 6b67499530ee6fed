//! CFG-07: every number that settings may change, changed. Each case has three functions under the same policy: one as
//! it is declared, one that is changed before its first call, and one that is changed afterwards.

use std::pin::Pin;

use hardening::{
    bulkhead, cached, circuit, circuit_breaker, deadline, fallback, hedged, idempotent, rate_limited, retry,
    timeout,
};
use hardening_spec::settings::{POLICIES, Raw, attribute};
use tokio::task::JoinHandle;

use crate::support::{Answer, Error, Reply, Script, begin, calls, check, configure, end, pass, said};

/// The part of a call's name that says how it was changed.
const CHANGES: [&str; 2] = ["before_its_first_call", "while_it_runs"];

/// Functions under a policy, the key that is changed with its value, and a story with what it tells before and after.
macro_rules! changed {
    ($($policy:ident.$key:ident = $value:expr, $(#[$($attribute:tt)+])+ $name:ident($body:ident), $story:expr => $before:literal, $after:literal;)+) => {
        $(mod $name {
            #![allow(clippy::wildcard_imports)] // as each policy needs

            use super::*;

            $(#[$($attribute)+])+
            pub(super) async fn declared($body: Script) -> Answer {
                $body.run().await
            }

            $(#[$($attribute)+])+
            pub(super) async fn before_its_first_call($body: Script) -> Answer {
                $body.run().await
            }

            $(#[$($attribute)+])+
            pub(super) async fn while_it_runs($body: Script) -> Answer {
                $body.run().await
            }

            #[tokio::test(start_paused = true)]
            async fn cfg_07() {
                let story = story($story);
                let name = |of: &str| format!("settings::{}::{of}", stringify!($name));
                check(&name("declared"), story(&name("declared"), |body| Box::pin(declared(body))).await, $before);
                for of in CHANGES {
                    if of == CHANGES[1] {
                        // Its policies are there from here on.
                        let _ = hardening::catalogue::site(&name(of)).unwrap().circuit();
                    }
                    configure(&name(of), stringify!($policy), stringify!($key), $value).unwrap();
                }
                check(&name(CHANGES[0]), story(&name(CHANGES[0]), |body| Box::pin(before_its_first_call(body))).await, $after);
                check(&name(CHANGES[1]), story(&name(CHANGES[1]), |body| Box::pin(while_it_runs(body))).await, $after);
            }
        })+

        const TESTED: &[(&str, &str)] = &[$((stringify!($policy), stringify!($key))),+];
    };
}

/// A function under test.
type Guarded = fn(Script) -> Pin<Box<dyn Future<Output = Answer> + Send>>;

const fn story<S: AsyncFn(&str, Guarded) -> String>(story: S) -> S {
    story
}

/// Calls one after the other: how they ended.
async fn ends(script: &str, count: usize, call: Guarded) -> String {
    let body = Script::new(script);
    calls(count, || call(body.clone())).await
}

/// One call: how it ended, and when its body began.
async fn starts(script: &str, call: Guarded) -> String {
    let body = Script::new(script);
    let end = said(&call(body.clone()).await);
    format!("{end} {:?}", body.starts())
}

/// Calls at the same time: how they ended.
async fn together(script: &str, count: usize, call: Guarded) -> String {
    let body = Script::new(script);
    let mut begun: Vec<JoinHandle<Answer>> = Vec::new();
    for _ in 0..count {
        begun.push(begin(call(body.clone())).await);
    }
    let mut out = Vec::new();
    for call in begun {
        out.push(end(call).await);
    }
    out.join(" ")
}

/// Calls of three keys, again and again: how they ended.
async fn three_keys(rounds: usize, call: Guarded) -> String {
    let mut out = Vec::new();
    for _ in 0..rounds {
        for script in ["F", "F F", "F F F"] {
            out.push(said(&call(Script::new(script)).await));
        }
    }
    out.join(" ")
}

/// How often the body runs when calls come at these distances.
async fn runs(script: &str, gaps: &[u64], call: Guarded) -> usize {
    let body = Script::new(script);
    for gap in gaps {
        let _ = call(body.clone()).await;
        pass(*gap).await;
    }
    body.exec()
}

async fn late() -> Answer {
    pass(50).await;
    Ok(Reply::Bad)
}

changed! {
    timeout.after = Raw::Text("20ms"), #[timeout(100ms)] timeout_after(body),
        async |_, call| ends("S(50)", 1, call).await => "S", "Timeout";
    deadline.after = Raw::Text("20ms"), #[deadline(100ms)] deadline_after(body),
        async |_, call| ends("S(50)", 1, call).await => "S", "Deadline";

    retry.attempts = Raw::Int(4), #[retry(attempts = 2, backoff = 0ms, budget = none, idempotent)] retry_attempts(body),
        async |_, call| starts("F", call).await => "F [0, 0]", "F [0, 0, 0, 0]";
    retry.backoff = Raw::Text("100ms"),
        #[retry(attempts = 3, backoff = 10ms..1s, jitter = none, budget = none, idempotent)] retry_backoff(body),
        async |_, call| starts("F", call).await => "F [0, 10, 30]", "F [0, 100, 200]";
    retry.factor = Raw::Int(3),
        #[retry(attempts = 3, backoff = 10ms..1s, jitter = none, budget = none, idempotent)] retry_factor(body),
        async |_, call| starts("F", call).await => "F [0, 10, 30]", "F [0, 10, 40]";
    retry.jitter = Raw::Text("full"),
        #[retry(attempts = 20, backoff = 1s..1s, jitter = none, budget = none, idempotent)] retry_jitter(body),
        async |_, call| {
            let body = Script::new("F");
            let _ = call(body.clone()).await;
            body.waits().iter().all(|wait| *wait == 1000).to_string()
        } => "true", "false";
    retry.budget = Raw::Text("10%"), #[retry(attempts = 2, backoff = 0ms, budget = none, idempotent)] retry_budget(body),
        async |_, call| runs("F", &[0; 200], call).await.to_string() => "400", "250";
    retry.max_duration = Raw::Text("1s"),
        #[retry(attempts = 90, backoff = 0ms, max_duration = 1m, budget = none, idempotent)] retry_max_duration(body),
        async |_, call| runs("F(100)", &[0], call).await.to_string() => "90", "10";

    retry.max_retry_after = Raw::Text("50ms"),
        #[retry(attempts = 2, retry_after = Some(std::time::Duration::from_millis(100)), jitter = none, budget = none, idempotent)]
        retry_max_retry_after(body),
        async |_, call| starts("F", call).await => "F [0, 100]", "F [0]";

    circuit_breaker.failure_rate = Raw::Text("50%"),
        #[circuit_breaker(failure_rate = 100%, window = 4, min_calls = 4, open_for = 1s)] breaker_failure_rate(body),
        async |_, call| ends("F S F S", 5, call).await => "F S F S S", "F S F S Open";
    circuit_breaker.window = Raw::Int(2),
        #[circuit_breaker(failure_rate = 100%, window = 4, min_calls = 2, open_for = 1s)] breaker_window(body),
        async |_, call| ends("S S F F S", 5, call).await => "S S F F S", "S S F F Open";
    circuit_breaker.min_calls = Raw::Int(4),
        #[circuit_breaker(failure_rate = 100%, window = 4, min_calls = 2, open_for = 1s)] breaker_min_calls(body),
        async |_, call| ends("F", 5, call).await => "F F Open Open Open", "F F F F Open";
    circuit_breaker.consecutive = Raw::Int(2), #[circuit_breaker(consecutive = 4, open_for = 1s)] breaker_consecutive(body),
        async |_, call| ends("F", 5, call).await => "F F F F Open", "F F Open Open Open";
    circuit_breaker.slow_call = Raw::Text("50ms"),
        #[circuit_breaker(window = 2, min_calls = 2, open_for = 1s, slow_call = 100ms)] breaker_slow_call(body),
        async |_, call| ends("S(50)", 3, call).await => "S S S", "S S Open";
    circuit_breaker.slow_rate = Raw::Float(0.5),
        #[circuit_breaker(window = 2, min_calls = 2, open_for = 1s, slow_call = 50ms, slow_rate = 100%)]
        breaker_slow_rate(body),
        async |_, call| ends("S S(50) S", 3, call).await => "S S S", "S S Open";
    circuit_breaker.open_for = Raw::Text("100ms"),
        #[circuit_breaker(consecutive = 1, open_for = 1s, probes = 1)] breaker_open_for(body),
        async |_, call| {
            let opened = ends("F", 1, call).await;
            pass(100).await;
            opened + " " + &ends("S", 1, call).await
        } => "F Open", "F S";
    circuit_breaker.probes = Raw::Int(2),
        #[circuit_breaker(consecutive = 1, open_for = 1s, probes = 1)] breaker_probes(body),
        async |name, call| {
            let opened = ends("F", 1, call).await;
            pass(1000).await;
            let probed = ends("S", 1, call).await;
            format!("{opened} {probed} {}", circuit(name).unwrap().state().name())
        } => "F S closed", "F S half_open";
    circuit_breaker.probe_timeout = Raw::Text("100ms"),
        #[circuit_breaker(consecutive = 1, open_for = 1s, probes = 1, probe_timeout = 1s)] breaker_probe_timeout(body),
        async |name, call| {
            let opened = ends("F", 1, call).await;
            pass(1000).await;
            let probe = begin(call(Script::new("S(150)"))).await;
            pass(120).await;
            let _ = call(Script::new("S")).await;
            let state = circuit(name).unwrap().state().name();
            format!("{opened} {state} {}", end(probe).await)
        } => "F half_open S", "F open S";
    circuit_breaker.ramp = Raw::Text("100ms"),
        #[circuit_breaker(consecutive = 1, open_for = 1s, probes = 1, ramp = 10s)] breaker_ramp(body),
        async |_, call| {
            let opened = ends("F", 1, call).await;
            pass(1000).await;
            let probed = ends("S", 1, call).await;
            pass(100).await;
            format!("{opened} {probed} {}", ends("S", 3, call).await)
        } => "F S S Open Open", "F S S S S";
    circuit_breaker.mode = Raw::Text("forced_open"), #[circuit_breaker] breaker_mode(body),
        async |_, call| ends("S", 2, call).await => "S S", "Open Open";
    circuit_breaker.multiplier = Raw::Int(100), #[circuit_breaker(adaptive)] breaker_multiplier(body),
        async |_, call| {
            let refused = ends("S*10 F", 500, call).await.matches("Open").count();
            (refused > 0).to_string()
        } => "true", "false";
    circuit_breaker.max_keys = Raw::Int(1),
        #[circuit_breaker(consecutive = 2, open_for = 1s, key = body.text())] breaker_max_keys(body),
        async |_, call| three_keys(2, call).await => "F F F F F F", "F F F F Open Open";

    rate_limited.rate = Raw::Text("10/s"), #[rate_limited(1/s, burst = 1)] limit_rate(body),
        async |_, call| {
            let first = ends("S", 2, call).await;
            pass(100).await;
            first + " " + &ends("S", 2, call).await
        } => "S Limited Limited Limited", "S Limited S Limited";
    rate_limited.burst = Raw::Int(2), #[rate_limited(1/h, burst = 1)] limit_burst(body),
        async |_, call| ends("S", 3, call).await => "S Limited Limited", "S S Limited";
    rate_limited.wait = Raw::Text("1s"), #[rate_limited(1/500ms, burst = 1)] limit_wait(body),
        async |_, call| ends("S", 3, call).await => "S Limited Limited", "S S S";
    rate_limited.max_keys = Raw::Int(1), #[rate_limited(1/h, burst = 1, key = body.text())] limit_max_keys(body),
        async |_, call| three_keys(1, call).await => "F F F", "F F Limited";

    bulkhead.max = Raw::Int(2), #[bulkhead(max = 1)] bulkhead_max(body),
        async |_, call| together("S(100)", 3, call).await => "S Full Full", "S S Full";
    bulkhead.queue = Raw::Int(2), #[bulkhead(max = 1, queue = 1)] bulkhead_queue(body),
        async |_, call| together("S(100)", 4, call).await => "S S Full Full", "S S S Full";
    bulkhead.max_wait = Raw::Text("50ms"), #[bulkhead(max = 1, queue = 1, max_wait = 1s)] bulkhead_max_wait(body),
        async |_, call| together("S(100)", 2, call).await => "S S", "S Full";
    bulkhead.max_keys = Raw::Int(1), #[bulkhead(max = 1, key = body.text())] bulkhead_max_keys(body),
        async |_, call| {
            let mut begun: Vec<JoinHandle<Answer>> = Vec::new();
            for script in ["S(100)", "S(100) S", "S(100) S S"] {
                begun.push(begin(call(Script::new(script))).await);
            }
            let mut out = Vec::new();
            for call in begun {
                out.push(end(call).await);
            }
            out.join(" ")
        } => "S S S", "S S Full";

    fallback.within = Raw::Text("20ms"), #[fallback(late().await, within = 100ms)] fallback_within(body),
        async |_, call| ends("F", 1, call).await => "B", "Timeout";

    hedged.after = Raw::Text("20ms"), #[hedged(after = 100ms, budget = 100%, idempotent)] hedged_after(body),
        async |_, call| starts("S(300)", call).await => "S [0, 100]", "S [0, 20]";
    hedged.max = Raw::Int(2), #[hedged(after = 100ms, max = 1, budget = 100%, idempotent)] hedged_max(body),
        async |_, call| starts("S(300)", call).await => "S [0, 100]", "S [0, 100, 200]";
    hedged.budget = Raw::Text("10%"), #[hedged(after = 10ms, budget = 100%, idempotent)] hedged_budget(body),
        async |_, call| (runs("S(20)", &[0; 100], call).await < 120).to_string() => "false", "true";

    cached.ttl = Raw::Text("1s"), #[cached(ttl = 10s, jitter = 1%, key = 0)] cached_ttl(body),
        async |_, call| runs("S", &[1000; 5], call).await.to_string() => "1", "5";
    cached.max_entries = Raw::Int(1), #[cached(ttl = 1h, key = body.text())] cached_max_entries(body),
        async |_, call| {
            let bodies = ["S", "S S", "S S S"].map(Script::new);
            for body in bodies.iter().cycle().take(9) {
                let _ = call(body.clone()).await;
            }
            (bodies.iter().map(Script::exec).sum::<usize>() > 3).to_string()
        } => "false", "true";
    cached.max_bytes = Raw::Text("1B"), #[cached(ttl = 1h, key = 0, max_bytes = 1MiB)] cached_max_bytes(body),
        async |_, call| runs("S", &[0; 5], call).await.to_string() => "1", "5";
    cached.jitter = Raw::Text("50%"), #[cached(ttl = 100s, jitter = 1%, key = 0)] cached_jitter(body),
        async |_, call| (runs("S", &[98_000, 2_000].repeat(20), call).await > 20).to_string()
        => "false", "true";
    cached.negative = Raw::Text("1s"), #[cached(ttl = 1h, key = 0, negative = Error::X for 10s)] cached_negative(body),
        async |_, call| runs("X", &[1000; 5], call).await.to_string() => "1", "5";
    cached.stale_if_error = Raw::Text("1h"), #[cached(ttl = 1s, jitter = 1%, key = 0, stale_if_error = 1s)]
        cached_stale_if_error(body),
        async |_, call| {
            let body = Script::new("S F");
            let mut out = Vec::new();
            for _ in 0..3 {
                out.push(said(&call(body.clone()).await));
                pass(1500).await;
            }
            out.join(" ")
        } => "S S F", "S S S";
    cached.refresh_timeout = Raw::Text("100ms"),
        #[cached(ttl = 1s, jitter = 1%, key = 0, stale_while_revalidate = 1h, refresh_timeout = 1s)]
        cached_refresh_timeout(body),
        async |_, call| {
            let body = Script::new("S S(500) S");
            let _ = call(body.clone()).await;
            pass(1000).await;
            let _ = call(body.clone()).await;
            pass(200).await;
            body.inside().to_string()
        } => "1", "0";

    idempotent.ttl = Raw::Text("1s"), #[idempotent(key = 0, fingerprint = (), ttl = 10s)] idempotent_ttl(body),
        async |_, call| runs("S", &[1000; 5], call).await.to_string() => "1", "5";
    idempotent.max_keys = Raw::Int(1), #[idempotent(key = body.text(), fingerprint = ())] idempotent_max_keys(body),
        async |_, call| three_keys(1, call).await => "F F F", "F store_unavailable store_unavailable";
    idempotent.max_bytes = Raw::Text("1B"), #[idempotent(key = 0, fingerprint = ())] idempotent_max_bytes(body),
        async |_, call| ends("S", 1, call).await => "S", "store_unavailable";
    idempotent.lease = Raw::Text("1m"), #[idempotent(key = 0, fingerprint = (), lease = 2s)] idempotent_lease(body),
        async |_, call| after_one_that_went_away(call, Leaves::Stalled).await => "S", "idempotency_conflict";
    idempotent.on_takeover = Raw::Text("conflict"), #[idempotent(key = 0, fingerprint = ())] idempotent_on_takeover(body),
        async |_, call| after_one_that_went_away(call, Leaves::Dropped).await => "S", "idempotency_conflict";
}

/// How a call goes away unfinished.
enum Leaves {
    Dropped,
    /// Nobody polls it.
    Stalled,
}

/// What a second call gets, ten seconds after the first began.
async fn after_one_that_went_away(call: Guarded, how: Leaves) -> String {
    let body = Script::new("S(1000000) S");
    let mut first = call(body.clone());
    let polled =
        std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx).is_pending())).await;
    assert!(polled, "it waits");
    let first = match how {
        Leaves::Dropped => {
            drop(first);
            None
        }
        Leaves::Stalled => Some(first),
    };
    pass(10_000).await;
    let second = said(&call(body).await).to_owned();
    drop(first);
    second
}

#[bulkhead(adaptive, min = 1, initial = 2, max = 64)]
async fn first_limit(body: Script) -> Answer {
    body.run().await
}

#[bulkhead(adaptive, min = 1, initial = 2, max = 64)]
async fn least_limit(body: Script) -> Answer {
    body.run().await
}

/// Once calls are counted the limit is what was learnt: `initial` is for the beginning, `min` holds from then on.
#[tokio::test(start_paused = true)]
async fn cfg_07_an_adaptive_bulkhead() {
    configure("settings::first_limit", "bulkhead", "initial", Raw::Int(3)).unwrap();
    let first: Guarded = |body| Box::pin(first_limit(body));
    check("initial", together("S(100)", 4, first).await.as_str(), "S S S Full");
    let least: Guarded = |body| Box::pin(least_limit(body));
    check("declared", together("S(100)", 3, least).await.as_str(), "S S Full");
    configure("settings::least_limit", "bulkhead", "initial", Raw::Int(4)).unwrap();
    configure("settings::least_limit", "bulkhead", "min", Raw::Int(4)).unwrap();
    check("min", together("S(100)", 5, least).await.as_str(), "S S S S Full");
}

/// A key that settings take has a case above.
#[test]
fn cfg_07_every_number_is_tested() {
    const ELSEWHERE: [(&str, &str); 2] = [("bulkhead", "initial"), ("bulkhead", "min")];
    let mut untested = Vec::new();
    for policy in POLICIES.into_iter().filter(|policy| !policy.starts_with("rate_limited_")) {
        for key in attribute(policy).unwrap().keys.iter().filter(|key| key.setting) {
            let known = |all: &[(&str, &str)]| all.contains(&(policy, key.name));
            if !known(TESTED) && !known(&ELSEWHERE) {
                untested.push(format!("{policy}.{}", key.name));
            }
        }
    }
    check("CFG-07", untested, Vec::<String>::new());
}
