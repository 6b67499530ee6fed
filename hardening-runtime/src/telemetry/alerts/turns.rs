//! When somebody is told that something has begun or is over: a state machine of moments.

use crate::clock::Nanos;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    /// It is on; else it is over.
    pub(super) on: bool,
    /// How often it came on since the last message without anybody being told.
    pub(super) suppressed: u64,
}

/// Something that is on or off, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Turns {
    on: bool,
    told: bool,
    /// How often it came on since the last message.
    begun: u64,
    last: Option<Nanos>,
}

impl Turns {
    /// It is on or off `now`. Answers what somebody must be told: what differs from what was told last, and never sooner than
    /// `every` after the last message, so that n changes in a time T make 1 + T / `every` messages at most.
    pub(super) fn step(&mut self, every: Nanos, now: Nanos, on: bool) -> Option<Turn> {
        self.begun += u64::from(on && !self.on);
        self.on = on;
        if on == self.told || self.last.is_some_and(|last| now.saturating_sub(last) < every) {
            return None;
        }
        (self.told, self.last) = (on, Some(now));
        Some(Turn { on, suppressed: std::mem::take(&mut self.begun) - u64::from(on) })
    }

    /// Whether it is on.
    pub(super) fn is_on(&self) -> bool {
        self.on
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: Nanos = 60_000_000_000;
    const EVERY: Nanos = 15 * M;

    /// What was told, by minute.
    fn told(turns: impl IntoIterator<Item = bool>) -> Vec<(usize, Turn)> {
        let mut state = Turns::default();
        let turns = turns.into_iter().enumerate();
        turns.filter_map(|(at, on)| Some((at, state.step(EVERY, at as Nanos * M, on)?))).collect()
    }

    #[test]
    fn the_begin_and_the_end_are_told_once() {
        let turns = (0..100).map(|minute| (20..60).contains(&minute));
        let (begin, end) = (Turn { on: true, suppressed: 0 }, Turn { on: false, suppressed: 0 });
        assert_eq!(told(turns), [(20, begin), (60, end)]);
        assert_eq!(told([false; 100]), []);
    }

    #[test]
    fn what_ends_soon_is_told_when_the_silence_ends_and_what_came_back_is_not_news() {
        // Over after two minutes, told a quarter of an hour after the begin.
        let turns = (0..40).map(|minute| minute < 2);
        let (begin, end) = (Turn { on: true, suppressed: 0 }, Turn { on: false, suppressed: 0 });
        assert_eq!(told(turns), [(0, begin), (15, end)]);
        // It is on when the silence ends, as it was told.
        let turns = (0..40).map(|minute| minute < 2 || (10..20).contains(&minute));
        assert_eq!(told(turns), [(0, begin), (20, Turn { on: false, suppressed: 1 })]);
    }

    #[test]
    fn i_72_no_flapping_makes_more_than_one_message_in_each_silence() {
        let flapping = told((0..300).map(|minute| minute % 2 == 0));
        assert!(flapping.len() <= 1 + 300 / 15, "{flapping:?}");
        assert!(flapping.windows(2).all(|two| two[1].0 - two[0].0 >= 15 && two[0].1.on != two[1].1.on));
        let begun: u64 = flapping.iter().map(|(_, turn)| turn.suppressed + u64::from(turn.on)).sum();
        assert!(begun > 130, "{begun} of 150 are in some message: {flapping:?}");
        let mut random = fastrand::Rng::with_seed(72);
        for _ in 0..100 {
            let turns: Vec<bool> = (0..random.usize(1..1000)).map(|_| random.bool()).collect();
            let messages = told(turns.iter().copied());
            assert!(messages.len() <= 2 + turns.len() / 15);
            // What is told in the end is what is.
            let (settled, is) =
                (told(turns.iter().copied().chain([turns[turns.len() - 1]; 20])), turns.last());
            assert_eq!(settled.last().is_some_and(|(_, turn)| turn.on), is == Some(&true));
        }
    }
}
