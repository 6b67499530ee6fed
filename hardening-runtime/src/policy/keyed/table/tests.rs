//! Room, shares and buckets.

use super::*;

const NOW: Nanos = 1_000_000_000;
const NOBODY: fn() -> Option<Owner> = || None;

/// Idle from this moment on.
impl Value for (Nanos, u64) {
    fn is_idle(&self, now: Nanos) -> bool {
        now >= self.0
    }
}

type Until = (Nanos, u64);

fn table(max: u32) -> Table<Until> {
    Table::new(max, 1024)
}

/// Holds a key until that moment, and says where it is.
fn hold(table: &Table<Until>, key: u64, owner: impl Into<Option<Owner>>, now: Nanos, until: Nanos) -> Place {
    let owner = owner.into();
    table.with(key, || owner, now, || (until, key), |_| {}, |_| {}).0
}

fn owner(id: u64) -> Owner {
    Owner { id, network: id }
}

/// Keys as far apart as hashes are.
fn key(n: u64) -> u64 {
    hash_key(&n)
}

#[test]
fn a_key_keeps_its_value_and_an_idle_one_makes_room() {
    let table = table(2);
    for n in 0..2 {
        assert_eq!(hold(&table, key(n), None, NOW, NOW + 5), Place { key: key(n), is_bucket: false });
    }
    assert_eq!((table.known(key(1), |value| value.1), table.known(key(2), |_| ())), (Some(key(1)), None));
    assert!(hold(&table, key(2), None, NOW, NOW + 9).is_bucket);
    assert_eq!((table.len(), hold(&table, key(0), None, NOW, 0).is_bucket), (2, false));
    // The two are idle and go, and so does the bucket in its time.
    let mut gone = Vec::new();
    let looked = NOW + SWEEP_EVERY;
    table.with(key(3), NOBODY, looked, || (looked + 5, 3), |value| gone.push(value.1), |_| {});
    gone.sort_unstable();
    let mut expected = vec![key(0), key(1), key(2)];
    expected.sort_unstable();
    assert_eq!((table.len(), gone), (1, expected));
    assert_eq!(table.known(key(3), |value| value.1), Some(3));
}

#[test]
fn a_full_table_is_looked_through_now_and_then() {
    let table = table(1);
    hold(&table, key(0), None, NOW, NOW + 1);
    assert!(hold(&table, key(1), None, NOW, NOW).is_bucket, "looked, and the key was not idle");
    assert!(hold(&table, key(1), None, NOW + 1, NOW).is_bucket, "just looked");
    assert!(hold(&table, key(1), None, NOW + SWEEP_EVERY - 1, NOW).is_bucket);
    assert!(!hold(&table, key(1), None, NOW + SWEEP_EVERY, NOW).is_bucket);
}

#[test]
fn another_bound_holds_at_once() {
    let table = table(1);
    assert_eq!(table.max(), 1);
    hold(&table, key(0), None, NOW, Nanos::MAX);
    table.bound(2);
    assert!(!hold(&table, key(1), None, NOW, Nanos::MAX).is_bucket);
    table.bound(1);
    assert!(hold(&table, key(2), None, NOW, Nanos::MAX).is_bucket);
    assert!(!hold(&table, key(1), None, NOW, 0).is_bucket, "what is held stays");
    assert_eq!(table.len(), 2);
}

#[test]
fn a_place_is_that_of_the_key_or_of_its_bucket() {
    let table = table(1);
    assert_eq!(table.place(key(0), NOBODY), None);
    let own = hold(&table, key(0), None, NOW, Nanos::MAX);
    assert_eq!(table.place(key(0), NOBODY), Some(own));
    assert_eq!(table.place(key(1), NOBODY), None);
    let bucket = hold(&table, key(1), None, NOW, Nanos::MAX);
    assert_eq!(table.place(key(1), NOBODY), Some(bucket));
    assert_eq!((own.is_bucket, bucket.is_bucket, table.place(key(2), NOBODY)), (false, true, Some(bucket)));
    let mut seen = 0;
    table.each(|_| seen += 1);
    assert_eq!(seen, 2);
}

#[test]
fn a_small_table_has_one_bucket_and_others_all() {
    let buckets = |max, most: u32| {
        let table: Table<Until> = Table::new(max, most);
        table.bound(0);
        table.bound(max);
        let places = (0..10_000).map(|n| table.bucket(None, key(n)));
        places.collect::<std::collections::HashSet<_>>().len()
    };
    assert_eq!([buckets(0, 8), buckets(1, 8), buckets(63, 8)], [1, 1, 1]);
    assert_eq!([buckets(64, 8), buckets(64, 500), buckets(9_000, 8)], [8, 500, 8]);
}

#[test]
fn within_a_bound_of_the_callers_own() {
    let table = table(1);
    let within = |n: u64, most| table.within(key(n), most, NOW, || (Nanos::MAX, n), |_| {}, |value| value.1);
    assert_eq!((within(0, 0), within(0, 1), within(1, 1), within(1, 2)), (None, Some(0), None, Some(1)));
    assert_eq!((within(0, 0), table.len()), (Some(0), 2), "a known key has its place");
    // An idle one makes room here too.
    let later = NOW + SWEEP_EVERY;
    table.known(key(0), |value| value.0 = NOW);
    let mut gone = 0;
    assert_eq!(table.within(key(2), 2, later, || (0, 2), |_| gone += 1, |value| value.1), Some(2));
    assert_eq!((gone, table.len()), (1, 2));
}

#[test]
fn one_owner_leaves_room_near_the_bound() {
    let table = table(1000);
    let own = |id: u64, n: u64| !hold(&table, key(n), owner(id), NOW, Nanos::MAX).is_bucket;
    let greedy = (0..5000).filter(|n| own(1, *n)).count();
    assert_eq!(greedy, 750, "three quarters, where nobody is held to a share");
    assert_eq!(table.len(), 750);
    // Others get theirs, who came later, and less of it as the room shrinks.
    let next = (5000..6000).filter(|n| own(2, *n)).count();
    assert_eq!(next, 67);
    assert!((0..100).all(|id| own(10 + id, 6000 + id)), "one for each as long as there is room");
    let last = (7000..8000).filter(|n| own(3, *n)).count();
    assert_eq!(last, 10);
    // What belongs to nobody has all the room.
    let rest = 1000 - table.len();
    assert_eq!(
        (8000..9000).filter(|n| !hold(&table, key(*n), None, NOW, Nanos::MAX).is_bucket).count(),
        rest
    );
    assert!(!own(99, 9999), "there is none left");
}

#[test]
fn a_small_table_has_no_shares() {
    let held = |max: u32| {
        let table = table(max);
        (0..1000).filter(|n| !hold(&table, key(*n), owner(1), NOW, Nanos::MAX).is_bucket).count()
    };
    assert_eq!((held(63), held(64)), (63, 48));
}

#[test]
fn what_an_owner_leaves_is_room_for_it_again() {
    let table = table(64);
    let hold = |n, now, until| !hold(&table, key(n), owner(1), now, until).is_bucket;
    assert_eq!((0..64).filter(|n| hold(*n, NOW, NOW + 1)).count(), 48);
    // The table is not full, so nobody is forgotten for a share.
    let later = NOW + SWEEP_EVERY;
    table.bound(48);
    assert!(!hold(100, NOW, later));
    assert_eq!((100..200).filter(|n| hold(*n, later, Nanos::MAX)).count(), 48);
}

#[test]
fn a_network_shares_buckets_with_itself() {
    let table = table(64);
    for n in 0..64 {
        hold(&table, key(n), None, NOW, Nanos::MAX);
    }
    let buckets = |network| {
        let owner = Some(Owner { id: network, network });
        let places = (100..500).map(|n| hold(&table, key(n), owner, NOW, Nanos::MAX));
        places
            .filter(|place| place.is_bucket)
            .map(|place| place.key)
            .collect::<std::collections::HashSet<_>>()
    };
    let (one, other) = (buckets(3), buckets(4));
    assert_eq!((one.len(), other.len()), (16, 16));
    assert!(one.is_disjoint(&other));
    assert_eq!(buckets(3), one);
    assert_eq!(table.len(), 64, "buckets take no room of keys");
}

#[test]
fn threads_that_bring_the_same_keys_count_them_once() {
    let table = table(1000);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                for n in 0..700 {
                    hold(&table, key(n), owner(1), NOW, NOW + 1);
                }
            });
        }
    });
    assert_eq!(table.len(), 700);
    assert!(table.accounts.take(1, 701) && !table.accounts.take(1, 701), "700 on its account");
}
