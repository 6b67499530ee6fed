//! `#[rate_limited]`: GCRA, for all callers together or for each key.

mod gcra;
mod keyed;
mod turns;

use std::hash::Hash;
use std::time::Duration;

use hardening_spec::RateLimitSpec;

pub use gcra::{Arrival, Gcra};
pub use keyed::{Keyed, hash_key};

use self::turns::{FreeTurns, Turn};
use crate::clock::{NEVER, Nanos, nanos};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::tunable::Tunable;

/// What one call is charged: the hash of its key, and its cost.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    key: u64,
    cost: u32,
}

impl Charge {
    /// One unit, without a key.
    pub const ONE: Self = Self::plain(1);

    /// `cost` units, without a key.
    pub const fn plain(cost: u32) -> Self {
        Self { key: 0, cost }
    }

    /// The units.
    pub(crate) const fn cost(&self) -> u32 {
        self.cost
    }

    /// The hash of the key.
    pub(crate) const fn key(&self) -> u64 {
        self.key
    }

    /// `cost` units of `key`.
    #[inline(always)]
    pub fn keyed<K: Hash + ?Sized>(key: &K, cost: u32) -> Self {
        Self { key: hash_key(key), cost }
    }
}

/// What a limiter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Admitted.
    Allowed {
        /// Units left at once.
        remaining: u32,
        /// When the whole burst is there again.
        reset: Duration,
    },
    /// Refused; nothing was charged.
    Refused {
        /// When the same request will be admitted; [`Duration::MAX`] for never.
        retry_after: Duration,
        /// The burst.
        limit: u32,
        /// Units left at once.
        remaining: u32,
    },
}

/// What becomes of a charge that is not admitted at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It is refused.
    Final,
    /// It is asked for again, and counted then.
    MayBecomeAWait,
}

/// A reservation that would take too long.
pub(crate) struct Refused {
    /// When the same charge would be admitted, [`NEVER`] if it costs more than the burst.
    pub(crate) retry_after: Nanos,
    /// Units left at once.
    pub(crate) remaining: u32,
}

/// One limiter with its state and its counts.
#[derive(Debug)]
pub struct Limiter {
    name: &'static str,
    /// 0 where it is switched off.
    emission: Tunable,
    tolerance: Tunable,
    burst: Tunable,
    patience: Tunable,
    /// The state of a limiter without keys; of a keyed one, what the keys without room share.
    shared: AtomicU64,
    keyed: Option<Keyed>,
    overflowed: AtomicBool,
    free_turns: FreeTurns,
    /// Charges admitted.
    allowed: AtomicU64,
    /// Charges refused.
    refused: AtomicU64,
    /// Charges that found no room for their key.
    overflow: AtomicU64,
}

impl Limiter {
    /// A limiter of this name with a full burst.
    pub fn new(name: &'static str, spec: RateLimitSpec) -> Self {
        let limiter = Self {
            name,
            emission: Tunable::default(),
            tolerance: Tunable::default(),
            burst: Tunable::default(),
            patience: Tunable::default(),
            shared: AtomicU64::new(0),
            keyed: spec.keyed.then(|| Keyed::new(spec.max_keys)),
            overflowed: AtomicBool::new(false),
            free_turns: FreeTurns::default(),
            allowed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            overflow: AtomicU64::new(0),
        };
        limiter.tune(Some(&spec));
        limiter
    }

    /// Puts other numbers in force, `None` for no limit; what was charged stays charged.
    pub fn tune(&self, spec: Option<&RateLimitSpec>) {
        let gcra = spec.map_or(Gcra::OFF, |spec| Gcra::new(spec.rate, spec.burst()));
        // Between two of these a decision may see an old number beside a new one, once.
        self.tolerance.set(gcra.tolerance);
        self.emission.set(gcra.emission);
        self.burst.set(gcra.burst.into());
        self.patience.set(spec.map_or(0, |spec| nanos(spec.wait)));
        if let (Some(keyed), Some(spec)) = (&self.keyed, spec) {
            keyed.bound(spec.max_keys);
        }
    }

    /// Whether it is switched off: keys are not looked at then.
    fn is_off(&self) -> bool {
        self.emission.get() == 0
    }

    #[inline(always)]
    fn gcra(&self) -> Gcra {
        Gcra { emission: self.emission.get(), tolerance: self.tolerance.get(), burst: self.burst.count() }
    }

    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether each key has a limit of its own.
    pub(crate) const fn is_keyed(&self) -> bool {
        self.keyed.is_some()
    }

    /// Charges one unit of a limit without keys if its turn is now: [`Limiter::admits`] for the most frequent case.
    #[inline(always)]
    pub(crate) fn admits_one(&self, now: Nanos) -> bool {
        let mut tat = self.shared.load(Ordering::Acquire);
        loop {
            let Some(next) = self.gcra().next_one(tat, now) else { return false };
            match self.shared.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(changed) => tat = changed,
            }
        }
        self.allowed.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Charges `charge` if its turn is now. It is counted by [`Limiter::count_allowed`], once no other limit can
    /// refuse.
    #[inline(always)]
    pub(crate) fn admits(&self, charge: Charge, now: Nanos) -> bool {
        let arrival = match &self.keyed {
            Some(_) if self.is_off() => return true,
            None => self.arrive_shared(charge.cost, now, 0),
            Some(keyed) => self.arrive_keyed(keyed, charge, now, 0, Refusal::MayBecomeAWait),
        };
        matches!(arrival, Arrival::Conforms { .. })
    }

    /// Counts a charge that was made and stays.
    pub(crate) fn count_allowed(&self) {
        self.allowed.fetch_add(1, Ordering::Relaxed);
    }

    /// Charges `charge` for its turn in the future, if that comes within `wait` and the limiter's patience; answers
    /// how long it takes. `alone`: no other limit is charged with it. A refusal is counted, a charge is not yet.
    #[cold]
    pub(crate) fn reserve(
        &self,
        charge: Charge,
        now: Nanos,
        wait: Nanos,
        alone: bool,
    ) -> Result<Nanos, Refused> {
        let patience = self.patience.get().min(wait);
        // Together with other limits a charge must be one that can be taken off again.
        if alone && let Some(turn) = self.free_turns.take(charge, now, now.saturating_add(patience)) {
            return Ok(turn - now);
        }
        match self.arrive(charge, now, patience) {
            Arrival::Conforms { delay, .. } => Ok(delay),
            Arrival::Exceeds { retry_after } => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Err(Refused {
                    retry_after: retry_after.unwrap_or(NEVER),
                    remaining: self.remaining(charge.key, now),
                })
            }
        }
    }

    /// Gives a charge back in the moment in which it was made: another limit refused.
    pub(crate) fn refund(&self, charge: Charge) {
        self.give_back(charge.key, self.gcra().charge(charge.cost), NEVER);
    }

    /// Gives back the turn at `turn` of a call that waits no longer: the last turn of all, with those before it that
    /// were given up already, or one for somebody else to take.
    pub(crate) fn give_up_turn(&self, charge: Charge, turn: Nanos, now: Nanos) {
        let mut turn = Turn { at: turn, charge };
        loop {
            let furthest = self.gcra().furthest(turn.at);
            let amount = self.gcra().charge(turn.charge.cost);
            let last = |tat: Nanos| (tat == furthest).then(|| tat.saturating_sub(amount));
            match self.change(charge.key, last) {
                Ok(tat) => {
                    match self.free_turns.take_at(charge.key, self.gcra().turn(tat.saturating_sub(amount))) {
                        Some(before) => turn = before,
                        None => return,
                    }
                }
                Err(tat) => {
                    if tat > furthest {
                        self.free_turns.keep(turn, now);
                    }
                    return;
                }
            }
        }
    }

    /// Gives back what `now` is left of a charge that was made at once at `charged`, for a call that went on to wait
    /// for another limit and waits no longer. What has flowed off since then cannot be given again.
    pub(crate) fn give_up_rest(&self, charge: Charge, charged: Nanos, now: Nanos) {
        let rest = self.gcra().charge(charge.cost).saturating_sub(now.saturating_sub(charged));
        self.give_back(charge.key, rest, self.gcra().furthest(now));
    }

    /// Takes `amount` off an arrival time that is not beyond `latest`.
    fn give_back(&self, key: u64, amount: Nanos, latest: Nanos) {
        let _ = self.change(key, |tat| (tat <= latest).then(|| tat.saturating_sub(amount)));
    }

    /// Changes the arrival time that a key is charged to, as long as `change` agrees; answers what it was.
    fn change(&self, key: u64, change: impl Fn(Nanos) -> Option<Nanos>) -> Result<Nanos, Nanos> {
        let own = self.keyed.as_ref().and_then(|keyed| keyed.change(key, &change));
        own.unwrap_or_else(|| self.shared.fetch_update(Ordering::AcqRel, Ordering::Acquire, change))
    }

    /// Charges `cost` units of the key with this hash at once or not at all, with what HTTP headers need.
    pub fn check(&self, key: u64, cost: u32, now: Nanos) -> Decision {
        let arrival = self.arrive(Charge { key, cost }, now, 0);
        let counter = match arrival {
            Arrival::Conforms { .. } => &self.allowed,
            Arrival::Exceeds { .. } => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        match arrival {
            Arrival::Conforms { tat, .. } => Decision::Allowed {
                remaining: self.gcra().remaining(tat, now),
                reset: Duration::from_nanos(tat.saturating_sub(now)),
            },
            Arrival::Exceeds { retry_after } => Decision::Refused {
                retry_after: retry_after.map_or(Duration::MAX, Duration::from_nanos),
                limit: self.gcra().burst(),
                remaining: self.remaining(key, now),
            },
        }
    }

    /// Charges up to `cost` more units of the key with this hash, as many as are left, for something that was no decision.
    #[cfg(feature = "service")]
    pub(crate) fn fine(&self, key: u64, cost: u32, now: Nanos) {
        let cost = cost.min(self.remaining(key, now));
        if cost > 0 {
            let _ = self.arrive(Charge { key, cost }, now, 0);
        }
    }

    /// Forgets every charge.
    #[cfg(feature = "testing")]
    pub(crate) fn reset(&self) {
        self.shared.store(0, Ordering::Release);
        self.free_turns.clear();
        if let Some(keyed) = &self.keyed {
            keyed.clear();
        }
    }

    /// The burst in force.
    pub fn burst(&self) -> u32 {
        self.burst.count()
    }

    /// Charges admitted, refused, and those that found no room for their key.
    pub fn counts(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.allowed), read(&self.refused), read(&self.overflow))
    }

    /// Keys held now.
    pub fn keys(&self) -> usize {
        self.keyed.as_ref().map_or(0, Keyed::len)
    }

    #[inline(always)]
    fn arrive(&self, charge: Charge, now: Nanos, patience: Nanos) -> Arrival {
        match &self.keyed {
            Some(_) if self.is_off() => Arrival::Conforms { tat: 0, delay: 0 },
            None => self.arrive_shared(charge.cost, now, patience),
            Some(keyed) => self.arrive_keyed(keyed, charge, now, patience, Refusal::Final),
        }
    }

    #[inline(always)]
    fn arrive_shared(&self, cost: u32, now: Nanos, patience: Nanos) -> Arrival {
        let mut tat = self.shared.load(Ordering::Acquire);
        loop {
            let arrival = self.gcra().decide(tat, now, cost, patience);
            let Arrival::Conforms { tat: next, .. } = arrival else { return arrival };
            match self.shared.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return arrival,
                Err(changed) => tat = changed,
            }
        }
    }

    fn arrive_keyed(
        &self,
        keyed: &Keyed,
        charge: Charge,
        now: Nanos,
        patience: Nanos,
        refusal: Refusal,
    ) -> Arrival {
        let decided = keyed.update(charge.key, now, |tat| {
            let arrival = self.gcra().decide(*tat, now, charge.cost, patience);
            if let Arrival::Conforms { tat: next, .. } = arrival {
                *tat = next;
            }
            arrival
        });
        decided.unwrap_or_else(|| {
            let arrival = self.arrive_shared(charge.cost, now, patience);
            if refusal == Refusal::Final || matches!(arrival, Arrival::Conforms { .. }) {
                self.overflow.fetch_add(1, Ordering::Relaxed);
            }
            if !self.overflowed.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    limiter = self.name,
                    keys = keyed.len(),
                    "every key that a limiter may hold is in use; further keys share one limit"
                );
            }
            arrival
        })
    }

    fn remaining(&self, key: u64, now: Nanos) -> u32 {
        let own = self.keyed.as_ref().and_then(|keyed| keyed.peek(key));
        self.gcra().remaining(own.unwrap_or_else(|| self.shared.load(Ordering::Acquire)), now)
    }
}

#[cfg(test)]
mod tests;
