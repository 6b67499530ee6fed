//! The series of metrics.

use std::collections::BTreeSet;

use hardening::{Rejected, bulkhead, circuit_breaker, fallback, hardened, rate_limited, retry, timeout};

use crate::support::scraped;

#[fallback(Ok(0))]
#[retry(attempts = 3, backoff = 0ms, idempotent)]
#[circuit_breaker(consecutive = 2, key = key)]
#[rate_limited(1000/s, key = key, per = attempt)]
#[timeout(1s)]
#[bulkhead(max = 5, key = key)]
async fn measured(key: u32, fails: bool) -> Result<u32, Rejected> {
    if fails { Err(Rejected::ShuttingDown) } else { Ok(key) }
}

#[hardened(name = "series::any \"name\" \\ at all")]
async fn quoted() -> Result<(), Rejected> {
    Ok(())
}

/// Each series of these two functions, without its value.
fn series() -> BTreeSet<String> {
    let text = scraped();
    let ours = text.lines().filter(|line| line.contains("\"series::"));
    ours.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn i_75_the_number_of_series_is_known_before_the_first_call() {
    let before = series();
    assert!(before.len() > 30, "{}", before.len());
    for key in 0..2000 {
        let _ = measured(key, key % 3 == 0).await;
    }
    let _ = quoted().await;
    assert_eq!(series(), before, "no key, no outcome and no time adds one");
}
