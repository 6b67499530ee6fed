//! Who has a place when there are more connections than places. It knows no socket; the listener asks it.
//!
//! A newcomer takes a free place. When none is free, a connection that answers nothing gives way: of the peer that has most of
//! them, first one that is kept between requests, the longest idle, then one that has long been sending a head. A peer never
//! takes a place from one that has fewer, and never has all of them: an eighth is left to others. Whoever finds no place is
//! refused at once.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use super::wire::Waiting;
use crate::clock::Nanos;

/// One in so many places is for peers that do not have nearly all of the others.
const FOR_OTHERS: usize = 8;
/// So many connections, and as many again as an eighth, may be on their way out at once.
const LEAVING: usize = 8;
/// A head that has been on its way for so long may give way.
const LONG: Nanos = 1_000_000_000;
/// At most so many connections give way at once, and at most one in so many of those that may: looking at all of them is work.
const AT_ONCE: usize = 32;
const OF_THOSE: usize = 8;
/// How long a look that found nobody is believed.
const BELIEVED: Nanos = 10_000_000;

/// What a connection waits for and since when; `None` while it answers.
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
    held: HashMap<Id, Held>,
    /// How many places each peer has; who stands behind a proxy is not one of them.
    peers: HashMap<IpAddr, usize>,
    /// Connections that give way and have not ended yet.
    leaving: usize,
    /// Until when nobody who answers nothing is looked for.
    hopeless: Nanos,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    peer: Option<IpAddr>,
    leaving: bool,
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
    pub(crate) fn new(most: u32) -> Self {
        Self { most: most as usize, held: HashMap::new(), peers: HashMap::new(), leaving: 0, hopeless: 0 }
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
        if self.held.len() - self.leaving < self.most && (has < share || peer.is_none()) {
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
                held.leaving = true;
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
    ) -> Vec<((usize, bool, Nanos), Id)> {
        let held = self.held.iter().filter(|(_, held)| !held.leaving);
        held.filter_map(|(id, held)| {
            let theirs = self.of(held.peer).max(1);
            let (waiting, since) = idle(*id)?;
            let kept = waiting == Waiting::Next;
            let waits = now.saturating_sub(since);
            (theirs >= has && (kept || waits >= LONG)).then_some(((theirs, kept, waits), *id))
        })
        .collect()
    }

    /// A connection has a place now.
    pub(crate) fn enter(&mut self, id: Id, peer: Option<IpAddr>) {
        self.held.insert(id, Held { peer, leaving: false });
        if let Some(peer) = peer {
            *self.peers.entry(peer).or_default() += 1;
        }
    }

    /// A proxy says that the connection is this peer's. Answers whether it keeps its place: not beyond its peer's share.
    pub(crate) fn introduce(&mut self, id: Id, peer: Option<IpAddr>) -> bool {
        let share = self.share();
        let Some(held) = self.held.get_mut(&id).filter(|held| !held.leaving) else { return false };
        let before = std::mem::replace(&mut held.peer, peer);
        self.one_less(before);
        let Some(peer) = peer else { return true };
        let has = self.peers.entry(peer).or_default();
        *has += 1;
        *has <= share
    }

    /// How many places one peer may have: all but an eighth; of few places, all.
    const fn share(&self) -> usize {
        self.most - self.most / FOR_OTHERS
    }

    /// A connection has ended.
    pub(crate) fn leave(&mut self, id: Id) {
        let Some(held) = self.held.remove(&id) else { return };
        self.hopeless = 0;
        if held.leaving {
            self.leaving -= 1;
        } else {
            self.one_less(held.peer);
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
mod tests {
    use super::*;

    const S: Nanos = 1_000_000_000;

    /// Connections by number, and what each waits for.
    struct Story {
        places: Places<u32>,
        idle: HashMap<u32, Idle>,
        next: u32,
    }

    impl Story {
        fn new(most: u32) -> Self {
            Self { places: Places::new(most), idle: HashMap::new(), next: 0 }
        }

        /// A newcomer that waits for this if it is let in; answers who gave way, or that it was refused.
        fn comes(&mut self, peer: Option<u8>, idle: Idle, now: Nanos) -> Result<Vec<u32>, ()> {
            let peer = peer.map(|last| IpAddr::from([192, 0, 2, last]));
            let verdict = self.places.judge(peer, |id| self.idle[&id], now);
            let mut gone = match verdict {
                Verdict::Enter => Vec::new(),
                Verdict::Displace(gone) => gone,
                Verdict::Refuse => return Err(()),
            };
            gone.sort_unstable();
            for id in &gone {
                self.places.leave(*id);
            }
            self.places.enter(self.next, peer);
            self.idle.insert(self.next, idle);
            self.next += 1;
            Ok(gone)
        }

        fn of(&self, peer: u8) -> usize {
            self.places.of(Some(IpAddr::from([192, 0, 2, peer])))
        }
    }

    #[test]
    fn the_longest_idle_of_the_peer_that_has_most_gives_way() {
        let mut story = Story::new(7);
        // Numbers 0 to 3 of one peer, 4 and 5 of another, which are idle for longer, and 6 of a third.
        for since in [4 * S, 3 * S, 5 * S, 6 * S] {
            story.comes(Some(1), Some((Waiting::Next, since)), 7 * S).unwrap();
        }
        for _ in 0..2 {
            story.comes(Some(2), Some((Waiting::Next, S)), 7 * S).unwrap();
        }
        story.comes(Some(3), Some((Waiting::Next, S)), 7 * S).unwrap();
        assert_eq!(story.comes(Some(4), None, 8 * S), Ok(vec![1]));
        assert_eq!(story.comes(Some(4), None, 8 * S), Ok(vec![0]));
        // Three have two each: the longest idle of them all, but none of a peer that has fewer.
        assert_eq!(story.comes(Some(5), None, 8 * S).map(|gone| gone[0] == 4 || gone[0] == 5), Ok(true));
        assert_eq!(story.comes(Some(1), None, 8 * S), Ok(vec![2]), "its own");
    }

    #[test]
    fn who_answers_never_gives_way() {
        let mut story = Story::new(4);
        for peer in [1, 1, 2, 3] {
            story.comes(Some(peer), None, S).unwrap();
        }
        assert_eq!(story.comes(Some(4), None, 100 * S), Err(()));
        assert_eq!(story.comes(None, None, 200 * S), Err(()));
        story.places.leave(0);
        assert_eq!(story.comes(Some(4), None, 200 * S), Ok(vec![]), "a place that is free again is free");
    }

    #[test]
    fn one_peer_never_has_all_places() {
        let mut story = Story::new(80);
        let mut entered = 0;
        for now in 0..1000 {
            entered += u32::from(story.comes(Some(1), None, now * S).is_ok());
        }
        assert_eq!(entered, 70);
        for peer in 2..12 {
            assert_eq!(story.comes(Some(peer), None, S), Ok(vec![]), "{peer}");
        }
        assert_eq!(story.comes(Some(12), None, S), Err(()));
    }

    #[test]
    fn slow_heads_of_a_peer_that_has_many_give_way_to_others() {
        let mut story = Story::new(80);
        for _ in 0..80 {
            let _ = story.comes(Some(1), Some((Waiting::Head, S)), S);
        }
        for peer in 2..12 {
            story.comes(Some(peer), Some((Waiting::First, S)), S).unwrap();
        }
        assert_eq!(story.comes(Some(20), None, S + S / 2), Err(()), "a head may take a moment");
        for peer in 20..60 {
            let gone = story.comes(Some(peer), None, 3 * S).unwrap();
            assert!(gone.iter().all(|id| *id < 70), "{gone:?}");
        }
        assert!(story.of(1) < 40, "{}", story.of(1));
        assert_eq!(story.of(5), 1);
    }

    #[test]
    fn whoever_comes_through_a_proxy_is_one_peer_each() {
        let mut story = Story::new(16);
        for since in 1..=12 {
            story.comes(None, Some((Waiting::Next, since * S)), 20 * S).unwrap();
        }
        for _ in 0..4 {
            story.comes(Some(1), Some((Waiting::Next, 13 * S)), 20 * S).unwrap();
        }
        // Of those behind the proxy none has more than one, so the one that has four gives way.
        assert_eq!(story.comes(None, None, 20 * S).unwrap().first().map(|id| *id >= 12), Some(true));
        // And all places may be theirs.
        let mut story = Story::new(16);
        for since in 1..=16 {
            story.comes(None, Some((Waiting::Next, since * S)), 20 * S).unwrap();
        }
        assert_eq!(story.comes(None, None, 20 * S), Ok(vec![0, 1]), "the longest idle of all");
    }

    #[test]
    fn whom_a_proxy_introduces_has_the_share_of_one_peer() {
        let mut places = Places::new(16);
        let peer = |last| Some(IpAddr::from([203, 0, 113, last]));
        let mut kept = 0;
        for id in 0..200 {
            if places.judge(None, |_| None, S) == Verdict::Enter {
                places.enter(id, None);
                if places.introduce(id, peer(1)) {
                    kept += 1;
                } else {
                    places.leave(id);
                }
            }
        }
        assert_eq!((kept, places.of(peer(1))), (14, 14), "all but an eighth");
        places.enter(200, None);
        assert!(
            places.introduce(200, peer(2)) && places.introduce(200, None),
            "the proxy itself has no share"
        );
        // Its idle connections give way first, since it has most.
        places.enter(201, None);
        let Verdict::Displace(gone) = places.judge(None, |id| Some((Waiting::Next, id)), 300) else {
            panic!()
        };
        assert!(gone.iter().all(|id| *id < 200), "{gone:?}");
        assert!(!places.introduce(gone[0], peer(1)), "it is on its way out");
    }

    #[test]
    fn a_crowd_of_strangers_costs_the_idle_their_places_and_no_other() {
        let mut story = Story::new(100);
        for peer in 0..100 {
            let idle = (peer % 2 == 0).then_some((Waiting::Next, S + u64::from(peer)));
            story.comes(Some(peer), idle, S).unwrap();
        }
        let mut entered = 0;
        for peer in 100..250 {
            entered += usize::from(story.comes(Some(peer), None, 2 * S).is_ok());
        }
        assert_eq!(entered, 50, "as many as were idle");
        assert!((1..100).step_by(2).all(|peer| story.of(peer) == 1));
    }

    #[test]
    fn those_that_give_way_are_counted_until_they_have_ended() {
        let mut places = Places::new(8);
        for id in 0..8 {
            places.enter(id, None);
        }
        let idle = |_| Some((Waiting::Next, 0));
        for n in 0..10 {
            let Verdict::Displace(gone) = places.judge(None, idle, S) else { panic!("{n}") };
            assert!(!gone.is_empty());
            places.enter(100 + n, None);
        }
        assert_eq!(places.judge(None, idle, S), Verdict::Refuse, "too many are still on their way out");
        assert_eq!(places.len(), 18);
    }
}
