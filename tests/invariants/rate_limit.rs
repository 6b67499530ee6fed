//! Callers that wait for a limit.

use std::sync::Mutex;

use hardening::rate_limited;
use hardening_spec::Rate;
use tokio::time::Instant;

use crate::support::{Error, MILLI, Nanos, ms};

/// Admitted charges, each with its moment.
type Admitted = Vec<(Nanos, u64)>;

/// No closed window holds more than the burst and what flows through in its time, when what is admitted runs up to `late`
/// after it was.
#[track_caller]
fn bounded_late(admitted: &[(Nanos, u64)], burst: u64, rate: Rate, late: Nanos) {
    let emission = u64::try_from(rate.per.as_nanos().div_ceil(rate.count.into())).unwrap();
    for (first, (begin, _)) in admitted.iter().enumerate() {
        let mut sum = 0;
        for (end, cost) in &admitted[first..] {
            sum += cost;
            let most = burst + (end - begin + late) / emission;
            assert!(sum <= most, "{sum} units from {begin} to {end}, {most} at most");
        }
    }
}

#[rate_limited(1/10ms, burst = 3, wait = 200ms)]
async fn in_line(ran: &Mutex<Admitted>, begun: Instant) -> Result<(), Error> {
    let now = u64::try_from(begun.elapsed().as_nanos()).unwrap();
    ran.lock().unwrap().push((now, 1));
    Ok(())
}

#[rate_limited(1/10ms, burst = 3, wait = 200ms)]
#[rate_limited(1/35ms, burst = 2, wait = 200ms, key = begun)]
async fn in_two_lines(ran: &Mutex<Admitted>, begun: Instant) -> Result<(), Error> {
    let now = u64::try_from(begun.elapsed().as_nanos()).unwrap();
    ran.lock().unwrap().push((now, 1));
    Ok(())
}

/// Callers come in groups, wait, and give up at random: those that run still keep the bound. Answers how many did.
async fn with_quitters(
    call: impl AsyncFn(&Mutex<Admitted>, Instant) -> Result<(), Error>,
    bounds: &[(u64, Rate)],
    late: Nanos,
    seed: u64,
) -> usize {
    let mut random = fastrand::Rng::with_seed(seed);
    let (ran, begun) = (Mutex::new(Admitted::new()), Instant::now());
    for _ in 0..20 {
        let group = async {
            let quits: Vec<_> = (0..random.u64(1..12)).map(|_| ms(random.u64(1..250))).collect();
            let calls = quits.into_iter().map(|patience| tokio::time::timeout(patience, call(&ran, begun)));
            let mut calls: Vec<_> = calls.map(Box::pin).collect();
            let pause = tokio::time::sleep(ms(random.u64(1..120)));
            tokio::pin!(pause);
            // All together, until the pause is over: what still waits then gives up too.
            std::future::poll_fn(|cx| {
                calls.retain_mut(|call| call.as_mut().poll(cx).is_pending());
                pause.as_mut().poll(cx)
            })
            .await;
        };
        group.await;
    }
    let ran = ran.into_inner().unwrap();
    for (burst, rate) in bounds {
        bounded_late(&ran, *burst, *rate, late);
    }
    ran.len()
}

#[tokio::test(start_paused = true)]
async fn i_38_waiters_that_give_up_leave_the_bound_intact() {
    let (mut of_one, mut of_two) = (0, 0);
    for seed in 0..40 {
        of_one += with_quitters(in_line, &[(3, Rate::per_millis(1, 10))], 0, seed).await;
        tokio::time::advance(ms(1000)).await;
        let bounds = [(3, Rate::per_millis(1, 10)), (2, Rate::per_millis(1, 35))];
        // A call that one limit has admitted may wait for the other.
        of_two += with_quitters(in_two_lines, &bounds, 200 * MILLI, seed).await;
        tokio::time::advance(ms(1000)).await;
    }
    assert!(of_one > 2000 && of_two > 800, "only {of_one} and {of_two} ran");
}
