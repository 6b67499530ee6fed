//! Who has a place when there are more connections than places. It knows no socket; the listener asks it.
//!
//! A newcomer takes a free place. When none is free, a connection gives way that no handler works for: first one of a network that
//! has more than an eighth of the places and far more than the newcomer's, whether anything passes on it or not; then one that
//! is kept between requests, the longest idle of the peer that has most; one that has long been sending a head; one whose answer
//! has begun, of a network with far more; and at last any of which nothing has come or gone for long. So nobody keeps all places
//! with streams, be they silent or not. Else a peer never takes a place from one that has fewer, and none ever has all of them:
//! an eighth is left to others. Whoever finds no place is refused at once.
//!
//! Where a proxy must first say for whom it connects, a connection asks until then: it has no place, takes none from anybody,
//! and few may ask at once when all places are taken.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::wire::Waiting;
use crate::clock::{Nanos, nanos};

/// One in so many places is for peers that do not have nearly all of the others.
const FOR_OTHERS: usize = 8;
/// So many connections, and as many again as an eighth, may be on their way out at once.
const LEAVING: usize = 8;
/// A head that has been on its way for so long may give way.
const LONG: Nanos = 1_000_000_000;
/// A network that has more than so many times the places that a newcomer's would have gives some of them up, whatever is said there.
const FAR_MORE: usize = 2;

/// Whether somebody with so many has to give one up to somebody with fewer.
pub(super) const fn is_far_more(theirs: usize, has: usize) -> bool {
    theirs > FAR_MORE * (has + 1)
}
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
    /// The same of networks.
    networks: HashMap<IpAddr, usize>,
    /// Connections that give way and have not ended yet.
    leaving: usize,
    /// Connections of which it is not known yet whose they are.
    asking: usize,
    /// Until when nobody is looked for, for whoever has as many places as somebody for whom there was none.
    hopeless: (Nanos, Has),
}

#[derive(Clone, Copy, Debug)]
struct Held {
    peer: Option<IpAddr>,
    stands: Stands,
}

/// How many places a newcomer's peer has, and its network.
#[derive(Clone, Copy, Debug, Default)]
struct Has {
    peer: usize,
    network: usize,
}

/// How much a connection should give way: the greater, the sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Claim {
    rank: u8,
    /// Places of its peer, or of its network.
    count: usize,
    /// What it waits for.
    kind: u8,
    waits: Nanos,
    /// Others of it may give way at once: its network has far more than the newcomer's, or nobody knows whose it is.
    spares: bool,
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
            networks: HashMap::new(),
            leaving: 0,
            asking: 0,
            hopeless: (0, Has::default()),
        }
    }

    /// What becomes of a newcomer of this peer; `None` for one behind a proxy, which is a peer of its own.
    pub(crate) fn judge(
        &mut self,
        peer: Option<IpAddr>,
        idle: impl Fn(Id) -> Idle,
        now: Nanos,
    ) -> Verdict<Id> {
        let has = Has { peer: self.of(peer), network: self.of_network(peer) };
        let free = self.held.len() - self.leaving - self.asking < self.most;
        if free && (has.peer < self.share() || peer.is_none()) {
            return Verdict::Enter;
        }
        // Those that give way still have a socket each.
        if self.leaving > leaving(self.most) {
            return Verdict::Refuse;
        }
        let (until, had) = self.hopeless;
        if now < until && has.peer >= had.peer && has.network >= had.network {
            return Verdict::Refuse;
        }
        let mut may = self.who_may_give_way(has, idle, now);
        if may.is_empty() {
            self.hopeless = (now.saturating_add(BELIEVED), has);
            return Verdict::Refuse;
        }
        // More than one only of those who can spare them: whoever comes next could take what others lose.
        let over = may.iter().filter(|(claim, _)| claim.spares).count();
        let count = (over / OF_THOSE).clamp(1, AT_ONCE);
        may.select_nth_unstable_by(count - 1, |(a, _), (b, _)| b.cmp(a));
        may.truncate(count);
        let mut chosen: Vec<Id> = may.iter().filter(|(claim, _)| claim.spares).map(|(_, id)| *id).collect();
        if chosen.is_empty() {
            let first = may.iter().max_by(|(a, _), (b, _)| a.cmp(b));
            chosen.extend(first.map(|(_, id)| *id));
        }
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

    /// Those that may give way to a peer that has so many places, with how much they should.
    fn who_may_give_way(&self, has: Has, idle: impl Fn(Id) -> Idle, now: Nanos) -> Vec<(Claim, Id)> {
        let held = self.held.iter().filter(|(_, held)| held.stands == Stands::Has);
        held.filter_map(|(id, held)| {
            let theirs = self.of(held.peer).max(1);
            let networks = self.of_network(held.peer);
            let over = is_far_more(networks, has.network);
            let (waiting, since) = idle(*id)?;
            let waits = now.saturating_sub(since);
            // What others would lose, it would take as soon as a place is free.
            let large = over && networks > self.most / FOR_OTHERS;
            let (kind, after) = match waiting {
                Waiting::Next => (2, 0),
                Waiting::First | Waiting::Head => (1, LONG),
                Waiting::More => (0, if over { 0 } else { self.quiet }),
            };
            let rank = match waiting {
                _ if large => 3,
                Waiting::Next | Waiting::First | Waiting::Head => 2,
                Waiting::More => u8::from(over),
            };
            let count = if large || rank == 1 { networks } else { theirs };
            let may = over || theirs >= has.peer;
            let spares = over || held.peer.is_none();
            (may && waits >= after).then_some((Claim { rank, count, kind, waits, spares }, *id))
        })
        .collect()
    }

    /// A connection has a place now.
    pub(crate) fn enter(&mut self, id: Id, peer: Option<IpAddr>) {
        self.held.insert(id, Held { peer, stands: Stands::Has });
        if let Some(peer) = peer {
            *self.peers.entry(peer).or_default() += 1;
            *self.networks.entry(network(peer)).or_default() += 1;
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
        self.hopeless.0 = 0;
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

    fn of_network(&self, peer: Option<IpAddr>) -> usize {
        peer.and_then(|peer| self.networks.get(&network(peer))).copied().unwrap_or_default()
    }

    fn one_less(&mut self, peer: Option<IpAddr>) {
        let Some(peer) = peer else { return };
        one_less(&mut self.peers, peer);
        one_less(&mut self.networks, network(peer));
    }
}

/// Takes one away, and what has none left.
pub(super) fn one_less(counts: &mut HashMap<IpAddr, usize>, of: IpAddr) {
    if let Some(count) = counts.get_mut(&of) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&of);
        }
    }
}

/// Those who can be one: a /48 of IPv6, which one customer may have.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !(u128::MAX >> 48)).into(),
    }
}

#[cfg(test)]
mod tests;
