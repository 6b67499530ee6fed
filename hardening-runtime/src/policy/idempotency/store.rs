//! Answers by key, in this process.
//!
//! ```text
//! absent ── begin ──► running ── complete ──► done, for its ttl
//!    ▲                  │  └─ owner gone ──► begin takes over, with the next fence
//!    └──── release ─────┘
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use hardening_spec::IdempotentSpec;

use super::ticket::Ticket;
use crate::clock::{Nanos, nanos};
use crate::tunable::Tunable;

const SHARDS: usize = 16;

/// An answer as it is kept.
#[derive(Debug)]
pub enum Stored {
    /// A success, in the form that its type chose.
    Success(Vec<u8>),
    /// An error that came of running the body.
    Error(Vec<u8>),
    /// It was given, and could not be kept: too large, or a stream.
    Unkept,
}

/// What the store says to a request.
#[derive(Debug)]
pub enum Begin {
    /// It is to be run.
    Run(Claim),
    /// The same, after an owner that went away unfinished: what that one did, nobody knows.
    TakeOver(Claim),
    /// It was answered so.
    Replay(Arc<Stored>),
    /// It is being run.
    Conflict,
    /// The key stands for another request.
    Mismatch,
    /// Every key that may be held is in use.
    Full,
}

/// The right to run the request of one key; whoever holds it is its owner. Dropped unfinished, it leaves the key to be
/// taken over.
#[derive(Debug)]
pub struct Claim {
    key: u128,
    owner: Arc<Owner>,
}

#[derive(Debug)]
struct Owner {
    fence: u64,
}

#[derive(Debug)]
struct Entry {
    fingerprint: u128,
    fence: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// As long as its owner lives.
    Running(Weak<Owner>),
    Done(Arc<Stored>, Nanos),
}

/// Answers by key.
#[derive(Debug)]
pub struct Memory {
    shards: [Mutex<HashMap<u128, Entry>>; SHARDS],
    /// The bound on keys of one shard.
    max: Tunable,
    ttl: Tunable,
}

impl Memory {
    /// An empty store.
    pub fn new(spec: &IdempotentSpec) -> Self {
        Self {
            shards: std::array::from_fn(|_| Mutex::default()),
            max: Tunable::new(Self::of_shard(spec)),
            ttl: Tunable::new(nanos(spec.ttl)),
        }
    }

    fn of_shard(spec: &IdempotentSpec) -> u64 {
        u64::from(spec.max_keys).div_ceil(SHARDS as u64)
    }

    /// Puts other numbers in force, for answers that are given from now on.
    pub fn tune(&self, spec: &IdempotentSpec) {
        self.max.set(Self::of_shard(spec));
        self.ttl.set(nanos(spec.ttl));
    }

    /// Forgets every answer.
    #[cfg(feature = "testing")]
    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    fn shard(&self, key: u128) -> MutexGuard<'_, HashMap<u128, Entry>> {
        // No code of the user's runs under the lock.
        self.shards[(key >> 124) as usize % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for the right to run a request.
    pub fn begin(&self, ticket: Ticket, now: Nanos) -> Begin {
        let mut entries = self.shard(ticket.key);
        let mut fence = 0;
        let mut gone = false;
        if let Some(entry) = entries.get(&ticket.key) {
            let same = entry.fingerprint == ticket.fingerprint;
            match &entry.state {
                State::Done(_, until) if now >= *until => {}
                _ if !same => return Begin::Mismatch,
                State::Done(stored, _) => return Begin::Replay(Arc::clone(stored)),
                State::Running(owner) if owner.strong_count() > 0 => return Begin::Conflict,
                State::Running(_) => gone = true,
            }
            fence = entry.fence + 1;
        } else if entries.len() as u64 >= self.max.get() {
            entries.retain(|_, entry| match &entry.state {
                State::Done(_, until) => now < *until,
                State::Running(_) => true,
            });
            if entries.len() as u64 >= self.max.get() {
                return Begin::Full;
            }
        }
        let owner = Arc::new(Owner { fence });
        let state = State::Running(Arc::downgrade(&owner));
        entries.insert(ticket.key, Entry { fingerprint: ticket.fingerprint, fence, state });
        let claim = Claim { key: ticket.key, owner };
        if gone { Begin::TakeOver(claim) } else { Begin::Run(claim) }
    }

    /// Keeps the answer of a request; false when another has taken over, and nothing changes.
    pub fn complete(&self, claim: &Claim, stored: Stored, now: Nanos) -> bool {
        let mut entries = self.shard(claim.key);
        match entries.get_mut(&claim.key) {
            Some(entry) if entry.is_of(claim) => {
                entry.state = State::Done(Arc::new(stored), now.saturating_add(self.ttl.get()));
                true
            }
            _ => false,
        }
    }

    /// Forgets a request of which nothing was done.
    pub fn release(&self, claim: &Claim) {
        let mut entries = self.shard(claim.key);
        if entries.get(&claim.key).is_some_and(|entry| entry.is_of(claim)) {
            entries.remove(&claim.key);
        }
    }
}

impl Entry {
    fn is_of(&self, claim: &Claim) -> bool {
        self.fence == claim.owner.fence && matches!(self.state, State::Running(_))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const TTL: Nanos = 1_000;

    fn memory(max_keys: u32) -> Memory {
        let spec = IdempotentSpec { ttl: Duration::from_nanos(TTL), max_keys };
        Memory::new(&spec)
    }

    fn ticket(key: u128, fingerprint: u128) -> Ticket {
        Ticket { key, fingerprint }
    }

    fn run(begin: Begin) -> Claim {
        match begin {
            Begin::Run(claim) | Begin::TakeOver(claim) => claim,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_key_is_run_once_and_answered_again() {
        let memory = memory(100);
        let claim = run(memory.begin(ticket(1, 7), 0));
        assert!(matches!(memory.begin(ticket(1, 7), 1), Begin::Conflict));
        assert!(matches!(memory.begin(ticket(1, 8), 1), Begin::Mismatch));
        assert!(memory.complete(&claim, Stored::Success(b"a".to_vec()), 10));
        assert!(!memory.complete(&claim, Stored::Success(b"b".to_vec()), 10));
        assert!(
            matches!(memory.begin(ticket(1, 7), 10 + TTL - 1), Begin::Replay(stored) if matches!(&*stored, Stored::Success(text) if text == b"a"))
        );
        assert!(matches!(memory.begin(ticket(1, 8), 10 + TTL - 1), Begin::Mismatch));
        assert!(matches!(memory.begin(ticket(1, 8), 10 + TTL), Begin::Run(_)));
    }

    #[test]
    fn what_was_not_done_may_be_done_and_who_went_away_is_taken_over() {
        let memory = memory(100);
        let claim = run(memory.begin(ticket(1, 7), 0));
        memory.release(&claim);
        drop(claim);
        let claim = run(memory.begin(ticket(1, 7), 0));
        drop(claim);
        assert!(matches!(memory.begin(ticket(1, 8), 1), Begin::Mismatch));
        assert!(matches!(memory.begin(ticket(1, 7), 1), Begin::TakeOver(_)));
    }

    #[test]
    fn a_full_store_forgets_what_is_over_and_nothing_else() {
        let memory = memory(1);
        let shards: Vec<Claim> =
            (0..SHARDS as u128).map(|shard| run(memory.begin(ticket(shard << 124, 7), 0))).collect();
        assert!(matches!(memory.begin(ticket(1, 7), 0), Begin::Full));
        assert!(memory.complete(&shards[0], Stored::Unkept, 0));
        assert!(matches!(memory.begin(ticket(1, 7), TTL - 1), Begin::Full));
        assert!(matches!(memory.begin(ticket(1, 7), TTL), Begin::Run(_)));
    }

    /// Workers that begin, finish, crash and come back late, in every order that a generator thinks of.
    #[test]
    fn i_54_one_completion_for_each_run_of_a_key_and_i_55_one_owner_at_a_time() {
        for seed in 0..200 {
            let mut random = fastrand::Rng::with_seed(seed);
            let memory = memory(100);
            let mut owners: Vec<(Claim, bool)> = Vec::new();
            let (mut done, mut now) = (0, 0);
            for _ in 0..300 {
                now += random.u64(0..30);
                match random.u8(0..4) {
                    0 | 1 => match memory.begin(ticket(1, 7), now) {
                        Begin::Run(claim) | Begin::TakeOver(claim) => {
                            assert!(owners.iter().all(|(_, ended)| *ended), "two owners live");
                            owners.push((claim, false));
                        }
                        Begin::Replay(_) => assert!(done > 0),
                        Begin::Conflict => assert!(owners.iter().any(|(_, ended)| !ended)),
                        other => panic!("{other:?}"),
                    },
                    2 => {
                        // A claim that is finished may be tried again: it changes nothing.
                        if let Some((claim, ended)) = owners.last_mut() {
                            let completed = memory.complete(claim, Stored::Success(Vec::new()), now);
                            assert_eq!(completed, !*ended);
                            done += u32::from(completed);
                            *ended = true;
                        }
                    }
                    _ => {
                        owners.pop();
                    }
                }
            }
        }
    }
}
