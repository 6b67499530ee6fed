use super::*;

const S: Nanos = 1_000_000_000;
const QUIET: Duration = Duration::from_mins(1);

/// Connections by number, and what each waits for.
struct Story {
    places: Places<u32>,
    idle: HashMap<u32, Idle>,
    next: u32,
}

impl Story {
    fn new(most: u32) -> Self {
        Self { places: Places::new(most, QUIET), idle: HashMap::new(), next: 0 }
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
fn an_answer_of_which_nothing_passes_gives_way_after_those_that_wait_for_a_request() {
    let mut story = Story::new(4);
    for (peer, idle) in [
        (1, (Waiting::More, S)),
        (1, (Waiting::Next, 30 * S)),
        (2, (Waiting::More, 2 * S)),
        (3, (Waiting::More, 3 * S)),
    ] {
        story.comes(Some(peer), Some(idle), S).unwrap();
    }
    assert_eq!(story.comes(Some(4), None, 31 * S), Ok(vec![1]), "the one without an answer");
    assert_eq!(story.comes(Some(5), None, 60 * S), Err(()), "something has passed within the time");
    assert_eq!(story.comes(Some(5), None, 61 * S), Ok(vec![0]));
    assert_eq!(story.comes(Some(6), None, 61 * S), Err(()));
    assert_eq!(story.comes(Some(6), None, 63 * S), Ok(vec![2]), "the one that is quiet for longest");
}

#[test]
fn streams_of_few_peers_keep_no_places_from_others_whatever_is_said_on_them() {
    // Four peers with a quarter each, on whose streams something passes all the time.
    let mut story = Story::new(40);
    for peer in (0..40).map(|n| n % 4) {
        story.comes(Some(peer), Some((Waiting::More, S)), S).unwrap();
    }
    for newcomer in 0..20 {
        assert!(story.comes(Some(100 + newcomer), None, S).is_ok(), "{newcomer}");
    }
    assert!((0..4).all(|peer| story.of(peer) >= 2), "they keep some");
    // Nobody has far more than a newcomer would have.
    let mut equal = Story::new(40);
    for peer in (0..40).map(|n| n % 20) {
        equal.comes(Some(peer), Some((Waiting::More, S)), S).unwrap();
    }
    assert_eq!(equal.comes(Some(100), None, S), Err(()));
    assert_eq!(equal.comes(Some(3), None, 2 * S), Err(()));
}

#[test]
fn streams_of_one_network_are_those_of_one_however_many_peers_they_have() {
    let of = |network: u16, peer: u16| Some(IpAddr::from([0x2001, 0xdb8, network, peer, 0, 0, 0, 0]));
    let mut places = Places::new(40, QUIET);
    for id in 0..40_u16 {
        places.enter(id, of(1, id));
    }
    let speaks = |_| Some((Waiting::More, S));
    for network in 2..20 {
        match places.judge(of(network, 1), speaks, S) {
            Verdict::Enter => {}
            Verdict::Displace(gone) => gone.into_iter().for_each(|id| places.leave(id)),
            Verdict::Refuse => panic!("{network}"),
        }
        places.enter(100 + network, of(network, 1));
    }
    assert_eq!(places.judge(of(1, 99), speaks, S), Verdict::Refuse, "it has more than its part");
}

#[test]
fn those_who_have_few_lose_one_place_for_each_newcomer_and_no_more() {
    // Thirty with one idle connection each, and one who waits for what they lose.
    let mut story = Story::new(40);
    for peer in 0..30 {
        story.comes(Some(peer), Some((Waiting::Next, S)), S).unwrap();
    }
    for _ in 0..10 {
        story.comes(Some(200), Some((Waiting::More, S)), S).unwrap();
    }
    for _ in 0..20 {
        let _ = story.comes(Some(201), None, 2 * S);
        let _ = story.comes(Some(200), None, 2 * S);
    }
    assert!((0..30).filter(|peer| story.of(*peer) == 1).count() >= 28);
}

#[test]
fn that_there_was_nobody_for_one_who_has_many_says_nothing_for_others() {
    let mut story = Story::new(8);
    for peer in 0..6 {
        story.comes(Some(peer), Some((Waiting::Next, S)), S).unwrap();
    }
    for _ in 0..2 {
        story.comes(Some(200), None, S).unwrap();
    }
    assert_eq!(story.comes(Some(200), None, S), Err(()), "it has more than each of them");
    assert!(story.comes(Some(201), None, S).is_ok(), "at the same moment");
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

/// A connection asks, and a proxy says that it is this peer's.
fn introduced(places: &mut Places<u32>, id: u32, peer: u8, idle: impl Fn(u32) -> Idle) -> Verdict<u32> {
    places.asks(id);
    places.introduce(id, Some(IpAddr::from([203, 0, 113, peer])), idle, 300 * S)
}

#[test]
fn whom_a_proxy_introduces_has_the_share_of_one_peer() {
    let mut places = Places::new(16, QUIET);
    let peer = |last| Some(IpAddr::from([203, 0, 113, last]));
    let mut kept = 0;
    for id in 0..200 {
        match introduced(&mut places, id, 1, |_| None) {
            Verdict::Enter => kept += 1,
            Verdict::Refuse => places.leave(id),
            Verdict::Displace(gone) => panic!("{gone:?}"),
        }
    }
    assert_eq!((kept, places.of(peer(1))), (14, 14), "all but an eighth");
    assert_eq!(introduced(&mut places, 200, 2, |_| None), Verdict::Enter);
    assert_eq!(introduced(&mut places, 201, 3, |_| None), Verdict::Enter);
    assert_eq!(places.introduce(201, peer(2), |_| None, 300 * S), Verdict::Refuse, "it has its name");
    // Idle connections of the one that has most give way first.
    let Verdict::Displace(gone) = introduced(&mut places, 202, 4, |id| Some((Waiting::Next, id.into())))
    else {
        panic!()
    };
    assert!(gone.iter().all(|id| *id < 200), "{gone:?}");
    assert_eq!(places.of(peer(4)), 1);
}

#[test]
fn who_is_over_its_share_behind_a_proxy_takes_no_place_of_others() {
    let idle_of_others = |id: u32| (id >= 14).then_some((Waiting::Next, 0));
    let mut places = Places::new(16, QUIET);
    for (id, peer) in (0..14).map(|id| (id, 1)).chain([(14, 2), (15, 3)]) {
        assert_eq!(introduced(&mut places, id, peer, |_| None), Verdict::Enter);
    }
    assert_eq!(introduced(&mut places, 16, 1, idle_of_others), Verdict::Refuse);
    places.leave(16);
    let own = |id: u32| (id == 3 || id >= 14).then_some((Waiting::Next, 0));
    assert_eq!(introduced(&mut places, 17, 1, own), Verdict::Displace(vec![3]), "one of its own");
}

#[test]
fn those_that_ask_have_no_place_and_are_few_beyond_them() {
    let mut places = Places::new(16, QUIET);
    let mut asked = 0;
    while places.may_ask() {
        places.asks(asked);
        asked += 1;
    }
    assert_eq!(asked, 16 + 10, "an eighth, and eight");
    // All of them have been silent for long, and none gives way: none has a place.
    let silent = |_| Some((Waiting::First, 0));
    let peer = |id: u32| Some(IpAddr::from([203, 0, 113, id as u8]));
    for id in 0..16 {
        assert_eq!(places.introduce(id, peer(id), silent, S / 2), Verdict::Enter, "{id}");
    }
    assert_eq!(places.introduce(16, peer(16), silent, S / 2), Verdict::Refuse, "all have one");
    for id in 0..26 {
        places.leave(id);
    }
    assert_eq!((places.len(), places.asking, places.leaving, places.may_ask()), (0, 0, 0, true));
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
    let mut places = Places::new(8, QUIET);
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

#[test]
fn slow_heads_of_a_large_peer_go_before_kept_connections_of_small_ones() {
    let mut story = Story::new(40);
    for _ in 0..35 {
        story.comes(Some(1), Some((Waiting::Head, S)), S).unwrap();
    }
    for peer in 2..30 {
        let gone = story.comes(Some(peer), Some((Waiting::Next, 3 * S)), 3 * S).unwrap();
        assert!(gone.iter().all(|id| *id < 35), "{peer}: {gone:?}");
    }
}
