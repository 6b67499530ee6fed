//! `#[circuit_breaker]`: closed, open, half-open, and what an operator forces.
//!
//! The rate and the half-open rule follow Resilience4j and `MicroProfile` Fault Tolerance (a share of failures or
//! slow calls over a window, probes that must all succeed), the growing open period Envoy's ejection, the
//! generation of a permit gobreaker's; see `docs/circuit_breaker.md`.

mod admission;
mod flights;
mod handle;
mod keyed;
mod rules;
mod transitions;
mod window;
mod word;

use std::sync::Arc;
use std::time::Duration;

use hardening_spec::CircuitBreakerSpec;

pub use handle::{Circuit, CircuitState, IllegalTransition};
pub(crate) use keyed::KeyedBreakers;
pub(crate) use window::{Event, Window};

use self::flights::{Ended, Flights};
use self::rules::Rules;
pub(crate) use self::word::Mode;
use self::word::{Phase, Word};
use crate::clock::{NEVER, Nanos};
use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Leave to run one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The word at the moment of admission, [`UNCOUNTED`] for an attempt that nobody counts.
    word: u64,
}

/// No word has a bit here.
const UNCOUNTED: Permit = Permit { word: 1 << 31 };

impl Permit {
    /// Leave that nobody gave and nobody counts.
    pub const NONE: Self = UNCOUNTED;

    /// Leave that was given at this moment, by something without a word.
    pub(crate) const fn at(now: Nanos) -> Self {
        Self { word: (now << 1) | 1 }
    }

    /// The moment of a permit that was given so.
    pub(crate) const fn moment(self) -> Option<Nanos> {
        if self.word & 1 == 1 { Some(self.word >> 1) } else { None }
    }
}

/// What a breaker says to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Run it, and bring the permit back.
    Admitted(Permit),
    /// Do not run it.
    Refused {
        /// Nanoseconds until the next probe is due, [`NEVER`] while an operator holds the circuit open.
        retry_after: Nanos,
    },
}

/// How an attempt ended, as a breaker sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The dependency answered well.
    Success,
    /// The dependency failed.
    Failure,
    /// Neither: the caller's fault, or a refusal of our own. It counts as nothing.
    Neither,
    /// The body did not end: its caller left, or a limit on time cut it that is no failure of the dependency. Only how long it ran
    /// is known, so it is slow or counts as nothing.
    Unfinished,
}

/// One breaker.
#[derive(Debug)]
pub struct CircuitBreaker {
    rules: Arc<Rules>,
    word: AtomicU64,
    /// Failures in a row.
    streak: AtomicU32,
    /// When the open period began, [`NEVER`] for one that an operator gave, and when it ends; meaningful while open.
    opened: AtomicU64,
    until: AtomicU64,
    /// Attempts that are known one by one.
    flights: Flights,
    /// When the circuit closed, and what the calls since have saved up; meaningful while ramping.
    closed: AtomicU64,
    credit: AtomicU64,
    window: Window,
}

impl CircuitBreaker {
    /// A closed breaker; `timeout` is the attempt's, which bounds a probe unless the spec does.
    pub fn new(name: &'static str, spec: CircuitBreakerSpec, timeout: Option<Duration>, now: Nanos) -> Self {
        Self::under(Arc::new(Rules::new(name, &spec, timeout)), spec.window, now)
    }

    fn under(rules: Arc<Rules>, window: hardening_spec::Window, now: Nanos) -> Self {
        Self {
            word: AtomicU64::new(Word { watched: rules.watches(), ..Word::CLOSED }.pack()),
            rules,
            streak: AtomicU32::new(0),
            opened: AtomicU64::new(0),
            until: AtomicU64::new(0),
            flights: Flights::default(),
            closed: AtomicU64::new(0),
            credit: AtomicU64::new(0),
            window: Window::new(window, now),
        }
    }

    /// Puts other numbers in force; a circuit stays in its state. Outcomes of another window are forgotten.
    pub fn tune(&self, spec: &CircuitBreakerSpec, timeout: Option<Duration>) {
        self.rules.tune(spec, timeout);
        self.tune_window(spec.window);
    }

    fn tune_window(&self, window: hardening_spec::Window) {
        let watched = self.rules.watches();
        self.update(|word| (word.watched != watched).then_some(Word { watched, ..word }));
        let generation = Word::unpack(self.word.load(Ordering::Acquire)).generation;
        self.window.tune(window, generation);
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.rules.name
    }

    /// Leave to run an attempt, where the circuit is closed and nobody has forced it to anything.
    #[inline(always)]
    pub(crate) fn admit_plainly(&self) -> Option<Permit> {
        let bits = self.word.load(Ordering::Acquire);
        Word::is_plainly_closed(bits).then_some(Permit { word: bits })
    }

    /// Asks for leave to run an attempt.
    #[inline(always)]
    pub fn admit(&self, now: Nanos) -> Admission {
        let bits = self.word.load(Ordering::Acquire);
        if Word::is_plainly_closed(bits) {
            return Admission::Admitted(Permit { word: bits });
        }
        self.admit_specially(now)
    }

    /// Whether an attempt is a probe of a half-open circuit.
    pub(crate) const fn is_probe(permit: Permit) -> bool {
        // What nobody counts has the word of a closed circuit.
        matches!(Word::unpack(permit.word).phase, Phase::HalfOpen)
    }

    /// Takes an attempt's outcome; `took` is how long its body ran.
    #[inline(always)]
    pub fn record(&self, permit: Permit, now: Nanos, verdict: Verdict, took: Nanos) {
        let bits = self.word.load(Ordering::Acquire);
        // Where calls may be slow, no word is a plain one.
        if verdict == Verdict::Success && bits == permit.word && Word::is_plainly_closed(bits) {
            self.record_closed(bits, now, Event { failed: false, slow: false });
        } else {
            self.record_specially(permit, now, verdict, took);
        }
    }

    #[cold]
    fn record_specially(&self, permit: Permit, now: Nanos, verdict: Verdict, took: Nanos) {
        let end = |token| self.flights.end(Word::generation(permit.word), token);
        let ended = Word::token(permit.word).map_or(Ended::Unknown, end);
        let slow = took >= self.rules.slow_call.get();
        let event = Event { failed: verdict == Verdict::Failure, slow };
        let verdict = match (verdict, ended) {
            (Verdict::Unfinished, Ended::Ran(_)) if slow => Verdict::Unfinished,
            (Verdict::Unfinished, _) => Verdict::Neither,
            (verdict, _) => verdict,
        };
        let word = Word::unpack(self.word.load(Ordering::Acquire));
        let is_over = word.generation != Word::generation(permit.word);
        if permit == UNCOUNTED || is_over || ended == Ended::Lapsed {
            return;
        }
        match word.phase {
            Phase::Closed => match verdict {
                Verdict::Success | Verdict::Failure => self.record_closed(word.pack(), now, event),
                // It is no success that ends a row of failures.
                Verdict::Unfinished => self.count(word.pack(), now, event, false),
                Verdict::Neither => {}
            },
            Phase::HalfOpen => {
                let over = match ended {
                    Ended::Ran(began) => self.time_of_probe_ends(began),
                    Ended::Lapsed | Ended::Unknown => NEVER,
                };
                if now > over && (verdict != Verdict::Neither || self.rules.lateness_counts()) {
                    self.open(word, over);
                } else {
                    self.record_probe(word.generation, now, verdict, event);
                }
            }
            Phase::Opening | Phase::Open => {}
        }
    }

    #[inline(always)]
    fn record_closed(&self, bits: u64, now: Nanos, event: Event) {
        let mut trips = false;
        if event.failed {
            let streak = self.streak.fetch_add(1, Ordering::AcqRel).saturating_add(1);
            trips = self.rules.trips_in_a_row(streak);
        } else if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Release);
        }
        self.count(bits, now, event, trips);
    }

    /// Counts an event in the window, and opens the circuit if that or something else `trips` it.
    #[inline(always)]
    fn count(&self, bits: u64, now: Nanos, event: Event, mut trips: bool) {
        if let Some(counts) = self.window.record(Word::generation(bits), now, event) {
            trips |= self.rules.trips(counts);
        }
        if trips {
            self.open(Word::unpack(bits), now);
        }
    }

    #[cold]
    fn record_probe(&self, generation: u32, now: Nanos, verdict: Verdict, event: Event) {
        loop {
            let word = Word::unpack(self.word.load(Ordering::Acquire));
            // The generation that was half-open never becomes anything else.
            if word.generation != generation {
                return;
            }
            let next = match verdict {
                Verdict::Neither => word.probe_returned(),
                Verdict::Success if !event.slow => {
                    self.ramped(word.probe_succeeded(self.rules.probes()), now)
                }
                Verdict::Success | Verdict::Failure | Verdict::Unfinished => {
                    self.open(word, now);
                    return;
                }
            };
            if self.exchange(word, next) {
                if next.phase == Phase::Closed {
                    self.rules.transitions.happened(
                        self.rules.name,
                        CircuitState::HalfOpen,
                        CircuitState::Closed,
                    );
                }
                return;
            }
        }
    }

    /// Opens from `seen`, unless another thread changed the state meanwhile.
    #[cold]
    fn open(&self, seen: Word, now: Nanos) {
        let period = self.rules.open_period(seen.opens, crate::policy::retry::random());
        self.open_until(seen, now, now.saturating_add(period));
    }

    /// Opens `until` then; the numbers bound a period that they gave, which began at `opened`, [`NEVER`] for another.
    fn open_until(&self, seen: Word, opened: Nanos, until: Nanos) {
        // Which phase it was is told by the generation: it changes with every transition.
        let opening = |word: Word| (word.generation == seen.generation).then(|| word.opening());
        let Some(before) = self.update(opening) else { return };
        let generation = before.opening().generation;
        self.opened.store(opened, Ordering::Release);
        self.until.store(until, Ordering::Release);
        self.streak.store(0, Ordering::Release);
        self.window.clear(generation.wrapping_add(2));
        self.update(|word| (word.generation == generation).then(|| word.opened()));
        let from =
            if before.phase == Phase::HalfOpen { CircuitState::HalfOpen } else { CircuitState::Closed };
        self.rules.transitions.happened(self.rules.name, from, CircuitState::Open);
    }

    /// When the open period ends: no later than the longest one that numbers allow now, which may be others than when it began.
    fn open_period_ends(&self) -> Nanos {
        let longest = self.opened.load(Ordering::Acquire).saturating_add(self.rules.longest_period());
        self.until.load(Ordering::Acquire).min(longest)
    }

    #[inline(always)]
    fn exchange(&self, from: Word, to: Word) -> bool {
        self.word.compare_exchange(from.pack(), to.pack(), Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Changes the word as long as `change` agrees; answers what it was before.
    fn update(&self, change: impl Fn(Word) -> Option<Word>) -> Option<Word> {
        let change = |bits| change(Word::unpack(bits)).map(Word::pack);
        self.word.fetch_update(Ordering::AcqRel, Ordering::Acquire, change).ok().map(Word::unpack)
    }
}

#[cfg(test)]
mod tests;
