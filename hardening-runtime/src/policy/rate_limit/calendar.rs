//! The charges of one limit, or of one key, that lie in the future: a list of turns, each with its cost.
//!
//! A charge fits at a moment when the algorithm, run through every turn in order, admits it and all that come after it.
//! Each turn keeps the arrival time that it meets and the latest one that it and its successors can meet, so that a look
//! at one gap costs nothing but two comparisons.

use std::collections::VecDeque;

use super::gcra::Gcra;
use crate::clock::{NEVER, Nanos};

/// A charge of the future.
#[derive(Debug)]
struct Entry<W> {
    turn: Nanos,
    cost: u32,
    /// The caller, until it begins.
    who: Option<W>,
    /// From when on it has lost the turn.
    lapses: Nanos,
    /// The arrival time when its turn comes.
    meets: Nanos,
    /// The latest arrival time with which it and all later ones conform.
    latest: Nanos,
}

/// What has passed, and what is to come.
#[derive(Debug)]
pub(super) struct Calendar<W> {
    /// The arrival time of what has passed.
    tat: Nanos,
    /// The turns of those who wait, and behind a caller that is late the charges that have passed since its turn: it may still begin,
    /// so they are counted in this order until it does, or has lost its turn.
    waiting: VecDeque<Entry<W>>,
    /// The arrival time after the last turn.
    end: Nanos,
    full: Full,
    /// The last look at the clock.
    now: Nanos,
    /// The first turn that was lost since somebody asked.
    lost: Option<Nanos>,
}

/// Nothing of at least this cost fits before this moment: what makes a search in a long queue short.
#[derive(Clone, Copy, Debug)]
struct Full {
    before: Nanos,
    cost: u32,
}

impl Full {
    const UNKNOWN: Self = Self { before: 0, cost: 1 };
}

impl<W> Calendar<W> {
    pub(super) const fn new(tat: Nanos) -> Self {
        Self { tat, waiting: VecDeque::new(), end: tat, full: Full::UNKNOWN, now: 0, lost: None }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The arrival time of what has passed.
    pub(super) const fn tat(&self) -> Nanos {
        self.tat
    }

    /// Turns that have come and were claimed are charges that have passed; those that nobody has claimed in time are none.
    pub(super) fn fold(&mut self, gcra: &Gcra, now: Nanos) {
        self.now = self.now.max(now);
        let mut lost = None;
        while let Some(first) = self.waiting.front()
            && first.turn <= now
        {
            if first.who.is_none() {
                self.tat = self.tat.max(first.turn).saturating_add(gcra.charge(first.cost));
            } else if first.lapses <= now {
                lost = lost.or(Some(first.turn));
            } else {
                break;
            }
            self.waiting.pop_front();
        }
        if self.waiting.is_empty() {
            self.end = self.tat;
        }
        if lost.is_some() {
            self.lost = self.lost.or(lost);
            self.full = Full::UNKNOWN;
            self.changed(gcra, 0, usize::MAX);
        }
    }

    /// The first turn that its caller has lost since the last time that this was asked.
    pub(super) fn take_lost(&mut self) -> Option<Nanos> {
        self.lost.take()
    }

    /// The caller whose turn has come begins; false when it has lost the turn.
    pub(super) fn claim(&mut self, gcra: &Gcra, turn: Nanos, who: impl Fn(&W) -> bool) -> bool {
        let first = self.waiting.partition_point(|entry| entry.turn < turn);
        let same = self.waiting.range_mut(first..).take_while(|entry| entry.turn == turn);
        let Some(entry) = same.into_iter().find(|entry| entry.who.as_ref().is_some_and(&who)) else {
            return false;
        };
        entry.who = None;
        self.fold(gcra, self.now);
        true
    }

    /// The earliest moment from `from` on at which `cost` units fit, `None` if they never do.
    pub(super) fn earliest(&mut self, gcra: &Gcra, cost: u32, from: Nanos) -> Option<Nanos> {
        if cost > gcra.burst() {
            return None;
        }
        let full = self.full;
        let begin = if cost >= full.cost { from.max(full.before) } else { from };
        let found = self.search(gcra, gcra.charge(cost), begin);
        let from_now = from <= self.now || (cost >= full.cost && from <= full.before);
        if from_now && (cost <= full.cost || full.before <= self.now) {
            self.full = Full { before: found, cost };
        }
        Some(found)
    }

    fn search(&self, gcra: &Gcra, charge: Nanos, from: Nanos) -> Nanos {
        let mut at = self.waiting.partition_point(|entry| entry.turn < from);
        let mut earlier = if at == 0 { 0 } else { self.waiting[at - 1].turn };
        while let Some(next) = self.waiting.get(at) {
            let least =
                (next.meets.saturating_add(charge)).saturating_sub(gcra.tolerance).max(earlier).max(from);
            let fits = next.meets.max(least).saturating_add(charge) <= next.latest;
            if fits && least <= next.turn {
                return least;
            }
            (earlier, at) = (next.turn, at + 1);
        }
        self.behind_all(gcra, charge, earlier.max(from))
    }

    /// The earliest moment from `from` on behind everybody who waits, `None` if there is none.
    pub(super) fn at_the_end(&self, gcra: &Gcra, cost: u32, from: Nanos) -> Option<Nanos> {
        let last = self.waiting.back().map_or(0, |last| last.turn);
        (cost <= gcra.burst()).then(|| self.behind_all(gcra, gcra.charge(cost), last.max(from)))
    }

    fn behind_all(&self, gcra: &Gcra, charge: Nanos, from: Nanos) -> Nanos {
        self.end.saturating_add(charge).saturating_sub(gcra.tolerance).max(from)
    }

    /// Charges at once what fits at `now`: behind a caller that is late, and before those whose turns are to come. Answers the
    /// arrival time after it.
    pub(super) fn pass(&mut self, gcra: &Gcra, cost: u32, now: Nanos) -> Nanos {
        let at = self.put(gcra, now, cost, None, now);
        let after = self.waiting[at].meets.max(now).saturating_add(gcra.charge(cost));
        self.fold(gcra, now);
        after
    }

    /// Puts a charge in its place; its caller may claim it until it `lapses`.
    pub(super) fn insert(&mut self, gcra: &Gcra, turn: Nanos, lapses: Nanos, cost: u32, who: W) {
        self.put(gcra, turn, cost, Some(who), lapses);
    }

    fn put(&mut self, gcra: &Gcra, turn: Nanos, cost: u32, who: Option<W>, lapses: Nanos) -> usize {
        let at = self.waiting.partition_point(|entry| entry.turn <= turn);
        self.waiting.insert(at, Entry { turn, cost, who, lapses, meets: NEVER, latest: NEVER });
        self.changed(gcra, at, at);
        at
    }

    /// Takes the charge of `who` out; false if it has passed, or was never there.
    pub(super) fn remove(&mut self, gcra: &Gcra, turn: Nanos, who: impl Fn(&W) -> bool) -> bool {
        let first = self.waiting.partition_point(|entry| entry.turn < turn);
        let same = self.waiting.range(first..).take_while(|entry| entry.turn == turn);
        let Some(at) = same.into_iter().position(|entry| entry.who.as_ref().is_some_and(&who)) else {
            return false;
        };
        self.waiting.remove(first + at);
        self.full = Full::UNKNOWN;
        self.changed(gcra, first + at, (first + at).wrapping_sub(1));
        true
    }

    /// Those whose turns come at `turn` or later, in their order.
    pub(super) fn from(&self, turn: Nanos) -> impl Iterator<Item = &W> {
        let first = self.waiting.partition_point(|entry| entry.turn < turn);
        self.waiting.range(first..).filter_map(|entry| entry.who.as_ref())
    }

    /// The turn of the one who waits so many places before `turn`, 0 if there is none.
    pub(super) fn ahead(&self, turn: Nanos, places: usize) -> Nanos {
        let first = self.waiting.partition_point(|entry| entry.turn < turn);
        first.checked_sub(places).map_or(0, |at| self.waiting[at].turn)
    }

    /// When the last caller before `turn` loses its turn, 0 if there is none.
    pub(super) fn lapses_before(&self, turn: Nanos) -> Nanos {
        let first = self.waiting.partition_point(|entry| entry.turn < turn);
        first.checked_sub(1).map_or(0, |at| self.waiting[at].lapses)
    }

    /// How many wait for a turn from `from` to `to`.
    pub(super) fn between(&self, from: Nanos, to: Nanos) -> usize {
        let before = |turn: Nanos| self.waiting.partition_point(|entry| entry.turn < turn);
        before(to).saturating_sub(before(from))
    }

    /// Everybody who waits, by turn.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &W> {
        self.waiting.iter().filter_map(|entry| entry.who.as_ref())
    }

    /// Takes a charge back in the moment in which it passed.
    pub(super) fn refund(&mut self, gcra: &Gcra, cost: u32) {
        self.tat = self.tat.saturating_sub(gcra.charge(cost));
        self.full = Full::UNKNOWN;
        self.all_changed(gcra);
    }

    /// Charges everything that has passed, by these numbers: callers that are late will be given other turns.
    pub(super) fn settle(&mut self, gcra: &Gcra, now: Nanos) {
        self.fold(gcra, now);
        let due = self.waiting.partition_point(|entry| entry.turn <= now);
        let (late, passed): (Vec<_>, Vec<_>) =
            self.waiting.drain(..due).partition(|entry| entry.who.is_some());
        for entry in passed {
            self.tat = self.tat.max(entry.turn).saturating_add(gcra.charge(entry.cost));
        }
        late.into_iter().rev().for_each(|entry| self.waiting.push_front(entry));
    }

    /// Other numbers: what has passed weighs at most a whole burst of them.
    pub(super) fn tune(&mut self, gcra: &Gcra, now: Nanos) {
        self.tat = self.tat.min(now.saturating_add(gcra.tolerance));
        self.full = Full::UNKNOWN;
        self.all_changed(gcra);
    }

    /// Units that can pass at `now` without holding up those who wait.
    pub(super) fn remaining(&self, gcra: &Gcra, now: Nanos) -> u32 {
        let next = self.waiting.partition_point(|entry| entry.turn <= now);
        let (tat, latest) =
            self.waiting.get(next).map_or((self.end, NEVER), |next| (next.meets, next.latest));
        // As if the burst ended where those who wait need it.
        let held_back = now.saturating_add(gcra.tolerance).saturating_sub(latest);
        gcra.remaining(tat.max(now).saturating_add(held_back), now)
    }

    fn all_changed(&mut self, gcra: &Gcra) {
        let last = self.waiting.len();
        for entry in &mut self.waiting {
            (entry.meets, entry.latest) = (NEVER, NEVER);
        }
        self.changed(gcra, 0, last.wrapping_sub(1));
    }

    /// Counts anew from `forwards` to the end and from `backwards` to the beginning, as far as anything changes.
    fn changed(&mut self, gcra: &Gcra, forwards: usize, backwards: usize) {
        let mut tat = match forwards.checked_sub(1).and_then(|before| self.waiting.get(before)) {
            Some(before) => before.meets.max(before.turn).saturating_add(gcra.charge(before.cost)),
            None => self.tat,
        };
        let mut same = false;
        for entry in self.waiting.range_mut(forwards..) {
            same = entry.meets == tat;
            if same {
                break;
            }
            entry.meets = tat;
            tat = tat.max(entry.turn).saturating_add(gcra.charge(entry.cost));
        }
        if !same {
            self.end = tat;
        }
        let mut latest = backwards
            .checked_add(1)
            .and_then(|next| self.waiting.get(next))
            .map_or(NEVER, |next| next.latest);
        let last = backwards.wrapping_add(1).min(self.waiting.len());
        for entry in self.waiting.range_mut(..last).rev() {
            let least = latest.min(entry.turn.saturating_add(gcra.tolerance));
            let new = least.saturating_sub(gcra.charge(entry.cost));
            if new == entry.latest {
                break;
            }
            (entry.latest, latest) = (new, new);
        }
    }
}
