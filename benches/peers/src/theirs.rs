//! The same of the peers, in their own idiom.

use std::hint::black_box;
use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable as _};
use failsafe::{CircuitBreaker as _, Config, backoff, failure_policy};
use governor::{DefaultDirectRateLimiter, DefaultKeyedRateLimiter, Quota, RateLimiter};
use tokio::sync::Semaphore;
use tower::{Service, ServiceBuilder, ServiceExt as _, service_fn};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::ratelimiter::RateLimiterLayer;
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

use crate::{Failure, body, ready, repeat};

const MANY: NonZeroU32 = NonZeroU32::MAX;

fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("{error}"),
    })
}

/// Calls a service so often.
fn drive<S>(calls: u64, mut service: S) -> u64
where
    S: Service<u64>,
{
    let _within = runtime().enter();
    (0..calls)
        .filter(|n| {
            ready(async {
                match std::future::poll_fn(|cx| service.poll_ready(cx)).await {
                    Ok(()) => service.call(black_box(*n)).await.is_ok(),
                    Err(_) => false,
                }
            })
        })
        .count() as u64
}

struct Parts {
    limit: DefaultDirectRateLimiter,
    places: Semaphore,
}

/// A layer whose numbers are right.
fn built<L, E: std::fmt::Debug>(layer: Result<L, E>) -> L {
    match layer {
        Ok(layer) => layer,
        Err(error) => panic!("{error:?}"),
    }
}

fn parts() -> &'static Parts {
    static PARTS: OnceLock<Parts> = OnceLock::new();
    PARTS.get_or_init(|| Parts {
        limit: RateLimiter::direct(Quota::per_second(MANY)),
        places: Semaphore::new(64),
    })
}

macro_rules! breaker {
    () => {
        Config::new()
            .failure_policy(failure_policy::consecutive_failures(
                5,
                backoff::constant(Duration::from_secs(5)),
            ))
            .build()
    };
}

/// One attempt of the stack that people put together.
macro_rules! attempt {
    ($breaker:expr, $value:expr) => {{
        let parts = parts();
        if parts.limit.check().is_err() {
            return Err(Failure);
        }
        let Ok(_place) = parts.places.try_acquire() else { return Err(Failure) };
        if !$breaker.is_call_permitted() {
            return Err(Failure);
        }
        let result = tokio::time::timeout(Duration::from_millis(200), body($value)).await;
        match result {
            Ok(Ok(value)) => {
                let _ = $breaker.call(|| Ok::<(), Failure>(()));
                Ok(value)
            }
            _ => {
                let _ = $breaker.call(|| Err::<(), Failure>(Failure));
                Err(Failure)
            }
        }
    }};
}

/// Crates put together, with handles of metrics that are looked up once.
pub(crate) fn together(calls: u64) -> u64 {
    let _within = runtime().enter();
    let recorder = recorder();
    let (counter, histogram) = metrics::with_local_recorder(recorder, || {
        (metrics::counter!("calls_total", "call" => "full"), metrics::histogram!("seconds", "call" => "full"))
    });
    let breaker = breaker!();
    repeat(calls, |n| {
        let began = std::time::Instant::now();
        let call = || async { attempt!(breaker, n) };
        let result = ready(call.retry(ExponentialBuilder::default()).when(|_| true).into_future());
        counter.increment(1);
        histogram.record(began.elapsed().as_secs_f64());
        result.is_ok()
    })
}

fn recorder() -> &'static metrics_exporter_prometheus::PrometheusRecorder {
    static RECORDER: OnceLock<metrics_exporter_prometheus::PrometheusRecorder> = OnceLock::new();
    RECORDER.get_or_init(|| metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder())
}

/// The same as it is written most often.
pub(crate) fn together_as_people_do(calls: u64) -> u64 {
    let _within = runtime().enter();
    let breaker = breaker!();
    metrics::with_local_recorder(recorder(), || {
        repeat(calls, |n| {
            let call = || async {
                let breaker = &breaker;
                traced(n, move |n| async move { attempt!(breaker, n) }).await
            };
            ready(call.retry(ExponentialBuilder::default()).when(|_| true).into_future()).is_ok()
        })
    })
}

#[tracing::instrument(skip_all)]
async fn traced<F>(value: u64, attempt: impl FnOnce(u64) -> F) -> Result<u64, Failure>
where
    F: Future<Output = Result<u64, Failure>>,
{
    let began = std::time::Instant::now();
    let result = attempt(value).await;
    let outcome = if result.is_ok() { "success" } else { "failure" };
    metrics::counter!("calls_total", "call" => "full", "outcome" => outcome).increment(1);
    metrics::histogram!("seconds", "call" => "full").record(began.elapsed().as_secs_f64());
    result
}

#[derive(Clone)]
struct Attempts(u32);

impl<Q: Clone, R, E> tower::retry::Policy<Q, R, E> for Attempts {
    type Future = std::future::Ready<()>;

    fn retry(&mut self, _: &mut Q, result: &mut Result<R, E>) -> Option<Self::Future> {
        if result.is_ok() || self.0 == 0 {
            return None;
        }
        self.0 -= 1;
        Some(std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Q) -> Option<Q> {
        Some(request.clone())
    }
}

/// Shed, concurrency, timeout, retry and rate of tower.
pub(crate) fn tower(calls: u64) -> u64 {
    let _within = runtime().enter();
    let service = ServiceBuilder::new()
        .load_shed()
        .rate_limit(u64::from(u32::MAX), Duration::from_secs(1))
        .retry(Attempts(2))
        .concurrency_limit(64)
        .timeout(Duration::from_millis(200))
        .service(service_fn(body));
    drive(calls, service)
}

/// The same so that it can be cloned, which tower's rate limit needs a buffer for.
pub(crate) fn tower_buffered(calls: u64) -> u64 {
    runtime().block_on(async {
        let mut service = ServiceBuilder::new()
            .buffer(64)
            .rate_limit(u64::from(u32::MAX), Duration::from_secs(1))
            .concurrency_limit(64)
            .timeout(Duration::from_millis(200))
            .service(service_fn(body));
        let mut good = 0;
        for n in 0..calls {
            let answer = match service.ready().await {
                Ok(service) => service.call(black_box(n)).await.is_ok(),
                Err(_) => false,
            };
            good += u64::from(answer);
        }
        good
    })
}

/// Five policies of tower-resilience.
pub(crate) fn tower_resilience(calls: u64) -> u64 {
    let _within = runtime().enter();
    let service = ServiceBuilder::new()
        .layer(RetryLayer::builder().max_attempts(3).exponential_backoff(Duration::from_millis(50)).build())
        .layer(built(
            CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(100).build(),
        ))
        .layer(built(RateLimiterLayer::per_second(100_000_000).build()))
        .layer(TimeLimiterLayer::builder().timeout_duration(Duration::from_millis(200)).build())
        .layer(built(BulkheadLayer::builder().max_concurrent_calls(64).build()))
        .service(service_fn(body));
    drive(calls, service)
}

/// Its breaker alone.
pub(crate) fn breaker(calls: u64) -> u64 {
    let layer = CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(100).build();
    drive(calls, ServiceBuilder::new().layer(built(layer)).service(service_fn(body)))
}

/// The same while it is open.
pub(crate) fn breaker_open(calls: u64) -> u64 {
    let layer = CircuitBreakerLayer::builder()
        .failure_rate_threshold(0.5)
        .sliding_window_size(10)
        .minimum_number_of_calls(5)
        .wait_duration_in_open(Duration::from_secs(3600))
        .build();
    let mut service = ServiceBuilder::new()
        .layer(built(layer))
        .service(service_fn(|_: u64| async { Err::<u64, Failure>(Failure) }));
    let _within = runtime().enter();
    for n in 0..20 {
        let _ = ready(async { service.ready().await.ok()?.call(n).await.ok() });
    }
    (0..calls)
        .filter(|n| ready(async { service.ready().await.ok()?.call(black_box(*n)).await.ok() }).is_none())
        .count() as u64
}

/// Consecutive failures, the cheaper one of its two.
pub(crate) fn failsafe(calls: u64) -> u64 {
    let breaker = breaker!();
    repeat(calls, |n| breaker.call(|| ready(body(n))).is_ok())
}

/// The same while it is open.
pub(crate) fn failsafe_open(calls: u64) -> u64 {
    let breaker = breaker!();
    for _ in 0..10 {
        let _ = breaker.call(|| Err::<u64, Failure>(Failure));
    }
    repeat(calls, |n| breaker.call(|| ready(body(n))).is_err())
}

/// recloser.
pub(crate) fn recloser(calls: u64) -> u64 {
    let breaker = recloser::Recloser::custom().error_rate(0.5).closed_len(100).build();
    repeat(calls, |n| breaker.call(|| ready(body(n))).is_ok())
}

/// The same while it is open.
pub(crate) fn recloser_open(calls: u64) -> u64 {
    let breaker = recloser::Recloser::custom()
        .error_rate(0.1)
        .closed_len(2)
        .open_wait(Duration::from_secs(3600))
        .build();
    for _ in 0..200 {
        let _ = breaker.call(|| Err::<u64, Failure>(Failure));
    }
    repeat(calls, |n| breaker.call(|| ready(body(n))).is_err())
}

/// A retry around a success.
pub(crate) fn backon(calls: u64) -> u64 {
    let _within = runtime().enter();
    repeat(calls, |n| {
        let call = || async move { body(n).await };
        ready(call.retry(ExponentialBuilder::default()).into_future()).is_ok()
    })
}

const KEYS: u64 = 10_000;

/// A check of one of ten thousand keys.
pub(crate) fn governor(calls: u64) -> u64 {
    static LIMITER: OnceLock<DefaultKeyedRateLimiter<u64>> = OnceLock::new();
    let limiter = LIMITER.get_or_init(|| {
        let burst = NonZeroU32::new(1_000_000).unwrap_or(MANY);
        let rate = NonZeroU32::new(100_000).unwrap_or(MANY);
        let limiter = RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst));
        for key in 0..KEYS {
            let _ = limiter.check_key(&key);
        }
        limiter
    });
    repeat(calls, |n| limiter.check_key(&black_box(n * 7919 % KEYS)).is_ok())
}

/// A hit among ten thousand entries.
pub(crate) fn moka(calls: u64) -> u64 {
    static CACHE: OnceLock<::moka::future::Cache<u64, u64>> = OnceLock::new();
    let cache = CACHE.get_or_init(|| {
        let cache = ::moka::future::Cache::builder()
            .max_capacity(20_000)
            .time_to_live(Duration::from_secs(3600))
            .build();
        for key in 0..KEYS {
            runtime().block_on(cache.insert(key, key));
        }
        cache
    });
    repeat(calls, |n| ready(cache.get(&black_box(n * 7919 % KEYS))).is_some())
}
