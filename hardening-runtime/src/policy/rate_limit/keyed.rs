//! One theoretical arrival time for each key.

use crate::clock::Nanos;
use crate::policy::account;
use crate::policy::keyed::{Place, Table, Value};

/// Set in an arrival time while callers wait for turns of its key: the [`Book`](super::book::Book) holds the state then.
/// Later than every moment, so that whoever does not know of it refuses.
pub(super) const WAITING: Nanos = 1 << 63;

/// Buckets of each limit.
const MOST_BUCKETS: u32 = 65_536;

/// An arrival time.
impl Value for Nanos {
    fn is_idle(&self, now: Nanos) -> bool {
        *self <= now
    }
}

/// The arrival times of at most `max` keys, and of buckets.
#[derive(Debug)]
pub struct Keyed(Table<Nanos>);

impl Keyed {
    /// Room for `max` keys.
    pub fn new(max: u32) -> Self {
        Self(Table::new(max, MOST_BUCKETS))
    }

    /// Changes the arrival time of `key`, or of its bucket; 0 for a new one.
    pub(super) fn update<R>(&self, key: u64, now: Nanos, change: impl FnOnce(&mut Nanos) -> R) -> (Place, R) {
        self.0.with(key, account::current, now, || 0, drop, change)
    }

    /// Changes the arrival time of `key`, where it has one or there are fewer than `most`.
    pub fn update_within<R>(
        &self,
        key: u64,
        most: usize,
        now: Nanos,
        change: impl FnOnce(&mut Nanos) -> R,
    ) -> Option<R> {
        self.0.within(key, most, now, || 0, drop, change)
    }

    /// Where a key's arrival time is, if it has one.
    pub(super) fn place(&self, key: u64) -> Option<Place> {
        self.0.place(key, account::current)
    }

    /// Changes the arrival time at a place, if `change` agrees; answers what it was, as `Ok` if it was changed.
    pub(super) fn change(
        &self,
        lane: u64,
        change: impl FnOnce(Nanos) -> Option<Nanos>,
    ) -> Option<Result<Nanos, Nanos>> {
        self.0.known(lane, |tat| {
            let before = *tat;
            change(before).map(|after| *tat = after).map_or(Err(before), |()| Ok(before))
        })
    }

    /// Marks the arrival time of `key`, or of its bucket, as [`WAITING`], and answers what it was.
    pub(super) fn open(&self, key: u64, now: Nanos) -> (Place, Nanos) {
        self.update(key, now, mark)
    }

    /// The same at a place, which may have been forgotten meanwhile.
    pub(super) fn reopen(&self, lane: u64, now: Nanos) -> Nanos {
        self.update_within(lane, usize::MAX, now, mark).unwrap_or(0)
    }

    /// Gives a place its arrival time back.
    pub(super) fn close(&self, lane: u64, tat: Nanos) {
        self.0.known(lane, |word| *word = tat);
    }

    /// No arrival time is later, but those of keys for which callers wait.
    pub(super) fn cap(&self, latest: Nanos) {
        self.0.each(|tat| {
            if *tat < WAITING {
                *tat = latest.min(*tat);
            }
        });
    }

    /// The arrival time at a place.
    pub(super) fn peek(&self, lane: u64) -> Option<Nanos> {
        self.0.known(lane, |tat| *tat)
    }

    #[cfg(feature = "testing")]
    pub(super) fn clear(&self) {
        self.0.clear();
    }

    /// Keys held now.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Holds at most so many keys from now on; those beyond stay until they are idle.
    pub(super) fn bound(&self, max: u32) {
        self.0.bound(max);
    }
}

/// Marks an arrival time, and answers what it was.
fn mark(tat: &mut Nanos) -> Nanos {
    std::mem::replace(tat, *tat | WAITING) & !WAITING
}
