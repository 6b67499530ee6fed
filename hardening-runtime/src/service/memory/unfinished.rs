//! What is kept of a body or a message until the rest of it has come.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use bytes::Bytes;

use super::{Ends, Memory, Tally};
use crate::clock;
use crate::service::streams::GiveUp;

/// It is counted once it is so much, and again when it has changed by as much.
const STEP: u64 = 16 * 1024;

/// What each part takes beside its bytes.
const OVERHEAD: u64 = 128;

/// One body or message that comes.
#[derive(Debug)]
pub(crate) struct Unfinished {
    memory: Arc<Memory>,
    client: Option<IpAddr>,
    tally: Tally,
    /// What breaks it off, while it is counted.
    gives_up: Option<Arc<GiveUp>>,
}

impl Unfinished {
    pub(crate) fn new(memory: &Arc<Memory>, client: Option<IpAddr>) -> Self {
        Self { memory: Arc::clone(memory), client, tally: Tally::default(), gives_up: None }
    }

    /// So many bytes of it are kept. Says whether others need them, about which `task` is woken as well.
    pub(crate) fn is_too_much(&mut self, bytes: u64, task: &Waker) -> bool {
        let bytes = if bytes < STEP { 0 } else { bytes };
        if bytes == 0 {
            self.gives_up = None;
        }
        if self.tally.differs(bytes, STEP) {
            let now = clock::now();
            self.tally.set(bytes, now, || {
                let ends = Ends::Stream(Arc::clone(self.gives_up.insert(GiveUp::new(task))));
                self.memory.holds(self.client, bytes, ends, now)
            });
        }
        self.gives_up.as_ref().is_some_and(|gives_up| {
            gives_up.wakes(task);
            gives_up.is_asked()
        })
    }
}

/// The parts of a body that whoever reads it keeps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kept(Arc<AtomicU64>);

/// One of them.
struct Part {
    bytes: Bytes,
    kept: Kept,
}

impl Kept {
    /// How many bytes that is.
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// A part that counts until it is dropped.
    pub(crate) fn part(&self, bytes: Bytes) -> Bytes {
        self.0.fetch_add(bytes.len() as u64 + OVERHEAD, Ordering::Relaxed);
        Bytes::from_owner(Part { bytes, kept: self.clone() })
    }
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.kept.0.fetch_sub(self.bytes.len() as u64 + OVERHEAD, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_counted_in_steps_and_until_it_is_gone() {
        let memory = Memory::of_bodies(1 << 30);
        let mut unfinished = Unfinished::new(&memory, None);
        let mut counted = |bytes| {
            assert!(!unfinished.is_too_much(bytes, Waker::noop()));
            memory.bytes()
        };
        let steps =
            [1, STEP - 1, STEP, 2 * STEP - 1, 2 * STEP, STEP + 1, STEP, STEP - 1, STEP].map(&mut counted);
        assert_eq!(steps, [0, 0, STEP, STEP, 2 * STEP, 2 * STEP, STEP, 0, STEP]);
        drop(unfinished);
        assert_eq!(memory.bytes(), 0);
    }

    #[test]
    fn the_one_of_the_network_that_holds_most_is_too_much() {
        let memory = Memory::of_bodies(100 * STEP);
        let client = |last| Some(IpAddr::from([192, 0, 2, last]));
        let (mut greedy, mut modest) =
            (Unfinished::new(&memory, client(1)), Unfinished::new(&memory, client(2)));
        assert!(!modest.is_too_much(50 * STEP, Waker::noop()));
        // Beyond twice as much as may be nobody has any time.
        assert!(greedy.is_too_much(200 * STEP, Waker::noop()));
        assert!(!modest.is_too_much(50 * STEP, Waker::noop()));
    }

    #[test]
    fn parts_are_kept_until_the_last_bit_of_each_is_dropped() {
        let kept = Kept::default();
        let mut one = kept.part(Bytes::from_static(b"twelve bytes"));
        let other = kept.part(Bytes::from_static(b"more"));
        assert_eq!(kept.bytes(), 16 + 2 * OVERHEAD);
        let bit = one.split_to(1);
        drop((one, other));
        assert_eq!((&*bit, kept.bytes()), (&b"t"[..], 12 + OVERHEAD));
        drop(bit);
        assert_eq!(kept.bytes(), 0);
    }
}
