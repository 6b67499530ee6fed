//! Half-open: probes that succeed, fail, and are cancelled at every point.

use std::sync::Arc;
use std::time::Duration;

use hardening_spec::{CircuitBreakerSpec, DurationRange, Ratio, Window};
use shuttle::future::{block_on, spawn, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::sync::atomic::{AtomicU32, Ordering};

use crate::policy::circuit_breaker::{Admission, CircuitBreaker, CircuitState, Permit, Verdict};
use crate::{cancel, explore, together};

const OPEN_FOR: u64 = 1_000_000_000;
const PROBES: u32 = 2;

/// An admitted attempt: whatever becomes of it, its permit comes back.
struct Attempt {
    breaker: Arc<CircuitBreaker>,
    running: Arc<AtomicU32>,
    permit: Permit,
    verdict: Verdict,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::AcqRel);
        self.breaker.record(self.permit, OPEN_FOR, self.verdict, 0);
    }
}

async fn probe(breaker: Arc<CircuitBreaker>, running: Arc<AtomicU32>, verdict: Verdict) -> bool {
    let Admission::Admitted(permit) = breaker.admit(OPEN_FOR) else { return false };
    if breaker.state(OPEN_FOR) == CircuitState::HalfOpen {
        // Half-open: nobody else may have come beyond the probes meanwhile.
        assert!(running.fetch_add(1, Ordering::AcqRel) < PROBES, "more probes than may run");
    } else {
        running.fetch_add(1, Ordering::AcqRel);
    }
    let mut attempt = Attempt { breaker, running, permit, verdict: Verdict::Unfinished };
    yield_now().await;
    attempt.verdict = verdict;
    drop(attempt);
    true
}

fn half_open() -> (Arc<CircuitBreaker>, Arc<AtomicU32>) {
    let spec = CircuitBreakerSpec {
        window: Window::Calls(2),
        min_calls: 2,
        failure_rate: Ratio::percent(100),
        open_for: DurationRange { from: Duration::from_secs(1), to: Duration::from_secs(1) },
        probes: PROBES,
        ..CircuitBreakerSpec::DEFAULT
    };
    let breaker = CircuitBreaker::new("model", spec, None, 0);
    for _ in 0..2 {
        let Admission::Admitted(permit) = breaker.admit(0) else { unreachable!("a closed circuit admits") };
        breaker.record(permit, 0, Verdict::Failure, 0);
    }
    (Arc::new(breaker), Arc::default())
}

/// No more probes run than may, and those that are cancelled give their places back.
pub fn i_04_probes_that_are_cancelled_block_nobody() {
    explore(|| {
        block_on(async {
            let (breaker, running) = half_open();
            let cancelled: Vec<_> = (0..3)
                .map(|_| spawn(probe(Arc::clone(&breaker), Arc::clone(&running), Verdict::Success)))
                .map(|task| cancel(task, thread_rng().gen_range(0..3)))
                .collect();
            together(cancelled).await;
            assert_eq!(running.load(Ordering::Acquire), 0);
            // Closed by probes that were quick enough, or half-open with room for every probe that is still wanted.
            if breaker.state(OPEN_FOR) == CircuitState::HalfOpen {
                let again = probe(Arc::clone(&breaker), Arc::clone(&running), Verdict::Success).await;
                assert!(again, "a place was lost");
            }
            for _ in 0..PROBES {
                probe(Arc::clone(&breaker), Arc::clone(&running), Verdict::Success).await;
            }
            assert_eq!(breaker.state(OPEN_FOR), CircuitState::Closed);
        });
    });
}

/// One that fails ends the period of probes for all: what the others bring changes nothing.
pub fn i_05_one_failed_probe_opens_once() {
    explore(|| {
        block_on(async {
            let (breaker, running) = half_open();
            let verdicts = [Verdict::Failure, Verdict::Success, Verdict::Success];
            let probes = verdicts.map(|verdict| probe(Arc::clone(&breaker), Arc::clone(&running), verdict));
            together(probes).await;
            let opened = breaker.transition_count(CircuitState::HalfOpen, CircuitState::Open);
            let closed = breaker.transition_count(CircuitState::HalfOpen, CircuitState::Closed);
            match breaker.state(0) {
                CircuitState::Open => assert_eq!((opened, closed), (1, 0)),
                // The two that succeed were both through before the third, which then failed as one closed call.
                CircuitState::Closed => assert_eq!((opened, closed), (0, 1)),
                other => panic!("{other:?}: one of three found its place taken and two were enough"),
            }
        });
    });
}
