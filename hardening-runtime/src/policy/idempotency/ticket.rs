//! What a request is known by.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::credentials::{Credentials, Presented};
use crate::context;
use crate::policy::account;

/// A key and what was asked under it, as hashes under seeds of the process: two of 64 bits each, so that among a
/// million keys the odds of any collision are below 1 in 10^26.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket {
    pub(super) key: u128,
    pub(super) fingerprint: u128,
    /// What tells those apart of whom no owner is known; `None` where one is, and outside of HTTP.
    pub(super) credentials: Option<Credentials>,
    /// Of whose share of the store it is; `None` for nobody's.
    pub(super) owner: Option<u64>,
    /// Whether a principal owns the key.
    is_known: bool,
}

static SEEDS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);

pub(super) fn wide(value: &impl Hash) -> u128 {
    let [high, low] = &*SEEDS;
    u128::from(high.hash_one(value)) << 64 | u128::from(low.hash_one(value))
}

impl Ticket {
    /// The ticket of the request that the task answers, by its `Idempotency-Key`; `None` when it carries none.
    pub fn of_request() -> Option<Self> {
        let request = context::current()?;
        let fingerprint = request.digest.as_ref().map_or(0, |digest| digest.fingerprint());
        Self::of_key(&request, fingerprint)
    }

    /// The same with another fingerprint.
    pub fn of_request_as(fingerprint: &impl Hash) -> Option<Self> {
        Self::of_key(&*context::current()?, wide(fingerprint))
    }

    fn of_key(request: &context::Request, fingerprint: u128) -> Option<Self> {
        let key = request.idempotency_key.as_deref().filter(|key| !key.is_empty())?;
        Some(Self::new(Some(request), wide(&(owner(request), key)), fingerprint))
    }

    /// The ticket of a key and a fingerprint of the caller's own.
    #[allow(clippy::unnecessary_wraps)] // a key of a request may be missing
    pub fn of(key: &impl Hash, fingerprint: &impl Hash) -> Option<Self> {
        let request = context::current();
        let request = request.as_deref();
        Some(Self::new(request, wide(&(request.map(owner), key)), wide(fingerprint)))
    }

    /// The same for a key that belongs to `owner` where no principal is known.
    #[must_use]
    pub fn owned_by(ticket: Option<Self>, owner: &impl Hash) -> Option<Self> {
        let owned = |ticket: Self| Self {
            key: ticket.key ^ wide(&(Self::OWNED, owner)),
            credentials: None,
            owner: Some(SEEDS[0].hash_one(owner)),
            ..ticket
        };
        ticket.map(|ticket| if ticket.is_known { ticket } else { owned(ticket) })
    }

    /// Hashed with an owner, so that no key has the same hash.
    const OWNED: &str = "owned by";

    pub(super) fn new(request: Option<&context::Request>, key: u128, fingerprint: u128) -> Self {
        let is_known = request.is_some_and(|request| request.principal.is_some());
        let shown = request.filter(|_| !is_known).and_then(|request| request.credentials.as_ref());
        let credentials = shown.map(Presented::digest);
        let of = request.and_then(account::of).map(|owner| owner.id);
        Self { key, fingerprint, credentials, owner: of, is_known }
    }

    /// The same for an answer of type `T`: a generic function keeps each type's apart.
    #[must_use]
    pub(crate) fn answered_by<T>(mut self) -> Self {
        self.fingerprint ^= wide(&std::any::type_name::<T>());
        self
    }
}

/// One caller's key is not another's.
fn owner(request: &context::Request) -> (Option<&str>, Option<&str>) {
    (request.tenant.as_deref(), request.principal.as_ref().map(|caller| caller.id.as_str()))
}

/// What was asked: a digest of the request's head, and of its body as it is read.
#[derive(Debug)]
pub struct Digest(Mutex<[std::hash::DefaultHasher; 2]>);

impl Digest {
    /// The digest of a request with this head.
    pub fn new(method: &str, target: &str) -> Self {
        let hashers = SEEDS.each_ref().map(|seed| {
            let mut hasher = std::hash::DefaultHasher::new();
            // The seed makes a digest that nobody outside can aim at.
            (seed.hash_one(0), method, target).hash(&mut hasher);
            hasher
        });
        Self(Mutex::new(hashers))
    }

    /// Adds a piece of the body.
    pub fn add(&self, piece: &[u8]) {
        let mut hashers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        hashers.iter_mut().for_each(|hasher| hasher.write(piece));
    }

    /// The digest of what was read so far.
    pub fn fingerprint(&self) -> u128 {
        let hashers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [high, low] = hashers.each_ref().map(std::hash::DefaultHasher::finish);
        u128::from(high) << 64 | u128::from(low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_of_the_bytes_and_not_of_how_they_came() {
        let of = |method, target, pieces: &[&[u8]]| {
            let digest = Digest::new(method, target);
            for piece in pieces {
                digest.add(piece);
            }
            digest.fingerprint()
        };
        let one = of("POST", "/orders", &[b"abcdef"]);
        assert_eq!(one, of("POST", "/orders", &[b"ab", b"", b"cdef"]));
        for other in [
            of("PUT", "/orders", &[b"abcdef"]),
            of("POST", "/order", &[b"abcdef"]),
            of("POST", "/orders", &[b"abcde"]),
        ] {
            assert_ne!(one, other);
        }
    }
}
