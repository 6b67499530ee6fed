//! `#[rate_limited]`: GCRA, for all callers together or for each key.

mod book;
mod books;
mod calendar;
mod charge;
#[cfg(feature = "service")]
mod clients;
mod gcra;
mod joint;
mod keyed;
mod line;
mod order;
mod reservation;

use std::time::Duration;

use hardening_spec::RateLimitSpec;

pub use crate::policy::keyed::hash_key;
pub use charge::{Charge, Decision};
pub use gcra::{Arrival, Gcra};
pub(crate) use joint::{Asked, Entered, enter};
pub use keyed::Keyed;
pub(crate) use reservation::{Look, Reservation};

use self::book::{Book, Lane};
use self::keyed::WAITING;
use crate::clock::{self, NEVER, Nanos, nanos};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::tunable::Tunable;

/// What becomes of a charge that is not admitted at once.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It is refused.
    Final,
    /// It is asked for again, and counted then.
    MayBecomeAWait,
}

/// What a look at the arrival time alone says.
enum WithoutWaiting {
    Admits,
    Refuses(Refused),
    /// That takes the book, or a place for the key.
    Unknown,
}

/// Why a call may not wait for a limit.
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
    /// The state of a limiter without keys. With [`WAITING`] in it the book has the state, as for each key.
    shared: AtomicU64,
    keyed: Option<Keyed>,
    overflowed: AtomicBool,
    /// Who waits. Locked before a shard of `keyed`.
    book: Mutex<Book>,
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
            book: Mutex::new(Book::default()),
            allowed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            overflow: AtomicU64::new(0),
        };
        limiter.tune(Some(&spec));
        limiter
    }

    /// Puts other numbers in force, `None` for no limit, at once: what has passed weighs at most a whole burst of the new
    /// ones, and those who wait are given new turns.
    pub fn tune(&self, spec: Option<&RateLimitSpec>) {
        self.tune_at(spec, clock::now());
    }

    /// The same at this moment.
    pub fn tune_at(&self, spec: Option<&RateLimitSpec>, now: Nanos) {
        let gcra = spec.map_or(Gcra::OFF, |spec| Gcra::new(spec.rate, spec.burst()));
        if let Some(spec) = spec
            && gcra.burst() < spec.burst()
        {
            tracing::warn!(
                limiter = self.name,
                burst = spec.burst(),
                in_force = gcra.burst(),
                "a burst that takes more than 100 years to come back is made smaller"
            );
        }
        let mut book = self.book();
        let same = gcra == self.gcra();
        if !same {
            book.settle(self, now);
        }
        // Between two of these a decision may see an old number beside a new one, once.
        self.tolerance.set(gcra.tolerance);
        self.emission.set(gcra.emission);
        self.burst.set(gcra.burst.into());
        self.patience.set(spec.map_or(0, |spec| nanos(spec.wait)));
        if let (Some(keyed), Some(spec)) = (&self.keyed, spec) {
            keyed.bound(spec.max_keys);
        }
        if same {
            return;
        }
        let latest = now.saturating_add(gcra.tolerance);
        let cap = |tat: Nanos| (tat < WAITING && tat > latest).then_some(latest);
        let _ = self.shared.fetch_update(Ordering::AcqRel, Ordering::Acquire, cap);
        if let Some(keyed) = &self.keyed {
            keyed.cap(latest);
        }
        book.tune(self, now);
        let anybody = !book.is_empty();
        drop(book);
        if anybody {
            self.reschedule(now);
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
            None => self.arrive_shared(charge.cost, now),
            Some(keyed) => self.arrive_keyed(keyed, charge, now, Refusal::MayBecomeAWait).1,
        };
        matches!(arrival, Arrival::Conforms { .. })
    }

    /// Counts a charge that was made and stays.
    pub(crate) fn count_allowed(&self) {
        self.allowed.fetch_add(1, Ordering::Relaxed);
    }

    /// How long a call may wait for its turn.
    pub(crate) fn patience(&self) -> Nanos {
        self.patience.get()
    }

    fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// What it would say to a charge that does not wait.
    fn without_waiting(&self, charge: Charge, now: Nanos) -> WithoutWaiting {
        let gcra = self.gcra();
        if gcra.is_off() {
            return WithoutWaiting::Admits;
        }
        let tat = match &self.keyed {
            Some(keyed) => keyed.peek(charge.key),
            None => Some(self.shared.load(Ordering::Acquire)),
        };
        let Some(tat) = tat.filter(|tat| !self.needs_book(*tat, now)) else { return WithoutWaiting::Unknown };
        match gcra.decide(tat, now, charge.cost) {
            Arrival::Conforms { .. } => WithoutWaiting::Admits,
            Arrival::Exceeds { retry_after } => {
                let remaining = gcra.remaining(tat, now);
                WithoutWaiting::Refuses(Refused { retry_after: retry_after.unwrap_or(NEVER), remaining })
            }
        }
    }

    /// Gives a charge back in the moment in which it was made: another limit refused.
    pub(crate) fn refund(&self, charge: Charge, now: Nanos) {
        let amount = self.gcra().charge(charge.cost);
        if amount == 0 {
            return;
        }
        let give_back = |tat: Nanos| (tat < WAITING).then(|| tat.saturating_sub(amount));
        let (lane, given) = match &self.keyed {
            // A place that is forgotten has nothing to give back.
            Some(keyed) => match keyed.place(charge.key) {
                Some(place) => (Some(place.key), keyed.change(place.key, give_back).unwrap_or(Ok(0))),
                None => return,
            },
            None => (None, self.shared.fetch_update(Ordering::AcqRel, Ordering::Acquire, give_back)),
        };
        if given.is_err() {
            self.refund_by_book(lane, charge.cost, now);
        }
    }

    /// Charges `cost` units of the key with this hash at once or not at all, with what HTTP headers need.
    pub fn check(&self, key: u64, cost: u32, now: Nanos) -> Decision {
        self.told(key, self.arrive(Charge { key, cost }, now), now)
    }

    /// Counts a decision, and says what HTTP headers need.
    fn told(&self, key: u64, arrival: Arrival, now: Nanos) -> Decision {
        let counter = match arrival {
            Arrival::Conforms { .. } => &self.allowed,
            Arrival::Exceeds { .. } => &self.refused,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        match arrival {
            Arrival::Conforms { tat } => Decision::Allowed {
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

    /// Forgets every charge.
    #[cfg(feature = "testing")]
    pub(crate) fn reset(&self) {
        let mut book = self.book();
        self.shared.store(0, Ordering::Release);
        book.clear();
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

    /// Charges at once or not at all.
    #[inline(always)]
    fn arrive(&self, charge: Charge, now: Nanos) -> Arrival {
        let (lane, arrival) = match &self.keyed {
            _ if self.is_off() => return Arrival::Conforms { tat: 0 },
            None => (None, self.arrive_shared(charge.cost, now)),
            Some(keyed) => self.arrive_keyed(keyed, charge, now, Refusal::Final),
        };
        if matches!(arrival, Arrival::Exceeds { .. }) && self.needs_book(self.word(lane), now) {
            return self.arrive_by_book(lane, charge.cost, now);
        }
        arrival
    }

    #[inline(always)]
    fn arrive_shared(&self, cost: u32, now: Nanos) -> Arrival {
        let mut tat = self.shared.load(Ordering::Acquire);
        loop {
            let arrival = self.gcra().decide(tat, now, cost);
            let Arrival::Conforms { tat: next } = arrival else { return arrival };
            match self.shared.compare_exchange_weak(tat, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return arrival,
                Err(changed) => tat = changed,
            }
        }
    }

    fn arrive_keyed(&self, keyed: &Keyed, charge: Charge, now: Nanos, refusal: Refusal) -> (Lane, Arrival) {
        let charge_at = |tat: &mut Nanos| self.gcra().charge_at(tat, now, charge.cost);
        let (place, arrival) = keyed.update(charge.key, now, charge_at);
        if place.is_bucket && (refusal == Refusal::Final || matches!(arrival, Arrival::Conforms { .. })) {
            self.count_overflow();
        }
        (Some(place.key), arrival)
    }

    /// Counts a charge that found no room for its key, and says so once.
    #[cold]
    pub(crate) fn count_overflow(&self) {
        self.overflow.fetch_add(1, Ordering::Relaxed);
        if !self.overflowed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                limiter = self.name,
                keys = self.keys(),
                "every key that a limiter may hold is in use; further keys share limits"
            );
        }
    }

    /// The arrival time of a lane, which may be marked.
    fn word(&self, lane: Lane) -> Nanos {
        match (&self.keyed, lane) {
            (Some(keyed), Some(lane)) => keyed.peek(lane).unwrap_or(0),
            _ => self.shared.load(Ordering::Acquire),
        }
    }

    fn remaining(&self, key: u64, now: Nanos) -> u32 {
        let lane = self.keyed.as_ref().map(|keyed| keyed.place(key).map_or(key, |place| place.key));
        let tat = self.word(lane);
        if tat >= WAITING {
            return self.remaining_by_book(lane, now);
        }
        self.gcra().remaining(tat, now)
    }
}

#[cfg(test)]
mod tests;
