//! Backoff, and when to stop.

use std::thread;
use std::time::Duration;

use hardening::{deadline, retry};
use hardening_runtime::policy::retry::{Backoff, Next, Progress, Retry, Stop};
use hardening_spec::{DurationRange, Jitter, Ratio, RetrySpec};
use tokio::time::Instant;

use crate::support::{Error, MILLI, Nanos, SECOND, for_each_seed, ms};

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
        for (base, cap) in [(0, 0), (0, SECOND), (1, 1), (MILLI, MILLI), (MILLI, NEVER), (NEVER, NEVER)] {
            for random in [0.0, 0.5, almost_one] {
                for retry in [1, 2, 64, 5000, u32::MAX] {
                    let delay = backoff(base, cap, 2.0, jitter).delay(retry, base, random);
                    assert!(delay <= cap, "{jitter:?} {base}..{cap}: {delay}");
                }
            }
        }
    }
}

#[retry(attempts = 4000, backoff = 1s, budget = none, idempotent)]
async fn jittered(last: &mut Instant, waits: &mut Vec<f64>) -> Result<(), Error> {
    waits.push(last.elapsed().as_secs_f64());
    *last = Instant::now();
    Err(Error::Failed)
}

/// The waits of one client, whose thread's generator starts from `seed`.
fn waits_of_a_client(seed: u64) -> Vec<f64> {
    let client = thread::spawn(move || {
        fastrand::seed(seed);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (mut last, mut waits) = (Instant::now(), Vec::new());
            jittered(&mut last, &mut waits).await.unwrap_err();
            waits
        })
    });
    client.join().unwrap()[1..].to_vec()
}

fn correlation(left: &[f64], right: &[f64]) -> f64 {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (left_mean, right_mean) = (mean(left), mean(right));
    let product = |(l, r): (&f64, &f64)| (l - left_mean) * (r - right_mean);
    let spread =
        |values: &[f64], mean: f64| values.iter().map(|value| (value - mean).powi(2)).sum::<f64>().sqrt();
    left.iter().zip(right).map(product).sum::<f64>() / (spread(left, left_mean) * spread(right, right_mean))
}

#[test]
fn i_26_two_clients_do_not_wait_in_step() {
    let seeds = (0x5EED_CAFE_0123_4567, 0xB0B5_1ED0_89AB_CDEF);
    let (one, other) = (waits_of_a_client(seeds.0), waits_of_a_client(seeds.1));
    assert_eq!((one.len(), other.len()), (3999, 3999));
    let together = correlation(&one, &other);
    assert!(together.abs() < 0.06, "correlated by {together}");
    let mean = one.iter().sum::<f64>() / one.len() as f64;
    assert!((0.47..0.53).contains(&mean), "full jitter waits half of the delay on average, not {mean}");
    assert_eq!(one, waits_of_a_client(seeds.0), "a seed repeats its waits");
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
                        asked_for.is_none_or(|asked| asked == delay),
                        "asked for {asked_for:?}, waits {delay}"
                    );
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

#[deadline(1s)]
#[retry(attempts = 10, backoff = 10ms..500ms, budget = none, idempotent)]
async fn hurried(starts: &mut Vec<Duration>, begun: Instant, each: Duration) -> Result<(), Error> {
    starts.push(begun.elapsed());
    tokio::time::sleep(each).await;
    Err(Error::Failed)
}

#[tokio::test(start_paused = true)]
async fn i_27_no_call_outlasts_its_deadline() {
    let mut random = fastrand::Rng::with_seed(27);
    for _ in 0..300 {
        let (mut starts, begun) = (Vec::new(), Instant::now());
        let each = ms(random.u64(..1500));
        hurried(&mut starts, begun, each).await.unwrap_err();
        assert!(begun.elapsed() <= ms(1000), "{:?} with bodies of {each:?}", begun.elapsed());
        assert!(starts.len() <= 10 && starts.iter().all(|start| *start < ms(1000)), "{starts:?}");
    }
}
