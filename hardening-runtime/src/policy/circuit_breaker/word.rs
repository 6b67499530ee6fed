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

/// The whole state; at most 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) mode: Mode,
    pub(super) phase: Phase,
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
        opens: 0,
        admitted: 0,
        succeeded: 0,
        generation: 0,
    };

    #[inline(always)]
    pub(super) const fn pack(self) -> u64 {
        self.mode as u64
            | ((self.phase as u64) << 2)
            | ((self.opens as u64) << 4)
            | ((self.admitted as u64) << 10)
            | ((self.succeeded as u64) << 18)
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
            opens: ((bits >> 4) & 0x3F) as u8,
            admitted: ((bits >> 10) & 0xFF) as u8,
            succeeded: ((bits >> 18) & 0xFF) as u8,
            generation: (bits >> 32) as u32,
        }
    }

    /// Closed under automatic control: the state of nearly every look at the word.
    #[inline(always)]
    pub(super) const fn is_plainly_closed(bits: u64) -> bool {
        // Mode and phase are the low four bits.
        bits.trailing_zeros() >= 4
    }

    /// The generation in a packed word.
    #[inline(always)]
    pub(super) const fn generation(bits: u64) -> u32 {
        (bits >> 32) as u32
    }

    const fn next(self, phase: Phase) -> Self {
        Self { phase, generation: self.generation.wrapping_add(1), ..self }
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
                    let word = Word { mode, phase, opens, admitted, succeeded, generation };
                    assert_eq!(Word::unpack(word.pack()), word);
                    let plain = mode == Mode::Automatic && phase == Phase::Closed;
                    assert_eq!(Word::is_plainly_closed(word.pack()), plain);
                }
            }
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
