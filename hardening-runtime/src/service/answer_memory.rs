//! The memory of answers that their clients are slow to take. It knows no socket.
//!
//! An answer that a handler gives in one piece stays in memory until its client has taken it, and a client may take it slowly. Once
//! more memory is held than may be, answers are broken off whose clients had long to take them: those of the network that holds
//! most, the oldest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
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
    fn now(&self) {
        match self {
            Self::Connection(slot) => {
                if let Some(slot) = slot.upgrade() {
                    slot.displace();
                }
            }
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
        let too_much = held.bytes.saturating_sub(held.leaving).saturating_sub(self.most);
        let gone = if too_much > 0 { held.give_way(too_much, now) } else { Vec::new() };
        drop(held);
        for ends in &gone {
            ends.now();
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
    /// What breaks off the answers that give this much back, as far as there are some.
    fn give_way(&mut self, mut too_much: u64, now: Nanos) -> Vec<Ends> {
        let mut networks: HashMap<Option<IpAddr>, u64> = HashMap::new();
        for answer in self.answers.values().filter(|answer| !answer.leaves) {
            *networks.entry(answer.network).or_default() += answer.bytes;
        }
        let may = |answer: &&mut Answer| !answer.leaves && now.saturating_sub(answer.since) >= LONG;
        let mut old: Vec<&mut Answer> = self.answers.values_mut().filter(may).collect();
        // Within a network the order stays, oldest first.
        old.sort_by_key(|answer| Reverse(networks.get(&answer.network).copied()));
        let mut gone = Vec::new();
        for answer in old {
            if too_much == 0 {
                break;
            }
            answer.leaves = true;
            self.leaving += answer.bytes;
            too_much = too_much.saturating_sub(answer.bytes);
            gone.push(answer.ends.clone());
        }
        gone
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
        case.holds(v4(2), MIB, LONG - 1);
        assert!(case.broken_off().is_empty(), "none had time enough");
        case.holds(v4(2), MIB, LONG);
        assert_eq!(case.broken_off(), [0]);
        case.held.clear();
        assert_eq!(case.memory.held().leaving, 0);
        assert_eq!(case.memory.held().bytes, 0);
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
        case.holds(v4(3), MIB, 3 + LONG);
        assert_eq!((case.broken_off(), case.memory.held().bytes), (vec![1], 11 * MIB));
    }

    #[test]
    fn what_nobody_adds_to_is_broken_off_in_time_too() {
        let mut case = Case::new(MIB);
        for _ in 0..3 {
            case.holds(v4(1), MIB, 0);
        }
        case.memory.look(LONG - 1);
        assert!(case.broken_off().is_empty());
        case.memory.look(LONG);
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
    fn a_connection_is_asked_through_its_slot() {
        let memory = AnswerMemory::new(MIB);
        let slot = Slot::new();
        let ends = Ends::Connection(Arc::downgrade(&slot));
        let _held = [0, LONG].map(|now| memory.holds(None, MIB, ends.clone(), now));
        let mut displaced = std::pin::pin!(slot.displaced());
        let mut cx = std::task::Context::from_waker(Waker::noop());
        assert!(displaced.as_mut().poll(&mut cx).is_ready());
    }
}
