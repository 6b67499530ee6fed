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
