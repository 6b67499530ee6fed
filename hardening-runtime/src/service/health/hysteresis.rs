//! Up or down, with a memory: one failure among successes is not an outage, one success in an outage no recovery.

/// A check's state. Before the first run it is unknown, and the first success makes it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hysteresis {
    state: State,
    /// Results in a row against the state.
    against: u32,
    down_after: u32,
    up_after: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Up,
    Down,
}

/// What one result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is up now.
    Up,
    /// It is down now.
    Down,
}

impl Hysteresis {
    /// Unknown; down after `down_after` failures in a row, up again after `up_after` successes. Zero counts as 1.
    pub const fn new(down_after: u32, up_after: u32) -> Self {
        Self { state: State::Unknown, against: 0, down_after, up_after }
    }

    /// Whether it is up.
    pub fn is_up(self) -> bool {
        self.state == State::Up
    }

    /// Whether no run has decided anything yet.
    pub fn is_unknown(self) -> bool {
        self.state == State::Unknown
    }

    /// Takes one result.
    pub fn observe(&mut self, ok: bool) -> Option<Change> {
        let (needed, change) = match (self.state, ok) {
            (State::Up, true) | (State::Down, false) => {
                self.against = 0;
                return None;
            }
            (State::Unknown, true) => (1, Change::Up),
            (State::Down, true) => (self.up_after, Change::Up),
            (State::Unknown | State::Up, false) => (self.down_after, Change::Down),
        };
        self.against += 1;
        if self.against < needed {
            return None;
        }
        self.against = 0;
        self.state = if change == Change::Up { State::Up } else { State::Down };
        Some(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(results: &str) -> (Hysteresis, Vec<Option<Change>>) {
        let mut state = Hysteresis::new(3, 2);
        let changes = results.chars().map(|result| state.observe(result == '+')).collect();
        (state, changes)
    }

    #[test]
    fn it_turns_after_as_many_in_a_row_as_were_asked_for() {
        for (results, up, unknown) in [
            ("", false, true),
            ("+", true, false),
            ("-", false, true),
            ("--+", true, false),
            ("---", false, false),
            ("+--", true, false),
            ("+--+--", true, false),
            ("+---", false, false),
            ("+---+", false, false),
            ("+---+-+", false, false),
            ("+---++", true, false),
        ] {
            let (state, _) = after(results);
            assert_eq!((state.is_up(), state.is_unknown()), (up, unknown), "{results}");
        }
    }

    #[test]
    fn a_change_is_told_once() {
        let (_, changes) = after("+----++");
        let told: Vec<Change> = changes.into_iter().flatten().collect();
        assert_eq!(told, [Change::Up, Change::Down, Change::Up]);
    }

    #[test]
    fn zero_counts_as_one() {
        let mut state = Hysteresis::new(0, 0);
        state.observe(true);
        assert_eq!(state.observe(false), Some(Change::Down));
        assert_eq!(state.observe(true), Some(Change::Up));
    }
}
