//! What is held, by whom, and who loses it.

use std::task::Waker;

use super::ledger::{LONG, SHORT};
use super::*;

const MIB: u64 = 1 << 20;

fn v4(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn v6(network: u16, subnet: u16) -> IpAddr {
    IpAddr::from([0x2001, 0xdb8, network, subnet, 0, 0, 0, 1])
}

struct Case {
    memory: Arc<Memory>,
    held: Vec<(Arc<GiveUp>, HeldBytes)>,
}

impl Case {
    fn new(most: u64) -> Self {
        Self { memory: Memory::of_answers(most), held: Vec::new() }
    }

    fn holds(&mut self, client: IpAddr, bytes: u64, now: Nanos) {
        let stream = GiveUp::new(Waker::noop());
        let ends = Ends::Stream(Arc::clone(&stream));
        self.held.push((stream, self.memory.holds(Some(client), bytes, ends, now)));
    }

    /// Which answers were broken off, by their numbers.
    fn broken_off(&self) -> Vec<usize> {
        let held = self.held.iter().enumerate();
        held.filter(|(_, (stream, _))| stream.is_asked()).map(|(number, _)| number).collect()
    }
}

#[test]
fn no_answer_is_broken_off_within_the_bound_or_before_its_client_had_time() {
    let mut case = Case::new(10 * MIB);
    case.holds(v4(1), 6 * MIB, 0);
    case.holds(v4(1), 4 * MIB, LONG);
    assert_eq!((case.broken_off().len(), case.memory.bytes()), (0, 10 * MIB));
    case.held.clear();
    // Whoever holds more than an eighth has a second, everybody else ten.
    for client in 1..=10 {
        case.holds(v4(client), MIB, 0);
    }
    case.holds(v4(1), MIB, SHORT - 1);
    assert!(case.broken_off().is_empty(), "none had time enough");
    case.holds(v4(2), MIB / 2, SHORT);
    assert_eq!(case.broken_off(), [0, 1]);
    case.held.clear();
    for client in 1..=11 {
        case.holds(v4(client), MIB, 0);
    }
    case.memory.look(LONG - 1);
    assert!(case.broken_off().is_empty(), "nobody holds more than an eighth");
    case.memory.look(LONG);
    assert_eq!(case.broken_off().len(), 1);
    case.held.clear();
    assert_eq!(case.memory.bytes(), 0);
    assert_eq!(case.memory.ledger().stays(), 0);
}

#[test]
fn twice_the_bound_is_the_most_whatever_time_there_was() {
    let mut case = Case::new(10 * MIB);
    for client in 1..=100 {
        case.holds(v4(client), MIB, 0);
    }
    assert_eq!(case.broken_off().len(), 80);
    assert_eq!(case.memory.ledger().stays(), 20 * MIB);
}

#[test]
fn the_network_that_holds_most_loses_its_oldest_and_no_more_than_needed() {
    let mut case = Case::new(10 * MIB);
    case.holds(v4(1), 3 * MIB, 0);
    for _ in 0..7 {
        case.holds(v4(2), MIB, 1);
    }
    case.holds(v4(3), 2 * MIB, 1 + LONG);
    assert_eq!(case.broken_off(), [1, 2]);
    // What is being broken off counts no more.
    case.holds(v4(3), MIB, 2 + LONG);
    assert_eq!(case.broken_off(), [1, 2, 3]);
    drop(case.held.drain(1..4));
    assert_eq!(case.memory.bytes(), 10 * MIB);
}

#[test]
fn nobody_loses_an_answer_while_one_stays_who_holds_more() {
    let mut case = Case::new(10 * MIB);
    case.holds(v4(1), MIB, 0);
    for at in 0..3 {
        // The answers of this one are always young.
        let now = LONG + at;
        case.held.retain(|(_, held)| held.number == 1);
        for _ in 0..10 {
            case.holds(v4(2), MIB, now);
        }
        assert!(case.broken_off().is_empty());
    }
    case.memory.look(LONG + SHORT + 2);
    assert_eq!(case.broken_off(), [1], "the old one stays");
}

#[test]
fn what_nobody_adds_to_is_broken_off_in_time_too() {
    let mut case = Case::new(2 * MIB);
    for _ in 0..4 {
        case.holds(v4(1), MIB, 0);
    }
    case.memory.look(SHORT - 1);
    assert!(case.broken_off().is_empty());
    case.memory.look(SHORT);
    assert_eq!(case.broken_off(), [0, 1]);
}

#[test]
fn addresses_of_one_network_count_together() {
    let mut case = Case::new(4 * MIB);
    case.holds(v4(1), 2 * MIB, 0);
    for subnet in 0..3 {
        case.holds(v6(1, subnet), MIB, LONG * u64::from(subnet));
    }
    assert_eq!(case.broken_off(), [1]);
}

#[test]
fn what_is_held_grows_and_shrinks() {
    let memory = Memory::of_answers(4 * MIB);
    let sums = || {
        let ledger = memory.ledger();
        (ledger.bytes(), ledger.stays())
    };
    let held = memory.holds(Some(v4(1)), MIB, Ends::Connection(Weak::new()), 0);
    for bytes in [3 * MIB, 2 * MIB] {
        held.become_of(bytes, 0);
        assert_eq!(sums(), (bytes, bytes));
    }
    held.become_of(5 * MIB, LONG);
    assert_eq!(sums(), (5 * MIB, 0));
    held.become_of(MIB, LONG);
    assert_eq!(sums(), (MIB, 0));
    drop(held);
    assert_eq!(sums(), (0, 0));
}

#[test]
fn many_that_hold_little_are_each_told_apart() {
    let mut case = Case::new(10 * MIB);
    for client in 0..200 {
        for _ in 0..5 {
            case.holds(v4(client), MIB / 4, 0);
        }
    }
    assert!(case.memory.ledger().stays() <= 20 * MIB);
    case.memory.look(LONG);
    assert!(case.memory.ledger().stays() <= 10 * MIB);
    let mut left = std::collections::HashMap::new();
    for (number, (stream, _)) in case.held.iter().enumerate() {
        *left.entry(number / 5).or_insert(0) += u32::from(!stream.is_asked());
    }
    assert!(left.values().all(|left| *left <= 1), "{left:?}");
    case.held.clear();
    assert!(case.memory.ledger().is_empty());
}

#[test]
fn a_connection_is_asked_through_its_slot() {
    let memory = Memory::of_answers(MIB);
    let slot = Slot::new();
    let ends = Ends::Connection(Arc::downgrade(&slot));
    let _held = [0, SHORT].map(|now| memory.holds(None, MIB, ends.clone(), now));
    let mut displaced = std::pin::pin!(slot.displaced());
    let mut cx = std::task::Context::from_waker(Waker::noop());
    assert!(displaced.as_mut().poll(&mut cx).is_ready());
}
