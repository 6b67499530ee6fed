//! The same call written by hand: the least code that does the job, with nothing that is not needed.
//!
//! Timeout (timer armed only when the body waits), retry loop, circuit breaker (failure rate over a time window of ten
//! buckets, half-open after its open period, late results recognised by their generation), GCRA rate limit, bulkhead,
//! one counter, one histogram; tokio's clock, so that it can be tested on paused time, read once in and once out.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use crate::Failure;

const TIMEOUT: u64 = 200_000_000;
const EMISSION: u64 = 10;
const TOLERANCE: u64 = 1_000_000_000;
const BUCKET: u64 = 1_000_000_000;
const PLACES: u32 = 64;
const ATTEMPTS: u32 = 3;

static ORIGIN: OnceLock<Instant> = OnceLock::new();
static LIMIT: AtomicU64 = AtomicU64::new(0);
static RUNNING: AtomicU32 = AtomicU32::new(0);
static CALLS: AtomicU64 = AtomicU64::new(0);
static DURATIONS: [AtomicU64; 16] = [const { AtomicU64::new(0) }; 16];
static DURATION_SUM: AtomicU64 = AtomicU64::new(0);
static BREAKER: Breaker = Breaker {
    state: AtomicU64::new(0),
    open_until: AtomicU64::new(0),
    doubtful_until: AtomicU64::new(0),
    buckets: [const { AtomicU64::new(0) }; 10],
};

fn now() -> u64 {
    let origin = *ORIGIN.get_or_init(Instant::now);
    let since = Instant::now().saturating_duration_since(origin);
    since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}

/// Each bucket: lap of the ring, calls, failures; 16, 24, 24 bits. The state: closed 0, open 1, half-open 2 in the low
/// bits, the generation above them.
struct Breaker {
    state: AtomicU64,
    open_until: AtomicU64,
    doubtful_until: AtomicU64,
    buckets: [AtomicU64; 10],
}

const STEP: u64 = 4;

impl Breaker {
    /// The state in which an attempt is admitted.
    fn admit(&self, now: u64) -> Option<u64> {
        let state = self.state.load(Ordering::Acquire);
        if state.is_multiple_of(STEP) { Some(state) } else { self.probe(now) }
    }

    #[cold]
    fn probe(&self, now: u64) -> Option<u64> {
        let open = self.state.load(Ordering::Acquire);
        if open % STEP != 1 || now < self.open_until.load(Ordering::Acquire) {
            return None;
        }
        let half_open = open - 1 + STEP + 2;
        self.state.compare_exchange(open, half_open, Ordering::AcqRel, Ordering::Acquire).ok()?;
        Some(half_open)
    }

    fn record(&self, admitted: u64, now: u64, failed: bool) {
        if self.state.load(Ordering::Acquire) != admitted {
            return;
        }
        if !admitted.is_multiple_of(STEP) {
            return self.probed(admitted, now, failed);
        }
        let epoch = now / BUCKET;
        let tag = (epoch / 10) & 0xFFFF;
        let bucket = &self.buckets[(epoch % 10) as usize];
        let mut seen = bucket.load(Ordering::Relaxed);
        loop {
            let kept = if seen & 0xFFFF == tag { seen } else { tag };
            let next = kept + (1 << 16) + (u64::from(failed) << 40);
            match bucket.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => break,
                Err(changed) => seen = changed,
            }
        }
        if failed {
            self.doubtful_until.store(now + 11 * BUCKET, Ordering::Release);
        }
        if now < self.doubtful_until.load(Ordering::Acquire) {
            self.judge(admitted, now, epoch);
        }
    }

    #[cold]
    fn probed(&self, half_open: u64, now: u64, failed: bool) {
        self.open_until.store(now + 5_000_000_000, Ordering::Release);
        let next = half_open - 2 + STEP + u64::from(failed);
        let _ = self.state.compare_exchange(half_open, next, Ordering::AcqRel, Ordering::Acquire);
    }

    #[cold]
    fn judge(&self, closed: u64, now: u64, epoch: u64) {
        let (mut calls, mut failures) = (0, 0);
        for held in epoch.saturating_sub(9)..=epoch {
            let bits = self.buckets[(held % 10) as usize].load(Ordering::Acquire);
            if bits & 0xFFFF == (held / 10) & 0xFFFF {
                calls += (bits >> 16) & 0xFF_FFFF;
                failures += bits >> 40;
            }
        }
        if calls >= 20 && failures * 2 >= calls {
            self.open_until.store(now + 5_000_000_000, Ordering::Release);
            let _ =
                self.state.compare_exchange(closed, closed + STEP + 1, Ordering::AcqRel, Ordering::Acquire);
            for bucket in &self.buckets {
                bucket.store(0, Ordering::Release);
            }
        }
    }
}

struct Place;

impl Place {
    fn take() -> Option<Self> {
        let mut running = RUNNING.load(Ordering::Relaxed);
        while running < PLACES {
            match RUNNING.compare_exchange_weak(running, running + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(Self),
                Err(changed) => running = changed,
            }
        }
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::AcqRel);
    }
}

fn charge(now: u64) -> bool {
    let mut tat = LIMIT.load(Ordering::Acquire);
    loop {
        let next = tat.max(now) + EMISSION;
        if next - now > TOLERANCE {
            return false;
        }
        match LIMIT.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => return true,
            Err(changed) => tat = changed,
        }
    }
}

pin_project! {
    struct Timeout<F> {
        #[pin]
        body: F,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(value) = this.body.poll(cx) {
            return Poll::Ready(Some(value));
        }
        if this.timer.is_none() {
            this.timer.set(Some(tokio::time::sleep(Duration::from_nanos(TIMEOUT))));
        }
        this.timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx)).map(|()| None)
    }
}

/// The call.
pub(crate) async fn call(value: u64) -> Result<u64, Failure> {
    let started = now();
    if !charge(started) {
        return Err(Failure);
    }
    let mut attempt = 0;
    let mut attempt_started = started;
    let (result, ended) = loop {
        attempt += 1;
        let Some(admitted) = BREAKER.admit(attempt_started) else { break (Err(Failure), attempt_started) };
        let Some(place) = Place::take() else { break (Err(Failure), attempt_started) };
        let outcome = Timeout { body: crate::body(value), timer: None }.await;
        drop(place);
        let ended = now();
        let failed = !matches!(outcome, Some(Ok(_)));
        BREAKER.record(admitted, ended, failed);
        match outcome {
            Some(Ok(value)) => break (Ok(value), ended),
            _ if attempt == ATTEMPTS => break (Err(Failure), ended),
            _ => tokio::time::sleep(Duration::from_millis(50 << attempt)).await,
        }
        attempt_started = now();
    };
    CALLS.fetch_add(1, Ordering::Relaxed);
    let took = ended - started;
    let at = (64 - (took >> 16).leading_zeros()).min(15) as usize;
    DURATIONS[at].fetch_add(1, Ordering::Relaxed);
    DURATION_SUM.fetch_add(took, Ordering::Relaxed);
    result
}
