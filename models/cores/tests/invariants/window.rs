//! The breaker's windows against a naive recount.

use std::time::Duration;

use hardening_cores::policy::circuit_breaker::{Admission, CircuitBreaker, CircuitState, Permit, Verdict};
use hardening_spec::{CircuitBreakerSpec, DurationRange, Ratio, Window};

use super::support::{MILLI, Nanos, SECOND, for_each_seed};

/// Buckets of a time window.
const BUCKETS: u64 = 16;
const SLOW: Nanos = 50 * MILLI;

/// What only counts.
const COUNTING: CircuitBreakerSpec =
    CircuitBreakerSpec::DEFAULT.with_min_calls(u32::MAX).with_slow_call(Duration::from_nanos(SLOW));

fn counting(window: Window, origin: Nanos) -> CircuitBreaker {
    CircuitBreaker::new("counting", COUNTING.with_window(window), None, origin)
}

#[track_caller]
fn admitted(breaker: &CircuitBreaker, now: Nanos) -> Permit {
    match breaker.admit(now) {
        Admission::Admitted(permit) => permit,
        Admission::Refused { .. } => panic!("refused at {now}"),
    }
}

#[derive(Clone, Copy, Debug)]
struct Event {
    at: Nanos,
    failed: bool,
    slow: bool,
}

fn random_event(random: &mut fastrand::Rng, at: Nanos) -> Event {
    Event { at, failed: random.u8(..10) < 3, slow: random.u8(..10) < 2 }
}

fn record(breaker: &CircuitBreaker, event: Event) {
    let verdict = if event.failed { Verdict::Failure } else { Verdict::Success };
    let took = if event.slow { SLOW + event.at % 2 } else { SLOW - 1 };
    breaker.record(admitted(breaker, event.at), event.at, verdict, took);
}

fn recount<'e>(events: impl Iterator<Item = &'e Event>) -> (u64, u64, u64) {
    events.fold((0, 0, 0), |(calls, failed, slow), event| {
        (calls + 1, failed + u64::from(event.failed), slow + u64::from(event.slow))
    })
}

fn not_above(less: (u64, u64, u64), more: (u64, u64, u64)) -> bool {
    less.0 <= more.0 && less.1 <= more.1 && less.2 <= more.2
}

/// A step of time: mostly small, at times a whole bucket, now and then longer than the window.
fn step(random: &mut fastrand::Rng, width: Nanos) -> Nanos {
    match random.u8(..20) {
        0 => random.u64(..width * 40),
        1..4 => width * random.u64(..4),
        4..10 => 0,
        _ => random.u64(..=width / 2),
    }
}

#[test]
fn i_03_a_time_window_holds_what_is_younger_than_it_is_long() {
    for_each_seed(300, |random| {
        let bucket = random.u64(1..5) * 100 * MILLI;
        let (length, origin) = (bucket * BUCKETS, random.u64(..100 * SECOND));
        let breaker = counting(Window::Time(Duration::from_nanos(length)), origin);
        let (mut now, mut events) = (origin, Vec::new());
        for _ in 0..400 {
            now += step(random, bucket);
            if random.u8(..4) > 0 {
                let event = random_event(random, now);
                record(&breaker, event);
                events.push(event);
            }
            let held = breaker.window_counts(now);
            let epoch = |at: Nanos| (at - origin) / bucket;
            let exact = recount(events.iter().filter(|event| epoch(now) - epoch(event.at) < BUCKETS));
            assert_eq!(held, exact, "at {now}");
            let younger = |age: Nanos| recount(events.iter().filter(|event| now - event.at < age));
            assert!(not_above(younger(length - bucket), held), "young events are missing at {now}");
            assert!(not_above(held, younger(length + bucket)), "old events are held at {now}");
        }
    });
}

/// A clock read by another thread may be a little behind, and a suspended machine's far ahead.
#[test]
fn i_03_a_clock_that_stands_still_or_jumps_does_no_harm() {
    for window in
        [Window::secs(10), Window::nanos(1), Window::nanos(16), Window::Time(Duration::from_nanos(u64::MAX))]
    {
        let breaker = counting(window, 5 * SECOND);
        let failure = |at| Event { at, failed: true, slow: true };
        let mut most = 0;
        for at in [
            5 * SECOND,
            5 * SECOND,
            0,
            SECOND,
            6 * SECOND,
            5 * SECOND,
            u64::MAX / 2,
            u64::MAX - 1,
            u64::MAX,
            7,
        ] {
            record(&breaker, failure(at));
            most += 1;
            let (calls, failed, slow) = breaker.window_counts(at);
            assert!(calls <= most && failed <= calls && slow <= calls, "{window:?} at {at}");
            assert_eq!(breaker.state(at), CircuitState::Closed);
        }
    }
    let breaker = counting(Window::secs(16), 0);
    let at = |at| Event { at, failed: false, slow: false };
    record(&breaker, at(9 * SECOND + 1));
    record(&breaker, at(9 * SECOND - 1));
    record(&breaker, at(2 * SECOND));
    assert_eq!(
        breaker.window_counts(9 * SECOND + 2).0,
        3,
        "an event a little late is counted where it belongs"
    );
    record(&breaker, at(40 * SECOND));
    record(&breaker, at(9 * SECOND));
    assert_eq!(breaker.window_counts(40 * SECOND).0, 1, "an event that is older than the window is not");
}

/// Numbers stay in 16 bits; a bucket that is full keeps its shares.
#[test]
fn i_03_a_crowded_bucket_keeps_its_shares() {
    let breaker = counting(Window::secs(16), 0);
    for call in 0..200_000_u32 {
        record(&breaker, Event { at: 10, failed: call % 4 == 0, slow: call % 2 == 0 });
    }
    let (calls, failed, slow) = breaker.window_counts(10);
    assert!((30_000..70_000).contains(&calls), "{calls}");
    assert!(
        (failed * 4).abs_diff(calls) < 100 && (slow * 2).abs_diff(calls) < 100,
        "{failed} {slow} of {calls}"
    );
}

#[test]
fn i_09_a_count_window_equals_a_recount_of_the_last_calls() {
    for_each_seed(300, |random| {
        let length = random.u32(1..40);
        let breaker = counting(Window::Calls(length), 0);
        let mut events = Vec::new();
        for at in 0..200 {
            let event = random_event(random, at);
            record(&breaker, event);
            events.push(event);
            let last = events.iter().rev().take(length as usize);
            assert_eq!(breaker.window_counts(at), recount(last), "window of {length}");
        }
    });
}

/// However threads overtake each other, what they leave behind is what the slots hold.
#[test]
fn i_09_threads_leave_no_difference_behind() {
    for length in [1_u32, 2, 3, 7] {
        let breaker = counting(Window::Calls(length), 0);
        std::thread::scope(|threads| {
            for thread in 0..4 {
                let breaker = &breaker;
                threads.spawn(move || {
                    let mut random = fastrand::Rng::with_seed(thread);
                    for at in 0..20_000 {
                        record(breaker, random_event(&mut random, at));
                        let (calls, failed, slow) = breaker.window_counts(at);
                        assert!(calls.max(failed).max(slow) <= u64::from(length), "{calls} {failed} {slow}");
                    }
                });
            }
        });
        for at in 0..length {
            record(&breaker, Event { at: at.into(), failed: false, slow: false });
        }
        assert_eq!(breaker.window_counts(1), (length.into(), 0, 0), "window of {length}");
    }
}

/// The moment at which the naive rule opens a circuit, as the number of the event.
fn naively_opens(
    events: &[Event],
    held: impl Fn(usize) -> Vec<Event>,
    min_calls: u64,
    share: u64,
) -> Option<usize> {
    (0..events.len()).find(|at| {
        let (calls, failed, _) = recount(held(*at).iter());
        calls >= min_calls && failed * 100 >= calls * share
    })
}

#[test]
fn i_10_no_circuit_opens_before_min_calls_and_none_later_than_its_share() {
    for_each_seed(500, |random| {
        let (length, share) = (random.u32(2..30), random.u32(1..=100));
        let min_calls = random.u32(1..=length);
        let spec = CircuitBreakerSpec::DEFAULT
            .with_window(Window::Calls(length))
            .with_min_calls(min_calls)
            .with_failure_rate(Ratio::percent(share));
        let breaker = CircuitBreaker::new("judged", spec, None, 0);
        let events: Vec<_> = (0..100).map(|at| Event { slow: false, ..random_event(random, at) }).collect();
        let held = |at: usize| events[..=at].iter().rev().take(length as usize).copied().collect();
        let expected = naively_opens(&events, held, min_calls.into(), share.into());
        let opened = events.iter().position(|event| {
            record(&breaker, *event);
            breaker.state(event.at) == CircuitState::Open
        });
        assert_eq!(opened, expected, "{length} calls, {min_calls} at least, {share} %");
    });
}

#[test]
fn i_11_what_has_left_a_time_window_decides_nothing() {
    for_each_seed(500, |random| {
        let bucket = random.u64(1..5) * 100 * MILLI;
        let (share, min_calls) = (random.u32(30..=100), random.u32(1..15));
        let spec = CircuitBreakerSpec::DEFAULT
            .with_window(Window::Time(Duration::from_nanos(bucket * BUCKETS)))
            .with_min_calls(min_calls)
            .with_failure_rate(Ratio::percent(share));
        let breaker = CircuitBreaker::new("judged", spec, None, 0);
        let (mut now, mut events) = (0, Vec::new());
        for _ in 0..100 {
            now += step(random, bucket);
            events.push(Event { slow: false, ..random_event(random, now) });
        }
        let epoch = |event: &Event| event.at / bucket;
        let held = |at: usize| {
            let young = |event: &&Event| epoch(&events[at]) - epoch(event) < BUCKETS;
            events[..=at].iter().filter(young).copied().collect()
        };
        let expected = naively_opens(&events, held, min_calls.into(), share.into());
        let opened = events.iter().position(|event| {
            record(&breaker, *event);
            breaker.state(event.at) == CircuitState::Open
        });
        assert_eq!(opened, expected, "{min_calls} at least, {share} %");
    });
}

#[test]
fn i_12_a_slow_failure_is_one_call() {
    for window in [Window::secs(10), Window::Calls(10)] {
        let breaker = counting(window, 0);
        record(&breaker, Event { at: 1, failed: true, slow: true });
        record(&breaker, Event { at: 2, failed: false, slow: true });
        record(&breaker, Event { at: 3, failed: true, slow: false });
        breaker.record(admitted(&breaker, 4), 4, Verdict::Neither, SLOW);
        assert_eq!(breaker.window_counts(5), (3, 2, 2), "{window:?}");
    }
}

/// What is left or cut is slow by its time, and neither a failure nor a success.
#[test]
fn i_12_a_call_that_did_not_end_is_slow_or_nothing() {
    for window in [Window::secs(10), Window::Calls(10)] {
        let spec = COUNTING.with_window(window).with_consecutive(2).with_open_for(DurationRange::secs(1, 1));
        let breaker =
            CircuitBreaker::new("left", CircuitBreakerSpec { timeouts_count: false, ..spec }, None, 0);
        let left = |began, took| {
            breaker.record(admitted(&breaker, began), began + took, Verdict::Unfinished, took);
            breaker.window_counts(began + took)
        };
        assert_eq!(left(0, SLOW - 1), (0, 0, 0), "{window:?}");
        record(&breaker, Event { at: 0, failed: true, slow: false });
        assert_eq!(left(0, SLOW), (2, 1, 1), "{window:?}");
        record(&breaker, Event { at: SLOW, failed: true, slow: false });
        assert_eq!(breaker.state(SLOW), CircuitState::Open, "the second failure in a row");
        // Half-open, a slow one has failed when it became slow, and one that is not gives its place back.
        let probed = SLOW + SECOND;
        for took in [SLOW - 1, SLOW] {
            left(probed, took);
            let state = if took < SLOW { CircuitState::HalfOpen } else { CircuitState::Open };
            assert_eq!(breaker.state(probed + took), state, "{took}");
        }
        left(probed + SLOW + SECOND, 3 * SLOW);
        let open = Admission::Refused { retry_after: SECOND - 2 * SLOW };
        assert_eq!(breaker.admit(probed + SLOW + SECOND + 3 * SLOW), open);
    }
}

/// Settings may give the same window again, which is no other one.
#[test]
fn another_window_begins_with_nothing_and_the_same_one_goes_on() {
    let windows =
        [Window::secs(16), Window::secs(160), Window::Calls(5), Window::Calls(9), Window::Calls(100)];
    for from in windows {
        for to in windows {
            let breaker = counting(from, 0);
            let tune = |window| breaker.tune(&CircuitBreakerSpec { window, ..COUNTING }, None);
            let failure = |at| record(&breaker, Event { at, failed: true, slow: false });
            (0..4).for_each(failure);
            tune(to);
            let kept = if from == to { 4 } else { 0 };
            assert_eq!(breaker.window_counts(4), (kept, kept, 0), "{from:?}, then {to:?}");
            (4..124).for_each(failure);
            let held = |now| breaker.window_counts(now).0;
            let (full, later) = match to {
                Window::Calls(calls) => (calls.into(), calls.into()),
                Window::Time(_) => (kept + 120, if to == Window::secs(16) { 0 } else { kept + 120 }),
            };
            assert_eq!((held(124), held(100 * SECOND)), (full, later), "{from:?}, then {to:?}");
            tune(from);
            tune(to);
            assert_eq!(held(124), if from == to { full } else { 0 }, "{to:?}, {from:?}, and {to:?} again");
        }
    }
}

/// A failure decides for as long as it is held, to the last moment.
#[test]
fn i_11_a_success_may_open_a_circuit_as_long_as_failures_are_held() {
    for (later, state) in [
        (15 * SECOND, CircuitState::Open),
        (16 * SECOND - 1, CircuitState::Open),
        (16 * SECOND, CircuitState::Closed),
    ] {
        let spec = CircuitBreakerSpec::DEFAULT.with_window(Window::secs(16)).with_min_calls(10);
        let breaker = CircuitBreaker::new("judged", spec, None, 0);
        (0..5).for_each(|_| record(&breaker, Event { at: 0, failed: true, slow: false }));
        (0..5).for_each(|_| record(&breaker, Event { at: later, failed: false, slow: false }));
        assert_eq!(breaker.state(later), state, "at {later}");
    }
}

/// What is late by a lap would share its bucket with what is new.
#[test]
fn i_03_an_event_that_comes_a_lap_late_takes_nothing_away() {
    let breaker = counting(Window::secs(16), 0);
    let at = |at| record(&breaker, Event { at, failed: false, slow: false });
    (0..3).for_each(|_| at(40 * SECOND));
    for lap in [8, 24] {
        at(lap * SECOND);
        assert_eq!(breaker.window_counts(40 * SECOND).0, 3, "late at {lap} s");
    }
    at(25 * SECOND);
    assert_eq!(breaker.window_counts(40 * SECOND).0, 4, "the oldest bucket is still there");
}

/// The marks of buckets come again after 256 laps; what they marked then is gone by that time.
#[test]
fn i_03_what_is_many_laps_old_is_not_taken_for_new() {
    for steps in [vec![4096 + 2], vec![15, 4096 + 2], (8..=4096 + 8).step_by(8).collect()] {
        let breaker = counting(Window::secs(16), 0);
        let record = |at, failed| record(&breaker, Event { at: at * SECOND, failed, slow: failed });
        for at in [0, 1, 2, 5] {
            record(at, true);
        }
        for at in &steps {
            record(*at, false);
        }
        let last = steps[steps.len() - 1];
        let young = steps.iter().filter(|at| last - **at < BUCKETS).count() as u64;
        assert_eq!(breaker.window_counts(last * SECOND), (young, 0, 0), "{} steps", steps.len());
    }
}

/// A length that the numbers of a window cannot hold.
#[test]
fn i_09_a_count_window_is_never_longer_than_it_can_count() {
    for length in [65_535, 65_536, 1_000_000, u32::MAX] {
        let breaker = counting(Window::Calls(length), 0);
        (0..65_600).for_each(|at| record(&breaker, Event { at, failed: at < 100, slow: false }));
        assert_eq!(breaker.window_counts(0), (65_535, 35, 0), "{length}");
    }
}
