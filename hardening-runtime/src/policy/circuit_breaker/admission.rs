//! Who is admitted where the circuit is not plainly closed: probes, a growing share after closing, and what time alone
//! changes.

use super::rules::{ALL, LEAST};
use super::word::{Mode, Phase, Word};
use super::{Admission, CircuitBreaker, CircuitState, Permit, UNCOUNTED};
use crate::clock::{NEVER, Nanos};
use crate::sync::atomic::Ordering;

/// A refused call may be made again after this, unless it is known that something happens earlier.
const ASK_AGAIN: Nanos = 1_000_000_000;

/// An attempt that is known by a number, and waits.
pub(crate) struct Waiting<'b> {
    breaker: &'b CircuitBreaker,
    generation: u32,
    token: u32,
}

impl Waiting<'_> {
    /// Its body begins at `now`; false when it has waited for longer than a probe has time, and may be another is admitted in its
    /// place. One that is dropped before waits until its end is recorded.
    pub(crate) fn begins(self, now: Nanos) -> bool {
        self.breaker.flights.run(self.generation, self.token, now)
    }
}

impl CircuitBreaker {
    #[cold]
    pub(super) fn admit_specially(&self, now: Nanos) -> Admission {
        let first = self.rules.first_period();
        loop {
            let bits = self.word.load(Ordering::Acquire);
            let word = Word::unpack(bits);
            match word.mode {
                Mode::Disabled => return Admission::Admitted(UNCOUNTED),
                Mode::ForcedOpen => return Admission::Refused { retry_after: NEVER },
                Mode::Automatic | Mode::MetricsOnly => {}
            }
            if self.catches_up(word, now) {
                continue;
            }
            let refused = |left: Nanos| match word.mode {
                Mode::MetricsOnly => Admission::Admitted(UNCOUNTED),
                _ => Admission::Refused { retry_after: left },
            };
            let next = match word.phase {
                Phase::Closed => match self.holds_back(word, now) {
                    Some(left) => return refused(left),
                    None => return Admission::Admitted(self.counted(word, now)),
                },
                Phase::Opening => return refused(first),
                Phase::Open => {
                    let until = self.until.load(Ordering::Acquire);
                    if now < until {
                        return refused(until - now);
                    }
                    word.half_opened()
                }
                Phase::HalfOpen => match word.probing(self.rules.probes()) {
                    Some(next) => next,
                    // So many probes were wanted when the last one answered, and fewer are now.
                    None if word.succeeded >= self.rules.probes() => {
                        let closed = self.ramped(word.closed(), now);
                        if self.exchange(word, closed) {
                            self.rules.transitions.happened(
                                self.rules.name,
                                CircuitState::HalfOpen,
                                CircuitState::Closed,
                            );
                        }
                        continue;
                    }
                    None => return refused(self.next_answer(word.generation, now)),
                },
            };
            if self.exchange(word, next) {
                let token = self.flights.begin(next.generation, now);
                if word.phase == Phase::Open {
                    self.rules.transitions.happened(
                        self.rules.name,
                        CircuitState::Open,
                        CircuitState::HalfOpen,
                    );
                }
                return Admission::Admitted(Permit { word: next.numbered(token) });
            }
        }
    }

    /// Does what time alone has brought about, true when the state is another one now: a probe that has not answered within its
    /// time failed when that was over, one that has waited for as long without asking anybody makes room for another, and calls in
    /// flight that are slow by now may be too many.
    #[cold]
    pub(super) fn catches_up(&self, word: Word, now: Nanos) -> bool {
        match word.phase {
            Phase::HalfOpen => {
                let oldest = self.flights.oldest(word.generation);
                if let Some(over) = oldest.map(|began| self.time_of_probe_ends(began))
                    && now >= over
                {
                    self.open(word, over);
                    return true;
                }
                let latest = now.checked_sub(self.rules.probe_timeout.get());
                let lapsed = latest.map_or(0, |latest| self.flights.lapse(word.generation, latest));
                if lapsed > 0 {
                    self.update(|now| (now.generation == word.generation).then(|| now.probes_lapsed(lapsed)));
                }
                lapsed > 0
            }
            Phase::Closed if word.watched => {
                let trips = self.trips_in_flight(word.generation, now);
                if trips {
                    self.open(word, now);
                }
                trips
            }
            _ => false,
        }
    }

    /// When a probe has failed whose body runs still. One that is slow cannot close the circuit, whatever it answers.
    pub(super) fn time_of_probe_ends(&self, began: Nanos) -> Nanos {
        began.saturating_add(self.rules.probe_timeout.get().min(self.rules.slow_call.get()))
    }

    /// Whether calls in flight that are slow by now open the circuit, together with what the window holds. Each is counted there
    /// once it has ended, and here no longer.
    fn trips_in_flight(&self, generation: u32, now: Nanos) -> bool {
        let Some(latest) = now.checked_sub(self.rules.slow_call.get()) else { return false };
        let slow = self.flights.running_since(generation, latest);
        if slow == 0 {
            return false;
        }
        let mut counts = self.window.counts(generation, now);
        counts.calls += slow;
        counts.slow += slow;
        self.rules.trips(counts)
    }

    /// The permit of a closed circuit.
    fn counted(&self, word: Word, now: Nanos) -> Permit {
        if !word.watched {
            return Permit { word: word.pack() };
        }
        Permit { word: word.numbered(self.flights.begin(word.generation, now)) }
    }

    /// For how long a call is held back, since the circuit closed a short while ago.
    fn holds_back(&self, word: Word, now: Nanos) -> Option<Nanos> {
        if !word.ramping {
            return None;
        }
        let since = now.saturating_sub(self.closed.load(Ordering::Acquire));
        let Some(share) = self.rules.share(since) else {
            self.exchange(word, Word { ramping: false, ..word });
            return None;
        };
        // Each call saves up its share of one call, and each whole one is admitted: no chance, so no burst.
        let saved = self.credit.fetch_add(share, Ordering::AcqRel);
        let admitted = (saved.wrapping_add(share)) / ALL != saved / ALL;
        (!admitted).then(|| ASK_AGAIN.min(self.rules.ramp.get().saturating_sub(since)))
    }

    /// Whether a call may be held back.
    pub(super) fn ramps(&self, word: Word, now: Nanos) -> bool {
        let since = now.saturating_sub(self.closed.load(Ordering::Acquire));
        word.ramping && self.rules.share(since).is_some()
    }

    /// Whether it admits some and refuses others: it is half-open, or has closed a short while ago.
    pub(crate) fn is_trying(&self, now: Nanos) -> bool {
        let word = Word::unpack(self.word.load(Ordering::Acquire));
        match word.phase {
            Phase::HalfOpen => true,
            Phase::Closed => self.ramps(word, now),
            Phase::Open | Phase::Opening => false,
        }
    }

    /// When a call that finds every probe taken may be made again: at the latest when a probe's time is over, and most answer
    /// long before.
    fn next_answer(&self, generation: u32, now: Nanos) -> Nanos {
        let whole = self.rules.probe_timeout.get();
        let (running, waiting) = self.flights.first(generation);
        let ends = running.map(|began| self.time_of_probe_ends(began)).into_iter();
        let first = ends.chain(waiting.map(|since| since.saturating_add(whole))).min();
        first.map_or(whole, |over| over.saturating_sub(now)).min(ASK_AGAIN)
    }

    /// Whether an attempt that waited since it was admitted may begin: nobody has opened or closed the circuit meanwhile.
    pub(crate) fn still_admits(&self, permit: Permit) -> bool {
        let word = Word::unpack(self.word.load(Ordering::Acquire));
        permit == UNCOUNTED
            || (word.generation == Word::generation(permit.word) && word.mode != Mode::ForcedOpen)
    }

    /// Says that an admitted attempt waits from `now` on, in a queue or for a limit, until the answer says that its body begins.
    #[cold]
    pub(crate) fn waits(&self, permit: Permit, now: Nanos) -> Option<Waiting<'_>> {
        // What nobody counts has the word of a closed circuit.
        let token = Word::token(permit.word)?;
        let generation = Word::generation(permit.word);
        self.flights.wait(generation, token, now);
        Some(Waiting { breaker: self, generation, token })
    }

    /// `next`, which ramps when it is closed. What a ramp begins with is there before anybody can see that it has begun.
    pub(super) fn ramped(&self, next: Word, now: Nanos) -> Word {
        let ramping = next.phase == Phase::Closed && self.rules.ramp.get() > 0;
        if ramping {
            self.closed.store(now, Ordering::Release);
            self.credit.store(ALL - LEAST, Ordering::Release);
        }
        Word { ramping, ..next }
    }
}
