//! Section 5: probes, results that come late, and callers that leave.

use std::time::Duration;

use hardening::{CircuitState, Rejected, circuit_breaker};

use crate::support::{
    Error, Script, begin, calls, cancel, check, circuit, end, guarded, ms, pass, settle, state,
};

guarded! {
    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    hop_01;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 2)]
    hop_03;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 2)]
    hop_04;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    hop_05;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    hop_06;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    hop_07;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 500ms, probes = 1, probe_timeout = 1s)]
    hop_09;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 4)]
    hop_10;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    hop_09_default;

    #[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 4, open_for = 1s, probes = 4)]
    hop_12;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 4, slow_call = 4s)]
    hop_13;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 4, ignore = Error::X)]
    hop_15;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 5s, probes = 2)]
    hop_16;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 5s, probes = 1)]
    hop_18;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 5s, probes = 1)]
    hop_19;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    hop_21;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s..4s, probes = 1)]
    hop_24;
}

/// Opens the circuit of a call.
macro_rules! open {
    ($call:path) => {
        check("opening", calls(4, || $call(Script::new("F"))).await.as_str(), "F F F F")
    };
}

/// The outcomes of calls whose body takes no time.
macro_rules! out {
    ($call:path, $script:literal, $count:literal) => {{
        let body = Script::new($script);
        calls($count, || $call(body.clone())).await
    }};
}

#[tokio::test(start_paused = true)]
async fn hop_01_admits_once_the_delay_has_passed() {
    open!(hop_01);
    pass(999).await;
    check("HOP-01 at 999", out!(hop_01, "S", 1).as_str(), "Open");
    pass(1).await;
    check("HOP-01 at 1000", out!(hop_01, "S", 1).as_str(), "S");
    check("HOP-01", state("half_open::hop_01"), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn hop_03_a_failed_probe_decides_over_one_in_flight() {
    open!(hop_03);
    pass(1000).await;
    let failing = begin(hop_03(Script::new("F(100)"))).await;
    let late = begin(hop_03(Script::new("S(200)"))).await;
    check("HOP-03 a third", out!(hop_03, "S", 1).as_str(), "Open");
    check("HOP-03", (end(failing).await, state("half_open::hop_03")), ("F", CircuitState::Open));
    check("HOP-03 late", (end(late).await, state("half_open::hop_03")), ("S", CircuitState::Open));
    pass(900).await;
    check("HOP-03 counted anew", out!(hop_03, "S", 1).as_str(), "S");
    check("HOP-03 counted anew", state("half_open::hop_03"), CircuitState::HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn hop_04_a_result_from_before_changes_nothing() {
    let old_failure = begin(hop_04(Script::new("F(1500)"))).await;
    let old_success = begin(hop_04(Script::new("S(1600)"))).await;
    let older = begin(hop_04(Script::new("F(1700)"))).await;
    open!(hop_04);
    pass(1000).await;
    check("HOP-04 first probe", out!(hop_04, "S", 1).as_str(), "S");
    check("HOP-04", (end(old_failure).await, state("half_open::hop_04")), ("F", CircuitState::HalfOpen));
    check("HOP-04", (end(old_success).await, state("half_open::hop_04")), ("S", CircuitState::HalfOpen));
    check("HOP-04 second probe", out!(hop_04, "S", 1).as_str(), "S");
    check("HOP-04", state("half_open::hop_04"), CircuitState::Closed);
    check(
        "HOP-04 after closing",
        (end(older).await, circuit("half_open::hop_04").window()),
        ("F", (0, 0, 0)),
    );
}

#[tokio::test(start_paused = true)]
async fn hop_05_a_result_from_before_finds_the_circuit_open() {
    let old = begin(hop_05(Script::new("S(500)"))).await;
    open!(hop_05);
    check("HOP-05", (end(old).await, state("half_open::hop_05")), ("S", CircuitState::Open));
    pass(499).await;
    check("HOP-05 no longer, no shorter", out!(hop_05, "S", 1).as_str(), "Open");
    pass(1).await;
    check("HOP-05 no longer, no shorter", out!(hop_05, "S", 1).as_str(), "S");
}

#[tokio::test(start_paused = true)]
async fn hop_06_a_cancelled_probe_gives_its_place_back() {
    open!(hop_06);
    pass(1000).await;
    let probe = begin(hop_06(Script::new("S(1000)"))).await;
    check("HOP-06 taken", out!(hop_06, "S", 1).as_str(), "Open");
    cancel(probe).await;
    check("HOP-06 given back", state("half_open::hop_06"), CircuitState::HalfOpen);
    check("HOP-06 the next is the probe", out!(hop_06, "S", 1).as_str(), "S");
    check("HOP-06", state("half_open::hop_06"), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn hop_07_a_probe_that_panics_has_failed() {
    open!(hop_07);
    pass(1000).await;
    let probe = begin(hop_07(Script::new("P"))).await;
    check("HOP-07", (end(probe).await, state("half_open::hop_07")), ("panic", CircuitState::Open));
    pass(1000).await;
    check("HOP-07 nothing leaked", out!(hop_07, "S", 1).as_str(), "S");
}

#[tokio::test(start_paused = true)]
async fn hop_09_a_probe_that_never_answers_has_failed() {
    open!(hop_09);
    pass(500).await;
    let stuck = begin(hop_09(Script::new("S(5000)"))).await;
    pass(999).await;
    check("HOP-09 at 999", out!(hop_09, "S", 1).as_str(), "Open");
    check("HOP-09 at 999", state("half_open::hop_09"), CircuitState::HalfOpen);
    pass(1).await;
    check("HOP-09 at 1000", out!(hop_09, "S", 1).as_str(), "Open");
    check("HOP-09 at 1000", state("half_open::hop_09"), CircuitState::Open);
    pass(500).await;
    check("HOP-09 the next probe", out!(hop_09, "F", 1).as_str(), "F");
    check("HOP-09 too late", (end(stuck).await, state("half_open::hop_09")), ("S", CircuitState::HalfOpen));
    check("HOP-09", out!(hop_09, "S", 1).as_str(), "S");
}

#[tokio::test(start_paused = true)]
async fn hop_09_a_probe_has_ten_seconds_unless_something_else_is_written() {
    open!(hop_09_default);
    pass(1000).await;
    let stuck = begin(hop_09_default(Script::new("S(60000)"))).await;
    pass(9999).await;
    check("HOP-09 default", out!(hop_09_default, "S", 1).as_str(), "Open");
    check("HOP-09 at 9999", state("half_open::hop_09_default"), CircuitState::HalfOpen);
    pass(1).await;
    check("HOP-09 default", out!(hop_09_default, "S", 1).as_str(), "Open");
    check("HOP-09 at 10000", state("half_open::hop_09_default"), CircuitState::Open);
    cancel(stuck).await;
    check("HOP-09 left too late", state("half_open::hop_09_default"), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn hop_10_and_11_as_many_probes_as_were_written() {
    open!(hop_10);
    for round in ["HOP-10", "HOP-10 again"] {
        pass(1000).await;
        let body = Script::new("F(100)");
        let mut probes = Vec::new();
        for _ in 0..6 {
            probes.push(begin(hop_10(body.clone())).await);
        }
        check(round, body.exec(), 4);
        let mut outs = Vec::new();
        for probe in probes {
            outs.push(end(probe).await);
        }
        check(round, outs.join(" ").as_str(), "F F F F Open Open");
    }
    pass(1000).await;
    let kept = begin(hop_10(Script::new("S(50)"))).await;
    let left = begin(hop_10(Script::new("S(50)"))).await;
    cancel(left).await;
    check("HOP-11 a place given back", out!(hop_10, "S", 3).as_str(), "S S S");
    check("HOP-11", state("half_open::hop_10"), CircuitState::HalfOpen);
    check("HOP-11", (end(kept).await, state("half_open::hop_10")), ("S", CircuitState::Closed));
}

#[tokio::test(start_paused = true)]
async fn hop_12_and_13_every_probe_must_succeed_in_time() {
    open!(hop_12);
    pass(1000).await;
    check("HOP-12", out!(hop_12, "S S S F", 5).as_str(), "S S S F Open");

    open!(hop_13);
    pass(1000).await;
    // It opens after 4000, when the probe is slow, and not when that answers.
    check("HOP-13 slow", out!(hop_13, "S(4999)", 2).as_str(), "S Open");
    pass(1).await;
    check("HOP-13 fast", out!(hop_13, "S(3999)", 4).as_str(), "S S S S");
    check("HOP-13 fast", state("half_open::hop_13"), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn hop_15_an_ignored_probe_gives_its_place_back() {
    open!(hop_15);
    pass(1000).await;
    check("HOP-15", out!(hop_15, "X*4 S*4", 7).as_str(), "X X X X S S S");
    check("HOP-15", state("half_open::hop_15"), CircuitState::HalfOpen);
    check("HOP-15", out!(hop_15, "S", 1).as_str(), "S");
    check("HOP-15", state("half_open::hop_15"), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn hop_16_to_18_counts_begin_anew() {
    open!(hop_16);
    pass(3000).await;
    check("HOP-16 at 3000", out!(hop_16, "S", 2).as_str(), "Open Open");
    pass(3000).await;
    check("HOP-16 at 6000", out!(hop_16, "S", 1).as_str(), "S");
    let circuit_16 = circuit("half_open::hop_16");
    check("HOP-16", (circuit_16.state(), circuit_16.window()), (CircuitState::HalfOpen, (0, 0, 0)));

    let circuit_18 = circuit("half_open::hop_18");
    check("HOP-18", out!(hop_18, "F S", 2).as_str(), "F S");
    circuit_18.open_for(Duration::from_hours(2));
    pass(3_600_000).await;
    check("HOP-18 at 1 h", out!(hop_18, "S", 1).as_str(), "Open");
    pass(3_600_000 + 1000).await;
    let probe = begin(hop_18(Script::new("S(10)"))).await;
    check(
        "HOP-18 at 2 h 1 s",
        (circuit_18.state(), circuit_18.window()),
        (CircuitState::HalfOpen, (0, 0, 0)),
    );
    check("HOP-18", (end(probe).await, circuit_18.state()), ("S", CircuitState::Closed));
}

#[tokio::test(start_paused = true)]
async fn hop_19_and_20_half_open_without_a_call() {
    let circuit = circuit("half_open::hop_19");
    open!(hop_19);
    pass(4999).await;
    check("HOP-19 at 4999", circuit.state(), CircuitState::Open);
    pass(1).await;
    check("HOP-19 at 5000", circuit.state(), CircuitState::HalfOpen);
    circuit.close();
    check("HOP-20 closed by hand", (circuit.state(), circuit.window()), (CircuitState::Closed, (0, 0, 0)));
    open!(hop_19);
    check(
        "HOP-20 half-opened by hand",
        (circuit.half_open(), circuit.state()),
        (Ok(()), CircuitState::HalfOpen),
    );
    check("HOP-20", out!(hop_19, "S", 1).as_str(), "S");
    check("HOP-20", circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn hop_21_one_of_many_is_the_probe() {
    open!(hop_21);
    pass(1000).await;
    let body = Script::new("S(10)");
    let together: Vec<_> = (0..8).map(|_| tokio::spawn(hop_21(body.clone()))).collect();
    settle().await;
    let mut outs = Vec::new();
    for call in together {
        outs.push(end(call).await);
    }
    check("HOP-21", (outs.join(" ").as_str(), body.exec()), ("S Open Open Open Open Open Open Open", 1));
}

#[tokio::test(start_paused = true)]
async fn hop_24_and_25_the_open_period_grows_and_is_told() {
    let left = || async {
        let Err(Error::Rejected(refused @ Rejected::CircuitOpen { .. })) = hop_24(Script::new("S")).await
        else {
            panic!("HOP-24: not refused")
        };
        refused.retry_after().unwrap_or_default()
    };
    open!(hop_24);
    for (opening, nominal) in [1000, 2000, 4000, 4000].into_iter().enumerate() {
        let period = left().await;
        let bounds = ms(nominal * 8 / 10)..=ms(nominal * 12 / 10);
        assert!(bounds.contains(&period), "HOP-24: opening {opening} lasts {period:?}");
        pass(500).await;
        check("HOP-25", left().await, period.checked_sub(ms(500)).unwrap_or_default());
        pass(nominal * 12 / 10).await;
        check("HOP-24 the probe", out!(hop_24, "F", 1).as_str(), "F");
    }
    pass(5000).await;
    check("HOP-24 closes", out!(hop_24, "S", 1).as_str(), "S");
    open!(hop_24);
    assert!(left().await <= ms(1200), "HOP-24: the first period again after closing");
}
