//! A call whose result may be there already.

use std::hash::Hash;
use std::sync::Arc;

use super::admit::Wait;
use super::refusal::{Reason, Refusal};
use super::verdict::Cut;
use super::{Call, Outcome};
use crate::__private::Keepable;
use crate::clock;
use crate::policy::cache::{Found, Kept, Landing, Leader, Request, Stores};
use crate::policy::retry::random;
use crate::telemetry::calls::CallOutcome;

/// What a call under `#[cached]` does next. It knows no error of the function's, so that one that cannot be sent does not
/// matter while the result is loaded.
pub enum Cached<K: Hash + Eq + Clone, V> {
    /// It has its outcome.
    Settled(CacheAnswer<V>),
    /// The same, and the result is to be loaded anew.
    Stale(CacheAnswer<V>, Load<K, V>),
    /// It loads the result.
    Load(Load<K, V>),
}

/// What looking for a kept value has settled.
pub struct CacheAnswer<V>(Option<V>);

impl<V> CacheAnswer<V> {
    /// The outcome of a call whose successes are kept.
    pub fn success<E>(self) -> Outcome<Result<V, E>> {
        self.0.map_or(Outcome::Refused(Cut(())), |value| Outcome::Returned(Ok(value)))
    }
}

impl<T, E> CacheAnswer<Result<T, E>> {
    /// The outcome of a call whose errors are kept too.
    pub fn result(self) -> Outcome<Result<T, E>> {
        self.0.map_or(Outcome::Refused(Cut(())), Outcome::Returned)
    }
}

/// The right and the duty to load one result.
pub struct Load<K: Hash + Eq + Clone, T>(Option<Task<K, T>>);

/// A leader, and the result that may stand in for a failure. There is none where settings switched the cache off.
type Task<K, T> = (Leader<K, Arc<Kept<T>>>, Option<Arc<Kept<T>>>);

/// What looking for a kept value gives.
enum Looked<K: Hash + Eq + Clone, V> {
    Refused,
    /// It is there.
    Found(V),
    /// The same, and it is to be loaded anew.
    Stale(V, Leader<K, Arc<Kept<V>>>),
    /// It is to be loaded.
    Load(Option<Task<K, V>>),
}

impl Call<'_> {
    /// Looks for a result under `key`; waits for the load of another call, and leads when there is none.
    pub async fn find_cached<K, T>(&mut self, key: K) -> Cached<K, T>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
    {
        match self.look_for(key).await {
            Looked::Refused => Cached::Settled(CacheAnswer(None)),
            Looked::Found(value) => Cached::Settled(CacheAnswer(Some(value))),
            Looked::Stale(value, leader) => {
                Cached::Stale(CacheAnswer(Some(value)), Load(Some((leader, None))))
            }
            Looked::Load(task) => Cached::Load(Load(task)),
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
        if matches!(looked, Cached::Settled(CacheAnswer(Some(Err(_))))) {
            self.ended = CallOutcome::Failure;
        }
        looked
    }

    /// Ends looking for a result, since another has taken over the key of the request meanwhile.
    #[cold]
    pub fn cached_no_more<K: Hash + Eq + Clone, V>(&mut self) -> Cached<K, V> {
        self.lose_key();
        Cached::Settled(CacheAnswer(None))
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
            let mut landing = match store.look(&key, self.now) {
                Found::Fresh(value) => return self.found(stores, request, value),
                Found::Stale(value, None) => return self.found(stores, Request::Stale, value),
                Found::Stale(value, Some(leader)) => {
                    self.serve(stores, Request::Stale);
                    return Looked::Stale(value, leader);
                }
                Found::Load(leader, spare) => {
                    stores.count(Request::Miss);
                    return Looked::Load(Some((leader, spare)));
                }
                Found::Wait(landing) => landing,
            };
            request = Request::Joined;
            let landed = async {
                // A flight that nobody leads any more closes its channel, as one that was abandoned.
                match landing.wait_for(Option::is_some).await {
                    Ok(landing) => landing.clone().unwrap_or(Landing::Abandoned),
                    Err(_) => Landing::Abandoned,
                }
            };
            let mut brought = None;
            let waited = Self::until(self.deadline, async { brought = Some(landed.await) }).await;
            self.now = clock::now();
            match (waited, brought) {
                (Wait::Done, Some(Landing::Loaded(kept))) => {
                    return self.found(stores, request, kept.value());
                }
                (Wait::Done, Some(Landing::Failed)) => {
                    stores.count(Request::Joined);
                    self.refuse(Reason::LoadFailed);
                }
                (Wait::Done, _) => continue,
                (Wait::Stopped, _) => self.refuse(Reason::ShuttingDown),
                (Wait::TooLong, _) => self.refuse(Reason::DeadlineExceeded),
            }
            return self.found_nothing();
        }
    }

    /// Ends the load: keeps what it brought, or lets an older result stand in for a failure.
    pub fn keep_loaded<K, T, E>(
        &mut self,
        load: Load<K, T>,
        settled: Outcome<Result<T, E>>,
    ) -> Outcome<Result<T, E>>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
    {
        let (Some(stores), Load(Some((leader, spare)))) = (&self.state.cache, load) else { return settled };
        let store = stores.of::<K, T>();
        if let Outcome::Returned(Ok(value)) = &settled {
            store.keep(leader, value.clone(), self.now, random());
            return settled;
        }
        match store.fail(leader, spare, self.now) {
            Some(value) => {
                self.refusal = Refusal::NONE;
                self.serve(stores, Request::Stale);
                Outcome::Returned(Ok(value))
            }
            None => settled,
        }
    }

    /// The same for a function whose errors may be kept too; `negative` says that this one is.
    pub fn keep_loaded_or_failed<K, T, E>(
        &mut self,
        load: Load<K, Result<T, E>>,
        settled: Outcome<Result<T, E>>,
        negative: bool,
    ) -> Outcome<Result<T, E>>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
        E: Keepable,
    {
        let (Some(stores), Load(Some((leader, spare)))) = (&self.state.cache, load) else { return settled };
        let store = stores.of::<K, Result<T, E>>();
        match &settled {
            Outcome::Returned(result @ Ok(_)) => {
                store.keep(leader, result.clone(), self.now, random());
                return settled;
            }
            Outcome::Returned(result @ Err(_)) if negative => {
                store.keep_error(leader, result.clone(), self.now);
                return settled;
            }
            _ => {}
        }
        match store.fail(leader, spare, self.now) {
            Some(result) => {
                self.refusal = Refusal::NONE;
                self.serve(stores, Request::Stale);
                Outcome::Returned(result)
            }
            None => settled,
        }
    }

    fn found<K: Hash + Eq + Clone, V>(
        &mut self,
        stores: &Stores,
        request: Request,
        value: V,
    ) -> Looked<K, V> {
        self.serve(stores, request);
        Looked::Found(value)
    }

    #[inline]
    fn serve(&mut self, stores: &Stores, request: Request) {
        stores.count(request);
        self.ended = CallOutcome::Success;
    }

    /// Ends a load in the background.
    pub fn close_refresh<R>(&mut self, _: Outcome<R>) {
        self.end(self.ended);
    }

    #[cold]
    fn found_nothing<K: Hash + Eq + Clone, V>(&mut self) -> Looked<K, V> {
        self.ended = self.refusal.reason.outcome();
        Looked::Refused
    }
}
