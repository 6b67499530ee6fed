//! Arguments are dropped in the order in which the plain function drops them, whether the body ends, returns early,
//! fails, or is cancelled at an await.

#![allow(unused, unreachable_pub, reason = "what the body does not mention is dropped too")]
#![allow(clippy::pedantic, reason = "the functions are of every shape")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};

use hardening::Rejected;
use hardening::context::{Principal, as_principal};

thread_local! {
    static DROPPED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

/// Writes down when it is dropped.
struct Recorder(&'static str);

impl Drop for Recorder {
    fn drop(&mut self) {
        note(self.0);
    }
}

fn note(what: &'static str) {
    DROPPED.with_borrow_mut(|dropped| dropped.push(what));
}

struct Fields {
    first: Recorder,
    second: Recorder,
}

fn fields() -> Fields {
    Fields { first: Recorder("first"), second: Recorder("second") }
}

/// A key that no other call has.
fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

async fn pause() {
    tokio::task::yield_now().await;
}

/// The functions, with what stands before each of them.
macro_rules! functions {
    ($($attributes:tt)*) => {
        use super::{Fields, Recorder, Rejected, dropped, fields, note, pause, unique};

        type Answer = Result<u32, Rejected>;

        $($attributes)*
        pub async fn unmentioned(first: Recorder, second: Recorder, third: Recorder) -> Answer {
            pause().await;
            note("body");
            Ok(1)
        }

        $($attributes)*
        pub async fn mentioned(first: Recorder, second: Recorder, third: Recorder) -> Answer {
            pause().await;
            note(if third.0 == first.0 { second.0 } else { "body" });
            Ok(1)
        }

        $($attributes)*
        pub async fn partly_mentioned(first: Recorder, second: Recorder, third: Recorder) -> Answer {
            let local = Recorder("local");
            pause().await;
            note(if second.0.is_empty() { local.0 } else { "body" });
            Ok(1)
        }

        $($attributes)*
        pub async fn moved(first: Recorder, second: Recorder, third: Recorder) -> Answer {
            drop(second);
            pause().await;
            let kept = first;
            note(kept.0);
            pause().await;
            note("body");
            Ok(1)
        }

        $($attributes)*
        pub async fn wildcards(_: Recorder, second: Recorder, _: Recorder, _named: Recorder) -> Answer {
            pause().await;
            note(if second.0.is_empty() { "empty" } else { "body" });
            Ok(1)
        }

        $($attributes)*
        pub async fn patterns(
            (first, _): (Recorder, Recorder),
            Fields { second: third, .. }: Fields,
            [fourth, .., last]: [Recorder; 3],
        ) -> Answer {
            pause().await;
            note(if third.0 == last.0 { first.0 } else { fourth.0 });
            Ok(1)
        }

        $($attributes)*
        pub async fn returns_early(first: Recorder, second: Recorder, now: bool) -> Answer {
            if now {
                drop(second);
                return Ok(1);
            }
            pause().await;
            note(first.0);
            Ok(2)
        }

        $($attributes)*
        pub async fn fails(first: Recorder, second: Recorder) -> Answer {
            let local = Recorder("local");
            pause().await;
            Err(Rejected::ShuttingDown)?;
            note(local.0);
            drop(first);
            drop(second);
            Ok(1)
        }

        $($attributes)*
        pub async fn value_of_the_last_expression(first: Recorder, second: Recorder) -> Answer {
            pause().await;
            Ok(u32::from({ let kept = &first; kept.0 == Recorder("temporary").0 }))
        }

        $($attributes)*
        pub async fn without_an_await(first: Recorder, second: Recorder) -> Answer {
            note(second.0);
            Ok(1)
        }

        pub struct Owner {
            first: Recorder,
            second: Recorder,
        }

        impl Owner {
            pub fn new() -> Self {
                Self { first: Recorder("own first"), second: Recorder("own second") }
            }

            $($attributes)*
            pub async fn mentioned(self, other: Recorder) -> Answer {
                pause().await;
                note(self.second.0);
                Ok(1)
            }

            $($attributes)*
            pub async fn unmentioned(self, other: Recorder) -> Answer {
                pause().await;
                note(other.0);
                Ok(1)
            }

            $($attributes)*
            pub async fn taken_apart(mut self, other: Recorder, last: Recorder) -> Answer {
                let Self { second, .. } = self;
                pause().await;
                self.second = last;
                pause().await;
                note(second.0);
                Ok(1)
            }
        }

        pub fn recorded(polls: usize) -> Vec<super::Record> {
            let r = Recorder;
            Vec::from([
                ("unmentioned", dropped(unmentioned(r("a"), r("b"), r("c")), polls)),
                ("mentioned", dropped(mentioned(r("a"), r("b"), r("c")), polls)),
                ("partly_mentioned", dropped(partly_mentioned(r("a"), r("b"), r("c")), polls)),
                ("moved", dropped(moved(r("a"), r("b"), r("c")), polls)),
                ("wildcards", dropped(wildcards(r("a"), r("b"), r("c"), r("d")), polls)),
                ("patterns", dropped(patterns((r("a"), r("b")), fields(), [r("c"), r("d"), r("e")]), polls)),
                ("returns_early", dropped(returns_early(r("a"), r("b"), true), polls)),
                ("returns_late", dropped(returns_early(r("a"), r("b"), false), polls)),
                ("fails", dropped(fails(r("a"), r("b")), polls)),
                ("last_expression", dropped(value_of_the_last_expression(r("a"), r("b")), polls)),
                ("without_an_await", dropped(without_an_await(r("a"), r("b")), polls)),
                ("method", dropped(Owner::new().mentioned(r("a")), polls)),
                ("method_without_self", dropped(Owner::new().unmentioned(r("a")), polls)),
                ("method_taken_apart", dropped(Owner::new().taken_apart(r("a"), r("b")), polls)),
            ])
        }
    };
}

/// What was dropped when the future had been polled so many times, if it was not ready before, and was then dropped.
fn dropped(future: impl Future, polls: usize) -> Vec<&'static str> {
    DROPPED.take();
    {
        let caller = Principal::new("caller").with_scope("drop:order");
        let mut future = pin!(as_principal(caller, future));
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            if future.as_mut().poll(&mut context).is_ready() {
                note("ready");
                break;
            }
            note("pending");
        }
    }
    note("gone");
    DROPPED.take()
}

/// The same functions under each attribute that runs its body once.
macro_rules! versions {
    ($($name:ident: [$($attributes:tt)*])*) => {
        $(
            mod $name {
                functions!($($attributes)*);
            }
        )*

        const VERSIONS: &[(&str, fn(usize) -> Vec<Record>)] = &[$((stringify!($name), $name::recorded)),*];
    };
}

/// A function's name, and what it dropped.
type Record = (&'static str, Vec<&'static str>);

versions! {
    plain: []
    hardened: [#[hardening::hardened]]
    timeout: [#[hardening::timeout(1h)]]
    deadline: [#[hardening::deadline(1h)]]
    circuit_breaker: [#[hardening::circuit_breaker(min_calls = 10_000)]]
    rate_limited: [#[hardening::rate_limited(100000/s)]]
    bulkhead: [#[hardening::bulkhead(max = 10)]]
    fallback: [#[hardening::fallback(Ok(7))]]
    cached: [#[hardening::cached(ttl = 1h, key = unique(), instances = shared)]]
    idempotent: [#[hardening::idempotent(key = unique(), fingerprint = 1, instances = shared)]]
    requires: [#[hardening::requires("drop:order")]]
    all: [
        #[hardening::hardened]
        #[hardening::timeout(1h)]
        #[hardening::deadline(5h)]
        #[hardening::circuit_breaker(min_calls = 10_000)]
        #[hardening::rate_limited(100000/s)]
        #[hardening::bulkhead(max = 10)]
        #[hardening::fallback(Ok(7))]
        #[hardening::cached(ttl = 1h, key = unique(), instances = shared)]
        #[hardening::idempotent(key = unique(), fingerprint = 1, instances = shared)]
        #[hardening::requires("drop:order")]
    ]
}

/// Polled to the end, and dropped after fewer polls: before the first one, and while the body waits.
#[tokio::test]
async fn arguments_are_dropped_in_the_order_of_the_plain_function() {
    let mut differences: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for polls in [0, 1, 2, 9] {
        let mut expected = Vec::new();
        for (version, recorded) in VERSIONS {
            let recorded = recorded(polls);
            if *version == "plain" {
                expected = recorded;
                continue;
            }
            for ((function, expected), (_, recorded)) in expected.iter().zip(&recorded) {
                if expected != recorded {
                    let difference = format!(
                        "{function}, polled at most {polls} times\n  plain     {}\n  annotated {}",
                        expected.join(", "),
                        recorded.join(", ")
                    );
                    differences.entry(difference).or_default().push(version);
                }
            }
        }
    }
    let mut report = String::new();
    for (difference, versions) in &differences {
        let _ = writeln!(report, "{difference}\n  under     {}", versions.join(", "));
    }
    assert!(differences.is_empty(), "\n{report}");
}

/// The attribute's key and the function's arguments are of one macro.
macro_rules! keyed {
    ($($limited:ident)?) => {
        use super::{Fields, Recorder, Rejected, note, pause};

        $(#[hardening::$limited(100000/s, key = (first.0, second.0, fields.first.0))])?
        pub async fn keyed(first: Recorder, mut second: Recorder, fields: Fields) -> Result<u32, Rejected> {
            pause().await;
            second.0 = "second";
            note(if first.0.is_empty() { second.0 } else { fields.second.0 });
            Ok(1)
        }
    };
}

mod without_key {
    keyed!();
}

mod with_key {
    keyed!(rate_limited);
}

/// What a key looks at first is handed over like everything else.
#[test]
fn arguments_of_a_key_are_dropped_in_the_order_of_the_plain_function() {
    let r = |name| Recorder(name);
    let fields = || Fields { first: r("field first"), second: r("field second") };
    for polls in [0, 1, 9] {
        let plain = dropped(without_key::keyed(r("first"), r("other"), fields()), polls);
        let annotated = dropped(with_key::keyed(r("first"), r("other"), fields()), polls);
        assert_eq!(plain, annotated, "polled at most {polls} times");
    }
}
