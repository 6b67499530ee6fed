//! Section 14: what is counted, read as a scraper reads it.

use hardening::{
    CircuitState, bulkhead, circuit_breaker, deadline, fallback, hardened, rate_limited, retry, telemetry,
    timeout,
};

use crate::support::{
    Answer, Error, Reply, Script, begin, calls, cancel, check, circuit, end, guarded, metric, pass, said,
};

guarded! {
    #[retry(attempts = 6, backoff = 0ms, not_on = Error::X, idempotent)] met_01;
    #[retry(attempts = 6, backoff = 0ms, not_on = Error::X, idempotent)] met_02;
    #[retry(attempts = 6, backoff = 0ms, not_on = Error::X, idempotent)] met_03;
    #[retry(attempts = 6, backoff = 0ms, not_on = Error::X, idempotent)] met_04;
    #[retry(attempts = 6, backoff = 0ms, not_on = Error::X, idempotent)] met_05;
    #[retry(attempts = 1, idempotent)] met_06;
    #[retry(attempts = 1000, backoff = 0ms, budget = none, max_duration = 1s, idempotent)] met_07;
    #[retry(attempts = 3, backoff = 0ms, idempotent)] #[timeout(500ms)] met_09;
    #[timeout(500ms)] met_10;
    #[circuit_breaker(window = 2, min_calls = 2, failure_rate = 100%, open_for = 1s, probes = 2,
                      failure = Error::F, ignore = Error::Io)] met_12;
    #[bulkhead(max = 2, queue = 2)] met_18;
    #[bulkhead(max = 1)] met_19;
    #[hardened] met_21;
    #[fallback(Ok(Reply::Bad))] #[deadline(10s)] #[retry(attempts = 3, idempotent)]
    #[circuit_breaker(window = 2, min_calls = 2)] #[rate_limited(10/s)] #[timeout(1s)]
    #[bulkhead(max = 2, queue = 2)] met_22;
    #[rate_limited(2/s, burst = 2)] met_24;
    #[circuit_breaker(window = 2, min_calls = 2, open_for = 1s, probes = 2)] met_25;
    #[retry(attempts = 3, backoff = 0ms, idempotent)] met_27;
    #[timeout(1s)] met_28;
    #[deadline(100ms)] a_deadline;
    #[hardened] a_panic;
    #[circuit_breaker(window = 2, min_calls = 2, ignore = Error::X)] ignored;
    #[timeout(400ms)] durations;
    #[rate_limited(1/s, burst = 1, wait = 10s)] waiting;
}

const OUTCOMES: [&str; 12] = [
    "success",
    "failure",
    "fallback",
    "timeout",
    "deadline_exceeded",
    "circuit_open",
    "rate_limited",
    "bulkhead_full",
    "cancelled",
    "panicked",
    "ignored",
    "rejected",
];

/// One scrape: many series at once.
struct Scrape(String);

impl Scrape {
    fn now() -> Self {
        let mut text = String::new();
        telemetry::calls::render(&mut text);
        Self(text)
    }

    #[track_caller]
    fn read(&self, series: &str) -> u64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no series {series}")).parse().unwrap()
    }

    /// The calls, or attempts, of this name by outcome.
    fn outcomes(&self, family: &str, name: &str) -> [u64; OUTCOMES.len()] {
        OUTCOMES.map(|it| self.read(&format!("hardening_{family}_total{{call=\"{name}\",outcome=\"{it}\"}}")))
    }
}

fn attempts(name: &str, outcome: &str) -> u64 {
    metric(&format!("hardening_attempts_total{{call=\"{name}\",outcome=\"{outcome}\"}}"))
}

fn retries(name: &str) -> u64 {
    let of =
        |reason: &str| metric(&format!("hardening_retries_total{{call=\"{name}\",reason=\"{reason}\"}}"));
    of("failure") + of("timeout") + of("refused")
}

fn in_flight(name: &str) -> u64 {
    metric(&format!("hardening_in_flight{{call=\"{name}\"}}"))
}

/// The calls of this name by their outcomes, those of zero left out.
fn counted(name: &str) -> String {
    let counts = OUTCOMES.into_iter().zip(Scrape::now().outcomes("calls", name));
    let some = counts.filter(|(_, count)| *count > 0);
    some.map(|(outcome, count)| format!("{outcome} {count}")).collect::<Vec<_>>().join(", ")
}

#[tokio::test(start_paused = true)]
async fn met_01_to_07_calls_and_their_retries() {
    one_call("met_01", met_01, "S", "success 1", 0).await;
    one_call("met_02", met_02, "F S", "success 1", 1).await;
    one_call("met_03", met_03, "X", "failure 1", 0).await;
    one_call("met_04", met_04, "F F F X", "failure 1", 3).await;
    one_call("met_05", met_05, "F", "failure 1", 5).await;
    one_call("met_06", met_06, "F", "failure 1", 0).await;
    one_call("met_07", met_07, "F(100)", "failure 1", 9).await;
}

async fn one_call(id: &str, call: impl AsyncFn(Script) -> Answer, script: &str, calls: &str, repeated: u64) {
    let _ = call(Script::new(script)).await;
    let name = format!("metrics::{id}");
    check(id, (counted(&name), retries(&name)), (calls.to_owned(), repeated));
    check(id, attempts(&name, "success") + attempts(&name, "failure"), repeated + 1);
}

#[tokio::test(start_paused = true)]
async fn met_09_a_timeout_an_error_and_a_success_in_one_call() {
    let name = "metrics::met_09";
    check("MET-09", said(&met_09(Script::new("S(600) I S")).await), "S");
    check("MET-09 calls", (counted(name), retries(name)), ("success 1".to_owned(), 2));
    check("MET-09 attempts", ["timeout", "failure", "success"].map(|it| attempts(name, it)), [1, 1, 1]);
    let reason = |it: &str| metric(&format!("hardening_retries_total{{call=\"{name}\",reason=\"{it}\"}}"));
    check("MET-09 reasons", ["timeout", "failure", "refused"].map(reason), [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn met_10_timeouts_and_a_success() {
    let body = Script::new("S(600)*2 S");
    check("MET-10", calls(3, || met_10(body.clone())).await, "Timeout Timeout S");
    check("MET-10 counted", counted("metrics::met_10"), "success 1, timeout 2");
}

/// MET-14 is the refusal in between.
#[tokio::test(start_paused = true)]
async fn met_12_to_15_a_circuit_s_life() {
    let name = "metrics::met_12";
    let transitions = |from, to| circuit(name).transitions(from, to);
    check("MET-12", said(&met_12(Script::new("F")).await), "F");
    check(
        "MET-12",
        (counted(name), transitions(CircuitState::Closed, CircuitState::Open)),
        ("failure 1".into(), 0),
    );
    check("MET-13", said(&met_12(Script::new("F")).await), "F");
    check(
        "MET-13",
        (counted(name), transitions(CircuitState::Closed, CircuitState::Open)),
        ("failure 2".into(), 1),
    );
    check("MET-14", said(&met_12(Script::new("S")).await), "Open");
    check("MET-14", counted(name), "failure 2, circuit_open 1");
    pass(1500).await;
    check("MET-15", calls(2, || met_12(Script::new("S"))).await, "S S");
    check(
        "MET-15",
        (said(&met_12(Script::new("X")).await), said(&met_12(Script::new("I")).await)),
        ("X", "I"),
    );
    check("MET-15", counted(name), "success 2, failure 2, circuit_open 1, ignored 2");
    let all = [
        (CircuitState::Closed, CircuitState::Open),
        (CircuitState::Open, CircuitState::HalfOpen),
        (CircuitState::HalfOpen, CircuitState::Closed),
        (CircuitState::HalfOpen, CircuitState::Open),
    ];
    check("MET-15", all.map(|(from, to)| transitions(from, to)), [1, 1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn met_18_and_19_bulkheads() {
    let depth = || metric("hardening_queue_depth{call=\"metrics::met_18\"}");
    let mut accepted = Vec::new();
    for _ in 0..4 {
        accepted.push(begin(met_18(Script::new("S(100)"))).await);
    }
    check("MET-18 fifth", said(&met_18(Script::new("S")).await), "Full");
    check("MET-18 waiting", (depth(), in_flight("metrics::met_18")), (2, 4));
    check("MET-18 limit", metric("hardening_concurrency_limit{call=\"metrics::met_18\"}"), 2);
    for call in accepted {
        check("MET-18 accepted", end(call).await, "S");
    }
    check("MET-18 after", (depth(), in_flight("metrics::met_18")), (0, 0));
    check("MET-18 counted", counted("metrics::met_18"), "success 4, bulkhead_full 1");
    let running = begin(met_19(Script::new("S(100)"))).await;
    check("MET-19", said(&met_19(Script::new("S")).await), "Full");
    check("MET-19 waiting", metric("hardening_queue_depth{call=\"metrics::met_19\"}"), 0);
    check("MET-19 running", end(running).await, "S");
}

/// Every series is there before the first call.
#[tokio::test(start_paused = true)]
async fn met_21_everything_exists_at_zero() {
    let scrape = Scrape::now();
    for family in ["calls", "attempts"] {
        check(family, scrape.outcomes(family, "metrics::met_21"), [0; OUTCOMES.len()]);
    }
    check("in flight", in_flight("metrics::met_21"), 0);
    check("durations", metric("hardening_call_duration_seconds_count{call=\"metrics::met_21\"}"), 0);
    let absent = ["hardening_retries_total", "hardening_circuit_state", "hardening_queue_depth"];
    for family in absent {
        let found =
            scrape.0.lines().any(|line| line.starts_with(family) && line.contains("\"metrics::met_21\""));
        check(family, found, false);
    }
    let after = (said(&met_21(Script::new("S")).await), counted("metrics::met_21"));
    check("then one", after, ("S", "success 1".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn met_22_every_policy_and_one_good_call() {
    let name = "metrics::met_22";
    check("MET-22", said(&met_22(Script::new("S(10)")).await), "S");
    check("MET-22 calls", (counted(name), retries(name), in_flight(name)), ("success 1".to_owned(), 0, 0));
    let per_outcome = Scrape::now().outcomes("attempts", name);
    check("MET-22 attempts", (per_outcome[0], per_outcome.iter().sum()), (1, 1_u64));
    check("MET-22 circuit", circuit(name).window(), (1, 0, 0));
    check("MET-22 opened", circuit(name).transitions(CircuitState::Closed, CircuitState::Open), 0);
    check("MET-22 waiting", metric("hardening_queue_depth{call=\"metrics::met_22\"}"), 0);
    let decided = |it: &str| {
        metric(&format!("hardening_rate_limit_decisions_total{{limiter=\"{name}\",decision=\"{it}\"}}"))
    };
    check("MET-22 limit", ["allowed", "refused", "overflow"].map(decided), [1, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn met_24_permitted_and_refused() {
    check("MET-24", calls(3, || met_24(Script::new("S"))).await, "S S Limited");
    let decided = |it: &str| {
        metric(&format!(
            "hardening_rate_limit_decisions_total{{limiter=\"metrics::met_24\",decision=\"{it}\"}}"
        ))
    };
    check("MET-24 counted", ["allowed", "refused", "overflow"].map(decided), [2, 1, 0]);
    check("MET-24 calls", counted("metrics::met_24"), "success 2, rate_limited 1");
}

#[rate_limited(1/s, burst = 1, key = who, max_keys = 2)]
async fn crowded(who: u32) -> Answer {
    assert!(who < 100);
    Ok(Reply::Good)
}

/// Each charge that finds no room for its key counts once, admitted or not.
#[tokio::test(start_paused = true)]
async fn keys_without_room_are_counted_once() {
    let mut out = Vec::new();
    for who in 0..5 {
        out.push(said(&crowded(who).await));
    }
    check("out", out.join(" "), "S S S Limited Limited");
    let decided = |it: &str| {
        metric(&format!(
            "hardening_rate_limit_decisions_total{{limiter=\"metrics::crowded\",decision=\"{it}\"}}"
        ))
    };
    check("counted", ["allowed", "refused", "overflow"].map(decided), [3, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn met_25_one_state_at_a_time() {
    let one_hot = || {
        let scrape = Scrape::now();
        let states = CircuitState::ALL.map(|state| {
            let series =
                format!("hardening_circuit_state{{circuit=\"metrics::met_25\",state=\"{}\"}}", state.name());
            (scrape.read(&series) == 1).then_some(state.name())
        });
        states.into_iter().flatten().collect::<Vec<_>>().join("+")
    };
    check("at first", one_hot(), "closed");
    check("two failures", calls(2, || met_25(Script::new("F"))).await, "F F");
    check("then", one_hot(), "open");
    pass(1000).await;
    check("its time over", one_hot(), "half_open");
    check("probed", (said(&met_25(Script::new("S")).await), one_hot()), ("S", "half_open".to_owned()));
    check("closed", (said(&met_25(Script::new("S")).await), one_hot()), ("S", "closed".to_owned()));
    for (by_hand, expected) in [
        (hardening::Circuit::force_open as fn(hardening::Circuit), "forced_open"),
        (hardening::Circuit::disable, "disabled"),
        (hardening::Circuit::metrics_only, "metrics_only"),
        (hardening::Circuit::automatic, "closed"),
    ] {
        by_hand(circuit("metrics::met_25"));
        check(expected, one_hot(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn met_27_attempts_and_one_call() {
    let name = "metrics::met_27";
    check("MET-27", said(&met_27(Script::new("F F S")).await), "S");
    check(
        "MET-27 attempts",
        (attempts(name, "failure"), attempts(name, "success"), retries(name)),
        (2, 1, 2),
    );
    check("MET-27 calls", metric(&format!("hardening_call_duration_seconds_count{{call=\"{name}\"}}")), 1);
}

#[tokio::test(start_paused = true)]
async fn met_28_cancellation_is_an_outcome_of_its_own() {
    let call = begin(met_28(Script::new("S(500)"))).await;
    check("MET-28 running", in_flight("metrics::met_28"), 1);
    cancel(call).await;
    check(
        "MET-28",
        (counted("metrics::met_28"), in_flight("metrics::met_28")),
        ("cancelled 1".to_owned(), 0),
    );
}

#[tokio::test(start_paused = true)]
async fn every_other_outcome_once() {
    check("deadline", said(&a_deadline(Script::new("S(500)")).await), "Deadline");
    check("deadline", counted("metrics::a_deadline"), "deadline_exceeded 1");
    check("panic", end(begin(a_panic(Script::new("P"))).await).await, "panic");
    check(
        "panic",
        (counted("metrics::a_panic"), in_flight("metrics::a_panic")),
        ("panicked 1".to_owned(), 0),
    );
    check("ignored", said(&ignored(Script::new("X")).await), "X");
    check("ignored", counted("metrics::ignored"), "ignored 1");
}

/// A call's duration is all of it, its waits included; buckets are cumulative and the sum is in seconds.
#[tokio::test(start_paused = true)]
async fn durations_are_those_of_whole_calls() {
    let below = |name: &str, bound: &str| {
        metric(&format!("hardening_call_duration_seconds_bucket{{call=\"{name}\",le=\"{bound}\"}}"))
    };
    check("two calls", calls(2, || durations(Script::new("S(20)"))).await, "S S");
    check("a timeout", said(&durations(Script::new("S(500)")).await), "Timeout");
    let name = "metrics::durations";
    check(
        "buckets",
        ["0.01", "0.025", "0.25", "0.5", "+Inf"].map(|bound| below(name, bound)),
        [0, 2, 2, 3, 3],
    );
    check("waited", calls(2, || waiting(Script::new("S"))).await, "S S");
    let name = "metrics::waiting";
    check("buckets", ["0.0005", "0.5", "1", "+Inf"].map(|bound| below(name, bound)), [1, 1, 2, 2]);
    check("sum", metric(&format!("hardening_call_duration_seconds_sum{{call=\"{name}\"}}")), 1);
}

/// What each family means stands once above its samples.
#[tokio::test(start_paused = true)]
async fn every_family_has_its_help_and_type() {
    let Scrape(text) = Scrape::now();
    let mut declared = Vec::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            declared.push(family.split(' ').next().unwrap());
        } else if !line.starts_with('#') {
            let family = *declared.last().expect("a sample before any family");
            assert!(line.starts_with(family), "{line} stands below {family}");
        }
    }
    let mut once = declared.clone();
    once.sort_unstable();
    once.dedup();
    check("families", once.len(), declared.len());
    check("help", text.matches("# HELP ").count(), declared.len());
}
