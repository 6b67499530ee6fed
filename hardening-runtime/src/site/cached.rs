//! A call whose result may be there already.

use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use super::admit::Wait;
use super::blame::Blame;
use super::load::{CacheAnswer, Cached, Load, Task};
use super::loading::{self, Handed};
use super::refusal::{Reason, Refusal};
use super::{Call, Outcome};
use crate::__private::Keepable;
use crate::clock::{self, Nanos};
use crate::context::permits::{self, Policy};
use crate::events::{self, Kind};
use crate::policy::cache::{Failure, Follower, Found, Landing, Mark, Request, Stores};
use crate::policy::retry::random;
use crate::telemetry::calls::CallOutcome;

/// How the wait for another call's load ended.
enum Followed<V> {
    Landed(Landing<V>),
    /// Its leader is not polled, or waits for what this call holds.
    Stalled,
    Refused,
}

/// A leader that was not polled for so long loses its load: at most, and at least where the function has a short time of
/// its own.
const LONGEST_PATIENCE: Nanos = 2_000_000_000;
const SHORTEST_PATIENCE: Nanos = 100_000_000;
/// A load that takes longer may never end.
const LONG_LOAD: Nanos = 60_000_000_000;
/// So often a load may ask for its own key.
const MOST_RECURSIONS: u32 = 100;

/// What looking for a kept value gives.
enum Looked<K: Hash + Eq + Clone, V> {
    Settled(CacheAnswer<V>),
    /// It is there, and is to be loaded anew.
    Stale(V, Task<K, V>),
    /// It is to be loaded.
    Load(Option<Task<K, V>>),
}

/// Whether a load waits for a place that the calls around this one hold: then nobody would ever leave.
fn waits_for_this_call(load: &Arc<Mark>) -> bool {
    let held: Vec<_> = permits::held().into_iter().map(Policy::state).collect();
    load.wants_any(&held)
}

impl Call<'_> {
    /// Looks for a result under `key`; waits for the load of another call, and leads when there is none.
    pub async fn find_cached<K, T>(&mut self, key: K) -> Cached<K, T>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
    {
        match self.look_for(key).await {
            Looked::Settled(answer) => Cached::Settled(answer),
            Looked::Stale(value, task) => Cached::Stale(CacheAnswer::Value(value), Load::new(Some(task))),
            Looked::Load(task) => Cached::Load(Load::new(task)),
        }
    }

    /// The same for a function whose errors may be kept too.
    pub async fn find_cached_or_failed<K, T, E>(&mut self, key: K) -> Cached<K, Result<T, E>>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
        E: Keepable,
    {
        let looked = self.find_cached::<K, Result<T, E>>(key).await;
        if matches!(looked, Cached::Settled(CacheAnswer::Value(Err(_)))) {
            self.ended = CallOutcome::Failure;
        }
        looked
    }

    /// Ends looking for a result, since another has taken over the key of the request meanwhile.
    #[cold]
    pub fn cached_no_more<K: Hash + Eq + Clone, V>(&mut self) -> Cached<K, V> {
        self.lose_key();
        Cached::Settled(CacheAnswer::Refused)
    }

    async fn look_for<K, V>(&mut self, key: K) -> Looked<K, V>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Keepable,
    {
        if !self.come_in().await {
            return self.found_nothing();
        }
        let Some(stores) = self.state.cache.as_ref().filter(|stores| !stores.is_off()) else {
            return Looked::Load(None);
        };
        happened!(self, CacheLookedAt);
        let store = stores.of::<K, V>();
        let mut request = Request::Hit;
        loop {
            let mut follower = match store.look(&key, self.now, self.deadline) {
                Found::Fresh(value) => return self.found(stores, request, value),
                Found::Stale(value, None) => return self.found(stores, Request::Stale, value),
                Found::Stale(value, Some((leader, kept))) => {
                    self.serve(stores, Request::Stale);
                    return Looked::Stale(value, (leader, Some(kept)));
                }
                Found::Load(leader, spare) => return self.leads(stores, (leader, spare)),
                Found::Wait(follower) => follower,
            };
            request = Request::Joined;
            let Some(_edge) = loading::wait_for(follower.mark()) else {
                if self.may_recurse(stores, follower.mark()) {
                    return Looked::Load(None);
                }
                return self.found_nothing();
            };
            match self.follow(&mut follower).await {
                Followed::Landed(Landing::Loaded(kept)) => return self.found(stores, request, kept.value()),
                Followed::Landed(Landing::Failed(failure)) => {
                    self.count_request(stores, Request::Joined);
                    return Looked::Settled(self.fail_with(failure));
                }
                Followed::Landed(Landing::Abandoned) => {
                    if let Some(task) = store.lead(&follower) {
                        return self.leads(stores, task);
                    }
                }
                Followed::Stalled => store.take_over(&key, &follower),
                Followed::Refused => return self.found_nothing(),
            }
        }
    }

    fn leads<K: Hash + Eq + Clone, V>(&mut self, stores: &Stores, task: Task<K, V>) -> Looked<K, V> {
        self.count_request(stores, Request::Miss);
        self.attach().load = Some(Arc::clone(task.0.mark()));
        Looked::Load(Some(task))
    }

    /// Waits for the load of another call, as long as that is polled.
    async fn follow<K: Hash + Eq + Clone, V: Clone>(&mut self, follower: &mut Follower<K, V>) -> Followed<V> {
        let mut watched = follower.mark().watch();
        let half = self.patience_with_leader() / 2;
        let (load, began) = (Arc::clone(follower.mark()), follower.began());
        loop {
            let mut wants = pin!(load.wants_more());
            wants.as_mut().enable();
            if waits_for_this_call(&load) {
                return Followed::Stalled;
            }
            let look = clock::now().saturating_add(half);
            let mut landed = None;
            let mut landing = pin!(follower.landed());
            let landed_or_wanting = poll_fn(|cx| {
                if let Poll::Ready(how) = landing.as_mut().poll(cx) {
                    landed = Some(how);
                    return Poll::Ready(());
                }
                wants.as_mut().poll(cx)
            });
            let waited = Self::until(look.min(self.deadline), landed_or_wanting).await;
            self.now = clock::now();
            match (waited, landed) {
                (Wait::Done, Some(landing)) => return Followed::Landed(landing),
                (Wait::Stopped, _) => self.refuse(Reason::ShuttingDown),
                _ if self.now >= self.deadline => self.refuse(Reason::DeadlineExceeded),
                (Wait::Done, None) => continue,
                _ if load.is_driven(&mut watched) => {
                    self.warn_of_long_load(began);
                    continue;
                }
                _ => return Followed::Stalled,
            }
            return Followed::Refused;
        }
    }

    /// How long a leader may go without being polled.
    fn patience_with_leader(&self) -> Nanos {
        let own = self.state.timeout.get().min(self.state.deadline.get());
        own.clamp(SHORTEST_PATIENCE, LONGEST_PATIENCE).min(self.state.refresh_timeout.get()).max(2)
    }

    /// Says once for each function that calls wait very long for a load. Which load waits for which task nobody knows.
    #[cold]
    fn warn_of_long_load(&self, began: Nanos) {
        if self.now.saturating_sub(began) >= LONG_LOAD
            && self.state.cache.as_ref().is_some_and(Stores::is_first_long_load)
        {
            tracing::warn!(
                call = self.state.name,
                "calls have waited for one load for a minute: its body hangs, or waits for a task that asks for the same key, in which case \
                 neither ends; a `timeout` or a `deadline` bounds a load"
            );
        }
    }

    /// Whether a call inside a load that waits for it runs its body without the cache.
    #[cold]
    fn may_recurse(&mut self, stores: &Stores, load: &Mark) -> bool {
        if stores.is_first_recursion() {
            tracing::warn!(
                call = self.state.name,
                "a load asks for the key that it loads, itself or through other loads: the inner call runs without the cache"
            );
        }
        if load.recurse() < MOST_RECURSIONS {
            return true;
        }
        self.refuse(Reason::LoadFailed);
        self.attach().cause = Some("it asks for its own key without end".into());
        false
    }

    /// Ends a call as the load that it waited for.
    #[cold]
    fn fail_with<V>(&mut self, failure: Arc<Failure>) -> CacheAnswer<V> {
        self.attach().joined = true;
        match &*failure {
            Failure::Itself(kept) => {
                let kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(refusal) = kept.downcast_ref::<Refusal>().copied() else {
                    drop(kept);
                    self.ended = CallOutcome::Failure;
                    return CacheAnswer::Failed(failure);
                };
                self.refuse(refusal.reason);
                // This call ran nothing.
                self.refusal = Refusal { ran: false, ..refusal };
            }
            Failure::Text(text) => {
                self.refuse(Reason::LoadFailed);
                self.attach().cause.clone_from(text);
            }
            Failure::Panicked => {
                self.refuse(Reason::LoadFailed);
                self.attach().cause = Some("it panicked".into());
            }
        }
        self.ended = self.refusal.reason.outcome();
        CacheAnswer::Refused
    }

    /// Whether the call ended as the load that it waited for.
    pub(super) fn has_joined(&self) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.joined)
    }

    /// Why a load failed, for those who waited for it.
    fn failure<T, E>(&self, settled: &Outcome<Result<T, E>>, handed: &Handed<E>) -> Failure {
        match settled {
            Outcome::Returned(Err(error)) => handed.failure(error),
            _ if handed.is_shared() => Failure::Itself(Mutex::new(Box::new(self.refusal))),
            _ => Failure::Text(Some(self.refusal.into_rejected(self.state).to_string().into())),
        }
    }

    /// Ends a load that brought no result.
    fn close_load<K, V, T, E>(
        &mut self,
        stores: &Stores,
        (leader, spare): Task<K, V>,
        settled: &Outcome<Result<T, E>>,
        handed: &Handed<E>,
    ) -> Option<V>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Keepable,
    {
        let store = stores.of::<K, V>();
        let failure = || self.failure(settled, handed);
        let stands_in = match self.blame(leader.mark()) {
            Blame::Caller => store.hand_over(leader, spare, self.now),
            Blame::Doubtful(callers) => store.hand_on(leader, spare, self.now, callers, failure),
            Blame::Load => store.fail(leader, spare, self.now, failure),
        };
        if stands_in.is_some() {
            self.refusal = Refusal::NONE;
            self.serve(stores, Request::Stale);
        }
        stands_in
    }

    /// Ends the load: keeps what it brought, or lets an older result stand in for a failure.
    pub fn keep_loaded<K, T, E>(
        &mut self,
        load: Load<K, T>,
        settled: Outcome<Result<T, E>>,
        handed: &Handed<E>,
    ) -> Outcome<Result<T, E>>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
    {
        let (Some(stores), Load { task: Some((leader, spare)), bytes }) = (&self.state.cache, load) else {
            return settled;
        };
        self.leave_load();
        if let Outcome::Returned(Ok(value)) = &settled {
            stores.of::<K, T>().keep(leader, value.clone(), bytes, self.now, random());
            stores.share_room::<K, T>();
            return settled;
        }
        let stands_in = self.close_load(stores, (leader, spare), &settled, handed);
        stands_in.map_or(settled, |value| Outcome::Returned(Ok(value)))
    }

    fn leave_load(&mut self) {
        if let Some(attached) = &mut *self.attached {
            attached.load = None;
        }
    }

    /// The same for a function whose errors may be kept too; `negative` says that this one is.
    pub fn keep_loaded_or_failed<K, T, E>(
        &mut self,
        load: Load<K, Result<T, E>>,
        settled: Outcome<Result<T, E>>,
        negative: bool,
        handed: &Handed<E>,
    ) -> Outcome<Result<T, E>>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
        E: Keepable,
    {
        let (Some(stores), Load { task: Some((leader, spare)), bytes }) = (&self.state.cache, load) else {
            return settled;
        };
        self.leave_load();
        let store = stores.of::<K, Result<T, E>>();
        match &settled {
            Outcome::Returned(result @ Ok(_)) => {
                store.keep(leader, result.clone(), bytes, self.now, random());
                stores.share_room::<K, Result<T, E>>();
                return settled;
            }
            Outcome::Returned(result @ Err(_)) if negative => {
                store.keep_error(leader, spare, result.clone(), bytes, self.now);
                stores.share_room::<K, Result<T, E>>();
                return settled;
            }
            _ => {}
        }
        let stands_in = self.close_load(stores, (leader, spare), &settled, handed);
        stands_in.map_or(settled, Outcome::Returned)
    }

    fn found<K: Hash + Eq + Clone, V>(
        &mut self,
        stores: &Stores,
        request: Request,
        value: V,
    ) -> Looked<K, V> {
        self.serve(stores, request);
        Looked::Settled(CacheAnswer::Value(value))
    }

    #[inline]
    fn count_request(&self, stores: &Stores, request: Request) {
        stores.count(request);
        events::publish(self.state.name, || Kind::Cache(request));
    }

    #[inline]
    fn serve(&mut self, stores: &Stores, request: Request) {
        self.count_request(stores, request);
        self.ended = CallOutcome::Success;
    }

    /// Ends a load in the background.
    pub fn close_refresh<R>(&mut self, _: Outcome<R>) {
        self.end(self.ended);
    }

    #[cold]
    fn found_nothing<K: Hash + Eq + Clone, V>(&mut self) -> Looked<K, V> {
        self.ended = self.refusal.reason.outcome();
        Looked::Settled(CacheAnswer::Refused)
    }
}
