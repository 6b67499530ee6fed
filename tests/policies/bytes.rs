//! Bounds on the size of what is kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use hardening::{ByteSize, Rejected, cache, cached};
use hardening_spec::settings::{Raw, set};
use tokio::time::sleep;

static LOADS: AtomicU32 = AtomicU32::new(0);

#[cached(ttl = 1h, key = k, max_bytes = 10KiB)]
async fn text(k: u32, length: usize) -> Result<String, Rejected> {
    LOADS.fetch_add(1, Ordering::SeqCst);
    Ok("x".repeat(length))
}

#[tokio::test(start_paused = true)]
async fn what_was_not_used_goes_first_until_both_bounds_hold() {
    for k in 0..100 {
        assert_eq!(text(k, 1000).await.unwrap().len(), 1000);
        assert_eq!(text(0, 1000).await.unwrap().len(), 1000, "used all the time");
    }
    let kept = cache("bytes::text").unwrap();
    assert!((6..=10).contains(&kept.len()), "{} results of 1000 bytes", kept.len());
    assert!(kept.bytes().unwrap() <= 10 * 1024);
    assert_eq!(LOADS.load(Ordering::SeqCst), 100, "the one in use was loaded once");
    // One that is larger than the whole bound is given and not kept, and evicts nothing.
    let before = kept.len();
    for _ in 0..2 {
        assert_eq!(text(1000, 20_000).await.unwrap().len(), 20_000);
    }
    assert_eq!((kept.len(), LOADS.load(Ordering::SeqCst)), (before, 102));
    // A large one that fits has room made.
    assert_eq!(text(1001, 9_000).await.unwrap().len(), 9_000);
    assert_eq!(text(1001, 9_000).await.unwrap().len(), 9_000);
    assert_eq!(LOADS.load(Ordering::SeqCst), 103);
    assert!(kept.bytes().unwrap() <= 10 * 1024 && kept.len() <= 2);
    assert!(kept.invalidate(&1001_u32));
    assert!(kept.bytes().unwrap() < 9_000);
    kept.clear();
    assert_eq!((kept.len(), kept.bytes()), (0, Some(0)));
}

#[cached(ttl = 1h, key = name, max_bytes = 1_000_000, max_entries = 5)]
async fn numbered(name: String) -> Result<Arc<[u8]>, Rejected> {
    Ok(name.into_bytes().into())
}

#[tokio::test(start_paused = true)]
async fn the_bound_in_number_holds_beside_it_and_keys_count() {
    for at in 0..50 {
        assert!(numbered(at.to_string()).await.is_ok());
    }
    let kept = cache("bytes::numbered").unwrap();
    assert_eq!(kept.len(), 5);
    kept.clear();
    for at in 0..5 {
        assert!(numbered(at.to_string().repeat(150_000)).await.is_ok());
    }
    assert_eq!(kept.len(), 3, "a key of 150 kB and a result of 150 kB each");
    assert!(kept.bytes().unwrap() <= 1_000_000);
}

#[derive(Clone, Debug, PartialEq)]
enum Error {
    NotFound,
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Sku(u32);

#[derive(Clone, Debug, PartialEq)]
struct Price {
    text: String,
}

impl ByteSize for Price {
    fn byte_size(&self) -> usize {
        self.text.byte_size()
    }
}

/// Neither the key nor the error has a size of its own.
#[cached(
    ttl = 1s, jitter = 1%, key = sku, max_bytes = 10kB, negative = Error::NotFound for 1m,
    stale_while_revalidate = 1h, stale_if_error = 1h
)]
async fn price(sku: Sku) -> Result<Price, Error> {
    match sku.0 {
        404 => Err(Error::NotFound),
        length => Ok(Price { text: "x".repeat(length as usize) }),
    }
}

#[tokio::test(start_paused = true)]
async fn errors_that_are_kept_and_refreshed_results_count_too() {
    assert_eq!(price(Sku(404)).await, Err(Error::NotFound));
    let kept = cache("bytes::price").unwrap();
    let error = kept.bytes().unwrap();
    assert!(error > 100, "{error}");
    for length in 1000..1100 {
        assert!(price(Sku(length)).await.is_ok());
    }
    assert!(kept.bytes().unwrap() <= 10_000 && kept.len() > 5);
    let (len, bytes) = (kept.len(), kept.bytes());
    sleep(Duration::from_secs(2)).await;
    assert!(price(Sku(1099)).await.is_ok());
    sleep(Duration::from_millis(1)).await;
    assert!(price(Sku(1099)).await.is_ok());
    assert_eq!(
        (kept.len(), kept.bytes()),
        (len, bytes),
        "the result of a refresh takes the place of the old one"
    );
}

/// Puts a number in force, as a settings file does.
fn put(call: &str, key: &str, value: i64) {
    let site = hardening::catalogue::site(call).unwrap();
    let mut spec = site.own();
    set(&mut spec, "cached", key, Raw::Int(value)).unwrap();
    site.configure(&spec);
}

#[cached(ttl = 1h, key = k, max_bytes = 10KiB)]
async fn of_type<T: ByteSize + Clone + Send + Sync + 'static>(k: u32, value: T) -> Result<T, Rejected> {
    LOADS_OF_TYPES.fetch_add(k, Ordering::SeqCst);
    Ok(value)
}

static LOADS_OF_TYPES: AtomicU32 = AtomicU32::new(0);

/// A generic function's results are in one store for each type, under one bound.
#[tokio::test(start_paused = true)]
async fn the_types_of_a_generic_function_share_the_bound() {
    let kept = cache("bytes::of_type").unwrap();
    for k in 0..50 {
        of_type(k, "x".repeat(500)).await.unwrap();
        of_type(k, vec![1_u8; 500]).await.unwrap();
        of_type(k, vec![Some(1_u64); 60]).await.unwrap();
        assert!(kept.bytes().unwrap() <= 10 * 1024, "{:?}", kept.bytes());
    }
    assert!(kept.len() >= 10, "{}", kept.len());
    // What came last is kept, however large the others are and it is.
    of_type(1000, "x".repeat(9_000)).await.unwrap();
    let loads = LOADS_OF_TYPES.load(Ordering::SeqCst);
    of_type(1000, "x".repeat(9_000)).await.unwrap();
    assert_eq!((kept.bytes().unwrap() <= 10 * 1024, LOADS_OF_TYPES.load(Ordering::SeqCst)), (true, loads));
    of_type(1, vec![1_u8; 3_000]).await.unwrap();
    assert!((3_000..7_000).contains(&kept.bytes().unwrap()), "the largest one gave way: {:?}", kept.bytes());
    of_type(2, "x".repeat(3_000)).await.unwrap();
    put("bytes::of_type", "max_bytes", 4_000);
    assert!((3_000..4_000).contains(&kept.bytes().unwrap()), "{:?}", kept.bytes());
}

static GROWN: AtomicU32 = AtomicU32::new(100);

#[cached(ttl = 1s, jitter = 1%, key = k, max_bytes = 4KiB, stale_while_revalidate = 1h, stale_if_error = 1h)]
async fn grows(k: u32) -> Result<String, Rejected> {
    let _ = k;
    Ok("x".repeat(GROWN.load(Ordering::SeqCst) as usize))
}

/// A refresh in the background brings what has no room: the old result is not served in its place.
#[tokio::test(start_paused = true)]
async fn what_a_refresh_makes_larger_than_the_bound_replaces_the_old_result_nevertheless() {
    for k in 0..5 {
        assert_eq!(grows(k).await.unwrap().len(), 100);
    }
    GROWN.store(10_000, Ordering::SeqCst);
    sleep(Duration::from_secs(2)).await;
    for k in 0..5 {
        assert_eq!(grows(k).await.unwrap().len(), 100, "stale, and refreshed");
    }
    sleep(Duration::from_millis(1)).await;
    let kept = cache("bytes::grows").unwrap();
    assert_eq!((kept.len(), kept.bytes()), (0, Some(0)));
    assert_eq!(grows(0).await.unwrap().len(), 10_000);
}

#[cached(ttl = 1h, key = k, max_bytes = 100KiB)]
async fn tuned(k: u32) -> Result<(Arc<str>, Option<Vec<u8>>), Rejected> {
    Ok((k.to_string().into(), Some(vec![0; 1000])))
}

#[tokio::test(start_paused = true)]
async fn bounds_that_settings_lower_hold_at_once() {
    let kept = cache("bytes::tuned").unwrap();
    for k in 0..80 {
        tuned(k).await.unwrap();
    }
    assert!(kept.len() >= 60, "{}", kept.len());
    put("bytes::tuned", "max_bytes", 5_000);
    assert!(kept.bytes().unwrap() <= 5_000 && !kept.is_empty(), "{:?}", kept.bytes());
    put("bytes::tuned", "max_bytes", 100_000);
    for k in 0..50 {
        tuned(k).await.unwrap();
    }
    assert!(kept.len() >= 50, "{}", kept.len());
    put("bytes::tuned", "max_entries", 3);
    assert_eq!(kept.len(), 3);
}

#[cfg(feature = "service")]
mod answers {
    use super::{AtomicU32, Duration, Ordering, Rejected, sleep};
    use hardening::idempotent;

    static RUNS: AtomicU32 = AtomicU32::new(0);

    #[idempotent(key = k, fingerprint = (), ttl = 1m, max_bytes = 4KiB)]
    async fn order(k: u32, length: usize) -> Result<String, Rejected> {
        RUNS.fetch_add(1, Ordering::SeqCst);
        Ok("x".repeat(length))
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_without_room_is_given_and_its_request_refused_when_it_is_sent_again() {
        for _ in 0..2 {
            assert_eq!(order(1, 1000).await.unwrap().len(), 1000);
        }
        assert_eq!(RUNS.load(Ordering::SeqCst), 1);
        assert_eq!(order(2, 10_000).await.unwrap().len(), 10_000, "larger than the whole bound");
        assert!(matches!(order(2, 10_000).await, Err(Rejected::IdempotencyConflict { .. })));
        assert_eq!(RUNS.load(Ordering::SeqCst), 2);
        // Keys take room as well: in the end a new request is refused before it runs.
        let mut refused = 0;
        for k in 3..100 {
            refused += u32::from(matches!(order(k, 1).await, Err(Rejected::StoreUnavailable { .. })));
        }
        assert!(refused > 70, "{refused}");
        let runs = RUNS.load(Ordering::SeqCst);
        assert_eq!(order(1, 1000).await.unwrap().len(), 1000, "what is kept is not thrown out");
        assert_eq!(RUNS.load(Ordering::SeqCst), runs);
        // What is over makes room.
        sleep(Duration::from_secs(61)).await;
        for k in 200..203 {
            assert_eq!(order(k, 1000).await.unwrap().len(), 1000);
            assert_eq!(order(k, 1000).await.unwrap().len(), 1000);
        }
        assert_eq!(RUNS.load(Ordering::SeqCst), runs + 3);
    }
}
