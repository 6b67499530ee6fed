//! Kept results: single flight, stale results, invalidation.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{Rejected, cache, cached, circuit_breaker, deadline, fallback, retry, timeout};
use tokio::time::{advance, sleep};

#[derive(Clone, Debug, PartialEq)]
enum Error {
    Down,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// What a body does: how long it takes, and whether it fails.
struct Source {
    loads: AtomicU32,
    takes: AtomicU32,
    fails: AtomicU32,
}

impl Source {
    const fn new() -> Self {
        Self { loads: AtomicU32::new(0), takes: AtomicU32::new(0), fails: AtomicU32::new(0) }
    }

    async fn load(&self) -> Result<u32, Error> {
        let load = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        sleep(Duration::from_millis(self.takes.load(Ordering::SeqCst).into())).await;
        match self.fails.load(Ordering::SeqCst) {
            0 => Ok(load),
            1 => Err(Error::Down),
            _ => panic!("the load breaks"),
        }
    }

    fn becomes(&self, takes: u32, fails: u32) {
        self.takes.store(takes, Ordering::SeqCst);
        self.fails.store(fails, Ordering::SeqCst);
    }

    fn loads(&self) -> u32 {
        self.loads.load(Ordering::SeqCst)
    }
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

static PLAIN: Source = Source::new();

#[cached(ttl = 30s, jitter = 1%, key = sku)]
async fn plain(sku: &str) -> Result<u32, Error> {
    PLAIN.load().await.map(|load| load * 10 + sku.len() as u32)
}

#[tokio::test(start_paused = true)]
async fn a_fresh_result_is_served_and_each_key_has_its_own() {
    assert_eq!(plain("a").await, Ok(11));
    assert_eq!(plain("a").await, Ok(11));
    assert_eq!(plain("bb").await, Ok(22));
    advance(secs(29)).await;
    assert_eq!(plain("a").await, Ok(11));
    advance(secs(1)).await;
    assert_eq!(plain("a").await, Ok(31));
    assert_eq!(PLAIN.loads(), 3);
    let kept = cache("cached::plain").unwrap();
    assert!(kept.invalidate(&"a".to_owned()));
    assert!(!kept.invalidate(&"a"), "keys are kept as owned values");
    assert_eq!(plain("a").await, Ok(41));
    kept.clear();
    assert_eq!(kept.len(), 0);
    assert_eq!(plain("bb").await, Ok(52));
    let mut text = String::new();
    hardening::telemetry::calls::render(&mut text);
    for (result, count) in [("hit", 2), ("miss", 5), ("joined", 0), ("stale", 0)] {
        let line =
            format!("hardening_cache_requests_total{{call=\"cached::plain\",result=\"{result}\"}} {count}\n");
        assert!(text.contains(&line), "{line}");
    }
    assert!(text.contains("hardening_calls_total{call=\"cached::plain\",outcome=\"success\"} 7\n"));
    assert_eq!(cache("cached::plaim").unwrap_err().nearest, Some("cached::plain"));
}

static FLIGHT: Source = Source::new();

#[cached(ttl = 30s, key = (shop, sku))]
#[timeout(10s)]
async fn flight(shop: u32, sku: String) -> Result<u32, Error> {
    let _ = (shop, sku);
    FLIGHT.load().await
}

#[tokio::test(start_paused = true)]
async fn i_58_one_load_for_all_who_ask_and_i_59_a_cancelled_leader_is_replaced() {
    FLIGHT.becomes(100, 0);
    let ask = || tokio::spawn(flight(1, "a".to_owned()));
    let asked: Vec<_> = (0..10).map(|_| ask()).collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap(), Ok(1));
    }
    advance(secs(60)).await;
    // The leader and three followers go away; the rest gets the next load's result.
    let asked: Vec<_> = (0..10).map(|_| ask()).collect();
    sleep(Duration::from_millis(50)).await;
    asked[..4].iter().for_each(tokio::task::JoinHandle::abort);
    for asked in asked.into_iter().skip(4) {
        assert_eq!(asked.await.unwrap(), Ok(3));
    }
    assert_eq!(FLIGHT.loads(), 3);
    // Failure is shared once, and tried again by the next call.
    advance(secs(60)).await;
    FLIGHT.becomes(100, 1);
    let asked: Vec<_> = (0..4).map(|_| ask()).collect();
    let mut ends = Vec::new();
    for asked in asked {
        ends.push(asked.await.unwrap());
    }
    assert!(ends.iter().all(|end| *end == Err(Error::Down)), "an error that is `Clone` is everybody's");
    assert_eq!(FLIGHT.loads(), 4);
    // A panic fails its waiters once.
    FLIGHT.becomes(100, 2);
    let asked: Vec<_> = (0..3).map(|_| ask()).collect();
    let mut panicked = 0;
    for asked in asked {
        match asked.await {
            Err(error) => panicked += u32::from(error.is_panic()),
            Ok(Err(Error::Rejected(Rejected::LoadFailed { call, cause }))) => {
                assert_eq!((call, cause.as_deref()), ("cached::flight", Some("it panicked")));
            }
            Ok(end) => panic!("{end:?}"),
        }
    }
    FLIGHT.becomes(0, 0);
    assert_eq!((panicked, ask().await.unwrap()), (1, Ok(6)));
}

static STALE: Source = Source::new();

#[cached(ttl = 10s, jitter = 1%, key = sku, stale_if_error = 1m)]
#[circuit_breaker(consecutive = 2, open_for = 1h)]
async fn spare(sku: u32) -> Result<u32, Error> {
    let _ = sku;
    STALE.load().await
}

#[tokio::test(start_paused = true)]
async fn an_old_result_stands_in_for_a_failure_and_i_60_for_no_longer_than_said() {
    assert_eq!(spare(1).await, Ok(1));
    STALE.becomes(0, 1);
    advance(secs(20)).await;
    assert_eq!(spare(1).await, Ok(1));
    assert_eq!(spare(1).await, Ok(1));
    assert_eq!(STALE.loads(), 3);
    // The circuit is open now.
    assert_eq!(spare(1).await, Ok(1));
    assert_eq!(STALE.loads(), 3);
    assert!(matches!(spare(2).await, Err(Error::Rejected(Rejected::CircuitOpen { .. }))));
    advance(secs(50)).await;
    assert!(matches!(spare(1).await, Err(Error::Rejected(Rejected::CircuitOpen { .. }))));
}

static BEHIND: Source = Source::new();

#[cached(ttl = 10s, jitter = 1%, key = sku, stale_while_revalidate = 1m, refresh_timeout = 5s)]
#[retry(attempts = 2, backoff = 1ms, idempotent)]
#[fallback(Ok(sku.len() as u32))]
async fn behind(sku: String) -> Result<u32, Error> {
    drop(sku);
    BEHIND.load().await
}

#[tokio::test(start_paused = true)]
async fn a_stale_result_is_served_at_once_while_one_load_runs() {
    let ask = || behind("abc".to_owned());
    assert_eq!(ask().await, Ok(1));
    advance(secs(20)).await;
    BEHIND.becomes(1000, 0);
    let before = tokio::time::Instant::now();
    assert_eq!((ask().await, ask().await), (Ok(1), Ok(1)));
    assert!(before.elapsed() < Duration::from_millis(5));
    sleep(secs(2)).await;
    assert_eq!((ask().await, BEHIND.loads()), (Ok(2), 2));
    // A load in the background that takes too long is given up, and the result stays what it was.
    advance(secs(20)).await;
    BEHIND.becomes(60_000, 0);
    assert_eq!(ask().await, Ok(2));
    sleep(secs(6)).await;
    BEHIND.becomes(0, 0);
    assert_eq!(ask().await, Ok(2));
    sleep(secs(1)).await;
    assert_eq!(ask().await, Ok(4));
}

static LATE: Source = Source::new();

#[cached(ttl = 1h, key = sku)]
#[deadline(200ms)]
async fn invalidated(sku: u32) -> Result<u32, Error> {
    let _ = sku;
    LATE.load().await
}

#[tokio::test(start_paused = true)]
async fn i_61_an_invalidation_beats_a_running_load() {
    LATE.becomes(100, 0);
    let running = tokio::spawn(invalidated(1));
    sleep(Duration::from_millis(50)).await;
    cache("cached::invalidated").unwrap().invalidate(&1_u32);
    let later = tokio::spawn(invalidated(1));
    assert_eq!(running.await.unwrap(), Ok(1));
    assert_eq!(later.await.unwrap(), Ok(2));
    assert_eq!((invalidated(1).await, LATE.loads()), (Ok(2), 2));
}

#[tokio::test(start_paused = true)]
async fn who_waits_keeps_their_own_deadline() {
    #[cached(ttl = 1h, key = 0)]
    async fn slow() -> Result<u32, Error> {
        sleep(secs(10)).await;
        Ok(1)
    }
    #[deadline(1s)]
    async fn hasty() -> Result<u32, Error> {
        slow().await
    }
    let leads = tokio::spawn(slow());
    tokio::task::yield_now().await;
    let before = tokio::time::Instant::now();
    assert!(matches!(hasty().await, Err(Error::Rejected(Rejected::DeadlineExceeded { .. }))));
    assert_eq!(before.elapsed(), secs(1));
    assert_eq!(leads.await.unwrap(), Ok(1));
}

struct Shop {
    id: u32,
}

impl Shop {
    #[cached(ttl = 1m, key = self.id)]
    async fn by_instance(&self) -> Result<u32, Rejected> {
        Ok(self.id)
    }

    #[cached(ttl = 1m, key = sku, instances = shared)]
    async fn shared(&self, sku: u32) -> Result<u32, Rejected> {
        Ok(self.id + sku)
    }

    #[cached(ttl = 1m, key = text.len())]
    async fn generic<T: Clone + Default + Send + Sync + 'static>(text: &str) -> Result<T, Rejected> {
        let _ = text;
        Ok(T::default())
    }
}

#[tokio::test(start_paused = true)]
async fn instances_and_types_are_kept_apart() {
    let (one, two) = (Shop { id: 1 }, Shop { id: 2 });
    assert_eq!((one.by_instance().await, two.by_instance().await), (Ok(1), Ok(2)));
    assert_eq!((one.shared(10).await, two.shared(10).await), (Ok(11), Ok(11)));
    assert_eq!(Shop::generic::<u8>("a").await, Ok(0));
    assert_eq!(Shop::generic::<String>("a").await, Ok(String::new()));
    assert_eq!(Shop::generic::<String>("b").await, Ok(String::new()));
    assert_eq!(cache("cached::generic").unwrap().len(), 2);
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Lookup {
    NotFound,
    Down,
    Rejected(Rejected),
}

impl From<Rejected> for Lookup {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[cached(ttl = 10s, jitter = 1%, stale_if_error = 1m, key = sku, negative = Lookup::NotFound for 2s)]
async fn lookup(sku: u32, answer: Result<u32, Lookup>, runs: &AtomicU32) -> Result<u32, Lookup> {
    let _ = sku;
    runs.fetch_add(1, Ordering::SeqCst);
    answer
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_named_is_kept_for_its_own_time_and_no_other() {
    let runs = AtomicU32::new(0);
    let count = || runs.load(Ordering::SeqCst);
    let missing = Err(Lookup::NotFound);
    assert_eq!(lookup(1, missing.clone(), &runs).await, missing);
    assert_eq!(lookup(1, Ok(1), &runs).await, missing, "kept");
    assert_eq!(count(), 1);
    advance(Duration::from_millis(2001)).await;
    assert_eq!(lookup(1, Ok(1), &runs).await, Ok(1), "no longer than it says, and never stale");
    assert_eq!((lookup(1, missing.clone(), &runs).await, count()), (Ok(1), 2));
    // Another error is not kept.
    assert_eq!(lookup(2, Err(Lookup::Down), &runs).await, Err(Lookup::Down));
    assert_eq!(lookup(2, Ok(2), &runs).await, Ok(2));
    // An old result stands in for a failure, and a kept error replaces it.
    advance(Duration::from_secs(20)).await;
    assert_eq!(lookup(1, Err(Lookup::Down), &runs).await, Ok(1));
    assert_eq!(lookup(1, missing.clone(), &runs).await, missing, "what is known to be gone is no failure");
    assert_eq!(lookup(1, Ok(1), &runs).await, missing);
}
