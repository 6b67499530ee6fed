//! One function under load: what must hold of any policies.

use std::future::Future;
use std::time::Duration;

use hardening::catalogue;
use hardening_spec::{After, CallSpec, DurationRange, Rate, RateLimitSpec, Window};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, sleep_until, timeout};

use super::bodies::Bodies;
use super::model::{Arrival, goodput};
use super::{Error, Order};

const KEYS: u32 = 8;
/// How long one body takes, in milliseconds.
const TAKES: u64 = 80;
const SECONDS: u64 = 12;

/// Runs `test` in a runtime whose time stands still while anything can run.
fn on_paused_time(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(async {
        // Arrival times of policies count from the start of the process.
        advance(Duration::from_hours(1)).await;
        test.await;
    });
}

/// Checks a call that is named by its path, on paused time.
pub(crate) fn of_path<F, R>(path: &'static str, call: F)
where
    F: Fn(Order) -> R + Copy + 'static,
    R: Future<Output = Result<u64, Error>> + Send + 'static,
{
    let name = path.split_once("::").map_or(path, |(_, name)| name);
    on_paused_time(check(name, call));
}

/// Checks a function of this name through every scenario.
async fn check<F, R>(name: &str, call: F)
where
    F: Fn(Order) -> R + Copy + 'static,
    R: Future<Output = Result<u64, Error>> + Send + 'static,
{
    let site = catalogue::site(name).unwrap_or_else(|| panic!("{name} is no call"));
    let spec = site.effective();
    for seed in 0..2 {
        let mut random = fastrand::Rng::with_seed(seed);
        overload(name, &spec, call, &mut random, false).await;
        everything_is_back(name, &spec, call).await;
        overload(name, &spec, call, &mut random, true).await;
        everything_is_back(name, &spec, call).await;
        failures_and_reloads(name, site, &spec, call, &mut random).await;
        everything_is_back(name, &spec, call).await;
    }
}

/// Bodies a second that the policies admit.
fn capacity(spec: &CallSpec) -> f64 {
    let of = |limit: &RateLimitSpec| {
        let keys = if limit.keyed { f64::from(KEYS) } else { 1.0 };
        keys * per_second(limit.rate)
    };
    let limits = spec.limits().map(|(_, limit)| of(limit)).fold(200.0, f64::min);
    let places = spec.bulkhead.map_or(f64::MAX, |bulkhead| f64::from(bulkhead.max) * 1000.0 / TAKES as f64);
    limits.min(places)
}

fn per_second(rate: Rate) -> f64 {
    f64::from(rate.count) / rate.per.as_secs_f64()
}

/// Arrivals at random times, at `rate` a second for [`SECONDS`]; with `departures` every other one leaves early.
fn arrivals(random: &mut fastrand::Rng, rate: f64, departures: bool) -> Vec<Arrival> {
    let mut arrived = Duration::ZERO;
    let mut arrivals = Vec::new();
    loop {
        arrived += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / rate);
        let at = arrived.as_millis() as u64;
        if at >= SECONDS * 1000 {
            return arrivals;
        }
        let leaves = (departures && random.bool()).then(|| at + random.u64(20..1500));
        arrivals.push(Arrival { at, key: random.u32(0..KEYS), leaves });
    }
}

/// A quarter more arrives than the policies admit, and every body would succeed.
async fn overload<F, R>(name: &str, spec: &CallSpec, call: F, random: &mut fastrand::Rng, departures: bool)
where
    F: Fn(Order) -> R + Copy + 'static,
    R: Future<Output = Result<u64, Error>> + Send + 'static,
{
    let arrivals = arrivals(random, capacity(spec) * 1.25, departures);
    Bodies::clear();
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for (number, arrival) in arrivals.iter().enumerate() {
        sleep_until(began + Duration::from_millis(arrival.at)).await;
        let order = Order { key: arrival.key, number: number as u64, takes: TAKES, fails: false };
        let answer = call(Order { number: order.number + random.u64(0..u64::MAX / 2), ..order });
        let leaves = arrival.leaves.map(|leaves| leaves - arrival.at);
        calls.spawn(async move {
            match leaves {
                Some(leaves) => timeout(Duration::from_millis(leaves), answer).await.ok(),
                None => Some(answer.await),
            }
        });
    }
    // While the load lasts: a queue that serves the newest first holds fewer callers at its end than one that serves the oldest.
    sleep_until(began + Duration::from_secs(SECONDS)).await;
    let done = Bodies::look(|bodies| bodies.done);
    while let Some(ended) = calls.join_next().await {
        let ended = ended.expect("no call panics");
        assert!(!matches!(ended, Some(Err(Error::Failed))), "{name}: no body failed");
    }
    bounds(name, spec, 1, spec.bulkhead.map(|bulkhead| bulkhead.max));
    // What is kept spares bodies, and an execution beside another is one more.
    if spec.cached.is_none() {
        let model = goodput(spec, &arrivals, TAKES, SECONDS * 1000);
        assert!(
            done as f64 >= model as f64 * 0.9,
            "{name}: {done} bodies succeeded, the model's are {model} (departures: {departures})"
        );
    }
}

/// Bodies fail at random while numbers change: the bounds of the highest numbers hold.
async fn failures_and_reloads<F, R>(
    name: &str,
    site: &'static hardening::__private::Site,
    spec: &CallSpec,
    call: F,
    random: &mut fastrand::Rng,
) where
    F: Fn(Order) -> R + Copy + 'static,
    R: Future<Output = Result<u64, Error>> + Send + 'static,
{
    let arrivals = arrivals(random, capacity(spec) * 1.25, true);
    Bodies::clear();
    let began = Instant::now();
    let (mut calls, mut reloads) = (JoinSet::new(), 0);
    for (number, arrival) in arrivals.iter().enumerate() {
        sleep_until(began + Duration::from_millis(arrival.at)).await;
        if random.u32(0..40) == 0 {
            reloads += 1;
            site.configure(&scaled(spec, random));
        }
        let order = Order {
            key: arrival.key,
            number: number as u64 + random.u64(0..u64::MAX / 2),
            takes: random.u64(0..2 * TAKES),
            fails: random.u32(0..3) == 0,
        };
        let answer = call(order);
        let leaves = Duration::from_millis(arrival.leaves.map_or(60_000, |leaves| leaves - arrival.at));
        calls.spawn(async move { drop(timeout(leaves, answer).await) });
    }
    while let Some(ended) = calls.join_next().await {
        ended.expect("no call panics");
    }
    bounds(name, spec, reloads + 1, spec.bulkhead.map(|bulkhead| bulkhead.max * 2));
    site.configure(spec);
}

/// The same policies with half or twice their numbers, or as they are.
fn scaled(spec: &CallSpec, random: &mut fastrand::Rng) -> CallSpec {
    let mut spec = *spec;
    let mut scale = |number: u32| match random.u32(0..3) {
        0 => (number / 2).max(1),
        1 => number * 2,
        _ => number,
    };
    for limit in spec.rate_limits.iter_mut().flatten() {
        limit.rate.count = scale(limit.rate.count);
        limit.burst = Some(scale(limit.burst()));
        limit.wait = limit.wait * scale(2) / 2;
    }
    if let Some(bulkhead) = &mut spec.bulkhead {
        bulkhead.max = scale(bulkhead.max);
        bulkhead.max_wait = bulkhead.max_wait.map(|wait| wait * scale(2) / 2);
        if bulkhead.queue > 0 {
            bulkhead.queue = scale(bulkhead.queue);
        }
    }
    if let Some(circuit) = &mut spec.circuit_breaker {
        circuit.min_calls = scale(circuit.min_calls);
        circuit.probes = scale(circuit.probes);
        let (from, to) = (circuit.open_for.from, circuit.open_for.to);
        let times = scale(2);
        circuit.open_for = DurationRange::new(from * times / 2, to * times / 2);
        circuit.window = match circuit.window {
            Window::Time(time) => Window::Time(time * scale(2) / 2),
            Window::Calls(calls) => Window::Calls(scale(calls)),
        };
    }
    if let Some(retry) = &mut spec.retry {
        retry.attempts = scale(retry.attempts);
        let times = scale(2);
        retry.backoff = DurationRange::new(retry.backoff.from * times / 2, retry.backoff.to * times / 2);
    }
    if let Some(hedge) = &mut spec.hedged {
        hedge.max = scale(hedge.max);
        if let After::Duration(after) = &mut hedge.after {
            *after = *after * scale(2) / 2;
        }
    }
    if let Some(cache) = &mut spec.cached {
        cache.ttl = cache.ttl * scale(2) / 2;
        cache.max_entries = scale(cache.max_entries);
    }
    if let Some(idempotent) = &mut spec.idempotent {
        idempotent.ttl = idempotent.ttl * scale(2) / 2;
    }
    if let Some(fallback) = &mut spec.fallback {
        fallback.within = fallback.within * scale(2) / 2;
    }
    for time in [&mut spec.timeout, &mut spec.deadline].into_iter().flatten() {
        *time = *time * scale(2) / 2;
    }
    spec
}

/// Nothing exceeded what the policies admit: with reloads each may admit one burst more, at the highest rate.
fn bounds(name: &str, spec: &CallSpec, reloads: u32, places: Option<u32>) {
    Bodies::look(|bodies| {
        if let (Some(places), Some(bulkhead)) = (places, spec.bulkhead) {
            let most = if bulkhead.keyed { bodies.most_of_a_key } else { bodies.most };
            assert!(most <= places, "{name}: {most} bodies ran at once, {places} may");
        }
        // Limits hold where a call passes them; in a queue behind them calls may come closer to each other.
        let queues = spec.bulkhead.is_some_and(|bulkhead| bulkhead.queue > 0);
        for (_, limit) in spec.limits().filter(|_| !queues) {
            let scale = if reloads > 1 { 2.0 } else { 1.0 };
            let rate = per_second(limit.rate) * scale;
            let burst = f64::from(limit.burst()) * scale * f64::from(reloads);
            for key in 0..KEYS {
                let began: Vec<Instant> = bodies
                    .began
                    .iter()
                    .filter(|(_, k)| !limit.keyed || *k == key)
                    .map(|(at, _)| *at)
                    .collect();
                for (first, from) in began.iter().enumerate() {
                    for (last, to) in began.iter().enumerate().skip(first) {
                        let (count, time) = (last - first + 1, to.duration_since(*from).as_secs_f64());
                        // Limits count calls or attempts; a timer fires up to a millisecond late.
                        let allowed = burst + rate * (time + 0.002) + 1e-6;
                        assert!(
                            count as f64 <= allowed,
                            "{name}: {count} bodies began within {time} s, at most {allowed} may"
                        );
                    }
                }
                if !limit.keyed {
                    break;
                }
            }
        }
    });
}

/// After a while every place, turn and right is there again.
async fn everything_is_back<F, R>(name: &str, spec: &CallSpec, call: F)
where
    F: Fn(Order) -> R + Copy + 'static,
    R: Future<Output = Result<u64, Error>> + Send + 'static,
{
    sleep(Duration::from_mins(2)).await;
    assert_eq!(Bodies::running(), 0, "{name}: a body runs on");
    // A circuit asks a few calls first whether it may close.
    for number in 0..3 {
        let order = Order { key: 100, number: fastrand::u64(..), takes: 1, fails: false };
        let answer = call(order).await;
        assert!(answer.is_ok(), "{name}: probe {number}: {answer:?}");
        sleep(Duration::from_secs(1)).await;
    }
    sleep(Duration::from_mins(2)).await;
    let together = spec.bulkhead.map_or(5, |bulkhead| bulkhead.max).min(5);
    let began = Instant::now();
    let mut calls = JoinSet::new();
    for key in 0..together {
        calls.spawn(call(Order { key: 200 + key, number: fastrand::u64(..), takes: 50, fails: false }));
    }
    while let Some(ended) = calls.join_next().await {
        let answer = ended.expect("no call panics");
        assert!(answer.is_ok(), "{name}: a call alone: {answer:?}");
    }
    let took = began.elapsed();
    assert!(took < Duration::from_millis(60), "{name}: {together} calls at once took {took:?}");
}
