//! Random arrivals, departures and changes of numbers, against what must hold whatever happens.

use super::super::calendar::Calendar;
use super::super::reservation::ASIDE;
use super::*;

const MILLI: Nanos = 1_000_000;

/// So late may callers be.
const LATE: Nanos = 7;

/// A charge of the future.
struct Plain {
    turn: Nanos,
    cost: u32,
    number: u32,
    begins_at: Nanos,
    claimed: bool,
}

/// The calendar against a list that is run through from its beginning for each question.
#[test]
fn a_calendar_is_a_list_of_charges_that_all_conform() {
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let burst = random.u32(1..8);
        let gcra = Gcra::new(Rate::new(1, Duration::from_nanos(random.u64(1..10))), burst);
        let mut calendar = Calendar::new(random.u64(..20));
        let mut plain: Vec<Plain> = Vec::new();
        let (mut tat, mut now) = (calendar.tat(), 0);
        for number in 0..120 {
            now += random.u64(..4) * u64::from(random.u8(..3) == 0);
            plain.sort_by_key(|one| one.turn);
            for one in plain.iter_mut().filter(|one| one.turn <= now && one.begins_at <= now && !one.claimed)
            {
                one.claimed = calendar.claim(&gcra, one.turn, |who| *who == one.number);
            }
            calendar.fold(&gcra, now);
            while let Some(first) = plain.first()
                && first.turn <= now
                && (first.claimed || now >= first.turn + LATE)
            {
                let first = plain.remove(0);
                tat = if first.claimed { tat.max(first.turn) + gcra.charge(first.cost) } else { tat };
            }
            assert_eq!(calendar.tat(), tat, "seed {seed}");
            // Whether what comes at that moment or later conforms, and nothing before is changed.
            let conforms = |at: Nanos, cost: u32| {
                let mut all: Vec<_> = plain.iter().map(|one| (one.turn, one.cost)).collect();
                all.push((at, cost));
                all.sort_unstable();
                let mut tat = tat;
                all.iter().all(|(turn, cost)| {
                    tat = tat.max(*turn) + gcra.charge(*cost);
                    *turn < at || tat - turn <= gcra.tolerance
                })
            };
            match random.u8(..4) {
                0 if !plain.is_empty() => {
                    let at = random.usize(..plain.len());
                    if plain[at].claimed {
                        continue;
                    }
                    let Plain { turn, number: gone, .. } = plain.remove(at);
                    assert!(calendar.remove(&gcra, turn, |who| *who == gone));
                    assert!(!calendar.remove(&gcra, turn, |who| *who == gone));
                    assert!(!calendar.claim(&gcra, turn, |who| *who == gone));
                }
                _ => {
                    let (cost, from) =
                        (random.u32(0..=burst + 1), now + random.u64(..30) * u64::from(random.bool()));
                    let found = calendar.earliest(&gcra, cost, from);
                    if cost > burst {
                        assert_eq!(found, None);
                        continue;
                    }
                    let exact = (from..from + 10_000).find(|at| conforms(*at, cost)).unwrap();
                    assert_eq!(found, Some(exact), "seed {seed}, {number}: {cost} from {from}, {calendar:?}");
                    let last = calendar.at_the_end(&gcra, cost, from).unwrap();
                    assert!(conforms(last, cost) && plain.iter().all(|one| one.turn <= last));
                    if exact == now && cost > 0 {
                        let left = (0..=burst).rev().find(|cost| conforms(now, *cost)).unwrap();
                        // Turns that were not claimed yet are taken for charges that come now.
                        let told = calendar.remaining(&gcra, now);
                        let exactly = plain.iter().all(|one| one.turn > now);
                        assert!(told <= left && (told == left || !exactly), "seed {seed}: {told} of {left}");
                        calendar.pass(&gcra, cost, now);
                        plain.push(Plain { turn: now, cost, number, begins_at: now, claimed: true });
                    } else if exact > now {
                        calendar.insert(&gcra, exact, exact + LATE, cost, number);
                        // Some begin on time, some late, some too late.
                        let begins_at = exact + random.u64(..2 * LATE) * u64::from(random.bool());
                        plain.push(Plain { turn: exact, cost, number, begins_at, claimed: false });
                    }
                }
            }
        }
    }
}

#[test]
fn a_calendar_counts_from_a_turn_that_it_is_asked_for() {
    let gcra = Gcra::new(Rate::new(1, Duration::from_nanos(10)), 1);
    let mut calendar = Calendar::new(20);
    for (who, turn) in [20, 30, 40].into_iter().enumerate() {
        calendar.insert(&gcra, turn, turn + LATE, 1, who);
    }
    assert_eq!(calendar.from(30).collect::<Vec<_>>(), [&1, &2]);
    assert_eq!([0, 1, 2, 3].map(|places| calendar.ahead(40, places)), [40, 30, 20, 0]);
    assert_eq!([20, 21, 40, 50].map(|turn| calendar.lapses_before(turn)), [0, 27, 37, 47]);
    assert_eq!([20, 30].map(|from| calendar.between(from, 40)), [2, 1]);
    assert_eq!(calendar.between(20, 50), 3);
}

#[test]
fn what_is_given_back_before_others_is_free_at_once() {
    let gcra = Gcra::new(Rate::new(1, Duration::from_nanos(10)), 1);
    let mut calendar = Calendar::new(20);
    calendar.fold(&gcra, 10);
    calendar.insert(&gcra, 20, 20 + LATE, 1, ());
    assert_eq!(calendar.earliest(&gcra, 1, 10), Some(30));
    calendar.refund(&gcra, 1);
    assert_eq!((calendar.remaining(&gcra, 10), calendar.earliest(&gcra, 1, 10)), (1, Some(10)));
}

/// One caller: when it looks again, and what it is charged.
struct Waiting {
    turn: Reservation,
    again: Nanos,
    limits: Vec<(usize, Charge)>,
    polls: Polls,
}

/// How its caller is polled.
#[derive(Clone, Copy, PartialEq)]
enum Polls {
    InTime,
    /// When it has lost its turn.
    TooLate,
    Never,
}

/// What passed a lane: the moments and costs.
type Passed = Vec<((usize, u64), Nanos, u32)>;

struct Crowd {
    limits: Vec<(&'static Limiter, RateLimitSpec)>,
    waiting: Vec<Waiting>,
    passed: Passed,
    without_a_turn: u32,
}

impl Crowd {
    fn pass(&mut self, limits: &[(usize, Charge)], now: Nanos) {
        for (at, charge) in limits {
            let key = if self.limits[*at].1.keyed { charge.key } else { 0 };
            self.passed.push(((*at, key), now, charge.cost));
        }
    }

    fn arrive(&mut self, random: &mut fastrand::Rng, now: Nanos) {
        let key = random.u64(..4);
        let mut limits: Vec<_> = (0..self.limits.len()).filter(|_| random.u8(..3) > 0).collect();
        random.shuffle(&mut limits);
        let limits: Vec<_> =
            limits.into_iter().map(|at| (at, Charge { key, cost: random.u32(1..3) })).collect();
        let asked: Vec<_> = limits.iter().map(|(at, charge)| (self.limits[*at].0, *charge)).collect();
        match ask(&asked, now, NEVER) {
            Entered::Now => self.pass(&limits, now),
            Entered::Refused(..) => {}
            Entered::Later(turn) => {
                let polls = match random.u8(..10) {
                    0 => Polls::Never,
                    1 => Polls::TooLate,
                    _ => Polls::InTime,
                };
                self.waiting.push(Waiting { turn, again: now, limits, polls });
            }
        }
    }

    /// Everybody whose alarm rings, or who was woken, looks.
    fn look(&mut self, now: Nanos) {
        let mut at = 0;
        while at < self.waiting.len() {
            let waiting = &mut self.waiting[at];
            let turn = waiting.turn.turn();
            self.without_a_turn += u32::from(turn == ASIDE);
            let polled = match waiting.polls {
                Polls::InTime => true,
                Polls::TooLate => turn == ASIDE || turn.saturating_add(waiting.turn.0.late) <= now,
                Polls::Never => false,
            };
            if !polled {
                at += 1;
                continue;
            }
            match waiting.turn.look(now) {
                Look::Waits(again) => {
                    assert!(again > now && again <= waiting.turn.turn());
                    waiting.again = again;
                    at += 1;
                }
                Look::Passed => {
                    let gone = self.waiting.swap_remove(at);
                    self.pass(&gone.limits, now);
                }
                Look::Refused(..) => drop(self.waiting.swap_remove(at)),
            }
        }
    }

    /// No window of any lane holds more than its burst and what flows.
    fn check(&self, seed: u64) {
        let mut lanes: Vec<_> = self.passed.iter().map(|(lane, ..)| *lane).collect();
        lanes.sort_unstable();
        lanes.dedup();
        for lane in lanes {
            let spec = self.limits[lane.0].1;
            let gcra = Gcra::new(spec.rate, spec.burst());
            let of_lane: Vec<_> = self.passed.iter().filter(|(other, ..)| *other == lane).collect();
            for (first, (_, begin, _)) in of_lane.iter().enumerate() {
                let mut sum = 0;
                for (_, end, cost) in &of_lane[first..] {
                    sum += u64::from(*cost);
                    let most = u64::from(spec.burst()) + (end - begin) / gcra.emission;
                    assert!(
                        sum <= most,
                        "seed {seed}: {sum} units of {lane:?} from {begin} to {end}, {most} at most"
                    );
                }
            }
        }
    }
}

#[test]
fn no_window_of_any_limit_holds_more_than_its_burst_and_its_time() {
    let mut without_a_turn = 0;
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut spec = |keyed: bool| {
            let rate = Rate::new(1, Duration::from_nanos(random.u64(1..40) * MILLI));
            let wait = Duration::from_nanos(random.u64(..3) * random.u64(..500) * MILLI);
            RateLimitSpec { wait, ..RateLimitSpec::new(rate).with_burst(random.u32(2..6)).with_key(keyed) }
        };
        let specs = [spec(false), spec(true), spec(false), spec(true)];
        let limits = specs.map(|spec| (lasting(Limiter::new("crowd", spec)), spec)).to_vec();
        let mut crowd = Crowd { limits, waiting: Vec::new(), passed: Vec::new(), without_a_turn: 0 };
        let mut now = NOW;
        for _ in 0..600 {
            // To the next alarm, unless somebody comes before.
            let in_time = crowd.waiting.iter().filter(|waiting| waiting.polls == Polls::InTime);
            let alarm = in_time.map(|waiting| waiting.again).min();
            let next = now + random.u64(..8 * MILLI);
            now = alarm.map_or(next, |alarm| alarm.min(next).max(now));
            crowd.look(now);
            match random.u8(..10) {
                0 if !crowd.waiting.is_empty() => {
                    let gone = random.usize(..crowd.waiting.len());
                    crowd.waiting.swap_remove(gone).turn.give_up(now);
                }
                1 if random.u8(..8) == 0 => {
                    // Bounds hold from one change to the next.
                    crowd.check(seed);
                    let at = random.usize(..4);
                    let (limiter, spec) = &mut crowd.limits[at];
                    spec.rate = Rate::new(1, Duration::from_nanos(random.u64(1..40) * MILLI));
                    spec.burst = Some(random.u32(2..6));
                    limiter.tune_at(Some(spec), now);
                    crowd.passed.retain(|((other, _), ..)| *other != at);
                    crowd.look(now);
                }
                _ => crowd.arrive(&mut random, now),
            }
            crowd.look(now);
        }
        crowd.check(seed);
        for waiting in std::mem::take(&mut crowd.waiting) {
            waiting.turn.give_up(now);
        }
        for (limiter, _) in &crowd.limits {
            assert!(limiter.book().is_empty(), "seed {seed}: nobody is left behind");
        }
        without_a_turn += crowd.without_a_turn;
    }
    assert!(without_a_turn > 1000, "callers take turns from one another: {without_a_turn}");
}
