//! The memory that clients make the service hold by being slow. It knows no socket.
//!
//! An answer that a handler gives in one piece stays in memory until its client has taken it, and a client may take it slowly. A
//! request's body, or a message, is kept until the rest of it has come. Of both there is a sum. Once more memory is held than may be,
//! answers or bodies of the network that holds most are broken off, the oldest first, and nobody's who holds less. A network has some
//! time for each, less of it if it holds much, and none once twice as much is held as may be.

mod ledger;
mod unfinished;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use self::ledger::{Ledger, Whose};
pub(crate) use self::unfinished::{Kept, Unfinished};
use super::places::network;
use super::slot::Slot;
use super::streams::GiveUp;
use crate::clock::{self, Nanos};
use crate::once_a_minute::OnceAMinute;
use crate::telemetry::text::Family;

/// How often it is looked whether something has to be broken off.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Answers,
    Bodies,
}

/// What all answers of a service hold, or all bodies that come.
#[derive(Debug)]
pub(crate) struct Memory {
    what: What,
    most: u64,
    ledger: Mutex<Ledger>,
    warning: OnceAMinute,
}

/// What breaks an answer or a body off.
#[derive(Clone, Debug)]
pub(crate) enum Ends {
    /// The end of its connection, which answers one request at a time or has handed over all that it holds.
    Connection(Weak<Slot>),
    /// The end of its stream, or of a body that comes, while others of its connection go on.
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

/// The memory of one answer, or one body, given back when this is dropped.
#[derive(Debug)]
pub(crate) struct HeldBytes {
    memory: Arc<Memory>,
    whose: Whose,
    number: u64,
}

impl Memory {
    /// That of answers.
    pub(crate) fn of_answers(most: u64) -> Arc<Self> {
        Self::new(What::Answers, most)
    }

    /// That of bodies and messages.
    pub(crate) fn of_bodies(most: u64) -> Arc<Self> {
        Self::new(What::Bodies, most)
    }

    fn new(what: What, most: u64) -> Arc<Self> {
        Arc::new(Self { what, most, ledger: Mutex::default(), warning: OnceAMinute::default() })
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How much is held.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> u64 {
        self.ledger().bytes()
    }

    /// Writes how much is held.
    pub(crate) fn render(&self, out: &mut String) {
        let (name, told) = match self.what {
            What::Answers => (
                "http_answer_memory_bytes",
                "Bytes of answers that handlers gave in one piece and clients are still to take.",
            ),
            What::Bodies => (
                "http_body_memory_bytes",
                "Bytes of bodies and messages that are kept until clients have sent the rest.",
            ),
        };
        Family::gauge(out, name, told).sample(&[], self.ledger().bytes());
    }

    /// So many bytes are held for this client.
    pub(crate) fn holds(
        self: &Arc<Self>,
        client: Option<IpAddr>,
        bytes: u64,
        ends: Ends,
        now: Nanos,
    ) -> HeldBytes {
        let whose = client.map(|client| network(client.to_canonical()));
        let number = self.ledger().enter(whose, bytes, ends, now);
        self.look(now);
        HeldBytes { memory: Arc::clone(self), whose, number }
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
        let mut ledger = self.ledger();
        let at_once = ledger.is_far_too_much(self.most);
        let gone = ledger.give_way(self.most, now);
        drop(ledger);
        for ends in &gone {
            ends.now(at_once);
        }
        if !gone.is_empty() && self.warning.is_due(now) {
            let (number, limit) = (gone.len(), self.most);
            match self.what {
                What::Answers => tracing::warn!(
                    answers = number,
                    limit,
                    "answers that clients take slowly hold more memory than `http.answer_memory`: those of the \
                     network that holds most are broken off"
                ),
                What::Bodies => tracing::warn!(
                    bodies = number,
                    limit,
                    "bodies and messages that clients have not sent to the end hold more memory than \
                     `http.body_memory`: those of the network that holds most are refused"
                ),
            }
        }
    }
}

impl HeldBytes {
    /// So many bytes are held instead.
    fn become_of(&self, bytes: u64, now: Nanos) {
        self.memory.ledger().change(self.whose, self.number, bytes);
        self.memory.look(now);
    }
}

/// What is counted of something that grows and shrinks.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counted: u64,
    held: Option<HeldBytes>,
}

impl Tally {
    /// Whether so many bytes are to be counted anew: they differ by a `step` from what was counted, or there are none any more.
    pub(crate) fn differs(&self, bytes: u64, step: u64) -> bool {
        bytes.abs_diff(self.counted) >= step || bytes == 0 && self.held.is_some()
    }

    /// So many bytes are held now; `enters` enters them where none were.
    pub(crate) fn set(&mut self, bytes: u64, now: Nanos, enters: impl FnOnce() -> HeldBytes) {
        self.counted = bytes;
        match &self.held {
            _ if bytes == 0 => self.held = None,
            Some(held) => held.become_of(bytes, now),
            None => self.held = Some(enters()),
        }
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        self.memory.ledger().leave(self.whose, self.number);
    }
}

#[cfg(test)]
mod tests;
