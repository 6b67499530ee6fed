//! How long calls wait, and when they stop.

use std::thread;
use std::time::Duration;

use hardening::{deadline, retry};
use tokio::time::Instant;

use crate::support::{Error, ms};

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
