//! Answers by key, in this process.
//!
//! ```text
//! absent ── begin ──► running ── complete ──► done, for its ttl
//!    ▲                  │ ▲└─ owner gone, or its lease lapsed ──► begin takes over, with the next fence
//!    └──── release ─────┘ └─ extend, as long as the owner is polled
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hardening_spec::{IdempotentSpec, OnTakeover};

use super::credentials::Credentials;
use super::room::{OF_KEY, Room};
use super::shares::{Shares, share};
use super::stored::Stored;
use super::ticket::Ticket;
use crate::clock::{NEVER, Nanos, nanos};
use crate::tunable::Tunable;

const SHARDS: usize = 16;

/// What a lease adds to what is left of the deadline: a run that ends with it still finds its key.
const AFTER_DEADLINE: Nanos = 2_000_000_000;
/// The lease of a run without a deadline: it goes on for as long as it likes, and this is what a stall may last.
const WITHOUT_DEADLINE: Nanos = 30_000_000_000;
/// Looking at very many keys to forget a few is not done again for so long: clients bring it about.
const SWEEP_EVERY: Nanos = 10_000_000;
/// So many keys are looked at in no time.
const FEW: usize = 1_000;
/// A look that frees one in so many was worth it.
const WORTH: usize = 64;
/// Signs of life in one lease: two may come late.
const BEATS: Nanos = 3;

/// What the store says to a request.
#[derive(Debug)]
pub enum Begin {
    /// It is to be run.
    Run(Claim),
    /// The same, after an owner that went away unfinished: what that one did, nobody knows.
    TakeOver(Claim),
    /// It was answered so.
    Replay(Arc<Stored>),
    /// It was answered, and the answer could not be kept; after so long the key is forgotten.
    Unkept(Nanos),
    /// It is being run; its lease is what is left.
    Conflict(Nanos),
    /// Its owner went away unfinished, and it is not to be run again for so long.
    Unknown(Nanos),
    /// The key stands for another request.
    Mismatch,
    /// The key was used under other credentials: what came of that is not this client's to know.
    Foreign,
    /// Every key that may be held is in use, or all that its owner may have.
    Full,
}

/// The right to run the request of one key; whoever holds it is its owner, as long as its lease is extended. Dropped
/// unfinished, it leaves the key to be taken over.
#[derive(Debug)]
pub struct Claim {
    key: u128,
    owner: Option<u64>,
    fence: u64,
    /// Where settings say nothing else.
    lease: Nanos,
    /// When it is to be extended.
    pub beat: Nanos,
    _alive: Arc<()>,
}

#[derive(Debug)]
struct Entry {
    fingerprint: u128,
    /// Of whom a key may be that no owner is known of.
    credentials: Option<Credentials>,
    /// Of whose share it is.
    owner: Option<u64>,
    fence: u64,
    state: State,
    /// What it takes of the bound on the size of all answers.
    bytes: u64,
}

#[derive(Debug)]
enum State {
    /// As long as its owner lives and extends its lease, which ends then.
    Running(Weak<()>, Nanos),
    Done(Arc<Stored>, Nanos),
}

/// Answers by key.
#[derive(Debug)]
pub struct Memory {
    shards: [Mutex<HashMap<u128, Entry>>; SHARDS],
    /// Keys in all shards.
    held: AtomicU64,
    /// No key is over before, so that a full store is not searched in vain.
    first_over: AtomicU64,
    /// Held by whoever forgets what is over.
    forgets: Mutex<()>,
    max: Tunable,
    room: Room,
    shares: Shares,
    ttl: Tunable,
    /// [`NEVER`] for one that fits the deadline.
    lease: Tunable,
    /// Whether what went away unfinished is left alone: 1 if so.
    leaves: Tunable,
    /// One for all keys, so that a key that was forgotten does not begin anew.
    fences: AtomicU64,
}

impl Memory {
    /// An empty store.
    pub fn new(spec: &IdempotentSpec) -> Self {
        let memory = Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            held: AtomicU64::default(),
            first_over: AtomicU64::default(),
            forgets: Mutex::default(),
            max: Tunable::default(),
            room: Room::default(),
            shares: Shares::new(),
            ttl: Tunable::default(),
            lease: Tunable::default(),
            leaves: Tunable::default(),
            fences: AtomicU64::default(),
        };
        memory.tune(spec);
        memory
    }

    /// Puts other numbers in force, for answers that are given and leases that are extended from now on.
    pub fn tune(&self, spec: &IdempotentSpec) {
        self.max.set(spec.max_keys.into());
        self.room.tune(spec);
        self.ttl.set(nanos(spec.ttl));
        // Of another `ttl`, keys may be over earlier.
        self.first_over.store(0, Ordering::Relaxed);
        self.lease.set(spec.lease.map_or(NEVER, nanos));
        self.leaves.set(u64::from(spec.on_takeover == OnTakeover::Conflict));
    }

    /// Forgets every answer.
    #[cfg(feature = "testing")]
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut entries = shard.lock().unwrap_or_else(PoisonError::into_inner);
            self.held.fetch_sub(entries.len() as u64, Ordering::Relaxed);
            for (_, entry) in entries.drain() {
                self.give_back(&entry);
            }
        }
        // The clock of another test may be behind.
        self.first_over.store(0, Ordering::Relaxed);
    }

    /// Forgets what is over.
    fn forget(&self, now: Nanos) {
        let _one = self.forgets.lock().unwrap_or_else(PoisonError::into_inner);
        if now < self.first_over.load(Ordering::Relaxed) {
            return;
        }
        let ttl = self.ttl.get();
        // What comes in meanwhile lowers it again.
        self.first_over.store(NEVER, Ordering::Relaxed);
        let (mut seen, mut freed) = (0, 0);
        for shard in &self.shards {
            let mut entries = shard.lock().unwrap_or_else(PoisonError::into_inner);
            let before = entries.len();
            entries.retain(|_, entry| {
                let stays = !entry.is_over(now, ttl);
                if stays {
                    self.first_over.fetch_min(entry.over(ttl), Ordering::Relaxed);
                } else {
                    self.give_back(entry);
                }
                stays
            });
            self.held.fetch_sub((before - entries.len()) as u64, Ordering::Relaxed);
            seen += before;
            freed += before - entries.len();
        }
        if seen > FEW && freed * WORTH < seen {
            self.first_over.fetch_max(now.saturating_add(SWEEP_EVERY), Ordering::Relaxed);
        }
    }

    fn give_back(&self, entry: &Entry) {
        self.room.give_back(entry.bytes);
        self.shares.give_back(entry.owner, entry.bytes);
    }

    fn shard(&self, key: u128) -> MutexGuard<'_, HashMap<u128, Entry>> {
        // No code of the user's runs under the lock.
        self.shards[(key >> 124) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the right to run a request until `deadline`.
    pub fn begin(&self, ticket: Ticket, now: Nanos, deadline: Nanos) -> Begin {
        self.try_begin(ticket, now, deadline).unwrap_or_else(|| {
            self.forget(now);
            self.try_begin(ticket, now, deadline).unwrap_or(Begin::Full)
        })
    }

    /// Takes room for one more key; false when there is none, or its owner has all that it may have.
    fn take(&self, owner: Option<u64>) -> bool {
        let (max, held) = (self.max.get(), self.held.load(Ordering::Relaxed));
        if !self.shares.take(owner, share(max, held), self.room.share()) {
            return false;
        }
        let more = |held: u64| (held < max).then_some(held + 1);
        if self.held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok() {
            if self.room.take(OF_KEY) {
                return true;
            }
            self.held.fetch_sub(1, Ordering::Relaxed);
        }
        self.shares.give_back(owner, OF_KEY);
        false
    }

    /// `None` when there is no room for one more key.
    fn try_begin(&self, ticket: Ticket, now: Nanos, deadline: Nanos) -> Option<Begin> {
        let ttl = self.ttl.get();
        let mut entries = self.shard(ticket.key);
        let mut gone = false;
        match entries.get(&ticket.key) {
            Some(entry) if entry.is_over(now, ttl) => {}
            // Before all else, so that nothing is told of it.
            Some(entry) if entry.credentials != ticket.credentials => return Some(Begin::Foreign),
            Some(entry) if entry.fingerprint != ticket.fingerprint => return Some(Begin::Mismatch),
            Some(entry) => match &entry.state {
                State::Done(stored, until) if matches!(**stored, Stored::Unkept) => {
                    return Some(Begin::Unkept(until - now));
                }
                State::Done(stored, _) => return Some(Begin::Replay(Arc::clone(stored))),
                State::Running(owner, until) if owner.strong_count() > 0 && now < *until => {
                    return Some(Begin::Conflict(until - now));
                }
                State::Running(_, until) if self.leaves.get() == 1 => {
                    return Some(Begin::Unknown(until.saturating_add(ttl) - now));
                }
                State::Running(..) => gone = true,
            },
            None => {
                if !self.take(ticket.owner) {
                    return None;
                }
            }
        }
        let fence = self.fences.fetch_add(1, Ordering::Relaxed);
        let own = match deadline {
            NEVER => WITHOUT_DEADLINE,
            deadline => deadline.saturating_sub(now).saturating_add(AFTER_DEADLINE),
        };
        let (alive, lease) = (Arc::new(()), self.lease(own));
        let state = State::Running(Arc::downgrade(&alive), now.saturating_add(lease));
        let entry = Entry {
            fingerprint: ticket.fingerprint,
            credentials: ticket.credentials,
            owner: ticket.owner,
            fence,
            state,
            bytes: OF_KEY,
        };
        self.first_over.fetch_min(entry.over(ttl), Ordering::Relaxed);
        if let Some(before) = entries.insert(ticket.key, entry) {
            self.room.give_back(before.bytes - OF_KEY);
            self.shares.give_back(before.owner, before.bytes);
            self.shares.inherit(ticket.owner);
        }
        let beat = Self::beat(now, lease);
        let claim = Claim { key: ticket.key, owner: ticket.owner, fence, lease: own, beat, _alive: alive };
        Some(if gone { Begin::TakeOver(claim) } else { Begin::Run(claim) })
    }

    /// When a lease is to be extended: a clock that stands still must not be asked for ever.
    fn beat(now: Nanos, lease: Nanos) -> Nanos {
        now.saturating_add((lease / BEATS).max(1))
    }

    fn lease(&self, own: Nanos) -> Nanos {
        match self.lease.get() {
            NEVER => own,
            lease => lease,
        }
    }

    /// Extends the lease of a claim; false when another has taken over.
    pub fn extend(&self, claim: &mut Claim, now: Nanos) -> bool {
        let lease = self.lease(claim.lease);
        let mut entries = self.shard(claim.key);
        let Some(entry) = entries.get_mut(&claim.key).filter(|entry| entry.is_of(claim)) else {
            return false;
        };
        if let State::Running(_, until) = &mut entry.state {
            *until = now.saturating_add(lease);
        }
        // A lease may have become shorter.
        self.first_over.fetch_min(entry.over(self.ttl.get()), Ordering::Relaxed);
        claim.beat = Self::beat(now, lease);
        true
    }

    /// What is left of the lease of whoever runs the request of a claim that was lost.
    pub fn left(&self, claim: &Claim, now: Nanos) -> Nanos {
        match self.shard(claim.key).get(&claim.key).map(|entry| &entry.state) {
            Some(State::Running(_, until)) => until.saturating_sub(now),
            _ => 0,
        }
    }

    /// Whether there is room for an answer, and its owner may have it, once what is over is forgotten.
    pub fn has_room(&self, claim: &Claim, stored: &Stored, now: Nanos) -> bool {
        let bytes = stored.bytes();
        let has = || self.room.has(bytes) && self.shares.has(claim.owner, bytes, self.room.share());
        has() || {
            self.forget(now);
            has()
        }
    }

    /// The size of the answers and keys that are held.
    pub fn bytes(&self) -> u64 {
        self.room.held()
    }

    /// Keeps the answer of a request; false when another has taken over, and nothing changes. An answer without room counts
    /// as one that cannot be kept.
    pub fn complete(&self, claim: &Claim, stored: Stored, now: Nanos) -> bool {
        let stored = stored.shrunk();
        let bytes = stored.bytes();
        let mut entries = self.shard(claim.key);
        match entries.get_mut(&claim.key) {
            Some(entry) if entry.is_of(claim) => {
                let until = now.saturating_add(self.ttl.get());
                self.first_over.fetch_min(until, Ordering::Relaxed);
                let fits = self.shares.grow(entry.owner, bytes, self.room.share());
                let stored = if fits && self.room.take(bytes) {
                    entry.bytes += bytes;
                    stored
                } else {
                    if fits {
                        self.shares.shrink(entry.owner, bytes);
                    }
                    Stored::Unkept
                };
                entry.state = State::Done(Arc::new(stored), until);
                true
            }
            _ => false,
        }
    }

    /// Forgets a request of which nothing was done.
    pub fn release(&self, claim: &Claim) {
        let mut entries = self.shard(claim.key);
        if entries.get(&claim.key).is_some_and(|entry| entry.is_of(claim))
            && let Some(entry) = entries.remove(&claim.key)
        {
            self.held.fetch_sub(1, Ordering::Relaxed);
            self.give_back(&entry);
        }
    }
}

impl Entry {
    fn is_of(&self, claim: &Claim) -> bool {
        self.fence == claim.fence && matches!(self.state, State::Running(..))
    }

    /// When it may be forgotten: an answer after its time, and what went away unfinished as long after its lease.
    fn over(&self, ttl: Nanos) -> Nanos {
        match &self.state {
            State::Done(_, until) => *until,
            State::Running(_, until) => until.saturating_add(ttl),
        }
    }

    fn is_over(&self, now: Nanos, ttl: Nanos) -> bool {
        now >= self.over(ttl)
    }
}

#[cfg(test)]
mod tests;
