//! Backoff, and when to stop.

use std::time::Duration;

use hardening_cores::policy::retry::{Backoff, Next, Progress, Retry, Stop};
use hardening_spec::{DurationRange, Jitter, Ratio, RetrySpec};

use super::support::{MILLI, Nanos, SECOND, for_each_seed};

const NEVER: Nanos = Nanos::MAX;
const JITTERS: [Jitter; 4] = [Jitter::Full, Jitter::Equal, Jitter::Decorrelated, Jitter::None];

fn backoff(from: Nanos, to: Nanos, factor: f64, jitter: Jitter) -> Backoff {
    let range = DurationRange::new(Duration::from_nanos(from), Duration::from_nanos(to));
    Backoff::new(&RetrySpec::DEFAULT.with_backoff(range).with_factor(factor).with_jitter(jitter))
}

/// The delay without jitter, counted up step by step.
fn grown(base: Nanos, cap: Nanos, factor: f64, retry: u32) -> f64 {
    let mut delay = base as f64;
    for _ in 1..retry {
        if delay >= cap as f64 || delay == 0.0 || factor <= 1.0 {
            break;
        }
        delay *= factor;
    }
    delay.min(cap as f64)
}

#[test]
fn i_25_delays_stay_within_their_bounds_for_every_number_of_retries() {
    for_each_seed(500, |random| {
        let base = if random.u8(..10) == 0 { 0 } else { random.u64(..SECOND) };
        let cap = base + random.u64(..100 * SECOND);
        let factor = [1.0, 1.5, 2.0, 10.0, 1e30][random.usize(..5)];
        for jitter in JITTERS {
            let backoff = backoff(base, cap, factor, jitter);
            let mut last = 0;
            let far = [100, 1023, 1024, 1025, 1100, 100_000, u32::MAX - 1, u32::MAX];
            for retry in (1..20).chain(far) {
                let delay = backoff.delay(retry, last, random.f64());
                let whole = grown(base, cap, factor, retry);
                // One part in a thousand million for the way through floating point.
                let (least, most) = match jitter {
                    Jitter::None => (whole, whole),
                    Jitter::Full => (0.0, whole),
                    Jitter::Equal => (whole / 2.0, whole),
                    Jitter::Decorrelated => (base as f64, cap as f64),
                };
                let (least, most) = (least * (1.0 - 1e-9) - 1.0, most * (1.0 + 1e-9) + 1.0);
                assert!(
                    (least..=most).contains(&(delay as f64)) && delay <= cap,
                    "{jitter:?} {base}..{cap} x{factor}: {delay} before retry {retry}, not in {least}..={most}"
                );
                last = delay;
            }
        }
    });
}

#[test]
fn i_25_the_ends_of_the_range_of_random_numbers_are_in_bounds_too() {
    let almost_one = 1.0 - f64::EPSILON;
    for jitter in JITTERS {
        // The last one's end is not a number of floating point.
        for (base, cap) in [
            (0, 0),
            (0, SECOND),
            (1, 1),
            (MILLI, MILLI),
            (MILLI, NEVER),
            (NEVER, NEVER),
            (1 << 59, (1 << 60) - 1),
        ] {
            for random in [0.0, 0.5, almost_one] {
                for retry in [1, 2, 64, 5000, u32::MAX] {
                    let delay = backoff(base, cap, 2.0, jitter).delay(retry, base, random);
                    assert!(delay <= cap, "{jitter:?} {base}..{cap}: {delay}");
                }
            }
        }
    }
}

#[test]
fn i_27_attempts_and_time_are_never_exceeded() {
    for_each_seed(1000, |random| {
        let attempts = random.u32(1..8);
        let max_duration = random.bool().then(|| Duration::from_nanos(random.u64(1..20 * SECOND)));
        let spec = RetrySpec {
            attempts,
            backoff: DurationRange::millis(random.u64(..50), 50 + random.u64(..5000)),
            jitter: JITTERS[random.usize(..4)],
            budget: random.bool().then(|| Ratio::percent(20)),
            max_duration,
            ..RetrySpec::DEFAULT
        };
        let retry = Retry::new(&spec, 0);
        let started = random.u64(..SECOND);
        let deadline = if random.bool() { started + random.u64(1..10 * SECOND) } else { NEVER };
        let (mut now, mut made, mut last_delay) = (started, 0, 0);
        loop {
            made += 1;
            assert!(made <= attempts && now < deadline, "attempt {made} of {attempts} at {now}");
            assert!(
                max_duration
                    .is_none_or(|most| made == 1 || now - started < u64::try_from(most.as_nanos()).unwrap())
            );
            now += random.u64(..SECOND);
            let asked_for = (random.u8(..5) == 0).then(|| random.u64(..3 * SECOND));
            let progress = Progress { attempts: made, started, now, deadline, last_delay, asked_for };
            match retry.next(progress, random.f64()) {
                Next::After(delay) => {
                    assert!(
                        asked_for.is_none_or(|asked| asked <= delay && delay <= asked + 5050 * MILLI),
                        "asked for {asked_for:?}, waits {delay}"
                    );
                    assert!(now + delay < deadline, "{delay} reaches the deadline");
                    (now, last_delay) = (now + delay, delay);
                }
                Next::Stop(why) => {
                    assert!(why != Stop::NotRetryable);
                    assert!(why != Stop::Attempts || made == attempts);
                    break;
                }
            }
        }
    });
}

#[test]
fn i_25_each_jitter_is_spread_as_it_is_written() {
    let (base, cap) = (100 * MILLI, 2 * SECOND);
    for (jitter, retry, last, random, wanted) in [
        (Jitter::None, 1, 0, 0.3, 100),
        (Jitter::None, 2, 0, 0.3, 300),
        (Jitter::None, 3, 0, 0.3, 900),
        (Jitter::None, 4, 0, 0.3, 2000),
        (Jitter::Full, 1, 0, 0.0, 0),
        (Jitter::Full, 1, 0, 0.25, 25),
        (Jitter::Full, 3, 0, 0.5, 450),
        (Jitter::Equal, 1, 0, 0.0, 50),
        (Jitter::Equal, 1, 0, 0.5, 75),
        (Jitter::Equal, 3, 0, 0.25, 562),
        (Jitter::Decorrelated, 1, 0, 0.0, 100),
        (Jitter::Decorrelated, 1, 0, 0.5, 200),
        (Jitter::Decorrelated, 9, 200, 0.25, 225),
        (Jitter::Decorrelated, 9, 200, 0.75, 475),
        (Jitter::Decorrelated, 9, 10, 0.5, 100),
        (Jitter::Decorrelated, 9, 2000, 0.9, 2000),
    ] {
        let delay = backoff(base, cap, 3.0, jitter).delay(retry, last * MILLI, random) / MILLI;
        assert_eq!(delay, wanted, "{jitter:?} before retry {retry} after {last} ms at {random}");
    }
    // A range of one duration does not grow, nothing stays nothing.
    assert_eq!(backoff(base, base, 3.0, Jitter::None).delay(5, 0, 0.0), base);
    assert_eq!(backoff(0, cap, f64::INFINITY, Jitter::None).delay(5, 0, 0.0), 0);
    assert_eq!(backoff(base, cap, f64::INFINITY, Jitter::None).delay(1, 0, 0.0), base);
}

#[test]
fn what_the_other_side_asks_for_is_spread_by_the_backoff_s_own_delay() {
    for jitter in JITTERS {
        let backoff = backoff(SECOND, 10 * SECOND, 2.0, jitter);
        let spread =
            [(1, 0.0), (1, 0.5), (3, 0.25), (9, 0.5)].map(|(retry, random)| backoff.spread(retry, random));
        let expected = if jitter == Jitter::None { [0; 4] } else { [0, SECOND / 2, SECOND, 5 * SECOND] };
        assert_eq!(spread, expected, "{jitter:?}");
    }
}

fn failed(attempts: u32, now: Nanos) -> Progress {
    Progress { attempts, started: 0, now, deadline: NEVER, last_delay: 0, asked_for: None }
}

fn fixed(attempts: u32, budget: Option<Ratio>) -> RetrySpec {
    RetrySpec {
        attempts,
        backoff: DurationRange::millis(100, 100),
        jitter: Jitter::None,
        budget,
        max_duration: None,
        ..RetrySpec::DEFAULT
    }
}

#[test]
fn i_27_why_a_call_is_not_repeated_is_told() {
    let timed = RetrySpec { max_duration: Some(Duration::from_secs(1)), ..fixed(3, None) };
    let retry = Retry::new(&timed, 0);
    let next = |progress| retry.next(progress, 0.5);
    assert_eq!(next(failed(1, 0)), Next::After(100 * MILLI));
    assert_eq!(next(failed(2, 899 * MILLI)), Next::After(100 * MILLI));
    assert_eq!(next(failed(2, 900 * MILLI)), Next::Stop(Stop::Time), "the next one would begin with the end");
    assert_eq!(next(failed(3, 0)), Next::Stop(Stop::Attempts));
    let bounded = |deadline| Progress { deadline, ..failed(1, 0) };
    assert_eq!(next(bounded(100 * MILLI)), Next::Stop(Stop::Time));
    assert_eq!(next(bounded(100 * MILLI + 1)), Next::After(100 * MILLI));
    assert_eq!(next(Progress { asked_for: Some(7), ..failed(1, 0) }), Next::After(7));
    retry.tune(None);
    assert_eq!(next(failed(1, 0)), Next::Stop(Stop::Attempts), "switched off");
    retry.tune(Some(&fixed(9, None)));
    assert_eq!(next(failed(8, 50 * SECOND)), Next::After(100 * MILLI));
}

#[test]
fn a_retry_never_comes_earlier_than_the_other_side_asks_and_jitter_only_adds() {
    for_each_seed(500, |random| {
        let jitter = JITTERS[random.usize(..4)];
        let most = random.u64(1..200) * SECOND;
        let spec = RetrySpec {
            attempts: 9,
            jitter,
            max_retry_after: Duration::from_nanos(most),
            budget: None,
            ..RetrySpec::DEFAULT
        };
        let retry = Retry::new(&spec, 0);
        let asked = random.u64(..300 * SECOND);
        let (attempts, deadline) = (random.u32(1..9), random.u64(..400 * SECOND));
        let progress = Progress { deadline, asked_for: Some(asked), ..failed(attempts, 0) };
        let plain = backoff(50 * MILLI, 2 * SECOND, 2.0, Jitter::None).delay(attempts, 0, 0.0);
        match retry.next(progress, random.f64()) {
            Next::Stop(why) if asked > most => assert_eq!(why, Stop::AskedForTooMuch),
            Next::Stop(why) => assert!(why == Stop::Time && asked >= deadline, "{why:?}"),
            Next::After(delay) => {
                assert!(asked <= most && delay >= asked && delay < deadline, "{asked}: {delay}");
                assert!(delay - asked <= if jitter == Jitter::None { 0 } else { plain }, "{asked}: {delay}");
            }
        }
    });
    let retry = Retry::new(&RetrySpec { budget: None, ..RetrySpec::DEFAULT }, 0);
    let asks = |asked| retry.next(Progress { asked_for: Some(asked), ..failed(1, 0) }, 0.0);
    assert_eq!(asks(60 * SECOND), Next::After(60 * SECOND), "the cap itself is not beyond it");
    assert_eq!(asks(60 * SECOND + 1), Next::Stop(Stop::AskedForTooMuch));
    assert_eq!(asks(NEVER), Next::Stop(Stop::AskedForTooMuch));
}

#[test]
fn i_28_a_budget_is_looked_at_before_the_delay_and_nothing_is_taken() {
    let retry = Retry::new(&fixed(2, Some(Ratio::percent(50))), 0);
    (0..20).for_each(|_| retry.deposit(0));
    assert_eq!(retry.budget().left(0), Some(40), "half of the calls, and the reserve");
    for _ in 0..100 {
        assert_eq!(retry.next(failed(2, 0), 0.5), Next::Stop(Stop::Attempts));
        assert_eq!(retry.next(Progress { deadline: 1, ..failed(1, 0) }, 0.5), Next::Stop(Stop::Time));
        assert_eq!(retry.next(failed(1, 0), 0.5), Next::After(100 * MILLI));
    }
    assert_eq!(retry.budget().left(0), Some(40));
    for left in (0..40).rev() {
        assert!(retry.budget().withdraw(0));
        assert_eq!(retry.budget().left(0), Some(left));
    }
    assert_eq!(retry.next(failed(1, 0), 0.5), Next::Stop(Stop::Budget));
}
