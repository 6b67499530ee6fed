//! What of answers was handed to the machinery of HTTP/2 and is not on its way yet. It keeps a piece until the client has room for
//! it, and a client may have room for a single byte: the piece is in memory though its stream's task is over.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::task::Waker;

use bytes::Bytes;

use crate::clock::{self, Nanos};
use crate::service::memory::{Ends, HeldBytes, Memory, Tally};
use crate::service::slot::Slot;

/// What a connection holds is counted once it has changed by so many bytes, and whenever the connection is looked at.
const STEP: u64 = 64 * 1024;

/// The pieces of one connection.
#[derive(Debug, Default)]
pub(crate) struct Handed {
    last: AtomicU64,
    pieces: Mutex<Pieces>,
    counts: OnceLock<Counts>,
}

/// Where they are counted, and for whom.
#[derive(Debug)]
struct Counts {
    memory: Arc<Memory>,
    client: Option<IpAddr>,
    slot: Weak<Slot>,
}

#[derive(Debug, Default)]
struct Pieces {
    /// Of those that count for themselves.
    bytes: u64,
    tally: Tally,
    answers: HashMap<u64, OfAnswer>,
}

/// The pieces of one answer.
#[derive(Debug)]
struct OfAnswer {
    pieces: usize,
    /// When the first was handed over or one went last.
    moved: Nanos,
    /// What hands the rest over once they are gone.
    task: Option<Waker>,
}

/// One answer, whose pieces are handed over.
pub(crate) struct Outgoing {
    handed: Arc<Handed>,
    number: u64,
}

/// One piece; it is dropped once it is on its way, or its stream is no more.
struct Piece {
    bytes: Bytes,
    number: u64,
    handed: Arc<Handed>,
    /// What it is a part of, and is kept by it.
    whole: Option<Arc<HeldBytes>>,
}

impl Handed {
    fn pieces(&self) -> MutexGuard<'_, Pieces> {
        self.pieces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on they are counted there, for the client of this connection.
    pub(crate) fn counts_in(&self, memory: &Arc<Memory>, client: Option<IpAddr>, slot: Weak<Slot>) {
        let _ = self.counts.set(Counts { memory: Arc::clone(memory), client, slot });
    }

    /// An answer, of which nothing was handed over yet.
    pub(crate) fn answer(self: &Arc<Self>) -> Outgoing {
        Outgoing { handed: Arc::clone(self), number: self.last.fetch_add(1, Ordering::Relaxed) }
    }

    /// Counts what is there.
    pub(crate) fn count(&self, now: Nanos) {
        self.pieces().count(self.counts.get(), now);
    }

    /// Since when nothing has gone of the answer of which nothing has gone for longest.
    pub(crate) fn unmoved_since(&self) -> Option<Nanos> {
        self.pieces().answers.values().map(|answer| answer.moved).min()
    }
}

impl Pieces {
    fn count_in_steps(&mut self, counts: Option<&Counts>, now: Nanos) {
        if self.tally.differs(self.bytes, STEP) {
            self.count(counts, now);
        }
    }

    fn count(&mut self, counts: Option<&Counts>, now: Nanos) {
        let Some(Counts { memory, client, slot }) = counts else { return };
        let bytes = self.bytes;
        self.tally.set(bytes, now, || memory.holds(*client, bytes, Ends::Connection(Weak::clone(slot)), now));
    }
}

impl Outgoing {
    /// Hands a piece over. It counts for itself, or keeps the `whole` that it is a part of.
    pub(crate) fn over(&self, bytes: Bytes, whole: Option<&Arc<HeldBytes>>) -> Bytes {
        if bytes.is_empty() {
            return bytes;
        }
        let now = clock::now();
        let mut pieces = self.handed.pieces();
        pieces.answers.entry(self.number).or_insert(OfAnswer { pieces: 0, moved: now, task: None }).pieces +=
            1;
        if whole.is_none() {
            pieces.bytes += bytes.len() as u64;
            pieces.count_in_steps(self.handed.counts.get(), now);
        }
        drop(pieces);
        let (whole, handed) = (whole.map(Arc::clone), Arc::clone(&self.handed));
        Bytes::from_owner(Piece { bytes, number: self.number, handed, whole })
    }

    /// How many of its pieces are not on their way yet; `task` is woken once one goes.
    pub(crate) fn left(&self, task: &Waker) -> usize {
        match self.handed.pieces().answers.get_mut(&self.number) {
            Some(answer) => {
                answer.task = Some(task.clone());
                answer.pieces
            }
            None => 0,
        }
    }
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        // Before its answer is told that it is gone.
        let counted = self.whole.take().is_none();
        let now = clock::now();
        let mut pieces = self.handed.pieces();
        let mut task = None;
        if let Some(answer) = pieces.answers.get_mut(&self.number) {
            answer.pieces -= 1;
            answer.moved = now;
            task = answer.task.take();
            if answer.pieces == 0 {
                pieces.answers.remove(&self.number);
            }
        }
        if counted {
            pieces.bytes -= self.bytes.len() as u64;
            pieces.count_in_steps(self.handed.counts.get(), now);
        }
        drop(pieces);
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Nanos = 1_000_000_000;

    #[tokio::test(start_paused = true)]
    async fn a_piece_is_there_until_the_last_part_of_it_is_gone() {
        let handed = Arc::new(Handed::default());
        let bytes = || handed.pieces().bytes;
        let (answer, other) = (handed.answer(), handed.answer());
        assert_eq!((handed.unmoved_since(), bytes()), (None, 0));
        let first = clock::now();
        let mut one = answer.over(Bytes::from_static(b"twelve bytes"), None);
        tokio::time::advance(Duration::from_secs(1)).await;
        let more = other.over(Bytes::from_static(b"more"), None);
        assert_eq!((handed.unmoved_since(), bytes()), (Some(first), 16));
        let part = one.split_to(3);
        drop(one);
        assert_eq!((&*part, handed.unmoved_since(), bytes()), (&b"twe"[..], Some(first), 16));
        drop(part);
        assert_eq!((handed.unmoved_since(), bytes()), (Some(first + SECOND), 4));
        drop(more);
        assert_eq!((handed.unmoved_since(), bytes()), (None, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_which_pieces_go_is_one_that_moves() {
        let handed = Arc::new(Handed::default());
        let answer = handed.answer();
        let pieces = [(); 2].map(|()| answer.over(Bytes::from_static(b"piece"), None));
        let [first, second] = pieces;
        tokio::time::advance(Duration::from_secs(5)).await;
        drop(first);
        assert_eq!(handed.unmoved_since(), Some(clock::now()));
        drop(second);
        assert_eq!(handed.unmoved_since(), None);
    }

    #[test]
    fn what_a_connection_holds_is_counted_in_steps_and_when_it_is_looked_at() {
        let memory = Memory::of_answers(1 << 30);
        let handed = Arc::new(Handed::default());
        handed.counts_in(&memory, None, Weak::new());
        let answer = handed.answer();
        let piece = || answer.over(vec![0; 16 * 1024].into(), None);
        let mut pieces = vec![piece(), piece(), piece()];
        assert_eq!(memory.bytes(), 0);
        pieces.push(piece());
        assert_eq!(memory.bytes(), STEP);
        pieces.push(piece());
        assert_eq!(memory.bytes(), STEP);
        handed.count(0);
        assert_eq!(memory.bytes(), STEP + 16 * 1024);
        pieces.clear();
        assert_eq!(memory.bytes(), 0);
    }

    #[test]
    fn the_last_piece_of_an_answer_keeps_what_the_whole_of_it_holds() {
        let memory = Memory::of_answers(1 << 30);
        let handed = Arc::new(Handed::default());
        handed.counts_in(&memory, None, Weak::new());
        let answer = handed.answer();
        let whole = Arc::new(memory.holds(None, 1 << 20, Ends::Connection(Weak::new()), 0));
        let pieces = [(); 2].map(|()| answer.over(vec![0; 16 * 1024].into(), Some(&whole)));
        drop(whole);
        let [first, second] = pieces;
        let (task, count) = counting();
        assert_eq!(answer.left(&task), 2);
        drop(first);
        assert_eq!((memory.bytes(), count()), (1 << 20, 1));
        assert_eq!(answer.left(&task), 1);
        drop(second);
        assert_eq!((memory.bytes(), count()), (0, 2));
        assert_eq!(answer.left(&task), 0);
    }

    /// What counts how often it is woken.
    fn counting() -> (Waker, impl Fn() -> u64) {
        struct Count(AtomicU64);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count(AtomicU64::new(0)));
        (Waker::from(Arc::clone(&count)), move || count.0.load(Ordering::Relaxed))
    }
}
