//! A breaker in an operator's hands.

use std::fmt;
use std::time::Duration;

use super::{CircuitBreaker, Mode, Phase, Word};
use crate::clock::{self, NEVER, Nanos, nanos};
use crate::sync::atomic::Ordering;
use crate::sync::thread;

/// The states that a circuit reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// Calls pass and are counted.
    Closed,
    /// Calls are refused until the open period ends.
    Open,
    /// Probes pass.
    HalfOpen,
    /// An operator holds it open.
    ForcedOpen,
    /// An operator has taken it out: calls pass uncounted.
    Disabled,
    /// Calls pass; the transitions are made and reported, but decide nothing.
    MetricsOnly,
}

impl CircuitState {
    /// Every state.
    pub const ALL: [Self; 6] =
        [Self::Closed, Self::Open, Self::HalfOpen, Self::ForcedOpen, Self::Disabled, Self::MetricsOnly];

    /// Every change from one state to another that can happen: the machine's own, and an operator's.
    pub fn changes() -> impl Iterator<Item = (Self, Self)> {
        let forced = |state| matches!(state, Self::ForcedOpen | Self::Disabled | Self::MetricsOnly);
        let all = Self::ALL.into_iter().flat_map(|from| Self::ALL.map(|to| (from, to)));
        all.filter(move |(from, to)| {
            let own = [
                (Self::Closed, Self::Open),
                (Self::Open, Self::HalfOpen),
                (Self::HalfOpen, Self::Open),
                (Self::HalfOpen, Self::Closed),
                (Self::Open, Self::Closed),
            ];
            from != to && (forced(*from) || forced(*to) || own.contains(&(*from, *to)))
        })
    }

    /// Its name in metrics and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half_open",
            Self::ForcedOpen => "forced_open",
            Self::Disabled => "disabled",
            Self::MetricsOnly => "metrics_only",
        }
    }
}

/// A change of state that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: CircuitState,
    /// The state that was asked for.
    pub to: CircuitState,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a circuit does not go from {} to {}", self.from.name(), self.to.name())
    }
}

impl std::error::Error for IllegalTransition {}

/// The circuit of one call, by hand: `hardening::circuit("orders::price")`.
#[derive(Clone, Copy, Debug)]
pub struct Circuit(pub(crate) &'static CircuitBreaker);

impl Circuit {
    /// The call's name.
    pub fn name(self) -> &'static str {
        self.0.name()
    }

    /// The state now; an open period that is over reads as half-open, since the next call is a probe.
    pub fn state(self) -> CircuitState {
        self.0.state(clock::now())
    }

    /// Refuses every call until [`Circuit::automatic`] is called.
    pub fn force_open(self) {
        self.0.set_mode(Mode::ForcedOpen);
    }

    /// Lets every call pass uncounted until [`Circuit::automatic`] is called.
    pub fn disable(self) {
        self.0.set_mode(Mode::Disabled);
    }

    /// Lets every call pass, but makes and reports the transitions it would have made.
    pub fn metrics_only(self) {
        self.0.set_mode(Mode::MetricsOnly);
    }

    /// Hands control back to the machine, which goes on where it stood.
    pub fn automatic(self) {
        self.0.set_mode(Mode::Automatic);
    }

    /// Opens the circuit for `period`, after which probes pass as after any opening; nothing happens if it is
    /// open already.
    pub fn open_for(self, period: Duration) {
        let until = clock::now().saturating_add(nanos(period));
        let word = Word::unpack(self.0.word.load(Ordering::Acquire));
        if matches!(word.phase, Phase::Closed | Phase::HalfOpen) {
            self.0.open_until(word, NEVER, until);
        }
    }

    /// Ends an open period now: the next call is a probe. Nothing happens if it is half-open already.
    ///
    /// # Errors
    /// When the circuit is closed: there is nothing to probe.
    pub fn half_open(self) -> Result<(), IllegalTransition> {
        match self.0.settled().phase {
            Phase::Closed => {
                Err(IllegalTransition { from: CircuitState::Closed, to: CircuitState::HalfOpen })
            }
            Phase::Opening | Phase::Open => {
                self.0.until.store(0, Ordering::Release);
                Ok(())
            }
            Phase::HalfOpen => Ok(()),
        }
    }

    /// Closes the circuit with an empty window; nothing happens if it is closed already.
    pub fn close(self) {
        self.0.close();
    }

    /// How long it refuses every call from now on, where it is open.
    pub fn retry_after(self) -> Duration {
        match self.state() {
            CircuitState::Open => {
                Duration::from_nanos(self.0.open_period_ends().saturating_sub(clock::now()))
            }
            _ => Duration::ZERO,
        }
    }

    /// How often the circuit went from one state to another since the start.
    pub fn transitions(self, from: CircuitState, to: CircuitState) -> u64 {
        self.0.rules.transitions.count(from, to)
    }

    /// Outcomes in the window: all, failed, slow.
    pub fn window(self) -> (u64, u64, u64) {
        self.0.window_counts(clock::now())
    }
}

impl CircuitBreaker {
    /// The state at `now`; an open period that is over reads as half-open. What time alone has brought about happens here:
    /// a probe whose time is over, calls in flight that are slow by now.
    pub fn state(&self, now: Nanos) -> CircuitState {
        let mut word = Word::unpack(self.word.load(Ordering::Acquire));
        if word.mode == Mode::Automatic && self.catches_up(word, now) {
            word = Word::unpack(self.word.load(Ordering::Acquire));
        }
        match (word.mode, word.phase) {
            (Mode::ForcedOpen, _) => CircuitState::ForcedOpen,
            (Mode::Disabled, _) => CircuitState::Disabled,
            (Mode::MetricsOnly, _) => CircuitState::MetricsOnly,
            (Mode::Automatic, Phase::Closed) => CircuitState::Closed,
            (Mode::Automatic, Phase::Open) if now >= self.open_period_ends() => CircuitState::HalfOpen,
            (Mode::Automatic, Phase::Open | Phase::Opening) => CircuitState::Open,
            (Mode::Automatic, Phase::HalfOpen) => CircuitState::HalfOpen,
        }
    }

    /// How often it went from one state to another.
    pub fn transition_count(&self, from: CircuitState, to: CircuitState) -> u64 {
        self.rules.transitions.count(from, to)
    }

    /// Outcomes in the window at `now`: all, failed, slow.
    pub fn window_counts(&self, now: Nanos) -> (u64, u64, u64) {
        let generation = Word::unpack(self.word.load(Ordering::Acquire)).generation;
        let counts = self.window.counts(generation, now);
        (counts.calls, counts.failed, counts.slow)
    }

    /// Closes it with an empty window, if it is open or half-open.
    #[cold]
    pub(crate) fn close(&self) {
        let closing = |word: Word| match word.phase {
            Phase::Closed | Phase::Opening => None,
            Phase::Open | Phase::HalfOpen => Some(word.closed()),
        };
        while self.settled().phase != Phase::Closed {
            let Some(before) = self.update(closing) else { continue };
            self.streak.store(0, Ordering::Release);
            self.window.clear(before.closed().generation);
            let from = if before.phase == Phase::Open { CircuitState::Open } else { CircuitState::HalfOpen };
            self.rules.transitions.happened(self.rules.name, from, CircuitState::Closed);
            return;
        }
    }

    /// The state once no other thread is between the two steps of opening, which are a few stores apart.
    fn settled(&self) -> Word {
        loop {
            let word = Word::unpack(self.word.load(Ordering::Acquire));
            if word.phase != Phase::Opening {
                return word;
            }
            thread::yield_now();
        }
    }

    /// Puts it into the mode that attributes or settings give.
    pub(crate) fn give_mode(&self, mode: Mode) {
        self.rules.mode.set(mode as u64);
        self.set_mode(mode);
    }

    fn set_mode(&self, mode: Mode) {
        let before = self.state(clock::now());
        if self.update(|word| (word.mode != mode).then_some(Word { mode, ..word })).is_some() {
            self.rules.transitions.happened(self.rules.name, before, self.state(clock::now()));
        }
    }
}
