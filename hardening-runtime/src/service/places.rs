//! Who has a place when there are more connections than places. It knows no socket; the listener asks it.
//!
//! A newcomer takes a free place. When none is free, a connection that answers nothing gives way: of the peer that has most of
//! them, first one that is kept between requests, the longest idle, then one that has long been sending a head, and at last one
//! whose answer has begun and of which nothing has come or gone for long. A peer never takes a place from one that has fewer,
//! and never has all of them: an eighth is left to others. Whoever finds no place is refused at once.
//!
//! Where a proxy must first say for whom it connects, a connection asks until then: it has no place, takes none from anybody,
//! and few may ask at once when all places are taken.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use super::wire::Waiting;
use crate::clock::{Nanos, nanos};

/// One in so many places is for peers that do not have nearly all of the others.
const FOR_OTHERS: usize = 8;
/// So many connections, and as many again as an eighth, may be on their way out at once.
const LEAVING: usize = 8;
/// A head that has been on its way for so long may give way.
const LONG: Nanos = 1_000_000_000;
/// One with more than one in so many places keeps those on which nothing passes for no longer than that, while somebody with
/// next to none wants one.
const MANY: usize = 4;
/// At most so many connections give way at once, and at most one in so many of those that may: looking at all of them is work.
const AT_ONCE: usize = 32;
const OF_THOSE: usize = 8;
/// How long a look that found nobody is believed.
const BELIEVED: Nanos = 10_000_000;

/// What a connection waits for and since when; `None` while a handler has a request of it.
pub(crate) type Idle = Option<(Waiting, Nanos)>;

/// What a newcomer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict<Id> {
    /// There is a place.
    Enter,
    /// These give way, and there is a place.
    Displace(Vec<Id>),
    /// There is none.
    Refuse,
}

/// The places of one listener.
#[derive(Debug)]
pub(crate) struct Places<Id> {
    most: usize,
    /// How long nothing may pass of an answer that has begun.
    quiet: Nanos,
    held: HashMap<Id, Held>,
    /// How many places each peer has; who stands behind a proxy is not one of them.
    peers: HashMap<IpAddr, usize>,
    /// Connections that give way and have not ended yet.
    leaving: usize,
    /// Connections of which it is not known yet whose they are.
    asking: usize,
    /// Until when nobody who answers nothing is looked for.
    hopeless: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    peer: Option<IpAddr>,
    stands: Stands,
}

/// How a connection stands with places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    /// It has none until it is known whose it is.
    Asks,
    /// It has one.
    Has,
    /// It has given its place away.
    Leaves,
}

/// Nobody gives way any more while more than this many connections are on their way out.
const fn leaving(most: usize) -> usize {
    most / FOR_OTHERS + LEAVING
}

/// How many connections of so many places can be on their way out at once.
pub(crate) const fn leaving_at_most(most: usize) -> usize {
    // Those that give way last do so together, and no more than there are.
    let last = if most / OF_THOSE < AT_ONCE { most / OF_THOSE + 1 } else { AT_ONCE };
    leaving(most) + last
}

impl<Id: Copy + Eq + Hash> Places<Id> {
    pub(crate) fn new(most: u32, quiet: Duration) -> Self {
        Self {
            most: most as usize,
            quiet: nanos(quiet),
            held: HashMap::new(),
            peers: HashMap::new(),
            leaving: 0,
            asking: 0,
            hopeless: 0,
        }
    }

    /// What becomes of a newcomer of this peer; `None` for one behind a proxy, which is a peer of its own.
    pub(crate) fn judge(
        &mut self,
        peer: Option<IpAddr>,
        idle: impl Fn(Id) -> Idle,
        now: Nanos,
    ) -> Verdict<Id> {
        let has = self.of(peer);
        let share = self.share();
        if self.held.len() - self.leaving - self.asking < self.most && (has < share || peer.is_none()) {
            return Verdict::Enter;
        }
        // Those that give way still have a socket each.
        if self.leaving > leaving(self.most) || now < self.hopeless {
            return Verdict::Refuse;
        }
        let mut may = self.who_may_give_way(has, idle, now);
        if may.is_empty() {
            // A peer that has its share says nothing about the others.
            if has < share {
                self.hopeless = now.saturating_add(BELIEVED);
            }
            return Verdict::Refuse;
        }
        let count = (may.len() / OF_THOSE).clamp(1, AT_ONCE);
        may.select_nth_unstable_by(count - 1, |(a, _), (b, _)| b.cmp(a));
        may.truncate(count);
        let chosen: Vec<Id> = may.into_iter().map(|(_, id)| id).collect();
        for id in &chosen {
            if let Some(held) = self.held.get_mut(id) {
                held.stands = Stands::Leaves;
                self.leaving += 1;
                let peer = held.peer;
                self.one_less(peer);
            }
        }
        Verdict::Displace(chosen)
    }

    /// Those that may give way to a peer that has `has` places, with how much they should.
    fn who_may_give_way(
        &self,
        has: usize,
        idle: impl Fn(Id) -> Idle,
        now: Nanos,
    ) -> Vec<((usize, u8, Nanos), Id)> {
        let held = self.held.iter().filter(|(_, held)| held.stands == Stands::Has);
        held.filter_map(|(id, held)| {
            let theirs = self.of(held.peer).max(1);
            let (waiting, since) = idle(*id)?;
            let waits = now.saturating_sub(since);
            let (rank, after) = match waiting {
                Waiting::Next => (2, 0),
                Waiting::First | Waiting::Head => (1, LONG),
                Waiting::More if theirs > self.most / MANY && theirs / FOR_OTHERS > has => (0, LONG),
                Waiting::More => (0, self.quiet),
            };
            (theirs >= has && waits >= after).then_some(((theirs, rank, waits), *id))
        })
        .collect()
    }

    /// A connection has a place now.
    pub(crate) fn enter(&mut self, id: Id, peer: Option<IpAddr>) {
        self.held.insert(id, Held { peer, stands: Stands::Has });
        if let Some(peer) = peer {
            *self.peers.entry(peer).or_default() += 1;
        }
    }

    /// Whether one more may ask for a place. Those that ask have a socket each, as those on their way out have.
    pub(crate) fn may_ask(&self) -> bool {
        self.held.len() < self.most + leaving(self.most)
    }

    /// A connection asks for a place, and a proxy will say whose it is.
    pub(crate) fn asks(&mut self, id: Id) {
        self.held.insert(id, Held { peer: None, stands: Stands::Asks });
        self.asking += 1;
    }

    /// A proxy says that the connection is this peer's, which is now judged as every other newcomer is. It has its place unless
    /// it is refused.
    pub(crate) fn introduce(
        &mut self,
        id: Id,
        peer: Option<IpAddr>,
        idle: impl Fn(Id) -> Idle,
        now: Nanos,
    ) -> Verdict<Id> {
        if self.held.get(&id).is_none_or(|held| held.stands != Stands::Asks) {
            return Verdict::Refuse;
        }
        let verdict = self.judge(peer, idle, now);
        if verdict != Verdict::Refuse {
            self.asking -= 1;
            self.enter(id, peer);
        }
        verdict
    }

    /// How many places one peer may have: all but an eighth; of few places, all.
    const fn share(&self) -> usize {
        self.most - self.most / FOR_OTHERS
    }

    /// A connection has ended.
    pub(crate) fn leave(&mut self, id: Id) {
        let Some(held) = self.held.remove(&id) else { return };
        self.hopeless = 0;
        match held.stands {
            Stands::Asks => self.asking -= 1,
            Stands::Has => self.one_less(held.peer),
            Stands::Leaves => self.leaving -= 1,
        }
    }

    /// How many connections there are.
    pub(crate) fn len(&self) -> usize {
        self.held.len()
    }

    fn of(&self, peer: Option<IpAddr>) -> usize {
        peer.and_then(|peer| self.peers.get(&peer)).copied().unwrap_or_default()
    }

    fn one_less(&mut self, peer: Option<IpAddr>) {
        let Some(peer) = peer else { return };
        if let Some(count) = self.peers.get_mut(&peer) {
            *count -= 1;
            if *count == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests;
