//! The breaker's state machine.

use std::sync::Barrier;
use std::time::Duration;

use hardening_cores::policy::circuit_breaker::{Admission, CircuitBreaker, CircuitState, Permit, Verdict};
use hardening_spec::{CircuitBreakerSpec, DurationRange, Ratio, Window};

use super::breaker_model::{Model, Rules};
use super::support::{MILLI, Nanos, SECOND, for_each_seed};

fn random_rules(random: &mut fastrand::Rng) -> Rules {
    let window = random.usize(1..12);
    Rules {
        window,
        min_calls: random.usize(1..=window),
        failure_rate: random.usize(1..=100),
        consecutive: random.bool().then(|| random.u32(2..6)),
        open_for: random.u64(1..50) * MILLI,
        probes: random.usize(1..5),
        probe_timeout: random.u64(1..100) * MILLI,
    }
}

fn breaker(rules: Rules) -> CircuitBreaker {
    let count = |count: usize| u32::try_from(count).unwrap();
    let spec = CircuitBreakerSpec {
        failure_rate: Ratio::percent(count(rules.failure_rate)),
        window: Window::Calls(count(rules.window)),
        min_calls: count(rules.min_calls),
        consecutive: rules.consecutive,
        open_for: DurationRange::constant(Duration::from_nanos(rules.open_for)),
        probes: count(rules.probes),
        probe_timeout: Some(Duration::from_nanos(rules.probe_timeout)),
        ..CircuitBreakerSpec::DEFAULT
    };
    CircuitBreaker::new("modelled", spec, None, 0)
}

fn random_verdict(random: &mut fastrand::Rng) -> Verdict {
    match random.u8(..10) {
        0..4 => Verdict::Success,
        4..8 => Verdict::Failure,
        8 => Verdict::Neither,
        _ => Verdict::Unfinished,
    }
}

fn random_step(random: &mut fastrand::Rng) -> Nanos {
    if random.u8(..6) == 0 { random.u64(..120 * MILLI) } else { random.u64(..3 * MILLI) }
}

/// One attempt in hand.
struct Held {
    permit: Permit,
    generation: u32,
    half_open: bool,
    began: Nanos,
}

/// Drives both through the same random life; `after` looks at each step.
fn compared(random: &mut fastrand::Rng, after: impl Fn(&CircuitBreaker, &Model, &[Held], Nanos, Rules)) {
    let rules = random_rules(random);
    let (breaker, mut model, mut held, mut now) = (breaker(rules), Model::new(rules), Vec::new(), 0);
    for _ in 0..300 {
        now += random_step(random);
        if held.is_empty() || random.u8(..5) < 2 {
            let said = match breaker.admit(now) {
                Admission::Admitted(permit) => Ok(permit),
                Admission::Refused { retry_after } => Err(retry_after),
            };
            let expected = model.admit(now);
            assert_eq!(said.is_ok(), expected.is_ok(), "at {now}: {said:?}, and the model {expected:?}");
            match (said, expected) {
                (Ok(permit), Ok(generation)) => {
                    let half_open = model.state(now) == CircuitState::HalfOpen;
                    held.push(Held { permit, generation, half_open, began: now });
                }
                (said, expected) => assert_eq!(said.err(), expected.err(), "at {now}"),
            }
        } else {
            let Held { permit, generation, began, .. } = held.swap_remove(random.usize(..held.len()));
            let verdict = random_verdict(random);
            breaker.record(permit, now, verdict, now - began);
            model.record(generation, began, now, verdict);
        }
        // A look is enough for what time brings about.
        model.catch_up(now);
        assert_eq!(breaker.state(now), model.state(now), "at {now}");
        after(&breaker, &model, &held, now, rules);
    }
}

#[test]
fn i_04_no_more_than_the_probes_are_in_flight_half_open() {
    for_each_seed(1000, |random| {
        compared(random, |_, model, held, now, rules| {
            let current = |held: &&Held| held.half_open && held.generation == model.generation;
            let probing = held.iter().filter(current).count();
            let overdue = model.state(now) != CircuitState::HalfOpen;
            assert!(probing <= rules.probes || overdue, "{probing} of {}", rules.probes);
        });
    });
}

/// The period ends for eight threads at once.
#[test]
fn i_04_simultaneous_calls_get_no_more_than_the_probes() {
    for round in 0..200_u32 {
        let probes = round % 4 + 1;
        let spec = CircuitBreakerSpec::DEFAULT
            .with_consecutive(1)
            .with_open_for(DurationRange::secs(1, 1))
            .with_probes(probes);
        let breaker = CircuitBreaker::new("raced", spec, None, 0);
        let Admission::Admitted(permit) = breaker.admit(0) else { panic!("closed and refused") };
        breaker.record(permit, 0, Verdict::Failure, 0);
        let together = Barrier::new(8);
        let admitted = std::thread::scope(|threads| {
            let call = || {
                together.wait();
                matches!(breaker.admit(SECOND), Admission::Admitted(_))
            };
            let calls: Vec<_> = (0..8).map(|_| threads.spawn(call)).collect();
            calls.into_iter().map(|call| u32::from(call.join().unwrap())).sum::<u32>()
        });
        assert_eq!(admitted, probes, "round {round}");
        let events = breaker.transition_count(CircuitState::Open, CircuitState::HalfOpen);
        assert_eq!(events, 1, "round {round}");
    }
}

/// The model forgets results of other generations; that both stay equal is the invariant.
#[test]
fn i_05_results_of_another_generation_change_nothing() {
    for_each_seed(1000, |random| compared(random, |_, _, _, _, _| {}));
    let spec = CircuitBreakerSpec::DEFAULT.with_consecutive(1).with_open_for(DurationRange::secs(1, 1));
    let breaker = CircuitBreaker::new("late", spec, None, 0);
    let admit = |now| match breaker.admit(now) {
        Admission::Admitted(permit) => permit,
        Admission::Refused { .. } => panic!("refused at {now}"),
    };
    let early = [admit(0), admit(0), admit(0)];
    breaker.record(early[0], 0, Verdict::Failure, 0);
    let probe = admit(SECOND);
    breaker.record(early[1], SECOND, Verdict::Failure, 0);
    breaker.record(early[2], SECOND, Verdict::Success, 0);
    assert_eq!(breaker.state(SECOND), CircuitState::HalfOpen);
    for _ in 0..2 {
        let other = admit(SECOND);
        breaker.record(other, SECOND, Verdict::Success, 0);
    }
    breaker.record(probe, SECOND, Verdict::Success, 0);
    assert_eq!((breaker.state(SECOND), breaker.window_counts(SECOND)), (CircuitState::Closed, (0, 0, 0)));
}

#[test]
fn i_06_each_change_of_state_is_one_event_and_none_is_illegal() {
    let legal = [
        (CircuitState::Closed, CircuitState::Open),
        (CircuitState::Open, CircuitState::HalfOpen),
        (CircuitState::HalfOpen, CircuitState::Open),
        (CircuitState::HalfOpen, CircuitState::Closed),
    ];
    for_each_seed(500, |random| {
        compared(random, |breaker, model, _, _, _| {
            for from in CircuitState::ALL {
                for to in CircuitState::ALL {
                    let happened = breaker.transition_count(from, to);
                    let expected = model.changes.iter().filter(|change| **change == (from, to)).count();
                    assert_eq!(happened, expected as u64, "{from:?} to {to:?}");
                    assert!(happened == 0 || legal.contains(&(from, to)), "{from:?} to {to:?}");
                }
            }
        });
    });
}

#[test]
fn i_07_an_open_circuit_admits_nothing_for_exactly_its_period() {
    for_each_seed(200, |random| {
        let period = random.u64(1..10 * SECOND);
        let spec = CircuitBreakerSpec::DEFAULT
            .with_consecutive(1)
            .with_open_for(DurationRange::constant(Duration::from_nanos(period)));
        let breaker = CircuitBreaker::new("exact", spec, None, 0);
        let opened = random.u64(..SECOND);
        let Admission::Admitted(permit) = breaker.admit(opened) else { panic!("closed and refused") };
        breaker.record(permit, opened, Verdict::Failure, 0);
        for _ in 0..20 {
            let passed = random.u64(..period);
            let refused = Admission::Refused { retry_after: period - passed };
            assert_eq!(breaker.admit(opened + passed), refused);
        }
        assert_eq!(breaker.admit(opened + period - 1), Admission::Refused { retry_after: 1 });
        assert!(matches!(breaker.admit(opened + period), Admission::Admitted(_)));
    });
}

#[test]
fn i_07_a_shorter_period_counts_at_once_and_a_longer_one_from_the_next_opening_on() {
    for_each_seed(200, |random| {
        let spec = |period| {
            let open_for = DurationRange::constant(Duration::from_nanos(period));
            CircuitBreakerSpec::DEFAULT.with_consecutive(1).with_open_for(open_for)
        };
        let (first, second) = (random.u64(1..10 * SECOND), random.u64(1..10 * SECOND));
        let breaker = CircuitBreaker::new("tuned", spec(first), None, 0);
        let opened = random.u64(..SECOND);
        let Admission::Admitted(permit) = breaker.admit(opened) else { panic!("closed and refused") };
        breaker.record(permit, opened, Verdict::Failure, 0);
        breaker.tune(&spec(second), None);
        let ends = opened + first.min(second);
        assert_eq!(breaker.admit(ends - 1), Admission::Refused { retry_after: 1 });
        assert_eq!(breaker.state(ends - 1), CircuitState::Open);
        assert_eq!(breaker.state(ends), CircuitState::HalfOpen);
        assert!(matches!(breaker.admit(ends), Admission::Admitted(_)));
    });
}

/// The period doubles from opening to opening, spread by a fifth within what is written, and starts anew once the circuit has closed.
#[test]
fn i_07_the_period_grows_with_each_opening_in_a_row() {
    for seed in 0..50 {
        fastrand::seed(seed);
        let spec = CircuitBreakerSpec::DEFAULT
            .with_consecutive(1)
            .with_probes(1)
            .with_open_for(DurationRange::secs(1, 10));
        let breaker = CircuitBreaker::new("growing", spec, None, 0);
        let mut now = 0;
        for middle in [1, 2, 4, 8, 10, 10, 10] {
            let Admission::Admitted(permit) = breaker.admit(now) else { panic!("refused at {now}") };
            breaker.record(permit, now, Verdict::Failure, 0);
            let Admission::Refused { retry_after } = breaker.admit(now) else { panic!("open and admitted") };
            let range = (middle * SECOND * 8 / 10).max(SECOND)..=(middle * SECOND * 12 / 10).min(10 * SECOND);
            assert!(range.contains(&retry_after), "{retry_after} around {middle} s");
            now += retry_after;
        }
        let Admission::Admitted(permit) = breaker.admit(now) else { panic!("refused at {now}") };
        breaker.record(permit, now, Verdict::Success, 0);
        let Admission::Admitted(permit) = breaker.admit(now) else { panic!("refused at {now}") };
        breaker.record(permit, now, Verdict::Failure, 0);
        let Admission::Refused { retry_after } = breaker.admit(now) else { panic!("open and admitted") };
        assert!(retry_after <= SECOND * 12 / 10, "{retry_after} after a success");
    }
}
