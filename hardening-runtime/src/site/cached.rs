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

/// What a call under `#[cached]` does next.
pub enum Cached<K: Hash + Eq + Clone, T, E> {
    /// It has its outcome.
    Settled(Outcome<Result<T, E>>),
    /// The same, and the result is to be loaded anew.
    Stale(Outcome<Result<T, E>>, Load<K, T>),
    /// It loads the result.
    Load(Load<K, T>),
}

/// The right and the duty to load one result.
pub struct Load<K: Hash + Eq + Clone, T>(Option<Task<K, T>>);

/// A leader, and the result that may stand in for a failure. There is none where settings switched the cache off.
type Task<K, T> = (Leader<K, Arc<Kept<T>>>, Option<Arc<Kept<T>>>);

impl Call<'_> {
    /// Looks for a result under `key`; waits for the load of another call, and leads when there is none.
    pub async fn cached<K, T, E>(&mut self, key: K) -> Cached<K, T, E>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        T: Keepable,
    {
        if !self.come_in().await {
            return self.refused();
        }
        let Some(stores) = self.state.cache.as_ref().filter(|stores| !stores.is_off()) else {
            return Cached::Load(Load(None));
        };
        happened!(self, CacheLookedAt);
        let store = stores.of::<K, T>();
        let mut request = Request::Hit;
        loop {
            let mut landing = match store.look(&key, self.now) {
                Found::Fresh(value) => return self.found(stores, request, value),
                Found::Stale(value, None) => return self.found(stores, Request::Stale, value),
                Found::Stale(value, Some(leader)) => {
                    self.serve(stores, Request::Stale);
                    return Cached::Stale(Outcome::Returned(Ok(value)), Load(Some((leader, None))));
                }
                Found::Load(leader, spare) => {
                    stores.count(Request::Miss);
                    return Cached::Load(Load(Some((leader, spare))));
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
            return self.refused();
        }
    }

    /// Ends the load: keeps what it brought, or lets an older result stand in for a failure.
    pub fn loaded<K, T, E>(
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

    fn found<K: Hash + Eq + Clone, T, E>(
        &mut self,
        stores: &Stores,
        request: Request,
        value: T,
    ) -> Cached<K, T, E> {
        self.serve(stores, request);
        Cached::Settled(Outcome::Returned(Ok(value)))
    }

    #[inline]
    fn serve(&mut self, stores: &Stores, request: Request) {
        stores.count(request);
        self.ended = CallOutcome::Success;
    }

    /// Ends a load in the background.
    pub fn close<R>(mut self, _: Outcome<R>) {
        self.end(self.ended);
    }

    #[cold]
    fn refused<K: Hash + Eq + Clone, T, E>(&mut self) -> Cached<K, T, E> {
        self.ended = self.refusal.reason.outcome();
        Cached::Settled(Outcome::Refused(Cut(())))
    }
}
