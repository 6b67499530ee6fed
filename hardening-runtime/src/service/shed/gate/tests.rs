use super::*;

const MS: Nanos = 1_000_000;
const NORMAL: u16 = 250;

fn enters(gate: &Gate, level: u16, limit: u32, now: Nanos) -> bool {
    gate.enter(level, limit, now) == Told::Enter
}

/// Requests at random, each of which takes `took`, against a limit; calls `see` with each one's tick, level and fate.
fn story(seed: u64, every: Nanos, took: Nanos, limit: u32, mut see: impl FnMut(u32, u16, bool)) -> Gate {
    let mut random = fastrand::Rng::with_seed(seed);
    let gate = Gate::new(0);
    let mut ends = std::collections::VecDeque::new();
    let mut now = 0;
    while now < 20_000 * MS {
        now += random.u64(1..=2 * every);
        while ends.front().is_some_and(|end| *end <= now) {
            ends.pop_front();
            gate.leave();
        }
        let level = random.u16(0..500);
        let entered = enters(&gate, level, limit, now);
        if entered {
            ends.push_back(now + took);
        }
        see(Tick::of(gate.tick.load(Ordering::Relaxed)).number, level, entered);
    }
    gate
}

#[test]
fn i_21_no_class_is_refused_while_a_lower_one_is_let_in_within_a_tick() {
    let mut refused_at_all = 0;
    for seed in 0..20 {
        // By tick: the lowest class let in, and the highest refused.
        let mut ticks = std::collections::HashMap::new();
        let load = 1 + seed % 5;
        story(seed, MS / load, 30 * MS, 20, |tick, level, entered| {
            let (lowest, highest) = ticks.entry(tick).or_insert((None, None));
            let class = level / 100;
            if entered {
                *lowest = Some(lowest.unwrap_or(class).min(class));
            } else {
                refused_at_all += 1;
                *highest = Some(highest.unwrap_or(class).max(class));
            }
        });
        for (tick, ends) in ticks {
            if let (Some(lowest), Some(highest)) = ends {
                assert!(highest <= lowest, "tick {tick} of {seed}: {highest} refused beside {lowest}");
            }
        }
    }
    assert!(refused_at_all > 1000, "{refused_at_all}");
}

#[test]
fn i_22_without_an_overload_nobody_is_refused_and_with_one_nobody_waits() {
    let mut refused = 0;
    // Half of what there is room for.
    story(1, 3 * MS, 30 * MS, 20, |_, _, entered| refused += u32::from(!entered));
    assert_eq!(refused, 0);
    // Three times as much: an answer comes at once, to as many as there is room for; the queue is empty at every moment.
    let (mut came, mut served) = (0, 0);
    story(2, MS / 2, 30 * MS, 20, |_, _, entered| {
        came += 1;
        served += u32::from(entered);
    });
    // Twenty places of thirty milliseconds each, for twenty seconds, and what higher classes take beyond them.
    let room = 20 * 20_000 / 30;
    assert!((room * 9 / 10..room * 14 / 10).contains(&served), "{served} of {came}, room for {room}");
    assert!(came > 2 * room);
}

#[test]
fn i_23_a_burst_that_there_is_room_for_is_fully_served() {
    let gate = Gate::new(0);
    for now in [0, 99 * MS, 100 * MS, 5_000 * MS] {
        for n in 0..500 {
            assert!(enters(&gate, n, 500, now), "{n} at {now}");
        }
        assert!(!enters(&gate, 0, 500, now + 1), "and no more");
        (0..500).for_each(|_| gate.leave());
        // What was refused for want of room is forgotten when there is room again.
        let mut later = now + 1;
        for _ in 0..40 {
            later += TICK;
            enters(&gate, 499, 500, later).then(|| gate.leave());
        }
        assert!(enters(&gate, 0, 500, later + TICK));
        gate.leave();
    }
}

#[test]
fn under_a_steady_overload_the_highest_are_served_without_a_fault() {
    let (mut high, mut low) = ((0, 0), (0, 0));
    // There is room for half of them.
    story(3, MS * 3 / 4, 30 * MS, 20, |tick, level, entered| {
        let of = match level / 100 {
            3..=4 => &mut high,
            0..=1 => &mut low,
            _ => return,
        };
        if tick > 20 {
            *of = (of.0 + u32::from(entered), of.1 + 1);
        }
    });
    assert!(f64::from(high.0) > f64::from(high.1) * 0.99, "{high:?}");
    assert!(f64::from(low.0) < f64::from(low.1) * 0.3, "{low:?}");
}

#[test]
fn within_a_class_the_same_users_are_served() {
    let mut users = std::collections::BTreeMap::<u16, (u32, u32)>::new();
    story(4, MS * 3 / 4, 30 * MS, 20, |tick, level, entered| {
        if tick > 20 {
            let user = users.entry(level).or_default();
            *user = (user.0 + u32::from(entered), user.1 + 1);
        }
    });
    let served = |least: f64, most: f64| {
        let share = |(entered, came): &(u32, u32)| f64::from(*entered) / f64::from(*came);
        users.values().map(share).filter(|share| (least..=most).contains(share)).count()
    };
    // Most of them always or never, and only those at the edge now and then.
    assert!(served(0.9, 1.0) > 150 && served(0.0, 0.1) > 150, "{} {}", served(0.9, 1.0), served(0.0, 0.1));
}

#[test]
fn one_class_alone_is_held_to_the_limit_exactly() {
    let gate = Gate::new(0);
    let mut inside = 0_u32;
    for n in 0..10_000_u64 {
        let now = n * MS / 10;
        inside += u32::from(enters(&gate, NORMAL, 7, now));
        assert!(inside <= 7, "{inside}");
        if n % 13 == 0 && inside > 0 {
            gate.leave();
            inside -= 1;
        }
        assert_eq!(gate.inside(), inside);
    }
}

#[test]
fn who_enters_and_leaves_on_many_threads_leaves_nothing_behind() {
    let gate = Gate::new(0);
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let gate = &gate;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                for n in 0..50_000_u64 {
                    if enters(gate, random.u16(0..500), 3, n * MS / 100) {
                        if n % 8 == 0 {
                            std::thread::yield_now();
                        }
                        gate.leave();
                    }
                }
            });
        }
    });
    assert_eq!(gate.inside(), 0);
}
