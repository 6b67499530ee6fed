//! Lines that wait to be written. The queue is bounded in bytes, so that a reader that has stopped costs lines and never time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};

/// One part in so many of the queue is for lines of level `WARN` and above.
const RESERVE: usize = 4;

/// What a queue keeps of its room once it is empty, in bytes.
const KEPT_ROOM: usize = 64 * 1024;

/// How often the number of dropped lines is told while lines are being dropped.
const TOLD_EVERY: Duration = Duration::from_mins(1);

/// How much a line matters when there is little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Weight {
    /// Below `WARN`.
    Usual,
    /// `WARN` and `ERROR`.
    Grave,
    /// The console's audit, and how many lines were dropped: queued even where the queue is full.
    Always,
}

impl Weight {
    pub(super) fn of(meta: &Metadata<'_>) -> Self {
        match meta.target() {
            "hardening::audit" | "hardening::log" => Self::Always,
            _ if *meta.level() <= Level::WARN => Self::Grave,
            _ => Self::Usual,
        }
    }
}

/// How many lines found no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) lines: u64,
    /// Those of them that were [`Weight::Grave`].
    pub(super) warnings: u64,
}

/// The time by which threads wait: no test pauses it for them.
#[expect(clippy::disallowed_methods, reason = "a condition variable waits by the clock of the system")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Between the threads that log and the one that writes.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Wakes the writer.
    filled: Condvar,
    /// Wakes who waits for the end of what is queued.
    drained: Condvar,
    dropped: AtomicU64,
}

#[derive(Debug)]
struct State {
    /// The bound in bytes; `None` while there is no writer.
    most: Option<usize>,
    waiting: Vec<u8>,
    /// Bytes that the writer has taken and not written yet.
    writing: usize,
    writer_waits: bool,
    untold: Dropped,
    /// The writer is about to tell what was dropped.
    telling: bool,
    told: Option<Instant>,
}

impl State {
    fn held(&self) -> usize {
        self.waiting.len() + self.writing
    }

    fn is_done(&self) -> bool {
        self.held() == 0 && self.untold == Dropped::default() && !self.telling
    }
}

impl Queue {
    pub(super) const fn new() -> Self {
        let untold = Dropped { lines: 0, warnings: 0 };
        let state = State {
            most: None,
            waiting: Vec::new(),
            writing: 0,
            writer_waits: false,
            untold,
            telling: false,
            told: None,
        };
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            drained: Condvar::new(),
            dropped: AtomicU64::new(0),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on there is a writer, and room for so many bytes.
    pub(super) fn open(&self, most: usize) {
        self.state().most = Some(most);
    }

    /// Queues a line, its end included, or drops it. False where there is no writer.
    pub(super) fn push(&self, weight: Weight, line: &[u8]) -> bool {
        let mut state = self.state();
        let Some(most) = state.most else { return false };
        let room = match weight {
            Weight::Usual => most - most / RESERVE,
            Weight::Grave => most,
            Weight::Always => usize::MAX,
        };
        // A line that is longer than the queue has its turn once nothing waits.
        if state.held() > 0 && state.held().saturating_add(line.len()) > room {
            state.untold.lines += 1;
            state.untold.warnings += u64::from(weight == Weight::Grave);
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return true;
        }
        state.waiting.extend_from_slice(line);
        if std::mem::take(&mut state.writer_waits) {
            self.filled.notify_one();
        }
        true
    }

    /// Waits for lines, and swaps them with the empty `room`.
    pub(super) fn take(&self, room: &mut Vec<u8>) {
        room.clear();
        room.shrink_to(KEPT_ROOM);
        let mut state = self.state();
        while state.waiting.is_empty() {
            state.writer_waits = true;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.writer_waits = false;
        std::mem::swap(&mut state.waiting, room);
        state.writing = room.len();
    }

    /// The writer has written so many of the bytes that it took, or given them up. Answers what is to be told of lines that
    /// were dropped, if now is the time; then [`Queue::told`] must follow.
    pub(super) fn wrote(&self, bytes: usize) -> Option<Dropped> {
        let mut state = self.state();
        state.writing = state.writing.saturating_sub(bytes);
        let tells = state.untold.lines > 0
            && (state.held() <= state.most.unwrap_or_default() / 2
                || state.told.is_some_and(|told| told.elapsed() >= TOLD_EVERY));
        if tells {
            state.telling = true;
            state.told = Some(now());
            return Some(std::mem::take(&mut state.untold));
        }
        if state.is_done() {
            self.drained.notify_all();
        }
        None
    }

    /// The line about dropped lines is queued.
    pub(super) fn told(&self) {
        let mut state = self.state();
        state.telling = false;
        if state.is_done() {
            self.drained.notify_all();
        }
    }

    /// Counts lines that were taken and could not be written.
    pub(super) fn lost(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    /// How many lines were dropped since the start.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Waits until everything is written, or `until`.
    pub(super) fn flush(&self, until: Instant) {
        let mut state = self.state();
        while state.most.is_some() && !state.is_done() {
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                return;
            }
            state = self.drained.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(most: usize) -> Queue {
        let queue = Queue::new();
        queue.open(most);
        queue
    }

    fn taken(queue: &Queue) -> Vec<u8> {
        let mut room = Vec::new();
        queue.take(&mut room);
        room
    }

    #[test]
    fn the_newest_usual_line_goes_first_then_grave_ones_and_the_audit_never() {
        let queue = queue(40);
        for line in *b"abcdefgh" {
            assert!(queue.push(Weight::Usual, &[line; 5]));
        }
        assert_eq!(queue.dropped(), 2, "30 bytes are for usual lines");
        for line in *b"ABC" {
            assert!(queue.push(Weight::Grave, &[line; 5]));
        }
        assert_eq!(queue.dropped(), 3, "10 more are for grave ones");
        for _ in 0..10 {
            assert!(queue.push(Weight::Always, b"_____"));
        }
        assert_eq!(queue.dropped(), 3);
        let lines = taken(&queue);
        assert!(lines.starts_with(b"aaaaabbbbbcccccdddddeeeeefffffAAAAABBBBB_____"));
        assert_eq!(lines.len(), 90);
        // What is being written still takes its room.
        assert_eq!(queue.wrote(60), None);
        assert!(queue.push(Weight::Usual, b"ggggg"));
        assert_eq!(queue.dropped(), 4);
        assert_eq!(queue.wrote(30), Some(Dropped { lines: 4, warnings: 1 }));
        queue.told();
        assert!(queue.push(Weight::Usual, b"hhhhh"));
        assert_eq!((taken(&queue).as_slice(), queue.wrote(5)), (b"hhhhh".as_slice(), None));
    }

    #[test]
    fn a_line_longer_than_the_queue_has_its_turn_once_nothing_waits() {
        let queue = queue(10);
        assert!(queue.push(Weight::Usual, &[b'x'; 100]));
        assert!(queue.push(Weight::Usual, b"y"));
        assert_eq!((taken(&queue).len(), queue.dropped()), (100, 1));
    }

    #[test]
    fn without_a_writer_nothing_is_queued_and_nobody_waits() {
        let queue = Queue::new();
        assert!(!queue.push(Weight::Always, b"x"));
        queue.flush(now() + Duration::from_hours(1));
    }

    #[test]
    fn the_end_waits_for_what_is_queued_and_for_the_word_about_what_was_dropped() {
        let queue = queue(4);
        queue.push(Weight::Grave, b"long line");
        queue.push(Weight::Grave, b"x");
        let now = self::now();
        queue.flush(now);
        std::thread::scope(|threads| {
            let waits = threads.spawn(|| queue.flush(now + Duration::from_hours(1)));
            assert_eq!(taken(&queue).len(), 9);
            assert_eq!(queue.wrote(9), Some(Dropped { lines: 1, warnings: 1 }));
            assert!(!queue.state().is_done(), "it is not told yet");
            queue.push(Weight::Always, b"one line was dropped");
            queue.told();
            assert!(!queue.state().is_done(), "it is not written yet");
            assert_eq!(taken(&queue).len(), 20);
            assert_eq!(queue.wrote(20), None);
            assert!(waits.join().is_ok());
        });
    }
}
