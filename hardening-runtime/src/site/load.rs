//! What looking for a kept result gives: its answer, or the right to load it.

use std::hash::Hash;
use std::sync::Arc;

use super::Outcome;
use super::loading::Handed;
use super::verdict::Cut;
use crate::ByteSize;
use crate::policy::cache::{Failure, Kept, Leader, Mark};

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
pub enum CacheAnswer<V> {
    /// It is there.
    Value(V),
    /// The load that the call waited for failed with an error that each follower gets.
    Failed(Arc<Failure>),
    /// The call is refused.
    Refused,
}

impl<V> CacheAnswer<V> {
    /// The outcome of a call whose successes are kept.
    pub fn success<E>(self, handed: &Handed<E>) -> Outcome<Result<V, E>> {
        match self {
            Self::Value(value) => Outcome::Returned(Ok(value)),
            Self::Failed(failure) => failed(&failure, handed),
            Self::Refused => Outcome::Refused(Cut(())),
        }
    }
}

impl<T, E> CacheAnswer<Result<T, E>> {
    /// The outcome of a call whose errors are kept too.
    pub fn result(self, handed: &Handed<E>) -> Outcome<Result<T, E>> {
        match self {
            Self::Value(result) => Outcome::Returned(result),
            Self::Failed(failure) => failed(&failure, handed),
            Self::Refused => Outcome::Refused(Cut(())),
        }
    }
}

fn failed<T, E>(failure: &Failure, handed: &Handed<E>) -> Outcome<Result<T, E>> {
    handed.error(failure).map_or(Outcome::Refused(Cut(())), |error| Outcome::Returned(Err(error)))
}

/// The right and the duty to load one result.
pub struct Load<K: Hash + Eq + Clone, V> {
    /// There is none where settings switched the cache off.
    pub(super) task: Option<Task<K, V>>,
    /// The size of the result and of its key, where there is a bound on it.
    pub(super) bytes: usize,
}

impl<K: Hash + Eq + Clone, V> Load<K, V> {
    pub(super) const fn new(task: Option<Task<K, V>>) -> Self {
        Self { task, bytes: 0 }
    }

    /// The progress of the load.
    pub(super) fn mark(&self) -> Option<Arc<Mark>> {
        self.task.as_ref().map(|(leader, _)| Arc::clone(leader.mark()))
    }
}

impl<K: Hash + Eq + Clone, T> Load<K, T> {
    /// The same with the size of what it brought; `key` is that of the key.
    #[must_use]
    pub fn weighed<E>(self, key: usize, settled: &Outcome<Result<T, E>>) -> Self
    where
        T: ByteSize,
    {
        let Outcome::Returned(Ok(value)) = settled else { return self };
        Self { bytes: key.saturating_add(value.byte_size()), ..self }
    }
}

impl<K: Hash + Eq + Clone, T, E> Load<K, Result<T, E>> {
    /// The same where errors are kept too.
    #[must_use]
    pub fn weighed_or_failed(
        self,
        key: usize,
        settled: &Outcome<Result<T, E>>,
        error: fn(&E) -> usize,
    ) -> Self
    where
        T: ByteSize,
    {
        let Outcome::Returned(result) = settled else { return self };
        let size = result.as_ref().map_or_else(error, ByteSize::byte_size);
        Self { bytes: key.saturating_add(size), ..self }
    }
}

/// A leader, and the result that may stand in for a failure.
pub(super) type Task<K, T> = (Leader<K, Arc<Kept<T>>>, Option<Arc<Kept<T>>>);
