use std::collections::BinaryHeap;

use super::*;

const MS: Nanos = 1_000_000;
const SECOND: Nanos = 1_000 * MS;

/// A dependency with `servers` places and a queue before them, asked by as many callers as the limit admits.
struct Simulation {
    adaptive: Adaptive,
    limit: u32,
    now: Nanos,
    servers: usize,
    /// How long a call takes once it has a place.
    service: Nanos,
    /// When each place is free again.
    free_at: BinaryHeap<std::cmp::Reverse<Nanos>>,
    /// Calls in flight: when each ends, and when it began.
    running: BinaryHeap<std::cmp::Reverse<(Nanos, Nanos)>>,
    /// The most callers that want to run at once.
    callers: usize,
    times: Vec<Nanos>,
}

impl Simulation {
    fn new(servers: usize, initial: u32) -> Self {
        let spec = AdaptiveSpec { min: 1, initial };
        Self {
            adaptive: Adaptive::new(&spec, 1000, 0),
            limit: initial,
            now: 0,
            servers,
            service: 50 * MS,
            free_at: BinaryHeap::default(),
            running: BinaryHeap::default(),
            callers: 5_000,
            times: Vec::new(),
        }
    }

    fn run(&mut self, length: Nanos) {
        let end = self.now + length;
        while self.now < end {
            while self.running.len() < (self.limit as usize).min(self.callers) {
                self.begin();
            }
            let Some(std::cmp::Reverse((at, began))) = self.running.pop() else { break };
            self.now = self.now.max(at);
            let running = u32::try_from(self.running.len()).unwrap() + 1;
            let took = self.now - began;
            self.times.push(took);
            let sample = Sample { took, running, cut: false };
            if let Some(limit) = self.adaptive.sample(sample, self.now) {
                self.limit = limit;
            }
        }
    }

    fn begin(&mut self) {
        while self.free_at.len() > self.servers {
            self.free_at.pop();
        }
        // Service times differ by a tenth, so that calls do not march in step.
        let service = self.service * 95 / 100 + fastrand::u64(0..=self.service / 10);
        let free = if self.free_at.len() < self.servers { None } else { self.free_at.pop() };
        let ends = free.map_or(0, |free| free.0).max(self.now) + service;
        self.free_at.push(std::cmp::Reverse(ends));
        self.running.push(std::cmp::Reverse((ends, self.now)));
    }

    /// The limit that it settles on, without the moments of a probe.
    fn settled(&mut self) -> f64 {
        self.adaptive.core.lock().unwrap().limit.floor()
    }
}

#[test]
fn i_19_the_limit_finds_the_capacity_and_follows_it() {
    for (servers, initial) in [(10, 20), (10, 2), (40, 20), (100, 20), (200, 20)] {
        fastrand::seed(7);
        let mut simulation = Simulation::new(servers, initial);
        simulation.run(60 * SECOND);
        let (limit, capacity) = (simulation.settled(), servers as f64);
        assert!((limit - capacity).abs() <= 0.25 * capacity, "{servers} servers: a limit of {limit}");
        simulation.servers /= 2;
        simulation.run(30 * SECOND);
        let limit = simulation.settled();
        assert!(limit <= 1.25 * capacity / 2.0, "half of {servers} servers: a limit of {limit}");
        simulation.times.sort_unstable();
        let p99 = simulation.times[simulation.times.len() * 99 / 100];
        assert!(p99 <= 3 * SECOND, "{servers} servers: p99 {p99}");
        // A long time later it is still there: nothing drifts.
        simulation.run(120 * SECOND);
        let limit = simulation.settled();
        assert!(limit <= 1.25 * capacity / 2.0 + 1.0, "{servers} servers, later: a limit of {limit}");
    }
}

#[test]
fn a_dependency_that_became_slower_for_good_is_not_taken_for_a_queue() {
    fastrand::seed(7);
    let mut simulation = Simulation::new(50, 20);
    simulation.run(30 * SECOND);
    simulation.service *= 3;
    simulation.run(90 * SECOND);
    let limit = simulation.settled();
    assert!((limit - 50.0).abs() <= 0.25 * 50.0, "a limit of {limit}");
}

fn window(adaptive: &Adaptive, took: Nanos, running: u32, cut: bool, now: Nanos) -> u32 {
    let calls = LEAST_CALLS.max(adaptive.core.lock().unwrap().in_force() / 2);
    let sample = Sample { took, running, cut };
    (0..calls).filter_map(|_| adaptive.sample(sample, now)).last().expect("a window is full")
}

#[test]
fn i_18_the_limit_stays_in_its_bounds_and_rises_only_while_it_is_used() {
    let spec = AdaptiveSpec { min: 5, initial: 20 };
    let adaptive = Adaptive::new(&spec, 100, 0);
    // Half of it unused: it stays.
    for at in 1..20 {
        assert_eq!(window(&adaptive, 10 * MS, 9, false, at * SECOND), 20);
    }
    let limits: Vec<u32> = (1..60).map(|at| window(&adaptive, 10 * MS, 200, false, at * SECOND)).collect();
    assert_eq!(limits.last(), Some(&100));
    // Cut calls never raise it.
    let mut before = 100;
    for at in 60..160 {
        let after = window(&adaptive, 0, 200, true, at * SECOND);
        assert!(after <= before, "{before} to {after}");
        before = after;
    }
    assert_eq!(before, 5);
}

#[test]
fn i_20_while_nothing_waits_the_limit_never_falls() {
    let adaptive = Adaptive::new(&AdaptiveSpec { min: 1, initial: 4 }, 500, 0);
    let mut before = 4;
    for at in 1..600 {
        let after = window(&adaptive, 10 * MS, before, false, at * SECOND);
        assert!(after >= before, "{before} to {after} at {at}");
        before = after;
    }
    assert_eq!(before, 500);
}

fn core(limit: f64, idle: f64, begins: bool) -> Core {
    Core { least: 2, most: 100, initial: 20, limit, idle, begins, measured: 0, probe: None }
}

const fn seen(average: f64, shortest: f64, busiest: u32) -> Window {
    Window { average, shortest, busiest, cut: false }
}

#[test]
fn i_18_a_window_moves_the_limit_by_its_gradient() {
    for (limit, begins, average, busiest, wanted) in [
        // No queue was ever seen.
        (20.0, true, 10.0, 20, 40.0),
        (20.0, true, 10.9, 20, 40.0),
        (60.0, true, 10.0, 60, 100.0),
        // A quarter of the root, at least one, a fifth of that at a time.
        (64.0, false, 10.0, 64, 64.4),
        (4.0, false, 10.0, 4, 4.2),
        (100.0, false, 10.0, 100, 100.0),
        // Twice the tolerated time: half, and the room.
        (64.0, false, 22.0, 64, 64.0 - 30.0 * 0.2),
        (64.0, true, 22.0, 64, 64.0 - 30.0 * 0.2),
        (64.0, false, 44.0, 64, 64.0 - 30.0 * 0.2),
        (64.0, false, 12.0, 64, 64.0 + (64.0 * 11.0 / 12.0 + 2.0 - 64.0) * 0.2),
        (2.0, false, 44.0, 2, 2.0),
        // A little more than is tolerated.
        (64.0, true, 11.05, 64, 64.0 + (64.0 * 11.0 / 11.05 + 2.0 - 64.0) * 0.2),
        // Half used is used.
        (20.0, true, 10.0, 10, 40.0),
        (20.0, true, 10.0, 9, 20.0),
        (64.0, false, 22.0, 1, 58.0),
    ] {
        let mut core = core(limit, 10.0, begins);
        core.judge(seen(average, 10.0, busiest), SECOND);
        assert!((core.limit - wanted).abs() < 1e-9, "{limit} with {average}: {}, not {wanted}", core.limit);
        assert_eq!((core.begins, core.probe.is_some()), (begins && average < 11.0, false));
    }
    // What takes no time at all waits for nobody.
    let mut instant = core(64.0, 0.0, false);
    instant.judge(seen(0.0, 0.0, 64), SECOND);
    assert!((instant.limit - 64.4).abs() < 1e-9, "{}", instant.limit);
    let mut cut = core(20.0, 10.0, true);
    cut.judge(Window { cut: true, ..seen(10.0, 10.0, 20) }, SECOND);
    assert_eq!((cut.limit, cut.begins), (18.0, false));
    (0..50).for_each(|_| cut.judge(Window { cut: true, ..seen(10.0, 10.0, 20) }, SECOND));
    assert!((cut.limit - 2.0).abs() < 1e-9, "{}", cut.limit);
}

#[test]
fn the_least_is_what_was_shortest() {
    for (idle, shortest, wanted, measured) in
        [(0.0, 10.0, 10.0, 7), (10.0, 9.0, 9.0, 7), (10.0, 10.0, 10.0, 0), (10.0, 11.0, 10.0, 0)]
    {
        let mut core = core(20.0, idle, false);
        core.judge(seen(11.0, shortest, 20), 7);
        assert_eq!((core.idle, core.measured), (wanted, measured), "{shortest} after {idle}");
    }
}

#[test]
fn a_least_that_is_long_ago_is_measured_anew_in_two_windows() {
    let slow = seen(30.0, 30.0, 20);
    let mut early = core(20.0, 10.0, false);
    early.judge(slow, BELIEVED - 1);
    assert!(early.probe.is_none() && early.limit < 20.0);
    let mut quick = core(20.0, 10.0, false);
    quick.judge(seen(10.0, 10.0, 20), BELIEVED);
    assert!(quick.probe.is_none(), "it is not doubted while calls are as quick");
    let begun = || {
        let mut core = core(21.9, 10.0, false);
        assert_eq!(core.in_force(), 21);
        core.judge(slow, BELIEVED);
        assert!(core.probe.is_some_and(|probe| probe.since == BELIEVED));
        assert_eq!((core.limit, core.in_force()), (21.9, 10), "halved for a moment");
        core
    };
    for (windows, idle) in [
        ([seen(31.0, 25.0, 9), seen(30.0, 28.0, 9)], 25.0),
        ([seen(31.0, 29.0, 9), seen(30.0, 28.0, 9)], 28.0),
        ([seen(0.0, 0.0, 9), seen(30.0, 28.0, 9)], 28.0),
        ([seen(0.0, 0.0, 9), seen(0.0, 0.0, 9)], 10.0),
    ] {
        let mut core = begun();
        core.judge(windows[0], BELIEVED + 1);
        assert!(core.probe.is_some());
        core.judge(windows[1], BELIEVED + 2);
        assert_eq!((core.idle, core.measured, core.limit), (idle, BELIEVED + 2, 21.9));
        assert!(core.probe.is_none());
    }
    let mut low = begun();
    for (limit, least, halved) in [(3.0, 2, 2), (9.0, 2, 4), (9.0, 7, 7), (1.0, 0, 1)] {
        (low.limit, low.least) = (limit, least);
        assert_eq!(low.in_force(), halved);
    }
}

#[test]
fn a_window_is_ten_calls_or_half_of_the_limit() {
    for (initial, calls) in [(4, 10), (20, 10), (21, 10), (22, 11), (40, 20)] {
        let adaptive = Adaptive::new(&AdaptiveSpec { min: 1, initial }, 1000, 0);
        for _ in 0..2 {
            let calls =
                if adaptive.core.lock().unwrap().in_force() == initial { calls } else { initial.max(10) };
            let sample = Sample { took: 10 * MS, running: 100, cut: false };
            for call in 1..calls {
                assert_eq!(adaptive.sample(sample, SECOND), None, "call {call} of {calls}");
            }
            assert!(adaptive.sample(sample, SECOND).is_some());
        }
    }
}

#[test]
fn what_a_window_comes_to_is_of_the_calls_that_were_not_cut() {
    let adaptive = Adaptive::new(&AdaptiveSpec::DEFAULT, 100, 0);
    let sample = |took, running, cut| adaptive.sample(Sample { took, running, cut }, SECOND);
    for (took, running, cut) in [(10, 1, false), (30, 7, false), (999, 3, true), (20, 2, false)] {
        sample(took, running, cut);
    }
    let window = adaptive.take().expect("calls");
    assert_eq!((window.average, window.shortest, window.busiest, window.cut), (20.0, 10.0, 7, true));
    sample(5, 1, true);
    let window = adaptive.take().expect("calls");
    assert_eq!((window.average, window.shortest, window.busiest, window.cut), (0.0, 0.0, 1, true));
    sample(5, 1, false);
    let window = adaptive.take().expect("calls");
    assert_eq!((window.average, window.shortest, window.cut), (5.0, 5.0, false));
}

#[test]
fn what_began_before_a_measurement_is_not_part_of_it() {
    let adaptive = Adaptive::new(&AdaptiveSpec { min: 1, initial: 20 }, 100, 0);
    let since = 50 * SECOND;
    adaptive.core.lock().unwrap().probe = Some(Probe { since, windows: 0, shortest: f64::INFINITY });
    let ten = |began: Nanos| {
        let sample = Sample { took: MS, running: 9, cut: false };
        (0..10).filter_map(|_| adaptive.sample(sample, began + MS)).last()
    };
    assert_eq!((ten(since - 1), adaptive.calls.load(Ordering::Relaxed)), (None, 0));
    assert_eq!((ten(since), ten(since)), (Some(10), Some(20)));
}

#[test]
fn bounds_hold_at_once_and_what_was_learnt_can_be_forgotten() {
    let adaptive = Adaptive::new(&AdaptiveSpec { min: 2, initial: 20 }, 100, 0);
    assert_eq!(window(&adaptive, 10 * MS, 30, false, SECOND), 40);
    assert_eq!(adaptive.bound(&AdaptiveSpec { min: 2, initial: 7 }, 30), 30);
    assert_eq!(
        adaptive.bound(&AdaptiveSpec { min: 50, initial: 7 }, 30),
        50,
        "the lowest bounds the highest"
    );
    adaptive.bound(&AdaptiveSpec { min: 2, initial: 7 }, 100);
    adaptive.sample(Sample { took: MS, running: 30, cut: true }, SECOND);
    assert_eq!((adaptive.restart(9 * SECOND), adaptive.calls.load(Ordering::Relaxed)), (7, 0));
    let core = adaptive.core.lock().unwrap();
    assert_eq!((core.limit, core.idle, core.begins, core.measured), (7.0, 0.0, true, 9 * SECOND));
}
