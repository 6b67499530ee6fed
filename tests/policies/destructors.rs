//! Destructors of cached results and of their keys use the cache: no lock of it is held while they run.

use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use hardening::{ByteSize, Cache, Rejected, cache, cached};
use hardening_spec::settings::{Raw, set};

const CALLS: [&str; 4] = [
    "destructors::by_number",
    "destructors::by_size",
    "destructors::of_types",
    "destructors::sized_of_types",
];

/// Uses every cache of this file, in every shard.
fn use_caches() {
    for call in CALLS {
        let cache = cache(call).unwrap();
        for key in 1000..1040 {
            cache.invalidate(&self::key(key));
            cache.invalidate(&(self::key(key), std::any::type_name::<u8>().to_owned()));
        }
        let _ = (cache.len(), cache.bytes());
    }
}

/// Uses the caches when it goes, unless a destructor has made it, from 1000 on.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Used(u32);

impl Drop for Used {
    fn drop(&mut self) {
        if self.0 < 1000 {
            use_caches();
        }
    }
}

/// Every clone is one of its own.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(Arc<Used>);

impl Clone for Key {
    fn clone(&self) -> Self {
        Self(Arc::new(Used(self.0.0)))
    }
}

impl ByteSize for Key {
    fn byte_size(&self) -> usize {
        100
    }
}

#[derive(Clone, Debug)]
pub(super) struct Value(#[expect(dead_code, reason = "for its destructor")] Arc<Used>);

impl ByteSize for Value {
    fn byte_size(&self) -> usize {
        1000
    }
}

fn key(number: u32) -> Key {
    Key(Arc::new(Used(number)))
}

#[cached(ttl = 10s, key = k, max_entries = 2)]
async fn by_number(k: Key) -> Result<Value, Rejected> {
    Ok(Value(k.0))
}

#[cached(ttl = 10s, key = k, max_bytes = 4kB)]
async fn by_size(k: Key) -> Result<Value, Rejected> {
    Ok(Value(k.0))
}

#[cached(ttl = 10s, key = (k, std::any::type_name::<X>()), max_entries = 2)]
async fn of_types<X>(k: Key, x: X) -> Result<Value, Rejected> {
    drop(x);
    Ok(Value(k.0))
}

#[cached(ttl = 10s, key = (k, std::any::type_name::<X>()), max_bytes = 4kB)]
async fn sized_of_types<X>(k: Key, x: X) -> Result<(Value, Vec<X>), Rejected>
where
    X: Clone + Send + Sync + ByteSize + 'static,
{
    Ok((Value(k.0), vec![x]))
}

/// Runs on a thread of its own, which must come to an end.
fn ends(what: &'static str, run: impl FnOnce() + Send + 'static) {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _entered = runtime.enter();
        run();
        sender.send(()).unwrap();
    });
    assert_eq!(receiver.recv_timeout(Duration::from_secs(20)), Ok(()), "{what}");
}

fn wait<F: Future>(call: F) -> F::Output {
    tokio::runtime::Handle::current().block_on(call)
}

fn fill(call: &str) -> Cache {
    for number in 0..50 {
        match call {
            "destructors::by_number" => drop(wait(by_number(key(number))).unwrap()),
            "destructors::by_size" => drop(wait(by_size(key(number))).unwrap()),
            "destructors::of_types" => {
                drop(wait(of_types(key(number), 1_u8)).unwrap());
                drop(wait(of_types(key(number), "")).unwrap());
            }
            _ => {
                drop(wait(sized_of_types(key(number), 1_u8)).unwrap());
                drop(wait(sized_of_types(key(number), 1_u16)).unwrap());
            }
        }
    }
    cache(call).unwrap()
}

fn put(call: &str, setting: &str, value: i64) {
    let site = hardening::catalogue::site(call).unwrap();
    let mut spec = site.effective();
    set(&mut spec, "cached", setting, Raw::Int(value)).unwrap();
    site.configure(&spec);
}

/// In one test: they use the caches of each other.
#[test]
fn results_and_keys_that_use_the_cache_when_they_go_wait_for_nothing() {
    for call in CALLS {
        ends("eviction", move || {
            fill(call);
        });
        ends("forgetting a key", move || {
            let cache = fill(call);
            (0..50).for_each(|number| {
                cache.invalidate(&key(number));
            });
        });
        ends("forgetting everything", move || fill(call).clear());
    }
    ends("a lower number", || {
        fill("destructors::by_number");
        put("destructors::by_number", "max_entries", 1);
    });
    ends("a lower size", || {
        fill("destructors::by_size");
        put("destructors::by_size", "max_bytes", 2000);
        // One that is larger than the whole bound is not kept.
        put("destructors::by_size", "max_bytes", 500);
        fill("destructors::by_size");
    });
    ends("another result of the same key, and one that was forgotten while it was loaded", || {
        for _ in 0..3 {
            put("destructors::by_number", "max_entries", 2);
            drop(wait(by_number(key(1))).unwrap());
            fill("destructors::by_number").invalidate(&key(1));
        }
    });
}
