use super::*;

const MS: Nanos = 1_000_000;

/// A service that works on `places` requests at once, each for `work`; the others wait in it. Requests come evenly.
struct Model {
    pace: Pace,
    routes: Vec<(Usual, Nanos)>,
    places: u32,
    now: Nanos,
    /// What is inside: when each ends, when it came, and its route.
    inside: std::collections::VecDeque<(Nanos, Nanos, usize)>,
    /// When each place is free.
    free: Vec<Nanos>,
    refused: u32,
    served: u32,
    least: u32,
}

impl Model {
    fn new(work: &[Nanos], places: u32, bounds: (u32, u32)) -> Self {
        Self {
            pace: Pace::new(bounds.0, bounds.1),
            routes: work.iter().map(|work| (Usual::default(), *work)).collect(),
            places,
            now: 0,
            inside: std::collections::VecDeque::new(),
            free: vec![0; places as usize],
            refused: 0,
            served: 0,
            least: u32::MAX,
        }
    }

    /// Requests at this rate for a while.
    fn run(&mut self, per_second: u64, seconds: u64, random: &mut fastrand::Rng) {
        (self.refused, self.served, self.least) = (0, 0, u32::MAX);
        let end = self.now + seconds * 1000 * MS;
        while self.now < end {
            self.now += 1000 * MS / per_second;
            loop {
                let next = self.inside.iter().enumerate().min_by_key(|(_, (ends, ..))| *ends);
                let Some((at, (ends, came, route))) = next.map(|(at, one)| (at, *one)) else { break };
                if ends > self.now {
                    break;
                }
                let inside = self.inside.len() as u32;
                self.inside.remove(at);
                self.pace.sample(&self.routes[route].0, ends - came, false, inside, ends);
                self.served += 1;
                self.least = self.least.min(self.pace.limit());
            }
            if self.inside.len() as u32 >= self.pace.limit() {
                self.refused += 1;
                continue;
            }
            let route = random.usize(0..self.routes.len());
            let place = (0..self.places as usize).min_by_key(|place| self.free[*place]).unwrap();
            // A third more or less, as real work takes.
            let work = self.routes[route].1 * random.u64(67..=133) / 100;
            let begins = self.free[place].max(self.now);
            self.free[place] = begins + work;
            self.inside.push_back((begins + work, self.now, route));
        }
    }
}

#[test]
fn i_20_with_constant_times_the_limit_never_falls() {
    let pace = Pace::new(10, 1000);
    let usual = Usual::default();
    let mut before = pace.limit();
    for n in 0..100_000_u64 {
        pace.sample(&usual, 5 * MS, false, pace.limit(), n * MS);
        assert!(pace.limit() >= before, "{n}: {} after {before}", pace.limit());
        before = pace.limit();
    }
    assert_eq!(before, 1000, "it is used, so it grows");
    let unused = Pace::new(10, 1000);
    (0..10_000).for_each(|n| unused.sample(&usual, 5 * MS, false, 3, n * MS));
    assert_eq!(unused.limit(), INITIAL, "what is not used does not grow");
}

#[test]
fn routes_of_different_speeds_are_no_sign_of_a_queue() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut model = Model::new(&[MS, 20 * MS, 400 * MS], 1000, (10, 1000));
    model.run(500, 30, &mut random);
    assert_eq!(model.refused, 0);
    assert!(model.least >= INITIAL, "{}", model.least);
}

#[test]
fn an_overload_is_cut_to_what_the_service_can_do_and_stays_cut() {
    let mut random = fastrand::Rng::with_seed(2);
    // Forty at once, twenty milliseconds each: two thousand a second.
    let mut model = Model::new(&[20 * MS], 40, (10, 1000));
    model.run(1000, 20, &mut random);
    assert_eq!(model.refused, 0);
    model.run(4000, 10, &mut random);
    for _ in 0..12 {
        model.run(4000, 5, &mut random);
        assert!(model.served > 9_000, "goodput: {}", model.served);
        // Half as long again as usual is what is tolerated, and room to find more.
        assert!((40..=100).contains(&model.pace.limit()), "{}", model.pace.limit());
    }
    model.run(1000, 20, &mut random);
    model.run(1000, 20, &mut random);
    assert_eq!(model.refused, 0, "after it everybody is served again");
}

#[test]
fn what_is_slower_for_good_becomes_usual() {
    let mut random = fastrand::Rng::with_seed(3);
    let mut model = Model::new(&[10 * MS], 1000, (10, 1000));
    model.run(1000, 20, &mut random);
    assert_eq!(model.refused, 0);
    model.routes[0].1 = 100 * MS;
    model.run(1000, 40, &mut random);
    assert!(model.refused > 0, "at first it looks like a queue");
    model.run(1000, 60, &mut random);
    model.run(1000, 20, &mut random);
    assert_eq!(model.refused, 0, "then it is what it takes, at a limit of {}", model.pace.limit());
}

#[test]
fn what_is_cut_lowers_the_limit_within_its_bounds() {
    let pace = Pace::new(10, 1000);
    let usual = Usual::default();
    for n in 0..10_000 {
        pace.sample(&usual, 0, true, 100, n * MS);
        assert!(pace.limit() >= 10);
    }
    assert_eq!(pace.limit(), 10);
}

#[test]
fn requests_whose_clients_give_them_no_more_than_the_usual_time_say_nothing() {
    let mut now = 0;
    for (asked, lowers) in [(100 * MS, false), (150 * MS, false), (151 * MS, true), (1000 * MS, true)] {
        let (pace, usual) = (Pace::new(10, 1000), Usual::default());
        for _ in 0..500 {
            now += 10 * MS;
            pace.sample(&usual, 100 * MS, false, 50, now);
        }
        let before = pace.limit();
        for _ in 0..500 {
            now += 10 * MS;
            pace.sample(&usual, asked, true, 50, now);
            pace.sample(&usual, 100 * MS, false, 50, now);
        }
        assert_eq!(pace.limit() < before, lowers, "{asked}: {before} {}", pace.limit());
    }
    // Of a route that has never answered nothing else is known.
    let (pace, usual) = (Pace::new(10, 1000), Usual::default());
    for _ in 0..500 {
        now += 10 * MS;
        pace.sample(&usual, MS, true, 50, now);
    }
    assert!(pace.limit() < INITIAL);
}
