//! One load in flight for a key: its leader, and those who wait for it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use crate::sync::{Mutex, MutexGuard};

const SHARDS: usize = 16;

/// How a load ended for those who wait for it.
#[derive(Debug)]
pub enum Landing<V> {
    /// With this result.
    Loaded(V),
    /// It failed; nobody tries at once again on its behalf.
    Failed,
    /// Its leader went away: the next one leads.
    Abandoned,
}

impl<V: Clone> Clone for Landing<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Loaded(value) => Self::Loaded(value.clone()),
            Self::Failed => Self::Failed,
            Self::Abandoned => Self::Abandoned,
        }
    }
}

type Flight<V> = watch::Sender<Option<Landing<V>>>;

/// The loads of one store.
#[derive(Debug)]
pub(super) struct Flights<K, V> {
    hasher: RandomState,
    shards: [Mutex<HashMap<K, Arc<Flight<V>>>>; SHARDS],
}

/// Whether a call loads, or waits for a load.
pub(super) enum Boarding<V> {
    Leads(Arc<Flight<V>>),
    Follows(watch::Receiver<Option<Landing<V>>>),
}

impl<K: Hash + Eq + Clone, V> Flights<K, V> {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, HashMap<K, Arc<Flight<V>>>> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        // Nothing of the user's but `Hash`, `Eq` and `Clone` of a key runs under the lock.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leads the key's load, or follows the one in flight; unless `landed` finds the result of one that has just
    /// ended.
    pub(super) fn board<R>(&self, key: &K, landed: impl FnOnce() -> Option<R>) -> Result<R, Boarding<V>> {
        let mut flights = self.shard(key);
        if let Some(flight) = flights.get(key) {
            return Err(Boarding::Follows(flight.subscribe()));
        }
        if let Some(found) = landed() {
            return Ok(found);
        }
        let flight = Arc::new(watch::Sender::new(None));
        flights.insert(key.clone(), Arc::clone(&flight));
        Err(Boarding::Leads(flight))
    }

    /// Takes the key's load from the map, whoever leads it: what it brings is not kept.
    pub(super) fn detach(&self, key: &K) {
        self.shard(key).remove(key);
    }

    /// Takes all of them.
    pub(super) fn detach_all(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Ends a load: `keep` runs unless the load was detached meanwhile, and before anybody else may lead.
    fn land(&self, key: &K, flight: &Arc<Flight<V>>, landing: Landing<V>, keep: impl FnOnce()) {
        {
            let mut flights = self.shard(key);
            if flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
                flights.remove(key);
                keep();
            }
        }
        flight.send_replace(Some(landing));
    }
}

/// The right and the duty to load one key. Dropped without a landing, it lets the next waiting call lead; dropped by
/// a panic, it fails those who wait.
#[derive(Debug)]
pub struct Leader<K: Hash + Eq + Clone, V> {
    flights: Arc<Flights<K, V>>,
    flight: Arc<Flight<V>>,
    key: K,
    landed: bool,
}

impl<K: Hash + Eq + Clone, V> Leader<K, V> {
    pub(super) fn new(flights: Arc<Flights<K, V>>, flight: Arc<Flight<V>>, key: K) -> Self {
        Self { flights, flight, key, landed: false }
    }

    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// Ends the load; `keep` runs unless the key was invalidated meanwhile.
    pub(super) fn land(mut self, landing: Landing<V>, keep: impl FnOnce()) {
        self.landed = true;
        self.flights.land(&self.key, &self.flight, landing, keep);
    }
}

impl<K: Hash + Eq + Clone, V> Drop for Leader<K, V> {
    fn drop(&mut self) {
        if !self.landed {
            let landing = if std::thread::panicking() { Landing::Failed } else { Landing::Abandoned };
            self.flights.land(&self.key, &self.flight, landing, || {});
        }
    }
}
