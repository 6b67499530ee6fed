//! Every pair of attributes, and each with itself: rate limits on one function, all others on a function that calls another one.

use hardening::{
    bulkhead, cached, circuit_breaker, deadline, fallback, hedged, idempotent, policy, rate_limited, retry,
    timeout,
};

use super::bodies::body;
use super::scenario::of_path;
use super::{Error, Order};

/// A function under two lists of attributes, and its test. The argument's name comes from where the attributes are written,
/// which name it.
macro_rules! pair {
    ($order:ident: $name:ident, [$($outer:tt)*], [$($inner:tt)*]) => {
        mod $name {
            use super::super::*;

            $($outer)*
            $($inner)*
            async fn call($order: Order) -> Result<u64, Error> {
                body($order).await
            }

            #[test]
            fn holds() {
                of_path(concat!(module_path!(), "::call"), call);
            }
        }
    };
}

/// Each list with each one behind it.
macro_rules! pairs {
    ($order:ident: $name:ident $attributes:tt $($other:ident $others:tt)*) => {
        mod $name {
            #[allow(unused_imports, reason = "the last one stands alone")]
            use super::*;
            $(pair!($order: $other, $attributes, $others);)*
        }
        pairs!($order: $($other $others)*);
    };
    ($order:ident:) => {};
}

pairs! {
    order:
    rate [#[rate_limited(50/s, burst = 10, wait = 2s)]]
    rate_of_a_key [#[rate_limited(10/s, burst = 2, key = order.key, wait = 1s)]]
    rate_at_once [#[rate_limited(40/s, burst = 8, key = (order.key, "at once"))]]
    places [#[bulkhead(max = 5)]]
    circuit [#[circuit_breaker(failure_rate = 50%, window = 5s, min_calls = 10, open_for = 1s, probes = 1)]]
    repeated [#[retry(attempts = 3, backoff = 10ms..100ms, idempotent)]]
    within [#[timeout(500ms)]]
    due [#[deadline(4s)]]
    kept [#[cached(ttl = 200ms, key = order.key)]]
    once [#[idempotent(key = order.number.to_string(), fingerprint = order.number, ttl = 1h)]]
    replaced [#[fallback(Ok(0))]]
}

mod queued {
    pair!(order: alone, [#[bulkhead(max = 5, queue = 50, max_wait = 2s)]], []);
    pair!(order: rate_at_once, [#[bulkhead(max = 5, queue = 50, max_wait = 2s)]], [#[rate_limited(40/s, burst = 8, key = (order.key, "at once"))]]);
    pair!(order: rate_of_a_key, [#[bulkhead(max = 5, queue = 50)]], [#[rate_limited(10/s, burst = 2, key = order.key, wait = 1s)]]);
    pair!(order: once, [#[bulkhead(max = 5, queue = 50)]], [#[idempotent(key = order.number.to_string(), fingerprint = order.number, ttl = 1h)]]);
    pair!(order: replaced, [#[bulkhead(max = 5, queue = 50)]], [#[fallback(Ok(0))]]);
    pair!(order: rate, [#[bulkhead(max = 5, queue = 50, max_wait = 2s)]], [#[rate_limited(50/s, burst = 10, wait = 2s)]]);
    pair!(order: rate_of_an_attempt, [#[bulkhead(max = 5, queue = 50)]], [#[rate_limited(50/s, burst = 10, wait = 2s, per = attempt)]]);
    pair!(order: circuit, [#[bulkhead(max = 5, queue = 50)]], [#[circuit_breaker(window = 5s, open_for = 1s, probes = 1)]]);
    pair!(order: repeated, [#[bulkhead(max = 5, queue = 50)]], [#[retry(attempts = 3, backoff = 10ms..100ms, idempotent)]]);
    pair!(order: within, [#[bulkhead(max = 5, queue = 50)]], [#[timeout(500ms)]]);
    pair!(order: due, [#[bulkhead(max = 5, queue = 50)]], [#[deadline(1s)]]);
    pair!(order: kept, [#[bulkhead(max = 5, queue = 50)]], [#[cached(ttl = 200ms, key = order.key)]]);
    pair!(order: of_a_key, [#[bulkhead(max = 1, queue = 5, key = order.key)]], [#[deadline(1s)]]);
}

mod beside {
    pair!(order: rate_at_once, [#[hedged(after = 200ms, idempotent)]], [#[rate_limited(40/s, burst = 8, key = (order.key, "at once"))]]);
    pair!(order: places_at_once, [#[hedged(after = 200ms, idempotent)]], [#[bulkhead(max = 5)]]);
    pair!(order: once, [#[hedged(after = 200ms, idempotent)]], [#[idempotent(key = order.number.to_string(), fingerprint = order.number, ttl = 1h)]]);
    pair!(order: replaced, [#[hedged(after = 200ms, idempotent)]], [#[fallback(Ok(0))]]);
    pair!(order: rate, [#[hedged(after = 200ms, idempotent)]], [#[rate_limited(50/s, burst = 10, wait = 2s)]]);
    pair!(order: rate_of_a_key, [#[hedged(after = 200ms, idempotent)]], [#[rate_limited(10/s, burst = 2, key = order.key, wait = 1s)]]);
    pair!(order: places, [#[hedged(after = 200ms, idempotent)]], [#[bulkhead(max = 5, queue = 20)]]);
    pair!(order: circuit, [#[hedged(after = 200ms, idempotent)]], [#[circuit_breaker(window = 5s, open_for = 1s, probes = 1)]]);
    pair!(order: within, [#[hedged(after = 200ms, idempotent)]], [#[timeout(500ms)]]);
    pair!(order: due, [#[hedged(after = 200ms, idempotent)]], [#[deadline(2s)]]);
    pair!(order: kept, [#[hedged(after = 200ms, idempotent)]], [#[cached(ttl = 200ms, key = order.key)]]);
}

mod three {
    pair!(order: limits, [#[rate_limited(50/s, burst = 10, wait = 2s)] #[rate_limited(10/s, burst = 2, key = order.key, wait = 1s)]], [#[rate_limited(100/s, burst = 5, wait = 1s, key = (order.key, 1))]]);
    pair!(order: limits_and_places, [#[rate_limited(50/s, burst = 10, wait = 2s)] #[rate_limited(10/s, burst = 2, key = order.key, wait = 1s)]], [#[bulkhead(max = 5, queue = 20)] #[deadline(2s)]]);
    pair!(order: of_an_attempt, [#[rate_limited(50/s, burst = 10, wait = 2s, per = attempt)] #[rate_limited(10/s, burst = 2, key = order.key, wait = 1s, per = attempt)]], [#[retry(attempts = 2, idempotent)]]);
}

/// A function under some attributes that calls another one under the same, and its test.
macro_rules! nested {
    ($order:ident: $($name:ident [$($attributes:tt)*])*) => {$(
        mod $name {
            use super::*;

            $($attributes)*
            async fn inner($order: Order) -> Result<u64, Error> {
                body($order).await
            }

            $($attributes)*
            async fn call($order: Order) -> Result<u64, Error> {
                inner($order).await
            }

            #[test]
            fn holds() {
                of_path(concat!(module_path!(), "::call"), call);
            }
        }
    )*};
}

mod itself {
    use super::*;

    policy! {
        static SHARED_RATE: RateLimiter = { rate = 50/s, burst = 10, wait = 2s };
        static SHARED_RATE_OF_A_KEY: RateLimiter = { keyed, rate = 10/s, burst = 2, wait = 1s };
        static SHARED_PLACES: Bulkhead = { max = 5 };
        static SHARED_QUEUE: Bulkhead = { max = 5, queue = 50, max_wait = 2s };
        static SHARED_CIRCUIT: CircuitBreaker = { failure_rate = 50%, window = 5s, min_calls = 10, open_for = 1s, probes = 1 };
        static SHARED_BUDGET: RetryBudget = { ratio = 20% };
    }

    nested! {
        order:
        rate [#[rate_limited(50/s, burst = 10, wait = 2s)]]
        rate_of_a_key [#[rate_limited(10/s, burst = 2, key = order.key, wait = 1s)]]
        places [#[bulkhead(max = 5)]]
        queue [#[bulkhead(max = 5, queue = 50, max_wait = 2s)]]
        circuit [#[circuit_breaker(failure_rate = 50%, window = 5s, min_calls = 10, open_for = 1s, probes = 1)]]
        repeated [#[retry(attempts = 3, backoff = 10ms..100ms, idempotent)]]
        within [#[timeout(500ms)]]
        due [#[deadline(4s)]]
        kept [#[cached(ttl = 200ms, key = order.key)]]
        once [#[idempotent(key = order.number.to_string(), fingerprint = order.number, ttl = 1h)]]
        replaced [#[fallback(Ok(0))]]
        beside [#[hedged(after = 200ms, idempotent)]]
        shared_rate [#[rate_limited(SHARED_RATE)]]
        shared_rate_of_a_key [#[rate_limited(SHARED_RATE_OF_A_KEY, key = order.key)]]
        shared_places [#[bulkhead(SHARED_PLACES)]]
        shared_queue [#[bulkhead(SHARED_QUEUE)]]
        shared_circuit [#[circuit_breaker(SHARED_CIRCUIT)]]
        shared_budget [#[retry(attempts = 3, backoff = 10ms..100ms, idempotent, budget = SHARED_BUDGET)]]
    }
}
