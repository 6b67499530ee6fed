//! One load in flight for a key: its leader, and those who wait for it.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, PoisonError};

use tokio::sync::watch;

use super::Mark;
use crate::clock::Nanos;
use crate::sync::{Mutex, MutexGuard};

const SHARDS: usize = 16;

/// How a load ended for those who wait for it.
#[derive(Debug)]
pub enum Landing<V> {
    /// With this result.
    Loaded(V),
    /// It failed, for this reason; nobody tries at once again on its behalf.
    Failed(Arc<Failure>),
    /// Its leader went away, ran out of its caller's time or is not polled: the next one leads.
    Abandoned,
}

/// Why a load failed.
#[derive(Debug)]
pub enum Failure {
    /// The error or the refusal itself, which each follower gets.
    Itself(Mutex<Box<dyn Any + Send>>),
    /// What it says, where it says anything.
    Text(Option<Arc<str>>),
    /// Its leader panicked.
    Panicked,
}

impl<V: Clone> Clone for Landing<V> {
    fn clone(&self) -> Self {
        match self {
            Self::Loaded(value) => Self::Loaded(value.clone()),
            Self::Failed(failure) => Self::Failed(Arc::clone(failure)),
            Self::Abandoned => Self::Abandoned,
        }
    }
}

/// One load in flight.
#[derive(Debug)]
struct Flight<V> {
    landing: watch::Sender<Option<Landing<V>>>,
    mark: Arc<Mark>,
    began: Nanos,
}

/// The wait for another call's load.
#[derive(Debug)]
pub struct Follower<V> {
    flight: Arc<Flight<V>>,
    landing: watch::Receiver<Option<Landing<V>>>,
}

impl<V: Clone> Follower<V> {
    /// How the load ended.
    pub async fn landed(&mut self) -> Landing<V> {
        // The flight is held, so its channel is open.
        match self.landing.wait_for(Option::is_some).await {
            Ok(landing) => landing.clone().unwrap_or(Landing::Abandoned),
            Err(_) => Landing::Abandoned,
        }
    }
}

impl<V> Follower<V> {
    /// When the load began.
    pub(super) fn began(&self) -> Nanos {
        self.flight.began
    }

    /// The progress of the load.
    pub fn mark(&self) -> &Arc<Mark> {
        &self.flight.mark
    }
}

/// The loads of one store.
#[derive(Debug)]
pub(super) struct Flights<K, V> {
    hasher: RandomState,
    shards: [Mutex<HashMap<K, Arc<Flight<V>>>>; SHARDS],
}

/// A flight for its leader.
pub(super) struct Flown<V>(Arc<Flight<V>>);

/// Whether a call loads, or waits for a load.
pub(super) enum Boarding<V> {
    Leads(Flown<V>),
    Follows(Follower<V>),
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
    pub(super) fn board<R>(
        &self,
        key: &K,
        now: Nanos,
        landed: impl FnOnce() -> Option<R>,
    ) -> Result<R, Boarding<V>> {
        let mut flights = self.shard(key);
        if let Some(flight) = flights.get(key) {
            let landing = flight.landing.subscribe();
            return Err(Boarding::Follows(Follower { flight: Arc::clone(flight), landing }));
        }
        if let Some(found) = landed() {
            return Ok(found);
        }
        let flight = Arc::new(Flight { landing: watch::Sender::new(None), mark: Arc::default(), began: now });
        flights.insert(key.clone(), Arc::clone(&flight));
        Err(Boarding::Leads(Flown(flight)))
    }

    /// Takes the key's load from the map, whoever leads it: what it brings is not kept.
    pub(super) fn detach(&self, key: &K) {
        self.shard(key).remove(key);
    }

    /// Takes the load that `follower` waits for from its leader, which is not polled: the next one leads.
    pub(super) fn take_over(&self, key: &K, follower: &Follower<V>) {
        let flight = &follower.flight;
        {
            let mut flights = self.shard(key);
            if flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight)) {
                flights.remove(key);
            }
        }
        flight.landing.send_if_modified(|landing| {
            let open = landing.is_none();
            if open {
                *landing = Some(Landing::Abandoned);
            }
            open
        });
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
        flight.landing.send_replace(Some(landing));
    }
}

/// The right and the duty to load one key. Dropped without a landing, it lets the next waiting call lead; dropped by
/// a panic of the load, it fails those who wait.
#[derive(Debug)]
pub struct Leader<K: Hash + Eq + Clone, V> {
    flights: Arc<Flights<K, V>>,
    flight: Arc<Flight<V>>,
    key: K,
    landed: bool,
}

impl<K: Hash + Eq + Clone, V> Leader<K, V> {
    pub(super) fn new(flights: Arc<Flights<K, V>>, Flown(flight): Flown<V>, key: K) -> Self {
        Self { flights, flight, key, landed: false }
    }

    /// The key.
    pub fn key(&self) -> &K {
        &self.key
    }

    /// The progress of the load.
    pub fn mark(&self) -> &Arc<Mark> {
        &self.flight.mark
    }

    /// Whether any call waits for the load.
    pub(super) fn is_followed(&self) -> bool {
        self.flight.landing.receiver_count() > 0
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
            // A panic around the leader is its caller's.
            let panicked = std::thread::panicking() && self.flight.mark.is_polled();
            let landing =
                if panicked { Landing::Failed(Arc::new(Failure::Panicked)) } else { Landing::Abandoned };
            self.flights.land(&self.key, &self.flight, landing, || {});
        }
    }
}
