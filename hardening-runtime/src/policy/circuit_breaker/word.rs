//! The state of a breaker in one atomic word, and its transitions as pure functions of it.

use hardening_spec::CircuitMode;

/// Where the automatic machine stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Everything passes and is counted.
    Closed,
    /// One thread is preparing the open state: refuse as if open, the end of the open period is not yet known.
    Opening,
    /// Nothing passes until a moment kept beside the word.
    Open,
    /// A few probes pass.
    HalfOpen,
}

/// What an operator has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The machine decides.
    Automatic,
    /// Nothing passes.
    ForcedOpen,
    /// Everything passes, nothing is counted.
    Disabled,
    /// Everything passes, the machine runs as if it decided.
    MetricsOnly,
}

impl From<CircuitMode> for Mode {
    fn from(mode: CircuitMode) -> Self {
        match mode {
            CircuitMode::Automatic => Self::Automatic,
            CircuitMode::ForcedOpen => Self::ForcedOpen,
            CircuitMode::Disabled => Self::Disabled,
            CircuitMode::MetricsOnly => Self::MetricsOnly,
        }
    }
}

impl Mode {
    /// The mode of this number.
    pub(super) const fn of(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::Automatic,
            1 => Self::ForcedOpen,
            2 => Self::Disabled,
            _ => Self::MetricsOnly,
        }
    }
}

/// Where the number of an attempt stands: 22 bits.
const TOKEN_AT: u32 = 6;
const TOKEN: u64 = ((1 << 22) - 1) << TOKEN_AT;

/// The whole state; at most 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) mode: Mode,
    pub(super) phase: Phase,
    /// Whether calls in flight are known one by one, since they may be slow.
    pub(super) watched: bool,
    /// Closed a short while ago: not every call is admitted.
    pub(super) ramping: bool,
    /// Consecutive openings, for the length of the next one; saturates at 63.
    pub(super) opens: u8,
    /// Half-open: probes in flight or succeeded.
    pub(super) admitted: u8,
    /// Half-open: probes succeeded.
    pub(super) succeeded: u8,
    /// Grows with each transition; a result of another generation changes nothing.
    pub(super) generation: u32,
}

impl Word {
    pub(super) const CLOSED: Self = Self {
        mode: Mode::Automatic,
        phase: Phase::Closed,
        watched: false,
        ramping: false,
        opens: 0,
        admitted: 0,
        succeeded: 0,
        generation: 0,
    };

    #[inline(always)]
    pub(super) const fn pack(self) -> u64 {
        self.mode as u64
            | ((self.phase as u64) << 2)
            | ((self.watched as u64) << 4)
            | ((self.ramping as u64) << 5)
            | ((self.opens as u64) << 6)
            | ((self.admitted as u64) << 12)
            | ((self.succeeded as u64) << 20)
            | ((self.generation as u64) << 32)
    }

    #[inline(always)]
    pub(super) const fn unpack(bits: u64) -> Self {
        Self {
            mode: Mode::of((bits & 3) as u8),
            phase: match (bits >> 2) & 3 {
                0 => Phase::Closed,
                1 => Phase::Opening,
                2 => Phase::Open,
                _ => Phase::HalfOpen,
            },
            watched: (bits >> 4) & 1 == 1,
            ramping: (bits >> 5) & 1 == 1,
            opens: ((bits >> 6) & 0x3F) as u8,
            admitted: ((bits >> 12) & 0xFF) as u8,
            succeeded: ((bits >> 20) & 0xFF) as u8,
            generation: (bits >> 32) as u32,
        }
    }

    /// Closed under automatic control, with nothing to be looked at: the state of nearly every look at the word.
    #[inline(always)]
    pub(super) const fn is_plainly_closed(bits: u64) -> bool {
        // Mode, phase and the two flags are the low six bits.
        bits.trailing_zeros() >= 6
    }

    /// The word of an attempt that is known by a number, which stands where the word counts openings and probes: nobody asks a
    /// permit for those.
    pub(super) const fn numbered(self, token: u32) -> u64 {
        (self.pack() & !TOKEN) | (((token as u64) << TOKEN_AT) & TOKEN)
    }

    /// The number in such a word, if it has one.
    pub(super) const fn token(bits: u64) -> Option<u32> {
        let word = Self::unpack(bits);
        if word.watched || matches!(word.phase, Phase::HalfOpen) {
            Some(((bits & TOKEN) >> TOKEN_AT) as u32)
        } else {
            None
        }
    }

    /// The generation in a packed word.
    #[inline(always)]
    pub(super) const fn generation(bits: u64) -> u32 {
        (bits >> 32) as u32
    }

    const fn next(self, phase: Phase) -> Self {
        Self { phase, ramping: false, generation: self.generation.wrapping_add(1), ..self }
    }

    /// The first step of opening, which one thread wins.
    pub(super) const fn opening(self) -> Self {
        self.next(Phase::Opening)
    }

    /// The second step of opening, in the same generation.
    pub(super) const fn opened(self) -> Self {
        let opens = if self.opens < 63 { self.opens + 1 } else { 63 };
        Self { phase: Phase::Open, opens, ..self }
    }

    /// The open period is over: half-open, the asking call is the first probe.
    pub(super) const fn half_opened(self) -> Self {
        Self { admitted: 1, succeeded: 0, ..self.next(Phase::HalfOpen) }
    }

    /// Closed with a clean slate.
    pub(super) const fn closed(self) -> Self {
        Self { opens: 0, ..self.next(Phase::Closed) }
    }

    /// One more probe, if there is a place for it.
    pub(super) const fn probing(self, probes: u8) -> Option<Self> {
        if self.admitted < probes { Some(Self { admitted: self.admitted + 1, ..self }) } else { None }
    }

    /// A probe came back without a verdict: its place is free again.
    pub(super) const fn probe_returned(self) -> Self {
        Self { admitted: self.admitted.saturating_sub(1), ..self }
    }

    /// Probes waited for too long elsewhere: their places are free again.
    pub(super) fn probes_lapsed(self, probes: u32) -> Self {
        let probes = u8::try_from(probes).unwrap_or(u8::MAX);
        Self { admitted: self.admitted.saturating_sub(probes), ..self }
    }

    /// A probe succeeded; the last one closes the circuit.
    pub(super) const fn probe_succeeded(self, probes: u8) -> Self {
        if self.succeeded + 1 >= probes {
            self.closed()
        } else {
            Self { succeeded: self.succeeded + 1, ..self }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_loses_nothing() {
        for mode in [Mode::Automatic, Mode::ForcedOpen, Mode::Disabled, Mode::MetricsOnly] {
            for phase in [Phase::Closed, Phase::Opening, Phase::Open, Phase::HalfOpen] {
                for (opens, admitted, succeeded, generation) in
                    [(0, 0, 0, 0), (63, 255, 255, u32::MAX), (5, 3, 2, 77)]
                {
                    for (watched, ramping) in [(false, false), (true, false), (false, true), (true, true)] {
                        let word =
                            Word { mode, phase, watched, ramping, opens, admitted, succeeded, generation };
                        assert_eq!(Word::unpack(word.pack()), word);
                        let plain = mode == Mode::Automatic && phase == Phase::Closed && !watched && !ramping;
                        assert_eq!(Word::is_plainly_closed(word.pack()), plain);
                    }
                }
            }
        }
    }

    #[test]
    fn an_attempt_s_number_leaves_alone_what_its_result_is_judged_by() {
        let probing = Word { generation: 77, ..Word::CLOSED }.half_opened();
        let watched = Word { watched: true, ..Word::CLOSED };
        for word in [probing, watched, Word { ramping: true, ..watched }] {
            for token in [0, 1, 12_345, (1 << 22) - 1] {
                let bits = word.numbered(token);
                let read = Word::unpack(bits);
                assert_eq!(Word::token(bits), Some(token));
                assert_eq!(
                    (read.mode, read.phase, read.generation),
                    (word.mode, word.phase, word.generation)
                );
                assert_eq!((read.watched, read.ramping), (word.watched, word.ramping));
            }
        }
        assert_eq!(Word::token(Word::CLOSED.pack()), None);
        assert_eq!(Word::token(Word { opens: 63, ramping: true, ..Word::CLOSED }.pack()), None);
    }

    #[test]
    fn every_transition_ends_a_ramp_and_keeps_the_watch() {
        let word = Word { watched: true, ramping: true, ..Word::CLOSED };
        for next in [word.opening(), word.half_opened(), word.closed()] {
            assert!(next.watched && !next.ramping);
        }
    }

    #[test]
    fn openings_are_counted_as_far_as_there_are_bits() {
        let mut word = Word::CLOSED;
        for opening in 1..=100_u8 {
            word = word.opening().opened();
            assert_eq!((word.opens, Word::unpack(word.pack())), (opening.min(63), word));
        }
        assert_eq!(word.half_opened().opens, 63);
        assert_eq!(word.half_opened().closed().opens, 0);
    }

    #[test]
    fn a_half_open_circuit_begins_with_one_probe_whatever_was_before() {
        let word = Word { admitted: 7, succeeded: 5, ..Word::CLOSED };
        let half_open = word.opening().opened().half_opened();
        assert_eq!((half_open.admitted, half_open.succeeded), (1, 0));
    }
}
