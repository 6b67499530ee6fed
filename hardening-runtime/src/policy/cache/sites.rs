//! The stores of one call site: one for each pair of types, since a generic function has one site.

use std::any::{Any, TypeId};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{OnceLock, PoisonError, RwLock};

use hardening_spec::CacheSpec;

use super::Store;
use crate::site::Site;
use crate::tunable::Tunable;

/// A store without its types.
trait Untyped: Send + Sync {
    fn store(&self) -> &(dyn Any + Send + Sync);
    fn key(&self) -> TypeId;
    fn invalidate(&self, key: &dyn Any);
    fn clear(&self);
    fn len(&self) -> usize;
    fn bytes(&self) -> Option<u64>;
    fn evict(&self, spares_newest: bool) -> bool;
    fn tune(&self, spec: &CacheSpec);
}

impl<K, V> Untyped for Store<K, V>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    fn store(&self) -> &(dyn Any + Send + Sync) {
        self
    }

    fn key(&self) -> TypeId {
        TypeId::of::<K>()
    }

    fn invalidate(&self, key: &dyn Any) {
        if let Some(key) = key.downcast_ref() {
            Self::invalidate(self, key);
        }
    }

    fn clear(&self) {
        Self::clear(self);
    }

    fn len(&self) -> usize {
        Self::len(self)
    }

    fn bytes(&self) -> Option<u64> {
        Self::bytes(self)
    }

    fn evict(&self, spares_newest: bool) -> bool {
        Self::evict(self, spares_newest)
    }

    fn tune(&self, spec: &CacheSpec) {
        Self::tune(self, spec);
    }
}

/// What became of a request for a cached result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// It was there.
    Hit,
    /// It was loaded.
    Miss,
    /// Another call's load was waited for.
    Joined,
    /// A stale one was served.
    Stale,
}

impl Request {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Hit, Self::Miss, Self::Joined, Self::Stale];

    /// As metrics name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Joined => "joined",
            Self::Stale => "stale",
        }
    }
}

/// The stores of one call site with their counts.
pub struct Stores {
    spec: RwLock<CacheSpec>,
    /// 1 while results are neither kept nor looked for.
    off: Tunable,
    /// The store of a function that is not generic, found without a lock.
    first: OnceLock<Box<dyn Untyped>>,
    /// The others. They live as long as the site, as the types do.
    others: RwLock<Vec<&'static dyn Untyped>>,
    /// Whether there are others.
    has_others: AtomicBool,
    requests: [AtomicU64; Request::ALL.len()],
    /// Whether a load has asked for its own key, and whether one was waited for very long.
    recursed: AtomicBool,
    took_long: AtomicBool,
}

impl Stores {
    /// No store yet.
    pub fn new(spec: &CacheSpec) -> Self {
        Self {
            spec: RwLock::new(*spec),
            off: Tunable::default(),
            first: OnceLock::new(),
            others: RwLock::default(),
            has_others: AtomicBool::new(false),
            requests: Default::default(),
            recursed: AtomicBool::new(false),
            took_long: AtomicBool::new(false),
        }
    }

    /// The store of these types.
    #[inline]
    pub fn of<K, V>(&self) -> &Store<K, V>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let first = self.first.get_or_init(|| Box::new(Store::<K, V>::new(&self.spec())));
        first.store().downcast_ref().unwrap_or_else(|| self.of_others())
    }

    fn spec(&self) -> CacheSpec {
        *self.spec.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts other numbers in force, `None` for no cache; what is held is held on.
    pub fn tune(&self, spec: Option<&CacheSpec>) {
        self.off.set(spec.is_none().into());
        let Some(spec) = spec else { return };
        *self.spec.write().unwrap_or_else(PoisonError::into_inner) = *spec;
        self.each(|store| store.tune(spec));
        if self.has_others.load(Ordering::Relaxed) {
            self.give_way(|_| false);
        }
    }

    /// After a result of these types was kept: the stores of a generic function have one bound on their size together.
    #[inline]
    pub(crate) fn share_room<K: Hash + Eq + Clone + 'static, V: 'static>(&self) {
        if self.has_others.load(Ordering::Relaxed) {
            self.give_way(|store| store.store().is::<Store<K, V>>());
        }
    }

    /// Evicts from the largest store until the bound on their size holds, the newest result of one that `spares_newest` excepted.
    #[cold]
    fn give_way(&self, spares_newest: impl Fn(&dyn Untyped) -> bool) {
        let Some(bound) = self.spec().max_bytes else { return };
        let mut stores = self.all();
        while stores.iter().filter_map(|store| store.bytes()).sum::<u64>() > bound {
            stores.sort_by_key(|store| std::cmp::Reverse(store.bytes()));
            if !stores.iter().any(|store| store.evict(spares_newest(*store))) {
                return;
            }
        }
    }

    /// Forgets every result.
    #[cfg(feature = "testing")]
    pub(crate) fn clear(&self) {
        self.each(|store| store.clear());
    }

    /// Whether settings have switched it off.
    #[inline]
    pub(crate) fn is_off(&self) -> bool {
        self.off.get() != 0
    }

    #[cold]
    fn of_others<K, V>(&self) -> &Store<K, V>
    where
        K: Hash + Eq + Clone + Send + Sync + 'static,
        V: Clone + Send + Sync + 'static,
    {
        let find =
            |stores: &[&'static dyn Untyped]| stores.iter().find_map(|store| store.store().downcast_ref());
        let known = find(&self.others.read().unwrap_or_else(PoisonError::into_inner));
        known.unwrap_or_else(|| {
            let mut others = self.others.write().unwrap_or_else(PoisonError::into_inner);
            find(&others).unwrap_or_else(|| {
                let store: &'static Store<K, V> = Box::leak(Box::new(Store::new(&self.spec())));
                others.push(store);
                self.has_others.store(true, Ordering::Relaxed);
                store
            })
        })
    }

    fn each(&self, visit: impl FnMut(&dyn Untyped)) {
        self.all().into_iter().for_each(visit);
    }

    /// Every store. They are not visited under the lock: what goes has destructors of the user's.
    fn all(&self) -> Vec<&dyn Untyped> {
        let mut stores: Vec<&dyn Untyped> = self.first.get().map(|store| &**store).into_iter().collect();
        stores.extend(self.others.read().unwrap_or_else(PoisonError::into_inner).iter().copied());
        stores
    }

    /// Whether this is the first time that a load asks for its own key.
    pub(crate) fn is_first_recursion(&self) -> bool {
        !self.recursed.swap(true, Ordering::Relaxed)
    }

    /// Whether this is the first time that a load is waited for very long.
    pub(crate) fn is_first_long_load(&self) -> bool {
        !self.took_long.swap(true, Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn count(&self, request: Request) {
        self.requests[request as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self, request: Request) -> u64 {
        self.requests[request as usize].load(Ordering::Relaxed)
    }
}

/// The results that a function under `#[cached]` keeps.
#[derive(Clone, Copy)]
pub struct Cache {
    stores: &'static Stores,
    name: &'static str,
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").field("name", &self.name).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Cache {
    pub(crate) fn of(site: &'static Site) -> Option<Self> {
        let state = site.state();
        state.cache.as_ref().map(|stores| Self { stores, name: state.name })
    }

    /// Forgets the result of one key, and what a load of it that is running now will bring. False when the function
    /// keeps nothing under keys of this type: an owned one, `String` where the key is a `&str`.
    pub fn invalidate<K: 'static>(&self, key: &K) -> bool {
        let (mut known, mut any) = (false, false);
        self.stores.each(|store| {
            any = true;
            if store.key() == TypeId::of::<K>() {
                known = true;
                store.invalidate(key);
            }
        });
        known || !any
    }

    /// Forgets every result.
    pub fn clear(&self) {
        self.stores.each(|store| store.clear());
    }

    /// Results held now, stale ones included.
    pub fn len(&self) -> usize {
        let mut len = 0;
        self.stores.each(|store| len += store.len());
        len
    }

    /// The size of the results held and of their keys, as far as `max_bytes` counts it; `None` without `max_bytes`, and
    /// before the first call.
    pub fn bytes(&self) -> Option<u64> {
        let mut bytes = None;
        self.stores.each(|store| bytes = store.bytes().map(|more| bytes.unwrap_or(0) + more).or(bytes));
        bytes
    }

    /// Whether no result is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
