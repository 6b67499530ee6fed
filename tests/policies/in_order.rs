//! Below their capacity a rate limit and a bulkhead serve callers in the order in which they came, beside a queue that is counted by
//! Lindley's recursion for the same arrivals.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use hardening::{Rejected, bulkhead, deadline, rate_limited};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep, sleep_until};

use super::support::ms;

/// Callers that began: their number, and how long they had waited, in seconds.
type Begun = Rc<RefCell<Vec<(u32, f64)>>>;

/// A queue in front of `places` that are taken for so many seconds each.
struct Lindley {
    free: Vec<f64>,
    takes: f64,
    longest: f64,
    late: u32,
}

impl Lindley {
    fn come(&mut self, at: f64, patience: f64) {
        let first = self.free.iter_mut().min_by(|one, other| one.total_cmp(other)).expect("a place");
        let begins = first.max(at);
        if begins - at > patience {
            self.late += 1;
        } else {
            *first = begins + self.takes;
            self.longest = self.longest.max(begins - at);
        }
    }
}

/// What became of Poisson callers in two minutes, and in the queue beside.
struct Outcome {
    /// In percent.
    overtaken: f64,
    longest: f64,
    refused: u32,
    lindley: Lindley,
}

/// At this share of 100 a second.
async fn run<F>(call: fn(u32, Instant, Begun) -> F, share: f64, patience: f64, places: usize) -> Outcome
where
    F: Future<Output = Result<(), Rejected>> + 'static,
{
    let takes = f64::from(u32::try_from(places).expect("few")) / 100.0;
    let mut lindley = Lindley { free: vec![0.0; places], takes, longest: 0.0, late: 0 };
    let (begun, began, mut random) = (Begun::default(), Instant::now(), fastrand::Rng::with_seed(4));
    let (mut at, mut calls) = (0.0, Vec::new());
    for number in 0.. {
        at += -(1.0 - random.f64()).ln() / (100.0 * share);
        if at > 120.0 {
            break;
        }
        lindley.come(at, patience);
        sleep_until(began + Duration::from_secs_f64(at)).await;
        calls.push(spawn_local(call(number, Instant::now(), Rc::clone(&begun))));
    }
    let mut refused = 0;
    for call in calls {
        refused += u32::from(call.await.unwrap().is_err());
    }
    let begun = begun.borrow();
    let (mut newest, mut overtaken) = (0, 0);
    for (number, _) in &*begun {
        overtaken += u32::from(*number < newest);
        newest = newest.max(*number);
    }
    let longest = begun.iter().map(|(_, waited)| *waited).fold(0.0, f64::max);
    #[expect(clippy::cast_precision_loss, reason = "a few thousand")]
    let overtaken = 100.0 * f64::from(overtaken) / begun.len() as f64;
    Outcome { overtaken, longest, refused, lindley }
}

macro_rules! in_order {
    ($($(#[$policy:meta])+ $name:ident(patience $patience:expr, $places:expr);)+) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            $(#[$policy])+
            async fn work(number: u32, came: Instant, begun: Begun) -> Result<(), Rejected> {
                begun.borrow_mut().push((number, came.elapsed().as_secs_f64()));
                if $places > 1 {
                    sleep(ms(10) * $places).await;
                }
                Ok(())
            }
            for percent in [70_u32, 85, 90, 95] {
                let load = run(work, f64::from(percent) / 100.0, $patience, $places as usize);
                let Outcome { overtaken, longest, refused, lindley } = LocalSet::new().run_until(load).await;
                let said = format!(
                    "{percent} %: {overtaken:.2} % overtaken, longest {longest:.3} ({:.3}), {refused} refused ({})",
                    lindley.longest, lindley.late
                );
                sleep(Duration::from_secs(10)).await;
                if f64::is_finite($patience) || percent < 95 {
                    // Two that begin in one moment may be polled in either order.
                    assert!(overtaken < 0.2 && longest <= lindley.longest + 0.005, "{said}");
                    assert!(refused <= lindley.late + 2, "{said}");
                } else {
                    // Half a second is an overload where nobody knows better.
                    assert!(overtaken < 2.0 && refused == 0, "{said}");
                }
            }
        }
    )+};
}

in_order! {
    #[rate_limited(100/s, burst = 1, wait = 5s)]
    a_limit(patience f64::INFINITY, 1);
    #[deadline(1s)] #[rate_limited(100/s, burst = 1, wait = 5s)]
    a_limit_of_callers_with_a_deadline(patience 0.498, 1);
    #[bulkhead(max = 10, queue = 1000)]
    a_queue(patience f64::INFINITY, 10);
    #[deadline(1s)] #[bulkhead(max = 10, queue = 1000)]
    a_queue_of_callers_with_a_deadline(patience 0.498, 10);
}

/// Callers that nobody polls any more hold no place in a queue once their time is over.
#[tokio::test(start_paused = true)]
async fn a_queue_is_free_of_callers_whose_time_is_over() {
    #[deadline(1s)]
    #[bulkhead(max = 1, queue = 5)]
    async fn one(takes: u64) -> Result<(), Rejected> {
        sleep(ms(takes)).await;
        Ok(())
    }
    let long = tokio::spawn(one(400));
    sleep(ms(1)).await;
    let mut asleep: Vec<_> = (0..5).map(|_| Box::pin(one(1))).collect();
    std::future::poll_fn(|cx| {
        assert!(asleep.iter_mut().all(|call| call.as_mut().poll(cx).is_pending()));
        std::task::Poll::Ready(())
    })
    .await;
    assert!(matches!(one(1).await, Err(Rejected::BulkheadFull { .. })));
    long.await.unwrap().unwrap();
    sleep(Duration::from_hours(1)).await;
    for _ in 0..20 {
        assert_eq!(tokio::join!(one(10), one(10)), (Ok(()), Ok(())));
    }
    for call in asleep {
        assert!(matches!(call.await, Err(Rejected::DeadlineExceeded { .. })));
    }
}
