//! What a bulkhead's queue does under lasting overload, and with callers that are not polled.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use hardening::{Rejected, bulkhead, circuit_breaker, deadline, rate_limited, retry, timeout};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::support::ms;

/// The share of what ten places can do that is answered in each ten seconds of `seconds`, in percent, at 125 % of it.
async fn goodput<F>(call: impl Fn(Duration) -> F + Copy + 'static, takes: Duration, seconds: u64) -> Vec<u64>
where
    F: Future<Output = Result<(), Rejected>> + 'static,
{
    const PART: u64 = 10;
    let (answers, begun) = (Rc::new(Cell::new(0)), Instant::now());
    let between = takes / 10 * 4 / 5;
    let counted = Rc::clone(&answers);
    let load = spawn_local(async move {
        for number in 0.. {
            sleep_until(begun + between * number).await;
            let answers = Rc::clone(&counted);
            spawn_local(async move {
                if call(takes).await.is_ok() {
                    answers.set(answers.get() + 1);
                }
            });
        }
    });
    let mut shares = Vec::new();
    for part in 1..=seconds / PART {
        let before = answers.get();
        sleep_until(begun + Duration::from_secs(part * PART)).await;
        let capacity = PART * 10_000 / takes.as_millis() as u64;
        shares.push((answers.get() - before) * 100 / capacity);
    }
    load.abort();
    shares
}

/// One function for each test, since tests run side by side and each has a clock of its own.
macro_rules! keeps_its_goodput {
    ($($(#[$policy:meta])+ $name:ident($takes:expr);)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            $(#[$policy])+
            async fn work(takes: Duration) -> Result<(), Rejected> {
                sleep(takes).await;
                Ok(())
            }
            let shares = LocalSet::new().run_until(goodput(work, $takes, 60)).await;
            assert!(shares.iter().all(|share| *share >= 90), "{shares:?}");
        }
    )+};
}

keeps_its_goodput! {
    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 200)]
    overload_before_a_long_queue(ms(100));

    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 200)]
    overload_before_a_long_queue_of_bodies_of_half_the_deadline(ms(500));

    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 100_000, max_wait = 1h)]
    overload_before_an_endless_queue(ms(100));

    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 100_000, max_wait = 1h)]
    overload_before_an_endless_queue_of_bodies_of_half_the_deadline(ms(500));

    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 100_000)]
    overload_before_an_endless_queue_of_short_bodies(ms(10));

    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 1)]
    overload_before_a_queue_of_one(ms(100));

    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 50, max_wait = 20ms)]
    overload_before_a_queue_of_little_patience(ms(400));

    #[timeout(1s)]
    #[bulkhead(max = 10, queue = 200)]
    overload_under_a_timeout(ms(500));

    #[deadline(2s)]
    #[timeout(1s)]
    #[retry(attempts = 3, backoff = 10ms..100ms, idempotent)]
    #[bulkhead(max = 10, queue = 200)]
    overload_under_a_retry(ms(300));

    #[deadline(1s)]
    #[bulkhead(max = 10, queue = 200, key = 7)]
    overload_of_one_key(ms(300));

    #[deadline(1s)]
    #[bulkhead(adaptive, min = 10, initial = 10, max = 10, queue = 200)]
    overload_of_an_adaptive_one(ms(300));

    #[bulkhead(max = 10, queue = 200)]
    overload_without_a_deadline(ms(100));

    #[deadline(1s)]
    #[rate_limited(25/s, burst = 1, wait = 5s)]
    #[bulkhead(max = 10, queue = 200)]
    overload_before_a_limit_and_a_queue(ms(400));

    #[deadline(1s)]
    #[rate_limited(25/s, burst = 1, wait = 5s, per = attempt)]
    #[bulkhead(max = 10, queue = 200)]
    overload_before_a_limit_of_attempts_and_a_queue(ms(400));

    #[deadline(1s)]
    #[rate_limited(100/s, burst = 10, wait = 5s)]
    #[bulkhead(max = 10, queue = 200)]
    overload_before_a_limit_with_a_burst_and_a_queue(ms(100));

    #[deadline(1s)]
    #[timeout(900ms)]
    #[bulkhead(max = 10, queue = 10_000)]
    #[circuit_breaker(window = 10s, open_for = 1s)]
    overload_before_a_queue_and_a_circuit(ms(450));
}

/// A service that does not know its callers' deadlines: the calls run on when their callers have left.
#[tokio::test(start_paused = true)]
async fn callers_whose_deadline_is_unknown_are_answered_in_time_under_overload() {
    #[bulkhead(max = 10, queue = 200)]
    async fn knows_no_deadline(takes: Duration) -> Result<(), Rejected> {
        sleep(takes).await;
        Ok(())
    }
    async fn impatient(takes: Duration) -> Result<(), Rejected> {
        let call = tokio::spawn(knows_no_deadline(takes));
        match tokio::time::timeout(ms(1000), call).await {
            Ok(answer) => answer.unwrap(),
            Err(_) => Err(Rejected::ShuttingDown),
        }
    }
    let shares = LocalSet::new().run_until(goodput(impatient, ms(100), 60)).await;
    assert!(shares.iter().all(|share| *share >= 90), "{shares:?}");
}

#[tokio::test(start_paused = true)]
async fn a_wait_ends_at_half_of_what_the_deadline_left() {
    #[deadline(1s)]
    #[bulkhead(max = 1, queue = 5)]
    async fn one(takes: u64) -> Result<(), Rejected> {
        sleep(ms(takes)).await;
        Ok(())
    }
    let begun = Instant::now();
    let (long, waits) = tokio::join!(one(900), one(0));
    assert_eq!(long, Ok(()));
    assert!(matches!(waits, Err(Rejected::DeadlineExceeded { .. })), "{waits:?}");
    assert_eq!(begun.elapsed(), ms(900));
    let begun = Instant::now();
    let (long, waits) = tokio::join!(one(497), one(500));
    assert_eq!((long, waits), (Ok(()), Ok(())));
    assert_eq!(begun.elapsed(), ms(997));
}

/// Callers of a burst are served in their order, however long it takes.
#[tokio::test(start_paused = true)]
async fn a_burst_is_served_in_order() {
    #[bulkhead(max = 1, queue = 50)]
    async fn one(number: u32, order: Rc<Cell<u32>>) -> Result<(), Rejected> {
        assert_eq!(order.replace(number + 1), number);
        sleep(ms(70)).await;
        Ok(())
    }
    let tasks = LocalSet::new();
    let order = Rc::new(Cell::new(0));
    let calls: Vec<_> = (0..50).map(|number| tasks.spawn_local(one(number, Rc::clone(&order)))).collect();
    tasks.await;
    for call in calls {
        call.await.unwrap().unwrap();
    }
}

/// The first in the queue is not polled; the one behind it gets the place nevertheless, soon.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_is_not_polled_keeps_nobody_waiting() {
    #[bulkhead(max = 1, queue = 10)]
    async fn one(takes: u64) -> Result<(), Rejected> {
        sleep(ms(takes)).await;
        Ok(())
    }
    async fn polled_once<F: Future>(mut call: std::pin::Pin<&mut F>) {
        poll_fn(|cx| {
            assert!(call.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let first = tokio::spawn(one(100));
    tokio::task::yield_now().await;
    let (mut asleep, mut also) = (pin!(one(0)), pin!(one(0)));
    polled_once(asleep.as_mut()).await;
    polled_once(also.as_mut()).await;
    let begun = Instant::now();
    let behind = tokio::spawn(one(0));
    tokio::time::timeout(ms(1000), behind).await.expect("it has its turn").unwrap().unwrap();
    assert!(begun.elapsed() <= ms(100 + 25), "{:?}", begun.elapsed());
    first.await.unwrap().unwrap();
    // Those who were passed over are served when they are polled again, and newcomers meanwhile.
    one(0).await.unwrap();
    asleep.await.unwrap();
    one(0).await.unwrap();
    also.await.unwrap();
    assert!(one(0).await.is_ok());
}

/// The caller who leaves and the first who waits belong to a runtime that is not driven from then on.
#[test]
fn a_waiter_on_a_runtime_that_is_not_driven_keeps_other_runtimes_waiting_for_no_longer() {
    #[bulkhead(max = 1, queue = 500)]
    async fn in_turn(takes: u64) -> Result<(), Rejected> {
        sleep(ms(takes)).await;
        Ok(())
    }
    // Callers of so many runtimes that are not driven any more are first in the queue, some of each.
    for (runtimes, of_each) in [(1, 1), (1, 100), (2, 1), (3, 3)] {
        let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let stop: Vec<_> = (0..runtimes).map(|_| runtime()).collect();
        let goes_on = runtime();
        let mut holder = Box::pin(in_turn(60_000));
        let mut asleep = Vec::new();
        for (at, stops) in stop.iter().enumerate() {
            asleep.extend(stops.block_on(async {
                if at == 0 {
                    poll_fn(|cx| {
                        assert!(holder.as_mut().poll(cx).is_pending());
                        Poll::Ready(())
                    })
                    .await;
                }
                let asleep: Vec<_> = (0..of_each).map(|_| tokio::spawn(in_turn(0))).collect();
                tokio::task::yield_now().await;
                asleep
            }));
        }
        let waits = goes_on.spawn(in_turn(0));
        goes_on.block_on(async { tokio::task::yield_now().await });
        stop[0].block_on(async move { drop(holder) });
        let ended = goes_on.block_on(async { tokio::time::timeout(ms(10_000), waits).await });
        ended.unwrap_or_else(|_| panic!("{runtimes} runtimes, {of_each} callers of each")).unwrap().unwrap();
        for (at, asleep) in asleep.into_iter().enumerate() {
            stop[at / of_each].block_on(async { asleep.await.unwrap().unwrap() });
        }
    }
}

/// A place that was offered and is not taken up goes on at the latest with the next who comes.
#[tokio::test(start_paused = true)]
async fn a_place_that_was_given_to_one_who_is_not_polled_goes_to_the_next_who_comes() {
    #[bulkhead(max = 1, queue = 10)]
    async fn one(takes: u64) -> Result<(), Rejected> {
        sleep(ms(takes)).await;
        Ok(())
    }
    let first = tokio::spawn(one(50));
    tokio::task::yield_now().await;
    let mut asleep = Box::pin(one(0));
    poll_fn(|cx| {
        assert!(asleep.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    first.await.unwrap().unwrap();
    sleep(ms(20)).await;
    let begun = Instant::now();
    one(30).await.unwrap();
    assert_eq!(begun.elapsed(), ms(30));
    drop(asleep);
    one(0).await.unwrap();
}

/// Callers of any patience with bodies of any length up to half the deadline, of whom some leave: at least nine tenths of what a
/// model without any queue does, never more at once than there are places, and nobody is begun too late.
#[tokio::test(start_paused = true)]
async fn random_callers_are_served_as_well_as_by_a_model_without_a_queue() {
    #[derive(Default)]
    struct World {
        inside: Cell<u32>,
        done: Cell<u64>,
        worked: Cell<u64>,
        cut: Cell<u64>,
    }
    struct Inside<'w>(&'w World, bool);
    impl Drop for Inside<'_> {
        fn drop(&mut self) {
            self.0.inside.set(self.0.inside.get() - 1);
            self.0.cut.set(self.0.cut.get() + u64::from(!self.1));
        }
    }
    #[deadline(1s)]
    #[bulkhead(max = 8, queue = 500)]
    async fn work(world: &World, takes: Duration) -> Result<(), Rejected> {
        world.inside.set(world.inside.get() + 1);
        assert!(world.inside.get() <= 8, "{} at once", world.inside.get());
        let mut inside = Inside(world, false);
        sleep(takes).await;
        inside.1 = true;
        world.done.set(world.done.get() + 1);
        world.worked.set(world.worked.get() + takes.as_millis() as u64);
        Ok(())
    }
    const SECONDS: u64 = 120;
    let world = Rc::new(World::default());
    let tasks = LocalSet::new();
    let shared = Rc::clone(&world);
    tasks
        .run_until(async move {
            let mut random = fastrand::Rng::with_seed(12);
            let begun = Instant::now();
            let mut calls = Vec::new();
            while begun.elapsed() < Duration::from_secs(SECONDS) {
                // 250 ms on average, in eight places: 32 a second. 40 come, in groups now and then.
                for _ in 0..random.u64(1..4) {
                    let (world, takes) = (Rc::clone(&shared), ms(random.u64(1..500)));
                    let patience = if random.u32(..10) == 0 { ms(random.u64(1..400)) } else { ms(10_000) };
                    calls.push(spawn_local(async move {
                        let _ = tokio::time::timeout(patience, work(&world, takes)).await;
                    }));
                }
                sleep(ms(random.u64(1..100))).await;
            }
            for call in calls {
                call.await.expect("it holds its bound");
            }
            assert_eq!(work(&shared, ms(0)).await, Ok(()));
        })
        .await;
    let share = world.worked.get() * 100 / (SECONDS * 1000 * 8);
    assert!(share >= 85, "{share} % of the time of eight places");
    assert_eq!(world.inside.get(), 0);
    // Those that left while they ran, and none besides.
    assert!(world.cut.get() * 10 <= world.done.get(), "{} cut, {} done", world.cut.get(), world.done.get());
}
