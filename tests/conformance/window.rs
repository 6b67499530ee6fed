//! Section 6: the circuit breaker over time, slow calls, and states set by hand.

use hardening::CircuitState::{Closed, Disabled, ForcedOpen, HalfOpen, MetricsOnly, Open};
use hardening::{IllegalTransition, circuit_breaker, hardened, timeout};

use crate::support::{
    Script, begin, calls, check, circuit, configure, end, ended, guarded, metric, ms, pass, said, state,
    table,
};
use hardening_spec::settings::Raw;

guarded! {
    #[circuit_breaker(failure_rate = 50%, window = 20s, min_calls = 5, open_for = 5s)]
    cbt_01;

    #[circuit_breaker(failure_rate = 50%, window = 20s, min_calls = 5, open_for = 5s)]
    cbt_02;

    #[circuit_breaker(failure_rate = 50%, window = 60s, min_calls = 5, open_for = 5s, slow_call = 4s, slow_rate = 50%)]
    cbt_03;

    #[circuit_breaker(failure_rate = 100%, window = 5s, min_calls = 1000, open_for = 5s)]
    cbt_04;

    #[circuit_breaker(failure_rate = 100%, window = 5s, min_calls = 1000, open_for = 5s, slow_call = 200ms)]
    cbt_04b;

    #[circuit_breaker(failure_rate = 50%, window = 30s, min_calls = 10, open_for = 5s)]
    cbt_05;

    #[circuit_breaker(failure_rate = 50%, window = 30s, min_calls = 10, open_for = 5s)]
    cbt_06;

    #[circuit_breaker(failure_rate = 10%, window = 30s, min_calls = 10, open_for = 5s)]
    cbt_07;

    #[circuit_breaker(failure_rate = 10%, window = 30s, min_calls = 10, open_for = 5s)]
    cbt_08;

    #[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 1s)]
    cbt_09;

    #[hardened(name = "cbt-10")]
    #[circuit_breaker(failure_rate = 50%, window = 10, min_calls = 10, open_for = 1s, probes = 2)]
    cbt_10;

    #[circuit_breaker(failure_rate = 50%, window = 2, min_calls = 2, open_for = 1s)]
    cbt_11;

    #[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 4, open_for = 1s)]
    cbt_12;

    #[circuit_breaker(failure_rate = 100%, window = 4, min_calls = 4, open_for = 1s)]
    cbt_13;

    #[circuit_breaker(window = 10s, min_calls = 3, open_for = 1s, slow_call = 100ms, slow_rate = 100%)]
    slow_alone;

    #[circuit_breaker(failure_rate = 100%, window = 10s, min_calls = 2, open_for = 1s, slow_call = 100ms)]
    #[timeout(100ms)]
    slow_and_cut;
}

table! {
    cbt_03_to_08_without_waiting {
        "CBT-03": cbt_03, "F(5000) S(5000) F(100) S(100) S(5000)" => "F S F S S Open", 5;
        "CBT-07": cbt_07, "F*9" => "F F F F F F F F F", 9;
        "CBT-07 the tenth": cbt_07, "S" => "S Open", 1;
        "CBT-08 one of eleven": cbt_08, "S*10 F S" => "S S S S S S S S S S F S", 12;
        "CBT slow alone": slow_alone, "S(100)" => "S S S Open", 3;
        "CBT a cut call is counted once": slow_and_cut, "S(500)" => "Timeout Timeout Open", 2;
    }
}

#[tokio::test(start_paused = true)]
async fn cbt_01_a_share_of_the_last_seconds() {
    let body = Script::new("S S S F F F S");
    for expected in ["S", "S", "S", "F", "F"] {
        check("CBT-01", said(&cbt_01(body.clone()).await), expected);
        pass(1000).await;
    }
    check(
        "CBT-01 2 of 5",
        (state("window::cbt_01"), circuit("window::cbt_01").window()),
        (Closed, (5, 2, 0)),
    );
    check("CBT-01", calls(2, || cbt_01(body.clone())).await.as_str(), "F Open");

    // The failures are gone when the others come.
    let body = Script::new("F*4 S F*4");
    check("CBT-02", calls(4, || cbt_02(body.clone())).await.as_str(), "F F F F");
    pass(20_000).await;
    check("CBT-02", calls(5, || cbt_02(body.clone())).await.as_str(), "S F F F F");
    check("CBT-02", state("window::cbt_02"), Open);
}

#[tokio::test(start_paused = true)]
async fn cbt_03_counts_what_was_slow() {
    let body = Script::new("S(300) S(199) F(200)");
    for _ in 0..3 {
        let _ = cbt_04b(body.clone()).await;
    }
    check("CBT-03 slow from the limit on", circuit("window::cbt_04b").window(), (3, 1, 2));
    pass(5000).await;

    // CBT-04b, each outcome at the end of its body.
    let circuit = circuit("window::cbt_04b");
    check("CBT-04b nothing", circuit.window(), (0, 0, 0));
    let body = Script::new("F S F(300) S");
    check("CBT-04b at 0", said(&cbt_04b(body.clone()).await), "F");
    check("CBT-04b at 0", circuit.window(), (1, 1, 0));
    pass(100).await;
    check("CBT-04b at 100", said(&cbt_04b(body.clone()).await), "S");
    check("CBT-04b at 100", circuit.window(), (2, 1, 0));
    pass(400).await;
    check("CBT-04b at 800", said(&cbt_04b(body.clone()).await), "F");
    check("CBT-04b at 800", circuit.window(), (3, 2, 1));
    pass(3800).await;
    check("CBT-04b at 4600", circuit.window(), (3, 2, 1));
    pass(1200).await;
    check("CBT-04b at 5800", circuit.window(), (0, 0, 0));
    pass(100).await;
    check("CBT-04b at 5900", said(&cbt_04b(body.clone()).await), "S");
    check("CBT-04b at 5900", circuit.window(), (1, 0, 0));
    pass(5000).await;
    check("CBT-04b at 10900", said(&cbt_04b(body.clone()).await), "S");
    check("CBT-04b at 10900", circuit.window(), (1, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn cbt_04_outcomes_leave_the_window() {
    let body = Script::new("F S S S S F S S S S");
    let mut seen = Vec::new();
    for wait in [0, 100, 100, 800, 1000, 1000, 1000, 1000, 1000, 5000] {
        pass(wait).await;
        let _ = cbt_04(body.clone()).await;
        let (all, failed, _) = circuit("window::cbt_04").window();
        seen.push((all, failed));
    }
    let expected = [(1, 1), (2, 1), (3, 1), (4, 1), (5, 1), (6, 2), (7, 2), (5, 1), (5, 1), (1, 0)];
    check("CBT-04", seen.as_slice(), expected.as_slice());
}

#[tokio::test(start_paused = true)]
async fn cbt_05_and_06_spread_over_the_window() {
    let body = Script::new("F");
    for _ in 0..10 {
        check("CBT-06", said(&cbt_06(body.clone()).await), "F");
        pass(31_000 / 9).await;
    }
    check("CBT-06", (state("window::cbt_06"), body.exec()), (Closed, 10));
    for _ in 0..10 {
        check("CBT-05", said(&cbt_05(body.clone()).await), "F");
        pass(27_000 / 9).await;
    }
    check("CBT-05", circuit("window::cbt_05").transitions(Closed, Open), 1);
}

#[tokio::test(start_paused = true)]
async fn cbt_09_forced_open_until_told_otherwise() {
    let circuit = circuit("window::cbt_09");
    let body = Script::new("S");
    let running = begin(cbt_09(Script::new("F(100)"))).await;
    circuit.force_open();
    for wait in [0, 1000, 1_000_000_000] {
        pass(wait).await;
        check("CBT-09", (said(&cbt_09(body.clone()).await), circuit.state()), ("Open", ForcedOpen));
    }
    check("CBT-09 what was running ends", end(running).await, "F");
    circuit.automatic();
    check("CBT-09", (said(&cbt_09(body.clone()).await), circuit.state()), ("S", Closed));

    circuit.open_for(ms(1000));
    circuit.force_open();
    pass(5000).await;
    check("CBT-09 no probe", said(&cbt_09(body.clone()).await), "Open");
    circuit.automatic();
    check("CBT-09 goes on where it stood", circuit.state(), HalfOpen);
}

#[tokio::test(start_paused = true)]
async fn cbt_10_metrics_only_refuses_nothing() {
    let circuit = circuit("cbt-10");
    circuit.metrics_only();
    let body = Script::new("F");
    let out = calls(20, || cbt_10(body.clone())).await;
    check("CBT-10", (out.as_str(), body.exec()), (["F"; 20].join(" ").as_str(), 20));
    check("CBT-10", (circuit.state(), circuit.transitions(Closed, Open)), (MetricsOnly, 1));
    check("CBT-10", (ended("cbt-10", "failure"), ended("cbt-10", "circuit_open")), (20, 0));
    let transitions = "hardening_circuit_transitions_total{circuit=\"cbt-10\",from=\"closed\",to=\"open\"}";
    check("CBT-10", metric(transitions), 1);
    pass(1000).await;
    check("CBT-10 the probes it would send", calls(3, || cbt_10(Script::new("S"))).await.as_str(), "S S S");
    check("CBT-10", (circuit.transitions(Open, HalfOpen), circuit.transitions(HalfOpen, Closed)), (1, 1));
    check("CBT-10", circuit.state(), MetricsOnly);
}

#[tokio::test(start_paused = true)]
async fn cbt_11_disabled_counts_nothing() {
    let circuit = circuit("window::cbt_11");
    circuit.disable();
    check("CBT-11", calls(4, || cbt_11(Script::new("F"))).await.as_str(), "F F F F");
    check("CBT-11", (circuit.state(), circuit.window()), (Disabled, (0, 0, 0)));
    circuit.automatic();
    check("CBT-11", calls(3, || cbt_11(Script::new("F"))).await.as_str(), "F F Open");
}

#[tokio::test(start_paused = true)]
async fn cbt_12_a_closed_circuit_has_nothing_to_probe() {
    let circuit = circuit("window::cbt_12");
    check("CBT-12", said(&cbt_12(Script::new("F")).await), "F");
    check("CBT-12", circuit.half_open(), Err(IllegalTransition { from: Closed, to: HalfOpen }));
    check("CBT-12", (circuit.state(), circuit.transitions(Closed, HalfOpen)), (Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn cbt_13_the_same_state_again_changes_nothing() {
    let circuit = circuit("window::cbt_13");
    check("CBT-13", calls(2, || cbt_13(Script::new("F S"))).await.as_str(), "F F");
    circuit.close();
    circuit.automatic();
    check("CBT-13 counts stay", (circuit.state(), circuit.window()), (Closed, (2, 2, 0)));
    check(
        "CBT-13 no event",
        (circuit.transitions(Closed, Closed), circuit.transitions(Open, Closed)),
        (0, 0),
    );

    circuit.force_open();
    circuit.force_open();
    check("CBT-13", circuit.transitions(Closed, ForcedOpen), 1);
    check("CBT-13", circuit.transitions(ForcedOpen, ForcedOpen), 0);
    circuit.automatic();
    check("CBT-13 counts stay", circuit.window(), (2, 2, 0));

    circuit.open_for(ms(1000));
    circuit.open_for(ms(60_000));
    check("CBT-13", circuit.transitions(Closed, Open), 1);
    pass(1000).await;
    check("CBT-13 the first period counts", circuit.state(), HalfOpen);
    check("CBT-13", (circuit.half_open(), circuit.half_open()), (Ok(()), Ok(())));
    check("CBT-13", calls(3, || cbt_13(Script::new("S"))).await.as_str(), "S S S");
    check("CBT-13", (circuit.state(), circuit.transitions(Open, HalfOpen)), (Closed, 1));
}

#[tokio::test(start_paused = true)]
async fn cbt_16_numbers_that_change_while_it_is_open() {
    check("CBT-16", calls(3, || cbt_16(Script::new("F"))).await.as_str(), "F F Open");
    pass(500).await;
    configure("window::cbt_16", "circuit_breaker", "open_for", Raw::Text("5s")).unwrap();
    check("CBT-16 longer", calls(1, || cbt_16(Script::new("S"))).await.as_str(), "Open");
    // The period that has begun ends when it was to end.
    pass(500).await;
    check("CBT-16 half-open", calls(1, || cbt_16(Script::new("F"))).await.as_str(), "F");
    pass(4999).await;
    check("CBT-16 the next", calls(1, || cbt_16(Script::new("S"))).await.as_str(), "Open");
    pass(1).await;
    check("CBT-16 the next", calls(1, || cbt_16(Script::new("S"))).await.as_str(), "S");
    check("CBT-16", circuit("window::cbt_16").state(), Closed);
}

guarded! {
    #[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 1s, probes = 1)] cbt_16;
}
