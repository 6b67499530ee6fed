//! Section 4: the circuit breaker over the last n calls.

use std::error::Error as _;

use hardening::{CircuitState, Rejected, circuit_breaker, hardened, timeout};

use crate::kinds::{E0, E1, Fault, KINDS};
use crate::support::{
    Answer, Error, Reply, Script, calls, check, circuit, ended, guarded, metric, ms, pass, said, state, table,
};

guarded! {
    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 50s, probes = 2)]
    cbk_01;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 2)]
    cbk_02;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    cbk_03;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    cbk_04;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 2)]
    cbk_05;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 1s, probes = 3)]
    cbk_06;

    #[circuit_breaker(failure_rate = 75%, window = 4, min_calls = 4, open_for = 50s, probes = 2)]
    cbk_07_a;

    #[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 50s, probes = 2)]
    cbk_07_b;

    #[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    cbk_09;

    #[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 4, open_for = 1s, probes = 1)]
    cbk_10;

    #[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 2, open_for = 1s, probes = 1)]
    cbk_11;

    #[circuit_breaker(failure_rate = 50%, window = 20, min_calls = 20, open_for = 5s, probes = 1)]
    cbk_12;

    #[circuit_breaker(failure_rate = 80%, window = 10, min_calls = 10, open_for = 5s)]
    cbk_13;

    #[circuit_breaker(failure_rate = 80%, window = 10, min_calls = 10, open_for = 5s)]
    cbk_14;

    #[circuit_breaker(failure_rate = 100%, window = 4, min_calls = 4, open_for = 5s)]
    cbk_16;

    #[circuit_breaker(failure_rate = 34%, window = 3, min_calls = 3, open_for = 5s)]
    cbk_17;

    #[circuit_breaker(failure_rate = 33.4%, window = 3, min_calls = 3, open_for = 5s)]
    cbk_17_exact;

    #[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 5s)]
    cbk_18;

    #[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 1s, probes = 1, failure = Error::Io)]
    #[timeout(500ms)]
    cbk_19;

    #[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 1s, timeouts = ignore)]
    #[timeout(500ms)]
    cbk_20;

    #[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 4, open_for = 5s, failure = Error::F)]
    failure_f;

    #[circuit_breaker(failure_rate = 50%, window = 4, min_calls = 4, open_for = 5s, ignore = Error::X)]
    ignore_x;

    #[circuit_breaker(failure_rate = 100%, window = 100, min_calls = 100, consecutive = 3, open_for = 5s)]
    consecutive;

    #[circuit_breaker(failure_rate = 50%, window = 2, min_calls = 2, open_for = 5s, failure = Ok(Reply::Bad))]
    cbt_15;

    #[circuit_breaker(failure_rate = 50%, window = 2, min_calls = 2, open_for = 5s, failure = Ok(Reply::Bad) | Err(_))]
    bad_or_error;

    #[hardened(name = "cbk-25")]
    #[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 5s)]
    cbk_25;
}

table! {
    cbk_01_to_18_shares_of_the_last_calls {
        "CBK-01": cbk_01, "F" => "F F F F Open Open Open", 4;
        "CBK-04": cbk_04, "S F" => "S F F F Open", 4;
        "CBK-07 a": cbk_07_a, "F" => "F F F F Open Open Open", 4;
        "CBK-07 b": cbk_07_b, "F" => "F F Open Open Open Open Open", 2;
        "CBK-09": cbk_09, "S F F S" => "S F F S Open", 4;
        "CBK-10": cbk_10, "S F S S F" => "S F S S F Open", 5;
        "CBK-11 fewer calls than the window": cbk_11, "S F" => "S F Open", 2;
        "CBK-12": cbk_12, "F" => "F F F F F F F F F F F F F F F F F F F", 19;
        "CBK-12 the twentieth": cbk_12, "F" => "F Open", 1;
        "CBK-13": cbk_13, "F*7 S*3 F" => "F F F F F F F S S S F", 11;
        "CBK-13 still closed": cbk_13, "S" => "S", 1;
        "CBK-14 just reached": cbk_14, "F*7 S*2 F" => "F F F F F F F S S F Open", 10;
        "CBK-16": cbk_16, "F F F S F F F F" => "F F F S F F F F Open", 8;
        "CBK-17 a third is less than 34 %": cbk_17, "S S F S S F S F" => "S S F S S F S F Open", 8;
        "CBK-17 a third is less than 33.4 %": cbk_17_exact, "F S S S" => "F S S S", 4;
        "CBK-18": cbk_18, "F" => "F Open", 1;
    }

    cbk_19_to_24_what_counts {
        "CBK-19": cbk_19, "S(1000)" => "Timeout Timeout Open", 2;
        "CBK-20 timeouts left alone": cbk_20, "S(1000)" => "Timeout Timeout Timeout", 3;
        "CBK-20 other failures count": cbk_20, "F" => "F F Open", 2;
        "CBK-21 another error is a success": failure_f, "F X*3 F X" => "F X X X F X", 6;
        "CBK-21 failures": failure_f, "F" => "F Open", 1;
        "CBK-23 ignored is neither": ignore_x, "X*9 F X*9 S F X S" => "X X X X X X X X X F X X X X X X X X X S F X S Open", 23;
        "CBK consecutive": consecutive, "F F S F F X S F*3" => "F F S F F X Open", 6;
        "CBT-15": cbt_15, "B" => "B B Open", 2;
        "CBT-15 errors too": bad_or_error, "B F" => "B F Open", 2;
    }
}

#[tokio::test(start_paused = true)]
async fn cbk_02_to_06_closes_and_opens_again() {
    let body = Script::new("F*4 S S F*3 S");
    check("CBK-02", calls(5, || cbk_02(body.clone())).await.as_str(), "F F F F Open");
    pass(2000).await;
    check("CBK-02 closes", calls(2, || cbk_02(body.clone())).await.as_str(), "S S");
    check("CBK-02", (state("breaker::cbk_02"), body.exec()), (CircuitState::Closed, 6));

    let body = Script::new("F*4 S F*4");
    check("CBK-03", calls(5, || cbk_03(body.clone())).await.as_str(), "F F F F Open");
    pass(2000).await;
    check("CBK-03 an empty window", calls(6, || cbk_03(body.clone())).await.as_str(), "S F F F F Open");
    check("CBK-03", body.exec(), 9);

    let body = Script::new("F*4 S F S");
    check("CBK-05", calls(5, || cbk_05(body.clone())).await.as_str(), "F F F F Open");
    pass(2000).await;
    check("CBK-05 the second probe fails", calls(3, || cbk_05(body.clone())).await.as_str(), "S F Open");
    pass(1000).await;
    check("CBK-05 probes are counted anew", calls(2, || cbk_05(body.clone())).await.as_str(), "S S");
    check("CBK-05", state("breaker::cbk_05"), CircuitState::Closed);

    let body = Script::new("F*4 S S F S");
    check("CBK-06", calls(5, || cbk_06(body.clone())).await.as_str(), "F F F F Open");
    pass(2000).await;
    check("CBK-06", calls(4, || cbk_06(body.clone())).await.as_str(), "S S F Open");
    check("CBK-06", body.exec(), 7);
}

macro_rules! hierarchy {
    ($($name:ident($($keys:tt)*);)+) => {$(
        #[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 5s, $($keys)*)]
        async fn $name(fault: Fault) -> Result<(), Fault> {
            Err(fault)
        }
    )+};
}

hierarchy! {
    cbk_21(failure = Fault::E0(E0::Plain | E0::S | E0::E1(E1::E2(_))), ignore = Fault::E0(E0::E1(_)));
    cbk_22(failure = _, ignore = Fault::E0(_));
    cbk_23(failure = Fault::E0(E0::E1(_)), ignore = Fault::E0(E0::Plain | E0::S | E0::E1(E1::E2(_))));
}

#[tokio::test(start_paused = true)]
async fn cbk_21_to_23_kinds_within_kinds() {
    let expected = [
        ("cbk_21", [false, false, true, true, false, false, false, false]),
        ("cbk_22", [true, true, false, false, false, false, false, false]),
        ("cbk_23", [false, false, false, false, true, true, false, false]),
    ];
    for (at, fault) in KINDS.into_iter().enumerate() {
        for (id, opens) in expected {
            let out = match id {
                "cbk_21" => cbk_21(fault).await,
                "cbk_22" => cbk_22(fault).await,
                _ => cbk_23(fault).await,
            };
            check(id, out, Err(fault));
            let circuit = circuit(&format!("breaker::{id}"));
            check(&format!("{id} {fault:?}"), circuit.state() == CircuitState::Open, opens[at]);
            circuit.close();
        }
    }
}

/// An error with a cause.
#[derive(Debug)]
struct Wrapped(Option<std::io::Error>);

impl std::fmt::Display for Wrapped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("wrapped")
    }
}

impl std::error::Error for Wrapped {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.as_ref().map(|cause| cause as _)
    }
}

impl From<Rejected> for Wrapped {
    fn from(_: Rejected) -> Self {
        Self(None)
    }
}

fn caused_by_io(error: &Wrapped) -> bool {
    error.source().is_some_and(<dyn std::error::Error>::is::<std::io::Error>)
}

#[circuit_breaker(failure_rate = 100%, window = 1, min_calls = 1, open_for = 5s, failure = e if caused_by_io(e))]
async fn cbk_24(io: bool) -> Result<(), Wrapped> {
    Err(Wrapped(io.then(|| std::io::ErrorKind::TimedOut.into())))
}

#[tokio::test(start_paused = true)]
async fn cbk_24_a_guard_may_look_at_causes() {
    assert!(cbk_24(false).await.is_err());
    check("CBK-24", state("breaker::cbk_24"), CircuitState::Closed);
    assert!(cbk_24(true).await.is_err());
    check("CBK-24", state("breaker::cbk_24"), CircuitState::Open);
}

#[tokio::test(start_paused = true)]
async fn cbk_25_a_refusal_is_immediate_and_says_when_to_come_back() {
    let body = Script::new("F(10)");
    check("CBK-25", calls(2, || cbk_25(body.clone())).await.as_str(), "F F");
    pass(1000).await;
    for _ in 0..5 {
        let Err(Error::Rejected(refused)) = cbk_25(body.clone()).await else { panic!("CBK-25: not refused") };
        check("CBK-25", &refused, &Rejected::CircuitOpen { circuit: "cbk-25", retry_after: ms(4000) });
    }
    check("CBK-25", (body.elapsed(), body.exec()), (1020, 2));
    check("CBK-25", (ended("cbk-25", "circuit_open"), ended("cbk-25", "failure")), (5, 2));
    check("CBK-25", metric("hardening_circuit_state{circuit=\"cbk-25\",state=\"open\"}"), 1);
}

#[circuit_breaker(failure_rate = 100%, window = 2, min_calls = 2, open_for = 5s)]
async fn panicking(panics: bool) -> Answer {
    assert!(!panics, "as the case wants it");
    Ok(Reply::Good)
}

#[tokio::test(start_paused = true)]
async fn cbk_26_a_panic_is_a_failure() {
    for _ in 0..2 {
        let call = tokio::spawn(panicking(true));
        check("CBK-26", call.await.is_err_and(|error| error.is_panic()), true);
    }
    check("CBK-26", said(&panicking(false).await), "Open");
}
