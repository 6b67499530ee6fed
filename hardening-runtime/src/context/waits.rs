//! Calls that wait for a place in a bulkhead while the calls around them hold others. Where a circle of them wait for each other,
//! nobody ever leaves: the log says so, since nothing else would.

use std::sync::{Mutex, PoisonError};

use super::permits::{self, Policy};

/// Longer lists are not looked at: where so many wait, a circle is told by one that came before.
const MOST: usize = 256;

static WAITS: Mutex<Waits> = Mutex::new(Waits { last: 0, all: Vec::new() });

#[derive(Debug)]
struct Waits {
    last: u64,
    all: Vec<Wait>,
}

#[derive(Debug)]
struct Wait {
    number: u64,
    holds: Vec<Policy>,
    wants: Policy,
}

impl Waits {
    /// Whether a call that holds these, and waits for that, waits for itself through others.
    fn closes_circle(&self, holds: &[Policy], wants: Policy) -> bool {
        let mut reached = vec![wants];
        let mut next = 0;
        while let Some(place) = reached.get(next).copied() {
            for wait in self.all.iter().filter(|wait| wait.holds.contains(&place)) {
                if holds.contains(&wait.wants) {
                    return true;
                }
                if !reached.contains(&wait.wants) {
                    reached.push(wait.wants);
                }
            }
            next += 1;
        }
        false
    }
}

/// A wait, until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    number: u64,
    /// Whether it closes a circle.
    pub(crate) in_circle: bool,
}

/// Begins to wait for a place; `None` for a call that holds no other.
pub(crate) fn wait_for(wants: Policy) -> Option<Waiting> {
    // What an enclosing call holds of it is lent to this one.
    let holds: Vec<_> = permits::held().into_iter().filter(|held| *held != wants).collect();
    if holds.is_empty() {
        return None;
    }
    let mut waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
    let in_circle = waits.all.len() < MOST && waits.closes_circle(&holds, wants);
    waits.last += 1;
    let number = waits.last;
    waits.all.push(Wait { number, holds, wants });
    Some(Waiting { number, in_circle })
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = WAITS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = waits.all.iter().position(|wait| wait.number == self.number) {
            waits.all.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_circle_of_any_length_is_found_and_a_chain_is_none() {
        static STATES: [u8; 5] = [0; 5];
        let place = |at: usize| Policy::of(&STATES[at]);
        let wait = |holds, wants| Wait { number: 0, holds: vec![place(holds)], wants: place(wants) };
        let waits = Waits { last: 0, all: vec![wait(0, 1), wait(1, 2), wait(2, 3), wait(3, 1)] };
        assert!(waits.closes_circle(&[place(3)], place(0)));
        assert!(waits.closes_circle(&[place(4), place(1)], place(0)));
        assert!(!waits.closes_circle(&[place(4)], place(0)) && !waits.closes_circle(&[place(0)], place(4)));
    }
}
