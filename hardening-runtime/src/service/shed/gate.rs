//! Who is let in: all while there is room, and by their level once there is not.
//!
//! Nobody waits: a request is let in or refused at once. A tick is a tenth of a second. At its end the share of requests that
//! found no room gives the level below which the next tick refuses at once: the quantile of the levels that came of late
//! (failsafe-go's priority limiter). Within a tick that level stands still, and what is refused for want of room binds the
//! rest of the tick: nothing of a lower class is let in beside it.

use std::sync::{MutexGuard, PoisonError};

use crate::clock::Nanos;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// While requests are refused by level, those of higher classes than the level's may be so many more than the limit, one for
/// so many places, until the level has risen.
const BEYOND: u32 = 4;
/// How long the level below which requests are refused stands still.
pub(crate) const TICK: Nanos = 100_000_000;
/// Levels: five classes of a hundred.
const LEVELS: usize = 500;
/// What a tick leaves of the counts before it.
const KEEP: f64 = 0.8;
/// So many times as many as can be served of late are let through by level. The limit itself refuses the rest, of the class at
/// the edge: without it places would stand empty between two requests, since nobody waits for one.
const THROUGH: f64 = 1.5;
/// While requests are refused by level, the class in which the level lies and those below it leave one in so many places to
/// those above.
const KEPT_FREE: u32 = 16;
/// The most that is refused by level; the rest is left to the limit itself.
const MOST: f64 = 0.95;
/// After so many ticks without a request nothing of before counts.
const FORGET: u64 = 30;

/// What a request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is let in, and must be let out with [`Gate::leave`].
    Enter,
    /// It is refused.
    Leave,
}

/// The door of one service.
#[derive(Debug)]
pub(crate) struct Gate {
    inside: AtomicU32,
    /// A [`Tick`].
    tick: AtomicU64,
    /// When the tick ends.
    due: AtomicU64,
    /// How many came in this tick, by level.
    came: Box<[AtomicU32]>,
    /// How many of them found no room, and how many were below the level.
    full: AtomicU32,
    below: AtomicU32,
    core: Mutex<Core>,
}

/// What holds within one tick, in one word, so that no two decisions of a tick contradict each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Tick {
    number: u32,
    /// Who is below is refused.
    level: u16,
    /// The lowest class that was let in; [`NOBODY`] for none.
    lowest: u8,
    /// One more than the highest class that found no room; 0 for none.
    refused: u8,
}

const NOBODY: u8 = u8::MAX;

impl Tick {
    const fn word(self) -> u64 {
        (self.number as u64) << 32
            | (self.level as u64) << 16
            | (self.lowest as u64) << 8
            | self.refused as u64
    }

    const fn of(word: u64) -> Self {
        // Each part is cut to its own bits.
        Self {
            number: (word >> 32) as u32,
            level: (word >> 16) as u16,
            lowest: (word >> 8) as u8,
            refused: word as u8,
        }
    }
}

#[derive(Debug)]
struct Core {
    came: Box<[f64]>,
    refused: f64,
    /// The share that is refused by level.
    share: f64,
}

impl Gate {
    pub(crate) fn new(now: Nanos) -> Self {
        Self {
            inside: AtomicU32::new(0),
            tick: AtomicU64::new(Tick { number: 0, level: 0, lowest: NOBODY, refused: 0 }.word()),
            due: AtomicU64::new(now.saturating_add(TICK)),
            came: std::iter::repeat_with(|| AtomicU32::new(0)).take(LEVELS).collect(),
            full: AtomicU32::new(0),
            below: AtomicU32::new(0),
            core: Mutex::new(Core { came: vec![0.0; LEVELS].into(), refused: 0.0, share: 0.0 }),
        }
    }

    /// Lets a request of this level in, or refuses it. No more than `limit` are inside at once, but for requests of a higher
    /// class than one that this tick has let in, or than the level's.
    pub(crate) fn enter(&self, level: u16, limit: u32, now: Nanos) -> Told {
        if now >= self.due.load(Ordering::Acquire) {
            self.begin_tick(now);
        }
        let level = level.min(LEVELS as u16 - 1);
        self.came[usize::from(level)].fetch_add(1, Ordering::Relaxed);
        // Below five.
        let class = (level / 100) as u8;
        let mut word = self.tick.load(Ordering::Acquire);
        let edge = Tick::of(word).level;
        let limit =
            if edge > 0 && u16::from(class) <= edge / 100 { limit - limit / KEPT_FREE } else { limit };
        let room = |inside: u32| (inside < limit).then_some(inside + 1);
        let mut placed = self.inside.fetch_update(Ordering::AcqRel, Ordering::Acquire, room).is_ok();
        loop {
            let tick = Tick::of(word);
            if level < tick.level {
                return self.refuse(placed, &self.below);
            }
            if class + 1 < tick.refused {
                return self.refuse(placed, &self.full);
            }
            let above_edge = tick.level > 0 && u16::from(class) > tick.level / 100;
            let no_room = !placed
                && class <= tick.lowest
                && !(above_edge && self.inside() < limit.saturating_add(limit / BEYOND));
            let next = if no_room {
                Tick { refused: tick.refused.max(class + 1), ..tick }
            } else {
                Tick { lowest: tick.lowest.min(class), ..tick }
            };
            if next != tick
                && let Err(other) =
                    self.tick.compare_exchange(word, next.word(), Ordering::AcqRel, Ordering::Acquire)
            {
                word = other;
                continue;
            }
            if no_room {
                return self.refuse(placed, &self.full);
            }
            if !placed {
                self.inside.fetch_add(1, Ordering::AcqRel);
                // What lies at the edge takes too much room: the edge must rise.
                self.full.fetch_add(1, Ordering::Relaxed);
                placed = true;
            }
            debug_assert!(placed, "who is let in has a place");
            return Told::Enter;
        }
    }

    fn refuse(&self, placed: bool, why: &AtomicU32) -> Told {
        if placed {
            self.leave();
        }
        why.fetch_add(1, Ordering::Relaxed);
        Told::Leave
    }

    /// Lets one out.
    pub(crate) fn leave(&self) {
        self.inside.fetch_sub(1, Ordering::AcqRel);
    }

    /// Lets one in again that was let out for a while.
    pub(crate) fn come_back(&self) {
        self.inside.fetch_add(1, Ordering::AcqRel);
    }

    /// How many are inside.
    pub(crate) fn inside(&self) -> u32 {
        self.inside.load(Ordering::Relaxed)
    }

    /// One thread ends the tick; the others go on with what holds.
    fn begin_tick(&self, now: Nanos) {
        let Some(mut core) = self.try_core() else { return };
        let due = self.due.load(Ordering::Acquire);
        if now < due {
            return;
        }
        let (full, below) = (self.full.swap(0, Ordering::Relaxed), self.below.swap(0, Ordering::Relaxed));
        let came = self.came.iter().map(|count| count.swap(0, Ordering::Relaxed));
        // The tick that ends, and those in which nobody came.
        let idle = (now - due) / TICK;
        let level = core.judge(came, full, below, idle);
        let number = Tick::of(self.tick.load(Ordering::Acquire)).number.wrapping_add(1);
        self.tick.store(Tick { number, level, lowest: NOBODY, refused: 0 }.word(), Ordering::Release);
        self.due.store(now.saturating_add(TICK), Ordering::Release);
    }

    fn try_core(&self) -> Option<MutexGuard<'_, Core>> {
        match self.core.try_lock() {
            Ok(core) => Some(core),
            Err(std::sync::TryLockError::Poisoned(poisoned)) => Some(PoisonError::into_inner(poisoned)),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }
}

impl Core {
    /// What a tick came to, and the level of the next one.
    fn judge(&mut self, came: impl Iterator<Item = u32>, full: u32, below: u32, idle: u64) -> u16 {
        if idle >= FORGET {
            (self.refused, self.share) = (0.0, 0.0);
            self.came.fill(0.0);
        }
        // At most thirty.
        let past = idle.min(FORGET) as i32;
        let keep = KEEP.powi(1 + past);
        for (kept, count) in self.came.iter_mut().zip(came) {
            *kept = *kept * keep + f64::from(count);
        }
        self.refused = self.refused * keep + f64::from(full) + f64::from(below);
        let all: f64 = self.came.iter().sum();
        if full > 0 || self.share > 0.0 {
            let served = (all - self.refused).max(0.0);
            self.share = (1.0 - THROUGH * served / all.max(1.0)).clamp(0.0, MOST);
        }
        if self.share <= 0.0 {
            return 0;
        }
        let mut below = 0.0;
        for (level, count) in self.came.iter().enumerate() {
            if below + count > all * self.share {
                // Below five hundred.
                return level as u16;
            }
            below += count;
        }
        0
    }
}

#[cfg(test)]
mod tests;
