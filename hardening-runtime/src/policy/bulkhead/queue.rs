//! The queue in front of the permits: what takes its lock, counts with the bulkhead's word and wakes callers.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll, Waker};

use super::line::{Claim, GRACE, Line};
use super::{Bulkhead, Entry, WAITING, running_of, waiting_of};
use crate::clock::{self, NEVER, Nanos, Runtime};
use crate::sync::atomic::Ordering;
use crate::sync::{Mutex, MutexGuard};
use crate::tunable::Tunable;

#[derive(Debug)]
pub(super) struct Queue {
    /// How many may wait.
    pub(super) length: Tunable,
    line: Arc<Mutex<Line>>,
}

impl Queue {
    pub(super) fn new(length: u32) -> Self {
        Self { length: Tunable::new(length.into()), line: Arc::new(Mutex::new(Line::default())) }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        lock(&self.line)
    }
}

/// Nothing that is done under this lock leaves it half-written.
fn lock(line: &Mutex<Line>) -> MutexGuard<'_, Line> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a look at the queue: releases the lock, then wakes those who were offered a permit. Waking may run any code.
fn end(line: MutexGuard<'_, Line>, shared: &Arc<Mutex<Line>>, now: Nanos, woken: Vec<Waker>) {
    let mut line = line;
    let runtimes = line.begin_watch(now);
    drop(line);
    for runtime in runtimes {
        let watch = Watch(Arc::clone(shared));
        runtime.after(GRACE, move || watch.look());
    }
    woken.into_iter().for_each(Waker::wake);
}

/// Looks at the offers after a while, so that a caller that is not polled keeps nobody waiting where nobody comes and goes.
/// Dropped without having looked, it leaves this to the next.
struct Watch(Arc<Mutex<Line>>);

impl Watch {
    fn look(self) {
        let shared = Arc::clone(&self.0);
        drop(self);
        let mut woken = Vec::new();
        let mut line = lock(&shared);
        let now = clock::now();
        line.pass_on(now, &mut woken);
        end(line, &shared, now, woken);
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        lock(&self.0).end_watch();
    }
}

impl Bulkhead {
    /// Enters a bulkhead that is full, or in front of which somebody waits.
    #[cold]
    pub(super) fn enter_line(&self, queue: &Queue) -> Entry {
        let now = clock::now();
        let mut woken = Vec::new();
        let mut line = queue.lock();
        self.serve(&mut line, now, &mut woken);
        // Only callers that are not polled let another go first.
        let room = |word| (running_of(word) < self.max.get()).then_some(word + 1);
        let place = |word: u64| (waiting_of(word) < queue.length.get()).then_some(word + WAITING);
        let entry = if !line.is_ready() && self.change(room) {
            Entry::Entered
        } else if !line.is_ready() && line.take_late(now) {
            self.word.fetch_add(WAITING, Ordering::AcqRel);
            Entry::Entered
        } else if self.change(place) {
            Entry::Queue
        } else {
            Entry::Full
        };
        end(line, &queue.line, now, woken);
        entry
    }

    /// Offers what is free to those who wait.
    #[cold]
    pub(super) fn offer_free(&self, queue: &Queue) {
        let mut woken = Vec::new();
        let mut line = queue.lock();
        let now = clock::now();
        self.serve(&mut line, now, &mut woken);
        end(line, &queue.line, now, woken);
    }

    fn serve(&self, line: &mut Line, now: Nanos, woken: &mut Vec<Waker>) {
        line.pass_on(now, woken);
        while self.has_room()
            && let Some(next) = line.next(now)
        {
            if !self.take_waiting() {
                line.put_back(next);
                return;
            }
            woken.extend(line.offer(next, now));
        }
    }

    fn has_room(&self) -> bool {
        running_of(self.word.load(Ordering::Acquire)) < self.max.get()
    }

    /// Takes a free permit for one of those who wait.
    fn take_waiting(&self) -> bool {
        self.change(|word| (running_of(word) < self.max.get()).then_some(word + 1 - WAITING))
    }

    /// Waits for a permit after [`Entry::Queue`]; dropping the future leaves the queue.
    pub fn queue(&self) -> Queued<'_> {
        self.queue_until(NEVER)
    }

    /// The same for a caller that is offered nothing after `until`; it waits on.
    pub fn queue_until(&self, until: Nanos) -> Queued<'_> {
        // Joined now, so that a future dropped before its first poll leaves the queue as well.
        let queued = self.queue.as_ref().map(|queue| {
            let now = clock::now();
            let mut woken = Vec::new();
            let mut line = queue.lock();
            let ticket = line.join(now, until, Runtime::current());
            self.serve(&mut line, now, &mut woken);
            end(line, &queue.line, now, woken);
            (queue, ticket)
        });
        Queued { bulkhead: self, queued }
    }
}

/// A caller in the queue.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Queued<'b> {
    bulkhead: &'b Bulkhead,
    /// `None` once it has a permit.
    queued: Option<(&'b Queue, u64)>,
}

impl Future for Queued<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some((queue, ticket)) = self.queued else { return Poll::Ready(()) };
        let now = clock::now();
        let mut line = queue.lock();
        let (claim, unneeded) = line.claim(ticket, now, cx.waker());
        let got = match claim {
            Claim::Permit => true,
            Claim::Waits => false,
            Claim::IfFree => {
                let got = self.bulkhead.take_waiting();
                line.settle(ticket, got, now);
                got
            }
        };
        end(line, &queue.line, now, Vec::new());
        // It may be the last of its task, and dropping a task runs any code.
        drop(unneeded);
        if !got {
            return Poll::Pending;
        }
        self.queued = None;
        Poll::Ready(())
    }
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let Some((queue, ticket)) = self.queued else { return };
        let mut woken = Vec::new();
        let mut line = queue.lock();
        let (offered, unneeded) = line.leave(ticket);
        let count = if offered { 1 } else { WAITING };
        self.bulkhead.word.fetch_sub(count, Ordering::AcqRel);
        let now = clock::now();
        if offered {
            self.bulkhead.serve(&mut line, now, &mut woken);
        }
        end(line, &queue.line, now, woken);
        drop(unneeded);
    }
}
