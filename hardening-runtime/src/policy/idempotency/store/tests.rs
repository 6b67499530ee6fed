use std::time::Duration;

use super::*;

const TTL: Nanos = 1_000;
const LEASE: Nanos = 300;

fn memory(max_keys: u32) -> Memory {
    let spec = IdempotentSpec {
        ttl: Duration::from_nanos(TTL),
        lease: Some(Duration::from_nanos(LEASE)),
        max_keys,
        ..IdempotentSpec::DEFAULT
    };
    Memory::new(&spec)
}

fn ticket(key: u128, fingerprint: u128) -> Ticket {
    Ticket::new(None, key, fingerprint)
}

fn run(begin: Begin) -> Claim {
    match begin {
        Begin::Run(claim) | Begin::TakeOver(claim) => claim,
        other => panic!("{other:?}"),
    }
}

#[test]
fn other_credentials_learn_nothing_and_run_nothing_whatever_became_of_the_key() {
    let memory = memory(100);
    let of = |shown: &str| {
        let digest = Credentials::of([shown]);
        let credentials = Some(super::super::Presented::new(move || digest));
        let request = crate::context::Request { credentials, ..crate::context::Request::default() };
        Ticket::new(Some(&request), 1, 7)
    };
    let is_foreign = |ticket, now| matches!(memory.begin(ticket, now, NEVER), Begin::Foreign);
    let claim = run(memory.begin(of("ann"), 0, NEVER));
    assert!(is_foreign(of("bob"), 1), "while it runs");
    drop(claim);
    assert!(is_foreign(of("bob"), 2) && is_foreign(ticket(1, 7), 2), "and when its owner went away");
    let claim = run(memory.begin(of("ann"), 3, NEVER));
    assert!(memory.complete(&claim, Stored::Done, 4));
    assert!(is_foreign(of("bob"), 5) && is_foreign(of("bob"), 4 + TTL - 1), "and once it is done");
    assert!(matches!(memory.begin(of("ann"), 5, NEVER), Begin::Replay(_)));
    run(memory.begin(of("bob"), 4 + TTL, NEVER));
}

#[test]
fn a_key_is_run_once_and_answered_again() {
    let memory = memory(100);
    let claim = run(memory.begin(ticket(1, 7), 0, NEVER));
    assert!(matches!(memory.begin(ticket(1, 7), 1, NEVER), Begin::Conflict(_)));
    assert!(matches!(memory.begin(ticket(1, 8), 1, NEVER), Begin::Mismatch));
    assert!(memory.complete(&claim, Stored::Success(b"a".to_vec()), 10));
    assert!(!memory.complete(&claim, Stored::Success(b"b".to_vec()), 10));
    assert!(
        matches!(memory.begin(ticket(1, 7), 10 + TTL - 1, NEVER), Begin::Replay(stored) if matches!(&*stored, Stored::Success(text) if text == b"a"))
    );
    assert!(matches!(memory.begin(ticket(1, 8), 10 + TTL - 1, NEVER), Begin::Mismatch));
    assert!(matches!(memory.begin(ticket(1, 8), 10 + TTL, NEVER), Begin::Run(_)));
}

#[test]
fn what_was_not_done_may_be_done_and_who_went_away_is_taken_over() {
    let memory = memory(100);
    let claim = run(memory.begin(ticket(1, 7), 0, NEVER));
    memory.release(&claim);
    drop(claim);
    let claim = run(memory.begin(ticket(1, 7), 0, NEVER));
    drop(claim);
    assert!(matches!(memory.begin(ticket(1, 8), 1, NEVER), Begin::Mismatch));
    assert!(matches!(memory.begin(ticket(1, 7), 1, NEVER), Begin::TakeOver(_)));
}

fn of(ip: &str, key: u128) -> Ticket {
    let client_ip = ip.parse().ok();
    Ticket::new(Some(&crate::context::Request { client_ip, ..crate::context::Request::default() }), key, 7)
}

#[test]
fn one_owner_takes_a_quarter_and_others_are_served() {
    let memory = memory(100_000);
    // All of one /48 is one owner.
    let ran = |n: u128| {
        matches!(memory.begin(of(&format!("2001:db8:7:{:x}::1", n % 65_536), n), 0, NEVER), Begin::Run(_))
    };
    let taken = (0..100_000).filter(|n| ran(*n)).count();
    assert!(taken.abs_diff(25_000) < 10, "{taken}");
    for n in 0..100 {
        run(memory.begin(of(&format!("192.0.2.{n}"), 1 << 64 | n), 0, NEVER));
    }
    assert_eq!(memory.shares.len(), 101);
    run(memory.begin(ticket(1 << 65, 7), 0, NEVER));
}

#[test]
fn ten_thousand_owners_leave_room_for_newcomers() {
    let memory = memory(100_000);
    let attacker = |n: u32| std::net::Ipv4Addr::from(0x0A00_0000 | n).to_string();
    for round in 0..20_u128 {
        for n in 0..10_000 {
            memory.begin(of(&attacker(n), round << 32 | u128::from(n)), 0, NEVER);
        }
    }
    let left = 100_000 - memory.held.load(Ordering::Relaxed);
    assert!((1_000..2_000).contains(&left), "{left}");
    for n in 0..100 {
        for round in 0..3 {
            run(memory.begin(of(&format!("192.0.2.{n}"), 1 << 64 | round << 32 | n), 0, NEVER));
        }
    }
}

#[test]
fn shares_are_given_back_with_what_they_were_taken_for() {
    let memory = Memory::new(&IdempotentSpec {
        max_bytes: Some(100_000),
        ttl: Duration::from_nanos(TTL),
        ..IdempotentSpec::DEFAULT
    });
    let answer = |bytes: usize| Stored::Success(vec![0; bytes]);
    let keep = |ip: &str, key, bytes: usize| {
        let claim = run(memory.begin(of(ip, key), 0, NEVER));
        let has = memory.has_room(&claim, &answer(bytes), 0);
        assert!(memory.complete(&claim, answer(bytes), 0));
        let kept = matches!(memory.begin(of(ip, key), 0, NEVER), Begin::Replay(_));
        assert_eq!(has, kept, "what is told is what is done");
        kept
    };
    assert!(keep("192.0.2.1", 1, 10_000) && keep("192.0.2.1", 2, 10_000));
    assert!(!keep("192.0.2.1", 3, 10_000), "beyond a quarter of all bytes");
    assert!(keep("192.0.2.2", 4, 10_000), "another owner has a share of its own");
    let claim = run(memory.begin(of("192.0.2.3", 5), 0, NEVER));
    memory.release(&claim);
    assert_eq!(memory.shares.len(), 2);
    // What is left of one is taken over by another.
    drop(run(memory.begin(of("192.0.2.4", 6), 0, NEVER)));
    assert!(matches!(memory.begin(of("192.0.2.5", 6), 0, NEVER), Begin::TakeOver(_)));
    assert_eq!(memory.shares.len(), 3);
    memory.forget(NEVER - 1);
    assert_eq!((memory.shares.len(), memory.bytes(), memory.held.load(Ordering::Relaxed)), (0, 0, 0));
}

#[test]
fn very_many_keys_are_not_looked_at_for_each_one_that_is_over() {
    let memory = memory(2_000);
    for at in 0..2_000 {
        drop(run(memory.begin(ticket(at, 7), at as Nanos, NEVER)));
    }
    let first = LEASE + TTL;
    run(memory.begin(ticket(1 << 64, 7), first, NEVER));
    // The next are over by now, and are found with all others a little later.
    assert!(matches!(memory.begin(ticket(2 << 64, 7), first + 5, NEVER), Begin::Full));
    run(memory.begin(ticket(2 << 64, 7), first + SWEEP_EVERY, NEVER));
    assert_eq!(memory.held.load(Ordering::Relaxed), 1);
}

#[test]
fn a_full_store_forgets_what_is_over_and_nothing_else() {
    // Wherever the keys fall, as many as are allowed are held and no more.
    for key in [|at: u128| at, |at| at << 124] {
        let memory = memory(10);
        let held: Vec<Claim> = (0..10).map(|at| run(memory.begin(ticket(key(at), 7), 0, NEVER))).collect();
        assert!(matches!(memory.begin(ticket(key(10), 7), 0, NEVER), Begin::Full));
        assert!(memory.complete(&held[0], Stored::Unkept, 0));
        assert!(matches!(memory.begin(ticket(key(10), 7), TTL - 1, NEVER), Begin::Full));
        let claim = run(memory.begin(ticket(key(10), 7), TTL, NEVER));
        assert!(matches!(memory.begin(ticket(key(11), 7), TTL, NEVER), Begin::Full));
        memory.release(&claim);
        assert!(matches!(memory.begin(ticket(key(11), 7), TTL, NEVER), Begin::Run(_)));
    }
}

#[test]
fn a_lease_lapses_unless_it_is_extended_and_what_is_left_of_it_is_told() {
    let memory = memory(100);
    let mut slow = run(memory.begin(ticket(1, 7), 0, NEVER));
    assert_eq!(slow.beat, LEASE / 3);
    assert!(matches!(memory.begin(ticket(1, 7), 100, NEVER), Begin::Conflict(200)));
    assert!(memory.extend(&mut slow, 100));
    assert_eq!(slow.beat, 100 + LEASE / 3);
    assert!(matches!(memory.begin(ticket(1, 7), LEASE, NEVER), Begin::Conflict(100)));
    // What lapsed may still be extended, as long as nobody has taken over.
    assert!(memory.extend(&mut slow, 500));
    assert!(matches!(memory.begin(ticket(1, 8), 500 + LEASE, NEVER), Begin::Mismatch));
    let Begin::TakeOver(mut next) = memory.begin(ticket(1, 7), 500 + LEASE, NEVER) else { panic!() };
    assert!(!memory.extend(&mut slow, 500 + LEASE));
    assert_eq!(memory.left(&slow, 600 + LEASE), LEASE - 100);
    assert!(!memory.complete(&slow, Stored::Unkept, 600 + LEASE));
    memory.release(&slow);
    assert!(memory.extend(&mut next, 600 + LEASE));
    assert!(memory.complete(&next, Stored::Done, 600 + LEASE));
    assert_eq!(memory.left(&slow, 600 + LEASE), 0);
}

#[test]
fn a_lease_outlasts_the_deadline_and_without_one_it_is_half_a_minute() {
    let second = 1_000_000_000;
    let memory = Memory::new(&IdempotentSpec::DEFAULT);
    let claims = [memory.begin(ticket(1, 7), second, 4 * second), memory.begin(ticket(2, 7), second, NEVER)];
    assert!(matches!(memory.begin(ticket(1, 7), second, NEVER), Begin::Conflict(left) if left == 5 * second));
    assert!(
        matches!(memory.begin(ticket(2, 7), second, NEVER), Begin::Conflict(left) if left == 30 * second)
    );
    drop(claims);
}

#[test]
fn another_lease_is_in_force_from_the_next_extension_on() {
    let memory = memory(100);
    let mut claim = run(memory.begin(ticket(1, 7), 0, NEVER));
    let lease = Some(Duration::from_nanos(60));
    memory.tune(&IdempotentSpec { lease, ..IdempotentSpec::DEFAULT });
    assert!(matches!(memory.begin(ticket(1, 7), 100, NEVER), Begin::Conflict(200)));
    assert!(memory.extend(&mut claim, 100));
    assert_eq!(claim.beat, 120);
    assert!(matches!(memory.begin(ticket(1, 7), 100, NEVER), Begin::Conflict(60)));
}

#[test]
fn i_57_what_went_away_unfinished_is_left_alone_where_that_is_asked_for() {
    let memory = memory(100);
    let on_takeover = OnTakeover::Conflict;
    memory.tune(&IdempotentSpec {
        on_takeover,
        ttl: Duration::from_nanos(TTL),
        lease: Some(Duration::from_nanos(LEASE)),
        ..IdempotentSpec::DEFAULT
    });
    drop(memory.begin(ticket(1, 7), 0, NEVER));
    assert!(
        matches!(memory.begin(ticket(1, 7), 10, NEVER), Begin::Unknown(left) if left == LEASE + TTL - 10)
    );
    let held_up = memory.begin(ticket(2, 7), 0, NEVER);
    assert!(matches!(memory.begin(ticket(2, 7), LEASE - 1, NEVER), Begin::Conflict(1)));
    assert!(matches!(memory.begin(ticket(2, 7), LEASE, NEVER), Begin::Unknown(TTL)));
    // Who was only held up may still finish.
    assert!(memory.complete(&run(held_up), Stored::Done, LEASE));
    assert!(matches!(memory.begin(ticket(2, 7), LEASE, NEVER), Begin::Replay(_)));
    // In the end it is forgotten, as an answer would be.
    assert!(matches!(memory.begin(ticket(1, 8), LEASE + TTL - 1, NEVER), Begin::Mismatch));
    assert!(matches!(memory.begin(ticket(1, 8), LEASE + TTL, NEVER), Begin::Run(_)));
}

#[test]
fn a_full_store_forgets_who_went_away_unfinished_in_the_end() {
    let memory = memory(1);
    drop(memory.begin(ticket(1, 7), 0, NEVER));
    assert!(matches!(memory.begin(ticket(2, 7), LEASE + TTL - 1, NEVER), Begin::Full));
    assert!(matches!(memory.begin(ticket(2, 7), LEASE + TTL, NEVER), Begin::Run(_)));
}

#[test]
fn a_lease_that_became_shorter_makes_room_earlier() {
    let spec = |lease| IdempotentSpec {
        ttl: Duration::from_nanos(TTL),
        lease: Some(Duration::from_nanos(lease)),
        max_keys: 1,
        ..IdempotentSpec::DEFAULT
    };
    let memory = Memory::new(&spec(1_000_000));
    let mut claim = run(memory.begin(ticket(1, 7), 0, NEVER));
    memory.tune(&spec(LEASE));
    assert!(matches!(memory.begin(ticket(2, 7), 1, NEVER), Begin::Full));
    assert!(memory.extend(&mut claim, 2));
    drop(claim);
    assert!(matches!(memory.begin(ticket(2, 7), 1 + LEASE + TTL, NEVER), Begin::Full));
    assert!(matches!(memory.begin(ticket(2, 7), 2 + LEASE + TTL, NEVER), Begin::Run(_)));
}

/// A worker as the model sees it.
struct Worker {
    claim: Claim,
    until: Nanos,
    key: u128,
}

/// Workers that begin, give signs of life, stall, finish, go away and come back late, in every order that a generator
/// thinks of. A worker that is stalled keeps its claim and tries again with it whenever it likes.
#[test]
fn i_54_one_completion_for_each_run_of_a_key_and_i_55_one_owner_within_a_lease() {
    let mut seen = [0; 6];
    for seed in 0..500 {
        let mut random = fastrand::Rng::with_seed(seed);
        let memory = memory(100);
        let mut workers: Vec<Worker> = Vec::new();
        // Of each key: who may complete it, by the position in which its worker began, and until when it is done.
        let (mut owners, mut done) = ([None::<u64>; 2], [None::<Nanos>; 2]);
        let mut now = 0;
        for _ in 0..300 {
            now += random.u64(0..LEASE / 4);
            let key = random.u128(0..2);
            let at = key as usize;
            let any = random.usize(..workers.len().max(1));
            match random.u8(0..8) {
                0..=2 => {
                    let alive =
                        |worker: &Worker| Some(worker.claim.fence) == owners[at] && now < worker.until;
                    let held = workers.iter().any(alive);
                    let answered = done[at].is_some_and(|until| now < until);
                    match memory.begin(ticket(key, 7), now, NEVER) {
                        begin @ (Begin::Run(_) | Begin::TakeOver(_)) => {
                            assert!(!held, "two owners within one lease");
                            assert!(!answered, "run again though it was answered");
                            seen[usize::from(matches!(begin, Begin::TakeOver(_)))] += 1;
                            let claim = run(begin);
                            (owners[at], done[at]) = (Some(claim.fence), None);
                            workers.push(Worker { claim, until: now + LEASE, key });
                        }
                        Begin::Replay(_) => assert!(answered),
                        Begin::Conflict(left) => {
                            assert!(held);
                            assert!(workers.iter().any(|worker| alive(worker) && worker.until == now + left));
                            seen[2] += 1;
                        }
                        other => panic!("{other:?}"),
                    }
                }
                3 | 4 if !workers.is_empty() => {
                    let Worker { claim, until, key } = &mut workers[any];
                    let extended = memory.extend(claim, now);
                    assert_eq!(extended, owners[*key as usize] == Some(claim.fence), "a stale fence extends");
                    if extended {
                        *until = now + LEASE;
                    } else {
                        seen[3] += 1;
                    }
                }
                5 if !workers.is_empty() => {
                    // A claim that is finished may be tried again: it changes nothing.
                    let Worker { claim, key, .. } = &workers[any];
                    let completed = memory.complete(claim, Stored::Success(Vec::new()), now);
                    assert_eq!(
                        completed,
                        owners[*key as usize] == Some(claim.fence),
                        "a stale fence completes"
                    );
                    if completed {
                        (owners[*key as usize], done[*key as usize]) = (None, Some(now + TTL));
                        seen[4] += 1;
                    }
                }
                6 if !workers.is_empty() => {
                    let Worker { claim, key, .. } = &workers[any];
                    memory.release(claim);
                    if owners[*key as usize] == Some(claim.fence) {
                        owners[*key as usize] = None;
                        seen[5] += 1;
                    }
                }
                7 if !workers.is_empty() => {
                    let gone = workers.swap_remove(any);
                    if owners[gone.key as usize] == Some(gone.claim.fence) {
                        owners[gone.key as usize] = None;
                    }
                }
                _ => {}
            }
        }
    }
    assert!(seen.iter().all(|times| *times > 100), "{seen:?}: each of them was tried");
}
