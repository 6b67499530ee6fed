//! The memory of answers that their clients are slow to take. It knows no socket.
//!
//! An answer that a handler gives in one piece stays in memory until its client has taken it, and a client may take it slowly. Once
//! more memory is held than may be, answers of the network that holds most are broken off, the oldest first, and nobody's who holds
//! less. A network has some time for each answer, less of it if it holds much, and none once twice as much is held as may be.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::places::network;
use super::slot::Slot;
use super::streams::GiveUp;
use crate::clock::{self, Nanos};
use crate::once_a_minute::OnceAMinute;
use crate::telemetry::text::Family;

/// An answer may be broken off once its client has had so long to take it.
const LONG: Nanos = 10_000_000_000;

/// The same where its network holds more than its share, which is one part in so many of all, with several.
const SHORT: Nanos = 1_000_000_000;
const SHARES: u64 = 8;

/// How often it is looked whether some have to.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What all answers of a service hold.
#[derive(Debug)]
pub(crate) struct AnswerMemory {
    most: u64,
    held: Mutex<AllHeld>,
    warning: OnceAMinute,
}

#[derive(Debug, Default)]
struct AllHeld {
    last: u64,
    bytes: u64,
    /// Of those that are being broken off.
    leaving: u64,
    /// Oldest first.
    answers: BTreeMap<u64, Answer>,
}

#[derive(Debug)]
struct Answer {
    /// `None` where nobody knows whose it is.
    network: Option<IpAddr>,
    bytes: u64,
    since: Nanos,
    leaves: bool,
    ends: Ends,
}

/// What breaks an answer off.
#[derive(Clone, Debug)]
pub(crate) enum Ends {
    /// The end of its connection, which answers one request at a time.
    Connection(Weak<Slot>),
    /// The end of its stream, while others of its connection go on.
    Stream(Arc<GiveUp>),
}

impl Ends {
    /// Breaks it off, `at_once` where nobody can wait for it to be answered meanwhile.
    fn now(&self, at_once: bool) {
        match self {
            Self::Connection(slot) => match slot.upgrade() {
                Some(slot) if at_once => slot.cut(),
                Some(slot) => slot.displace(),
                None => {}
            },
            Self::Stream(stream) => stream.ask(),
        }
    }
}

/// The memory of one answer, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    memory: Arc<AnswerMemory>,
    number: u64,
}

impl AnswerMemory {
    pub(crate) fn new(most: u64) -> Arc<Self> {
        Arc::new(Self { most, held: Mutex::default(), warning: OnceAMinute::default() })
    }

    fn held(&self) -> MutexGuard<'_, AllHeld> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes how much is held.
    pub(crate) fn render(&self, out: &mut String) {
        let told = "Bytes of answers that handlers gave in one piece and clients are still to take.";
        Family::gauge(out, "http_answer_memory_bytes", told).sample(&[], self.held().bytes);
    }

    /// Beyond this nobody has any time.
    fn far_too_much(&self) -> u64 {
        self.most.saturating_mul(2)
    }

    /// So many bytes of an answer wait for this client.
    pub(crate) fn holds(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        bytes: u64,
        ends: Ends,
        now: Nanos,
    ) -> HeldBytes {
        let network = client.map(|client| network(client.to_canonical()));
        let mut held = self.held();
        held.last += 1;
        let number = held.last;
        held.bytes = held.bytes.saturating_add(bytes);
        held.answers.insert(number, Answer { network, bytes, since: now, leaves: false, ends });
        drop(held);
        self.look(now);
        HeldBytes { memory: Arc::clone(self), number }
    }

    /// So many bytes wait for the client of a connection, whose answers are over.
    pub(crate) fn keeps(
        self: &Arc<Self>,
        kept: &mut Option<HeldBytes>,
        client: Option<IpAddr>,
        bytes: u64,
        slot: Weak<Slot>,
        now: Nanos,
    ) {
        if let Some(kept) = kept {
            kept.become_of(bytes);
            self.look(now);
        } else {
            *kept = Some(self.holds(client, bytes, Ends::Connection(slot), now));
        }
    }

    /// Looks again and again, since nobody may ask for anything while much is held.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look(clock::now());
        }
    }

    /// Breaks off what is too much.
    fn look(&self, now: Nanos) {
        let mut held = self.held();
        let at_once = held.bytes > self.far_too_much();
        let gone = if held.stay() > self.most { held.give_way(self, now) } else { Vec::new() };
        drop(held);
        for ends in &gone {
            ends.now(at_once);
        }
        if !gone.is_empty() && self.warning.is_due(now) {
            tracing::warn!(
                answers = gone.len(),
                limit = self.most,
                "answers that clients take slowly hold more memory than `http.answer_memory`: those of the network \
                 that holds most are broken off"
            );
        }
    }
}

impl AllHeld {
    /// What is held of answers that are not being broken off.
    fn stay(&self) -> u64 {
        self.bytes.saturating_sub(self.leaving)
    }

    /// What breaks off as many answers as have to go.
    fn give_way(&mut self, memory: &AnswerMemory, now: Nanos) -> Vec<Ends> {
        let mut networks: HashMap<Option<IpAddr>, (u64, VecDeque<u64>)> = HashMap::new();
        for (number, answer) in self.answers.iter().filter(|(_, answer)| !answer.leaves) {
            let (bytes, numbers) = networks.entry(answer.network).or_default();
            *bytes += answer.bytes;
            numbers.push_back(*number);
        }
        // Of those that hold the same, the one that has held it longest.
        let most = |(bytes, numbers): &&mut (u64, VecDeque<u64>)| (*bytes, Reverse(numbers.front().copied()));
        let mut gone = Vec::new();
        while self.stay() > memory.most
            && let Some((bytes, numbers)) = networks.values_mut().max_by_key(most)
            && let Some(answer) = numbers.front().and_then(|oldest| self.answers.get_mut(oldest))
        {
            let time = match self.bytes.saturating_sub(self.leaving) {
                held if held > memory.far_too_much() => 0,
                _ if *bytes > memory.most / SHARES && numbers.len() > 1 => SHORT,
                _ => LONG,
            };
            // Whoever holds less goes before nobody.
            if now.saturating_sub(answer.since) < time {
                break;
            }
            answer.leaves = true;
            self.leaving += answer.bytes;
            *bytes -= answer.bytes;
            numbers.pop_front();
            gone.push(answer.ends.clone());
        }
        gone
    }
}

impl HeldBytes {
    fn become_of(&self, bytes: u64) {
        let mut held = self.memory.held();
        let held = &mut *held;
        let Some(answer) = held.answers.get_mut(&self.number) else { return };
        held.bytes = held.bytes - answer.bytes + bytes;
        if answer.leaves {
            held.leaving = held.leaving - answer.bytes + bytes;
        }
        answer.bytes = bytes;
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        let mut held = self.memory.held();
        let Some(answer) = held.answers.remove(&self.number) else { return };
        held.bytes -= answer.bytes;
        if answer.leaves {
            held.leaving -= answer.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    const MIB: u64 = 1 << 20;

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn v6(network: u16, subnet: u16) -> IpAddr {
        IpAddr::from([0x2001, 0xdb8, network, subnet, 0, 0, 0, 1])
    }

    struct Case {
        memory: Arc<AnswerMemory>,
        held: Vec<(Arc<GiveUp>, HeldBytes)>,
    }

    impl Case {
        fn new(most: u64) -> Self {
            Self { memory: AnswerMemory::new(most), held: Vec::new() }
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
        assert_eq!((case.broken_off().len(), case.memory.held().bytes), (0, 10 * MIB));
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
        assert_eq!(case.memory.held().bytes, 0);
        assert_eq!(case.memory.held().leaving, 0);
    }

    #[test]
    fn twice_the_bound_is_the_most_whatever_time_there_was() {
        let mut case = Case::new(10 * MIB);
        for client in 1..=100 {
            case.holds(v4(client), MIB, 0);
        }
        assert_eq!(case.broken_off().len(), 80);
        assert_eq!(case.memory.held().stay(), 20 * MIB);
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
        assert_eq!(case.memory.held().bytes, 10 * MIB);
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
    fn what_a_connection_keeps_grows_and_shrinks() {
        let memory = AnswerMemory::new(4 * MIB);
        let (slot, mut kept) = (Slot::new(), None);
        let held = |memory: &AnswerMemory| {
            let held = memory.held();
            (held.bytes, held.stay())
        };
        for bytes in [MIB, 3 * MIB, 2 * MIB] {
            memory.keeps(&mut kept, Some(v4(1)), bytes, Arc::downgrade(&slot), 0);
            assert_eq!(memory.held().bytes, bytes);
        }
        memory.keeps(&mut kept, Some(v4(1)), 5 * MIB, Arc::downgrade(&slot), LONG);
        assert_eq!(held(&memory), (5 * MIB, 0));
        memory.keeps(&mut kept, Some(v4(1)), MIB, Arc::downgrade(&slot), LONG);
        assert_eq!(held(&memory), (MIB, 0));
        drop(kept);
        assert_eq!(held(&memory), (0, 0));
    }

    #[test]
    fn a_connection_is_asked_through_its_slot() {
        let memory = AnswerMemory::new(MIB);
        let slot = Slot::new();
        let ends = Ends::Connection(Arc::downgrade(&slot));
        let _held = [0, SHORT].map(|now| memory.holds(None, MIB, ends.clone(), now));
        let mut displaced = std::pin::pin!(slot.displaced());
        let mut cx = std::task::Context::from_waker(Waker::noop());
        assert!(displaced.as_mut().poll(&mut cx).is_ready());
    }
}
