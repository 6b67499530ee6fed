//! The results of one function, by key.

use std::hash::Hash;
use std::sync::Arc;

use hardening_spec::CacheSpec;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, Lifecycle, UnitWeighter};

use super::flight::{Boarding, Failure, Flights, Follower, Landing, Leader};
use super::weighed::Weighed;
use super::{Age, Pause, Times};
use crate::clock::Nanos;

/// A result as it is kept.
#[derive(Debug)]
pub struct Kept<V> {
    value: V,
    fresh_until: Nanos,
    /// An error is served while it is fresh, and never after.
    error: bool,
    /// The result that stood in the place of an error, for as long as it may stand in for a failure.
    older: Option<Arc<Kept<V>>>,
    pause: Pause,
    /// The size of its key and of the result.
    bytes: usize,
}

impl<V> Kept<V> {
    fn age(&self, times: &Times, now: Nanos) -> Age {
        match times.age(self.fresh_until, now) {
            Age::Fresh => Age::Fresh,
            _ if self.error => match &self.older {
                Some(older) if times.spares(older.fresh_until, now) => Age::Spare,
                _ => Age::Dead,
            },
            age => age,
        }
    }
}

/// The right to load a stale result anew, and the result as it is kept.
type Refresh<K, V> = (Leader<K, Arc<Kept<V>>>, Arc<Kept<V>>);

/// The right to load a result, and an older one that may stand in for a failure.
type Loading<K, V> = (Leader<K, Arc<Kept<V>>>, Option<Arc<Kept<V>>>);

/// What a look into the store gives.
pub enum Found<K: Hash + Eq + Clone, V> {
    /// A fresh result.
    Fresh(V),
    /// A stale result that is served; the caller who gets a leader, with the result as it is kept, loads it anew.
    Stale(V, Option<Refresh<K, V>>),
    /// Nothing to serve: load it. A result that is older than served ones may still stand in for a failure.
    Load(Leader<K, Arc<Kept<V>>>, Option<Arc<Kept<V>>>),
    /// Another call loads it.
    Wait(Follower<K, Arc<Kept<V>>>),
}

type Map<K, V> = Cache<K, V, UnitWeighter, DefaultHashBuilder, Aside>;

/// Puts what is evicted aside, to be dropped once no lock is held: destructors are the user's code.
#[derive(Clone, Debug)]
struct Aside;

impl<K, V> Lifecycle<K, V> for Aside {
    type RequestState = Vec<(K, V)>;

    fn on_evict(&self, aside: &mut Self::RequestState, key: K, value: V) {
        aside.push((key, value));
    }
}

/// The results of one function of one type.
#[derive(Debug)]
pub struct Store<K: Hash + Eq + Clone, V> {
    map: Map<K, Arc<Kept<V>>>,
    /// In the place of `map` where there is a bound on their size. `map` is empty then, so that a look into it costs a store
    /// without that bound nothing.
    weighed: Option<Weighed<K, Arc<Kept<V>>>>,
    flights: Arc<Flights<K, Arc<Kept<V>>>>,
    times: Times,
}

impl<K: Hash + Eq + Clone, V: Clone> Store<K, V> {
    /// An empty store.
    pub fn new(spec: &CacheSpec) -> Self {
        let entries = if spec.max_bytes.is_some() { 0 } else { spec.max_entries };
        Self {
            map: Map::with(
                entries as usize,
                entries.into(),
                UnitWeighter,
                DefaultHashBuilder::default(),
                Aside,
            ),
            weighed: Weighed::new(spec),
            flights: Arc::new(Flights::new()),
            times: Times::new(spec),
        }
    }

    /// Puts other numbers in force; what is held is held on, as far as there is room.
    pub fn tune(&self, spec: &CacheSpec) {
        self.times.tune(spec);
        match &self.weighed {
            Some(weighed) => weighed.tune(spec),
            None => self.map.set_capacity(u64::from(spec.max_entries)),
        }
    }

    /// Looks for a key on behalf of a call that waits `until` then.
    #[inline]
    pub fn look(&self, key: &K, now: Nanos, until: Nanos) -> Found<K, V> {
        match self.map.get(key) {
            Some(kept) if kept.age(&self.times, now) == Age::Fresh => Found::Fresh(kept.value.clone()),
            kept => self.miss(key, kept, now, until),
        }
    }

    #[cold]
    fn miss(&self, key: &K, kept: Option<Arc<Kept<V>>>, now: Nanos, until: Nanos) -> Found<K, V> {
        let kept = kept.or_else(|| self.weighed.as_ref()?.get(key));
        let age = kept.as_ref().map_or(Age::Dead, |kept| kept.age(&self.times, now));
        if let Some(kept) = kept.as_ref().filter(|_| age == Age::Fresh) {
            return Found::Fresh(kept.value.clone());
        }
        // A refresh that failed is not tried again at once.
        if let Some(kept) = kept.as_ref().filter(|kept| age == Age::Stale && kept.pause.lasts(now)) {
            return Found::Stale(kept.value.clone(), None);
        }
        let mut stale = None;
        let fresh = || {
            let (fresh, other) = match self.get(key) {
                Some(kept) if kept.age(&self.times, now) == Age::Fresh => (Some(kept), None),
                kept => (None, kept),
            };
            // It may be the last of a result that was evicted meanwhile.
            stale = other;
            fresh
        };
        let boarded = self.flights.board(key, now, (age != Age::Stale).then_some(until), fresh);
        let leader = |flight| Leader::new(Arc::clone(&self.flights), flight, key.clone());
        match (boarded, kept) {
            (Ok(landed), _) => Found::Fresh(landed.value.clone()),
            (Err(Boarding::Leads(flight)), Some(kept)) if age == Age::Stale => {
                // Already now: a refresh that panics or is dropped has failed too.
                kept.pause.begin(now);
                Found::Stale(kept.value.clone(), Some((leader(flight), kept)))
            }
            (Err(Boarding::Follows(follower)), Some(kept)) if age == Age::Stale => {
                if !self.times.refresh_is_lost(follower.began(), now) || follower.mark().is_polled() {
                    return Found::Stale(kept.value.clone(), None);
                }
                self.flights.take_over(key, &follower);
                self.miss(key, Some(kept), now, until)
            }
            (Err(Boarding::Leads(flight)), kept) => Found::Load(leader(flight), kept),
            (Err(Boarding::Follows(follower)), _) => Found::Wait(follower),
        }
    }

    fn get(&self, key: &K) -> Option<Arc<Kept<V>>> {
        self.weighed.as_ref().map_or_else(|| self.map.get(key), |weighed| weighed.get(key))
    }

    /// What [`Found::Load`] gives, where the load that the call waited for was handed on to it.
    pub fn lead(&self, follower: &Follower<K, Arc<Kept<V>>>) -> Option<Loading<K, V>> {
        let leader = follower.lead()?;
        let spare = self.get(leader.key());
        Some((leader, spare))
    }

    /// Ends a load with a result, which is kept unless the key was invalidated meanwhile.
    pub fn keep(&self, leader: Leader<K, Arc<Kept<V>>>, value: V, bytes: usize, now: Nanos, random: f64) {
        let fresh_until = self.times.fresh_until(now, random);
        let pause = Pause::default();
        self.land(leader, Kept { value, fresh_until, error: false, older: None, pause, bytes });
    }

    /// The same with an error, which is kept for a time of its own. The result that it replaces stands in for later
    /// failures all the same, as long as it may.
    pub fn keep_error(
        &self,
        leader: Leader<K, Arc<Kept<V>>>,
        spare: Option<Arc<Kept<V>>>,
        value: V,
        bytes: usize,
        now: Nanos,
    ) {
        let fresh_until = self.times.error_until(now);
        let (older, pause) = (self.spare(spare, now), Pause::default());
        // The older result is held on.
        let bytes = older.as_ref().map_or(bytes, |older| older.bytes.saturating_add(bytes));
        self.land(leader, Kept { value, fresh_until, error: true, older, pause, bytes });
    }

    fn land(&self, leader: Leader<K, Arc<Kept<V>>>, kept: Kept<V>) {
        let kept = Arc::new(kept);
        let key = leader.key().clone();
        let (mut evicted, mut outweighed) = (Vec::new(), Vec::new());
        leader.land(Landing::Loaded(Arc::clone(&kept)), || match &self.weighed {
            Some(weighed) => {
                let bytes = kept.bytes as u64;
                outweighed = weighed.insert(key, kept, bytes);
            }
            None => self.map.insert_with_lifecycle(key, kept, &mut evicted),
        });
    }

    /// Ends a load that failed; answers the result that may stand in for it. `failure` is what its followers get where
    /// there is none.
    pub fn fail(
        &self,
        leader: Leader<K, Arc<Kept<V>>>,
        spare: Option<Arc<Kept<V>>>,
        now: Nanos,
        failure: impl FnOnce() -> Failure,
    ) -> Option<V> {
        if let Some(kept) = &spare {
            kept.pause.extend(now);
        }
        let spare = self.spare(spare, now);
        let landing = match &spare {
            Some(spare) => Landing::Loaded(Arc::clone(spare)),
            None if leader.is_followed() => Landing::Failed(Arc::new(failure())),
            // A call that follows meanwhile asks anew.
            None => Landing::Abandoned,
        };
        leader.land(landing, || {});
        spare.map(|spare| spare.value.clone())
    }

    /// Ends a load that ended for a reason of its leader's caller: a follower leads. Answers the result that may stand in
    /// for it.
    pub fn hand_over(
        &self,
        leader: Leader<K, Arc<Kept<V>>>,
        spare: Option<Arc<Kept<V>>>,
        now: Nanos,
    ) -> Option<V> {
        leader.land(Landing::Abandoned, || {});
        self.spare(spare, now).map(|spare| spare.value.clone())
    }

    /// Ends a load that failed and may have had too little time, until `deadline`, since its leader's caller had: the call that waits
    /// longest leads, if it has more. So each of those who wait sees one more load at most, whatever the reason of the failure was.
    pub fn hand_on(
        &self,
        leader: Leader<K, Arc<Kept<V>>>,
        spare: Option<Arc<Kept<V>>>,
        now: Nanos,
        deadline: Nanos,
        failure: impl FnOnce() -> Failure,
    ) -> Option<V> {
        match leader.hand_on(now, deadline) {
            Ok(()) => self.spare(spare, now).map(|spare| spare.value.clone()),
            Err(leader) => self.fail(leader, spare, now, failure),
        }
    }

    /// Takes the load from a leader that is not polled, so that another call leads.
    pub fn take_over(&self, key: &K, follower: &Follower<K, Arc<Kept<V>>>) {
        self.flights.take_over(key, follower);
    }

    /// The result that may stand in for a failure.
    fn spare(&self, spare: Option<Arc<Kept<V>>>, now: Nanos) -> Option<Arc<Kept<V>>> {
        let spare = spare?;
        let spare = if spare.error { Arc::clone(spare.older.as_ref()?) } else { spare };
        self.times.spares(spare.fresh_until, now).then_some(spare)
    }

    /// Forgets a key, and what a load of it that is running will bring.
    pub fn invalidate(&self, key: &K) {
        self.flights.detach(key);
        match &self.weighed {
            Some(weighed) => weighed.remove(key),
            None => drop(self.map.remove(key)),
        }
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.flights.detach_all();
        let gone: Vec<_> = self.map.drain().collect();
        drop(gone);
        if let Some(weighed) = &self.weighed {
            weighed.clear();
        }
    }

    /// Results held.
    pub fn len(&self) -> usize {
        self.weighed.as_ref().map_or_else(|| self.map.len(), Weighed::len)
    }

    /// The size of the results held and of their keys, where there is a bound on it.
    pub fn bytes(&self) -> Option<u64> {
        self.weighed.as_ref().map(Weighed::bytes)
    }

    /// Evicts one result to make room in another store under the same bound, other than the newest one if that is spared. False
    /// when there is none, or no bound on their size.
    pub(super) fn evict(&self, spares_newest: bool) -> bool {
        self.weighed.as_ref().is_some_and(|weighed| weighed.evict(spares_newest))
    }

    /// Whether none is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<V: Clone> Kept<V> {
    /// The result.
    pub fn value(&self) -> V {
        self.value.clone()
    }
}
