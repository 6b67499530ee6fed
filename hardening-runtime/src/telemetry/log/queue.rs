//! Lines that wait to be written. The queue is bounded in bytes, so that a reader that has stopped costs lines and never time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing::{Level, Metadata};

/// One part in so many of the queue is for lines of level `WARN` and above.
const RESERVE: usize = 4;

/// What a queue keeps of its room once it is empty, in bytes.
const KEPT_ROOM: usize = 64 * 1024;

/// How long the writer lets lines gather after the first one, unless one of them matters more: to wake it for each line costs more
/// than to write the line.
const GATHERS: Duration = Duration::from_millis(2);

/// How much is written at once, in bytes, unless one line is longer: as much as becomes free in the queue at once.
pub(super) const ENOUGH: usize = 16 * 1024;

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
    writer: Writer,
    /// Whether what waits must not wait for more.
    urgent: bool,
    untold: Dropped,
    /// The writer is about to tell what was dropped.
    telling: bool,
    told: Option<Instant>,
}

/// What the writer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Writer {
    /// It writes.
    Busy,
    /// For a line.
    ForOne,
    /// For more of them.
    ForMore,
}

impl State {
    /// Whether what waits is to be written now.
    fn is_enough(&self) -> bool {
        self.urgent || self.waiting.len() >= ENOUGH.min(self.most.unwrap_or_default() / 2)
    }

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
            writer: Writer::Busy,
            urgent: false,
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
        state.urgent |= weight != Weight::Usual;
        if state.writer == Writer::ForOne || state.writer == Writer::ForMore && state.is_enough() {
            state.writer = Writer::Busy;
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
            state.writer = Writer::ForOne;
            state = self.filled.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let until = now() + GATHERS;
        while !state.is_enough() {
            let left = until.saturating_duration_since(now());
            if left.is_zero() {
                break;
            }
            state.writer = Writer::ForMore;
            state = self.filled.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        (state.writer, state.urgent) = (Writer::Busy, false);
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
        if !state.waiting.is_empty() {
            state.urgent = true;
            self.filled.notify_one();
        }
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
    fn usual_lines_gather_until_there_are_enough_or_one_matters_more() {
        let queue = queue(1 << 20);
        queue.push(Weight::Usual, b"a");
        assert!(!queue.state().is_enough());
        queue.push(Weight::Usual, &[b'b'; ENOUGH - 1]);
        assert!(queue.state().is_enough());
        assert_eq!(taken(&queue).len(), ENOUGH);
        assert!(!queue.state().is_enough(), "nothing waits");
        for weight in [Weight::Grave, Weight::Always] {
            queue.push(weight, b"a");
            assert!(queue.state().is_enough());
            assert_eq!(taken(&queue).len(), 1);
        }
        queue.flush(now());
        assert!(!queue.state().is_enough(), "there is nothing to write");
        queue.push(Weight::Usual, b"a");
        queue.flush(now());
        assert!(queue.state().is_enough());
        assert_eq!(taken(&queue).len(), 1, "a usual line does not wait for ever");
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
