//! Results that are stale: refreshes that fail, errors that are kept, and refreshes that nobody drives.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{Rejected, cache, cached};
use tokio::time::{Instant, advance, sleep};

use super::support::ms;

#[derive(Clone, Debug, PartialEq)]
enum Error {
    NotFound,
    Down,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// What a body answers.
#[derive(Clone, Copy)]
enum Does {
    Answers,
    Fails,
    Panics,
    Hangs,
    Misses,
}

struct Source {
    does: std::sync::Mutex<Does>,
    loads: AtomicU32,
}

impl Source {
    const fn new() -> Self {
        Self { does: std::sync::Mutex::new(Does::Answers), loads: AtomicU32::new(0) }
    }

    fn does(&self, does: Does) {
        *self.does.lock().unwrap() = does;
        self.loads.store(0, Ordering::SeqCst);
    }

    fn loads(&self) -> u32 {
        self.loads.load(Ordering::SeqCst)
    }

    async fn load(&self, value: u32) -> Result<u32, Error> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        let does = *self.does.lock().unwrap();
        match does {
            Does::Answers => Ok(value),
            Does::Fails => Err(Error::Down),
            Does::Panics => panic!("the refresh breaks"),
            Does::Hangs => std::future::pending().await,
            Does::Misses => Err(Error::NotFound),
        }
    }
}

static DEAD: Source = Source::new();

#[cached(ttl = 1s, key = k, jitter = 1%, stale_while_revalidate = 1h, refresh_timeout = 2s)]
async fn dead(k: u32) -> Result<u32, Error> {
    DEAD.load(k).await
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_is_tried_again_after_a_pause_that_grows() {
    for (k, does, most) in [(1, Does::Fails, 8), (2, Does::Panics, 8), (3, Does::Hangs, 8)] {
        DEAD.does(Does::Answers);
        assert_eq!(dead(k).await, Ok(k));
        sleep(Duration::from_secs(2)).await;
        DEAD.does(does);
        for _ in 0..600 {
            assert_eq!(dead(k).await, Ok(k));
            sleep(ms(100)).await;
        }
        let loads = DEAD.loads();
        assert!((4..=most).contains(&loads), "{loads} loads in a minute");
        // Each key has its own pause, and its end is the next call's refresh.
        DEAD.does(Does::Answers);
        assert_eq!(dead(k + 100).await, Ok(k + 100));
        sleep(Duration::from_secs(31)).await;
        assert_eq!(dead(k).await, Ok(k));
        sleep(ms(1)).await;
        assert_eq!(DEAD.loads(), 2);
        // What a refresh has brought begins anew.
        sleep(Duration::from_secs(2)).await;
        DEAD.does(Does::Fails);
        assert_eq!(dead(k).await, Ok(k));
        sleep(ms(600)).await;
        assert_eq!(dead(k).await, Ok(k));
        sleep(ms(1)).await;
        assert_eq!(DEAD.loads(), 2, "half a second after the first failure");
    }
    // What is forgotten has no pause.
    DEAD.does(Does::Answers);
    cache("refresh::dead").unwrap().invalidate(&1_u32);
    assert_eq!((dead(1).await, DEAD.loads()), (Ok(1), 1));
}

static GONE: Source = Source::new();

#[cached(ttl = 1s, key = k, jitter = 1%, stale_if_error = 1m, negative = Error::NotFound for 2s)]
async fn gone(k: u32) -> Result<u32, Error> {
    GONE.load(k).await
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_kept_leaves_the_old_result_for_failures() {
    GONE.does(Does::Answers);
    assert_eq!(gone(1).await, Ok(1));
    advance(Duration::from_secs(2)).await;
    GONE.does(Does::Misses);
    assert_eq!(gone(1).await, Err(Error::NotFound), "what is not there is no failure");
    GONE.does(Does::Fails);
    assert_eq!(gone(1).await, Err(Error::NotFound), "kept");
    advance(Duration::from_secs(3)).await;
    assert_eq!(gone(1).await, Ok(1), "the old result stands in for a failure");
    // The same again, and after a second error that is kept.
    assert_eq!(gone(1).await, Ok(1));
    GONE.does(Does::Misses);
    assert_eq!(gone(1).await, Err(Error::NotFound));
    advance(Duration::from_secs(3)).await;
    GONE.does(Does::Fails);
    assert_eq!(gone(1).await, Ok(1));
    advance(Duration::from_mins(1)).await;
    assert_eq!(gone(1).await, Err(Error::Down), "no longer than `stale_if_error`");
    // Without an old result there is none to stand in.
    GONE.does(Does::Misses);
    assert_eq!(gone(2).await, Err(Error::NotFound));
    advance(Duration::from_secs(3)).await;
    GONE.does(Does::Fails);
    assert_eq!(gone(2).await, Err(Error::Down));
}

static BOTH: Source = Source::new();

#[cached(
    ttl = 1s, key = k, jitter = 1%, stale_while_revalidate = 10s, stale_if_error = 1m, negative = Error::NotFound for 2s
)]
async fn both(k: u32) -> Result<u32, Error> {
    BOTH.load(k).await
}

#[tokio::test(start_paused = true)]
async fn an_error_that_a_refresh_brings_replaces_the_old_result_for_its_time() {
    BOTH.does(Does::Answers);
    assert_eq!(both(1).await, Ok(1));
    sleep(Duration::from_secs(2)).await;
    BOTH.does(Does::Misses);
    assert_eq!(both(1).await, Ok(1), "stale, and refreshed");
    sleep(ms(1)).await;
    assert_eq!(both(1).await, Err(Error::NotFound));
    BOTH.does(Does::Fails);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(both(1).await, Ok(1));
}

static UNDRIVEN: Source = Source::new();

#[cached(ttl = 20ms, key = (), jitter = 1%, stale_while_revalidate = 60ms, refresh_timeout = 300ms)]
async fn undriven() -> Result<u32, Error> {
    UNDRIVEN.load(7).await
}

/// The first runtime serves the stale result, and is not driven while its refresh runs.
#[test]
fn a_refresh_that_nobody_drives_holds_up_no_longer_than_refresh_timeout() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = (runtime(), runtime());
    UNDRIVEN.does(Does::Answers);
    assert_eq!(first.block_on(undriven()), Ok(7));
    second.block_on(async { sleep(ms(40)).await });
    UNDRIVEN.does(Does::Hangs);
    let stale = first.block_on(async {
        let stale = undriven().await;
        tokio::task::yield_now().await;
        stale
    });
    assert_eq!(stale, Ok(7));
    second.block_on(async { sleep(ms(80)).await });
    UNDRIVEN.does(Does::Answers);
    let began = Instant::now();
    let followers = second.block_on(async {
        let followers: Vec<_> = (0..5).map(|_| tokio::spawn(undriven())).collect();
        let mut ends = Vec::new();
        for follower in followers {
            ends.push(follower.await.unwrap());
        }
        ends
    });
    assert_eq!(followers, vec![Ok(7); 5]);
    assert!(began.elapsed() < ms(900), "{:?}", began.elapsed());
    assert_eq!(UNDRIVEN.loads(), 1);
    drop(first);
}

static ELSEWHERE: Source = Source::new();

#[cached(ttl = 20ms, key = (), jitter = 1%, stale_while_revalidate = 1h, refresh_timeout = 100ms)]
async fn elsewhere() -> Result<u32, Error> {
    ELSEWHERE.load(7).await.map(|value| value + ELSEWHERE.loads())
}

/// The stale result is still served at once, and another call's refresh takes the place of the one that is not driven.
#[test]
fn a_refresh_that_nobody_drives_is_begun_again_elsewhere() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (first, second) = (runtime(), runtime());
    ELSEWHERE.does(Does::Answers);
    assert_eq!(first.block_on(elsewhere()), Ok(8));
    second.block_on(async { sleep(ms(40)).await });
    // Spawned, and never polled.
    assert_eq!(first.block_on(elsewhere()), Ok(8));
    second.block_on(async { sleep(ms(600)).await });
    let (stale, fresh) = second.block_on(async {
        let stale = elsewhere().await;
        tokio::task::yield_now().await;
        (stale, elsewhere().await)
    });
    assert_eq!((stale, fresh), (Ok(8), Ok(9)));
    drop(first);
}

static LATER: Source = Source::new();

#[cached(ttl = 1s, key = (), jitter = 1%, stale_while_revalidate = 2s, stale_if_error = 1m, refresh_timeout = 5s)]
async fn later() -> Result<u32, Error> {
    LATER.load(7).await
}

/// A refresh in the background that fails is a failure for those who came to wait for it, and an old result stands in.
#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_refresh_that_fails_get_the_old_result() {
    LATER.does(Does::Answers);
    assert_eq!(later().await, Ok(7));
    sleep(ms(2500)).await;
    LATER.does(Does::Hangs);
    assert_eq!(later().await, Ok(7));
    sleep(ms(1000)).await;
    let began = Instant::now();
    assert_eq!(later().await, Ok(7), "no longer fresh enough to be served at once");
    assert!(began.elapsed() >= Duration::from_secs(3) && began.elapsed() < Duration::from_secs(5));
}
