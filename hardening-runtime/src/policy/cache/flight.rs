//! One load in flight for a key: its leader, and those who wait for it.

use std::any::Any;
use std::collections::{BTreeMap, HashMap};
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
struct Flight<K: Hash + Eq + Clone, V> {
    landing: watch::Sender<Option<Landing<V>>>,
    mark: Arc<Mark>,
    began: Nanos,
    /// Those who wait, by the moment until which they do.
    waiting: Mutex<Waiting<K, V>>,
}

type Waiting<K, V> = BTreeMap<(Nanos, usize), Arc<Seat<K, V>>>;

/// Where one that waits finds the load that was handed on to it.
type Seat<K, V> = Mutex<Option<Leader<K, V>>>;

impl<K: Hash + Eq + Clone, V> Flight<K, V> {
    fn new(now: Nanos) -> Self {
        Self {
            landing: watch::Sender::new(None),
            mark: Arc::default(),
            began: now,
            waiting: Mutex::default(),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<K, V>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes out the one that waits longest, if it does so beyond `least`.
    fn most_patient(&self, least: Nanos) -> Option<Arc<Seat<K, V>>> {
        let mut waiting = self.waiting();
        let last = waiting.last_entry().filter(|last| last.key().0 > least)?;
        Some(last.remove())
    }
}

/// The wait for another call's load.
#[derive(Debug)]
pub struct Follower<K: Hash + Eq + Clone, V> {
    flight: Arc<Flight<K, V>>,
    landing: watch::Receiver<Option<Landing<V>>>,
    /// Its place among those who wait.
    seat: Option<(Nanos, Arc<Seat<K, V>>)>,
}

impl<K: Hash + Eq + Clone, V: Clone> Follower<K, V> {
    /// How the load ended.
    pub async fn landed(&mut self) -> Landing<V> {
        // The flight is held, so its channel is open.
        match self.landing.wait_for(Option::is_some).await {
            Ok(landing) => landing.clone().unwrap_or(Landing::Abandoned),
            Err(_) => Landing::Abandoned,
        }
    }
}

impl<K: Hash + Eq + Clone, V> Follower<K, V> {
    fn new(flight: &Arc<Flight<K, V>>, until: Option<Nanos>) -> Self {
        let seat = until.map(|until| (until, Arc::<Seat<K, V>>::default()));
        if let Some((until, seat)) = &seat {
            flight.waiting().insert((*until, Arc::as_ptr(seat).addr()), Arc::clone(seat));
        }
        Self { flight: Arc::clone(flight), landing: flight.landing.subscribe(), seat }
    }

    /// The lead, where the load was handed on to this one.
    pub(super) fn lead(&self) -> Option<Leader<K, V>> {
        let (_, seat) = self.seat.as_ref()?;
        seat.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// When the load began.
    pub fn began(&self) -> Nanos {
        self.flight.began
    }

    /// The progress of the load.
    pub fn mark(&self) -> &Arc<Mark> {
        &self.flight.mark
    }
}

impl<K: Hash + Eq + Clone, V> Drop for Follower<K, V> {
    fn drop(&mut self) {
        if let Some((until, seat)) = &self.seat {
            self.flight.waiting().remove(&(*until, Arc::as_ptr(seat).addr()));
        }
    }
}

/// The loads of one store.
#[derive(Debug)]
pub(super) struct Flights<K: Hash + Eq + Clone, V> {
    hasher: RandomState,
    shards: [Mutex<ByKey<K, V>>; SHARDS],
}

type ByKey<K, V> = HashMap<K, Arc<Flight<K, V>>>;

/// A flight for its leader.
pub(super) struct Flown<K: Hash + Eq + Clone, V>(Arc<Flight<K, V>>);

/// Whether a call loads, or waits for a load.
pub(super) enum Boarding<K: Hash + Eq + Clone, V> {
    Leads(Flown<K, V>),
    Follows(Follower<K, V>),
}

impl<K: Hash + Eq + Clone, V> Flights<K, V> {
    pub(super) fn new() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, ByKey<K, V>> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        // Nothing of the user's but `Hash`, `Eq` and `Clone` of a key runs under the lock: what goes is dropped outside.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leads the key's load, or follows the one in flight; unless `landed` finds the result of one that has just
    /// ended. A load may be handed on to one that follows, if it says `until` when it waits.
    pub(super) fn board<R>(
        &self,
        key: &K,
        now: Nanos,
        until: Option<Nanos>,
        landed: impl FnOnce() -> Option<R>,
    ) -> Result<R, Boarding<K, V>> {
        let mut flights = self.shard(key);
        if let Some(flight) = flights.get(key) {
            return Err(Boarding::Follows(Follower::new(flight, until)));
        }
        if let Some(found) = landed() {
            return Ok(found);
        }
        let flight = Arc::new(Flight::new(now));
        flights.insert(key.clone(), Arc::clone(&flight));
        Err(Boarding::Leads(Flown(flight)))
    }

    /// Takes the key's load from the map, whoever leads it: what it brings is not kept.
    pub(super) fn detach(&self, key: &K) {
        let gone = self.shard(key).remove_entry(key);
        drop(gone);
    }

    /// Takes the load that `follower` waits for from its leader, which is not polled: the next one leads.
    pub(super) fn take_over(&self, key: &K, follower: &Follower<K, V>) {
        let flight = &follower.flight;
        let gone = {
            let mut flights = self.shard(key);
            let is_current = flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight));
            is_current.then(|| flights.remove_entry(key))
        };
        drop(gone);
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
            let gone = std::mem::take(&mut *shard.lock().unwrap_or_else(PoisonError::into_inner));
            drop(gone);
        }
    }

    /// Ends a load: `keep` runs unless the load was detached meanwhile, and before anybody else may lead.
    fn land(&self, key: &K, flight: &Arc<Flight<K, V>>, landing: Landing<V>, keep: impl FnOnce()) {
        let gone = {
            let mut flights = self.shard(key);
            let is_current = flights.get(key).is_some_and(|current| Arc::ptr_eq(current, flight));
            is_current.then(|| {
                keep();
                flights.remove_entry(key)
            })
        };
        flight.landing.send_replace(Some(landing));
        drop(gone);
    }
}

/// The right and the duty to load one key. Dropped without a landing, it lets the next waiting call lead; dropped by
/// a panic of the load, it fails those who wait.
#[derive(Debug)]
pub struct Leader<K: Hash + Eq + Clone, V> {
    flights: Arc<Flights<K, V>>,
    flight: Arc<Flight<K, V>>,
    key: K,
    landed: bool,
}

impl<K: Hash + Eq + Clone, V> Leader<K, V> {
    pub(super) fn new(flights: Arc<Flights<K, V>>, Flown(flight): Flown<K, V>, key: K) -> Self {
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

    /// Ends a load that had until `deadline`, and hands it on to the call that waits longest: the others wait for that one. The leader
    /// is given back where none of them has more time than it had.
    pub(super) fn hand_on(mut self, now: Nanos, deadline: Nanos) -> Result<(), Self> {
        let had = deadline.saturating_sub(self.flight.began);
        let next = Arc::new(Flight::new(now));
        // It may hold the last of a leader, which is dropped outside of the lock.
        let seat;
        {
            let mut flights = self.flights.shard(&self.key);
            // Of a key that was invalidated meanwhile there may be another load already.
            if let Some(current) = flights.get_mut(&self.key).filter(|it| Arc::ptr_eq(it, &self.flight)) {
                let Some(found) = self.flight.most_patient(now.saturating_add(had)) else {
                    drop(flights);
                    return Err(self);
                };
                seat = found;
                *current = Arc::clone(&next);
                let leader = Self::new(Arc::clone(&self.flights), Flown(next), self.key.clone());
                *seat.lock().unwrap_or_else(PoisonError::into_inner) = Some(leader);
            }
        }
        self.landed = true;
        self.flight.landing.send_replace(Some(Landing::Abandoned));
        Ok(())
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
