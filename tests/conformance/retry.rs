//! Section 1: how often a body runs, and which outcomes are repeated.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use hardening::{hardened, retry, timeout};

use crate::kinds::{E0, E1, Fault, KINDS};
use crate::support::{
    Answer, Error, Reply, Script, begin, calls, check, end, ended, guarded, metric, settle, table,
};

guarded! {
    #[retry(attempts = 4, backoff = 0ms, budget = none, idempotent)]
    four;

    #[retry(attempts = 1, idempotent)]
    one;

    #[retry(attempts = 4_294_967_295, backoff = 0ms, budget = none, idempotent)]
    unlimited;

    #[retry(attempts = 4, backoff = 0ms, budget = none, on = Error::F, idempotent)]
    on_f;

    #[retry(attempts = 4, backoff = 0ms, budget = none, on = Err(Error::F | Error::Io), idempotent)]
    on_f_or_io;

    #[retry(attempts = 4, backoff = 0ms, budget = none, not_on = Error::Io, idempotent)]
    not_on_io;

    #[retry(attempts = 4, backoff = 0ms, budget = none, on = Error::F | Error::Io, not_on = Error::Io, idempotent)]
    on_both_not_on_io;

    #[retry(attempts = 4, backoff = 0ms, budget = none, on = Ok(Reply::Bad), idempotent)]
    on_bad;

    #[retry(attempts = 4, backoff = 0ms, budget = none, on = Ok(Reply::Bad) | Err(Error::F), idempotent)]
    on_bad_or_f;

    #[retry(attempts = 4, backoff = 0ms, budget = none, not_executed = Error::F)]
    unless_executed;

    #[retry(attempts = 4, backoff = 0ms, budget = none, on = Error::Io | Error::X, not_executed = Error::F | Error::X)]
    on_io_unless_executed;

    #[retry(attempts = 4, backoff = 0ms, budget = none, not_executed = Error::F)]
    #[timeout(10ms)]
    timed_unless_executed;

    #[retry(attempts = 3, backoff = 0ms, budget = none, idempotent)]
    three;

    #[retry(attempts = 6, backoff = 0ms, budget = none, idempotent)]
    six;

    #[hardened(name = "ret-25")]
    #[retry(attempts = 4, backoff = 0ms, budget = none, idempotent)]
    ret_25;

    #[hardened(name = "ret-24")]
    #[retry(attempts = 4, backoff = 0ms, budget = none, idempotent)]
    ret_24;
}

table! {
    ret_01_to_08_counts_attempts {
        "RET-01": four, "S" => "S", 1;
        "RET-02": four, "F S" => "S", 2;
        "RET-03": four, "F F S" => "S", 3;
        "RET-04": four, "F F F S" => "S", 4;
        "RET-05": four, "F*4 S" => "F", 4;
        "RET-06": one, "F" => "F", 1;
        "RET-07": unlimited, "F*10 S" => "S", 11;
        "RET-08 each call counts for itself": four, "F*3 S F*4 S" => "S F S", 9;
    }

    ret_09_to_11_repeats_what_on_names {
        "RET-09": on_f, "X" => "X", 1;
        "RET-09 at a later attempt": on_f, "F F X S" => "X", 3;
        "RET-10 alternatives, the first": on_f_or_io, "F" => "F", 4;
        "RET-10 alternatives, the second": on_f_or_io, "I" => "I", 4;
        "RET-11 in turn": on_f_or_io, "F I F S" => "S", 4;
    }

    ret_12_to_17_never_repeats_what_not_on_names {
        "RET-12": not_on_io, "X" => "X", 4;
        "RET-13": not_on_io, "I" => "I", 1;
        "RET-14": not_on_io, "F I" => "I", 2;
        "RET-15": not_on_io, "F F I" => "I", 3;
        "RET-16": not_on_io, "F F F I" => "I", 4;
        "RET-16 not_on wins over on": on_both_not_on_io, "I" => "I", 1;
        "RET-16 the rest of on stays": on_both_not_on_io, "F" => "F", 4;
        "RET-16 what neither names": on_both_not_on_io, "X" => "X", 1;
    }

    ret_17_to_20_judges_results {
        "RET-17": on_bad, "B" => "B", 4;
        "RET-19": on_bad, "B B S" => "S", 3;
        "RET-19 an error is then not repeated": on_bad, "F" => "F", 1;
        "RET-20 results and errors": on_bad_or_f, "B F B S" => "S", 4;
        "RET-20 an error that is not named": on_bad_or_f, "B X" => "X", 2;
    }

    ret_evidence_names_what_may_be_repeated {
        "RET evidence": unless_executed, "F F S" => "S", 3;
        "RET evidence, no evidence": unless_executed, "X" => "X", 1;
        "RET evidence, no evidence any more": unless_executed, "F X S" => "X", 2;
        "RET evidence, evidence, but not named by on": on_io_unless_executed, "F" => "F", 1;
        "RET evidence, named by on, but no evidence": on_io_unless_executed, "I" => "I", 1;
        "RET evidence, both": on_io_unless_executed, "X X S" => "S", 3;
        "RET evidence, a timeout is no evidence": timed_unless_executed, "S(20)" => "Timeout", 1;
    }

    ret_27_each_function_has_its_own_number {
        "RET-27 one": six, "F" => "F", 6;
        "RET-27 another": three, "F" => "F", 3;
    }
}

macro_rules! hierarchy {
    ($($name:ident($($keys:tt)*);)+) => {$(
        #[retry(attempts = 2, backoff = 0ms, budget = none, idempotent, $($keys)*)]
        async fn $name(fault: Fault, starts: &AtomicU32) -> Result<(), Fault> {
            starts.fetch_add(1, Ordering::SeqCst);
            Err(fault)
        }
    )+};
}

hierarchy! {
    ret_21(on = Fault::E0(E0::Plain | E0::S | E0::E1(E1::E2(_))), not_on = Fault::E0(E0::E1(_)));
    ret_22(on = _, not_on = Fault::E0(_));
    ret_23(on = Fault::E0(E0::E1(_)), not_on = Fault::E0(E0::Plain | E0::S | E0::E1(E1::E2(_))));
    ret_10(on = Fault::E0(_));
}

#[tokio::test(start_paused = true)]
async fn ret_21_to_23_kinds_within_kinds() {
    let expected = [
        ("RET-21", [1, 1, 2, 2, 1, 1, 1, 1]),
        ("RET-22", [2, 2, 1, 1, 1, 1, 1, 1]),
        ("RET-23", [1, 1, 1, 1, 2, 2, 1, 1]),
        ("RET-10", [1, 1, 2, 2, 2, 2, 2, 2]),
    ];
    for (at, fault) in KINDS.into_iter().enumerate() {
        for (id, exec) in expected {
            let starts = AtomicU32::new(0);
            let out = match id {
                "RET-21" => ret_21(fault, &starts).await,
                "RET-22" => ret_22(fault, &starts).await,
                "RET-23" => ret_23(fault, &starts).await,
                _ => ret_10(fault, &starts).await,
            };
            check(id, (out, starts.into_inner()), (Err(fault), exec[at]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ret_24_a_panic_is_not_repeated() {
    let body = Script::new("P S");
    let call = begin(ret_24(body.clone())).await;
    check("RET-24", (end(call).await, body.exec()), ("panic", 1));
    check("RET-24", ended("ret-24", "panicked"), 1);
    check("RET-24 afterwards", calls(1, || ret_24(body.clone())).await.as_str(), "S");
}

#[tokio::test(start_paused = true)]
async fn ret_25_each_repetition_is_counted() {
    let body = Script::new("F F S");
    check("RET-25", calls(1, || ret_25(body.clone())).await.as_str(), "S");
    let retries = |reason| metric(&format!("hardening_retries_total{{call=\"ret-25\",reason=\"{reason}\"}}"));
    check("RET-25", (retries("failure"), retries("timeout"), retries("refused")), (2, 0, 0));
}

/// A result that tells when it is dropped.
struct Disposable<'l> {
    number: usize,
    log: &'l Mutex<Vec<String>>,
}

impl Drop for Disposable<'_> {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(format!("dropped {}", self.number));
    }
}

#[retry(attempts = 2, backoff = 10ms, budget = none, on = Ok(Disposable { number: 0, .. }), idempotent)]
async fn ret_28<'l>(log: &'l Mutex<Vec<String>>) -> Result<Disposable<'l>, Error> {
    let mut lines = log.lock().unwrap();
    let number = lines.len() / 2;
    lines.push(format!("made {number}"));
    Ok(Disposable { number, log })
}

#[tokio::test(start_paused = true)]
async fn ret_28_a_discarded_result_is_dropped_before_the_next_attempt() {
    let log = Mutex::default();
    let kept = ret_28(&log).await.unwrap_or_else(|error| panic!("RET-28: {error:?}"));
    check("RET-28", log.lock().unwrap().join(", ").as_str(), "made 0, dropped 0, made 1");
    check("RET-28", kept.number, 1);
}

#[retry(attempts = 4, backoff = 0ms, budget = none, on = error if is_io(error), idempotent)]
async fn ret_guard(body: Script) -> Answer {
    body.run().await
}

fn is_io(error: &Error) -> bool {
    *error == Error::Io
}

#[tokio::test(start_paused = true)]
async fn ret_guard_a_guard_decides() {
    for (script, out, exec) in [("I", "I", 4), ("F", "F", 1), ("I S", "S", 2)] {
        let body = Script::new(script);
        check("RET guard", calls(1, || ret_guard(body.clone())).await.as_str(), out);
        check("RET guard", body.exec(), exec);
    }
    settle().await;
}
