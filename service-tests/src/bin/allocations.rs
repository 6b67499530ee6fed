//! Counts what a full stack allocates when it succeeds: a program of its own, since the threads of a test's harness allocate
//! as well.

use hardening::{Rejected, bulkhead, circuit_breaker, deadline, rate_limited, retry, timeout};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

#[derive(Debug)]
struct Failure;

impl From<Rejected> for Failure {
    fn from(_: Rejected) -> Self {
        Self
    }
}

#[deadline(3s)]
#[retry(attempts = 3, backoff = 50ms..2s, idempotent)]
#[circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]
#[rate_limited(1_000_000/s)]
#[rate_limited(1_000_000/s, key = value, per = attempt)]
#[timeout(200ms)]
#[bulkhead(max = 64)]
async fn full(value: u64) -> Result<u64, Failure> {
    Ok(value)
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        // The first calls make the state of the site and the entry of the key.
        for value in 0..10 {
            assert_eq!(full(value).await.expect("no failure"), value);
        }
        let _profiler = dhat::Profiler::builder().testing().build();
        let before = dhat::HeapStats::get().total_blocks;
        for value in 0..1_000 {
            assert_eq!(full(value % 10).await.expect("no failure"), value % 10);
        }
        assert_eq!(dhat::HeapStats::get().total_blocks, before);
        // The counter counts: one allocation is seen.
        drop(std::hint::black_box(Box::new(1_u64)));
        assert_eq!(dhat::HeapStats::get().total_blocks, before + 1);
    });
}
