//! `cargo xtask test --repeat N`: runs tests many times in shuffled order, to find those that depend on luck.
//!
//! Builds once. Each repetition runs every test binary that has a matching test, the binaries in shuffled order and the
//! tests within each as well, with a seed that is printed. A failure ends nothing; failures are counted for each test.
//! Examples in the documentation are left out: rustdoc compiles each of them anew every time.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};

use crate::libtest::{self, Binary, Outcome};
use crate::run::{Done, Step};

/// Makes a stable libtest accept `-Z`, and with it `--shuffle-seed`.
const UNSTABLE: &str = "RUSTC_BOOTSTRAP";

/// A test binary and those of its tests that are repeated.
#[derive(Debug)]
struct Suite {
    binary: Binary,
    tests: Vec<String>,
}

/// Builds with `build`, then runs the tests whose name contains `filter` so many times. `dressed` sets the variables that
/// every test needs.
pub(crate) fn run(build: Step, filter: Option<&str>, times: u32, dressed: impl Fn(Step) -> Step) -> Done {
    let messages =
        build.argument("--no-run").argument("--message-format=json-render-diagnostics").written()?;
    let mut suites = Vec::new();
    for binary in libtest::binaries(&messages) {
        let list = dressed(program(&binary)).arguments(filter.map(str::to_owned)).argument("--list");
        let list = list.argument("--format=terse").output().ok_or_else(|| {
            format!("{} cannot list its tests: `{}` failed", binary.target, binary.executable.display())
        })?;
        let tests = libtest::listed(&list);
        if !tests.is_empty() {
            suites.push(Suite { binary, tests });
        }
    }
    if suites.is_empty() {
        return Err(match filter {
            Some(filter) => format!("no test has `{filter}` in its name"),
            None => "there are no tests".to_owned(),
        });
    }
    let shuffles = suites.iter().find(|suite| suite.tests.len() > 1).is_some_and(|suite| {
        let probe = shuffled(program(&suite.binary), 1).argument("--list");
        probe.succeeds()
    });
    if !shuffles {
        eprintln!(
            "the order within a test binary stays as it is: there is one test, or this libtest does not shuffle"
        );
    }
    let mut tally = Tally::default();
    let mut random = Random(RandomState::new().hash_one(times));
    for repetition in 1..=times {
        let seed = random.next();
        random.shuffle(&mut suites);
        let (mut passed, mut failed) = (0, Vec::new());
        for suite in &suites {
            let outcome = suite.run(filter, shuffles.then_some(seed), &dressed)?;
            passed += outcome.passed.len();
            failed.extend(outcome.failed.iter().cloned());
            tally.add(suite, outcome);
        }
        let names = if failed.is_empty() { String::new() } else { format!(": {}", failed.join(", ")) };
        eprintln!(
            "repetition {repetition} of {times}, seed {seed}: {passed} passed, {} failed{names}",
            failed.len()
        );
    }
    tally.report()
}

fn program(binary: &Binary) -> Step {
    Step::new(&binary.executable, "")
        .folder(&binary.folder)
        .variable("CARGO_MANIFEST_DIR", &binary.folder)
        .variable("CARGO_PKG_NAME", &binary.package)
}

fn shuffled(step: Step, seed: u64) -> Step {
    step.variable(UNSTABLE, "1").argument("-Zunstable-options").argument(format!("--shuffle-seed={seed}"))
}

impl Suite {
    /// Runs its tests once. What a failing run wrote is printed, with the command that repeats it.
    fn run(&self, filter: Option<&str>, seed: Option<u64>, dressed: &impl Fn(Step) -> Step) -> Done<Outcome> {
        let mut step = dressed(program(&self.binary)).arguments(filter.map(str::to_owned));
        // One test has no order. What runs the compiler is such a binary, and must not pass the variable on.
        if let Some(seed) = seed.filter(|_| self.tests.len() > 1) {
            step = shuffled(step, seed);
        }
        let ended = step.ended()?;
        let output = String::from_utf8_lossy(&ended.stdout);
        let mut outcome = libtest::outcome(&self.tests, &output, ended.status.success());
        if ended.status.success() {
            return Ok(outcome);
        }
        let errors = String::from_utf8_lossy(&ended.stderr);
        eprintln!("+ {}\n{output}{errors}{}", step.shown(), ended.status);
        if outcome.failed.is_empty() {
            // It reported success and then ended otherwise.
            outcome.failed.insert(format!("{} itself ({})", self.binary.target, ended.status));
        }
        Ok(outcome)
    }
}

/// How often each test passed and failed, by its package, target and name.
#[derive(Debug, Default)]
struct Tally(BTreeMap<[String; 3], Counts>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: u32,
    failed: u32,
}

impl Tally {
    fn add(&mut self, suite: &Suite, outcome: Outcome) {
        let Binary { package, target, .. } = &suite.binary;
        let mut of = |name: String, count: fn(&mut Counts) -> &mut u32| {
            *count(self.0.entry([package.clone(), target.clone(), name]).or_default()) += 1;
        };
        outcome.passed.into_iter().for_each(|name| of(name, |counts| &mut counts.passed));
        outcome.failed.into_iter().for_each(|name| of(name, |counts| &mut counts.failed));
    }

    /// One line for each test that ever failed.
    fn lines(&self) -> Vec<String> {
        let unlucky = self.0.iter().filter(|(_, counts)| counts.failed > 0);
        let line = |([package, target, name], counts): (&[String; 3], &Counts)| {
            let of = counts.passed + counts.failed;
            format!("test {name}: failed {} of {of} ({package}, {target})", counts.failed)
        };
        unlucky.map(line).collect()
    }

    /// Prints them, and fails if there are any.
    fn report(&self) -> Done {
        let runs: u32 = self.0.values().map(|counts| counts.passed + counts.failed).sum();
        println!("{} tests, run {runs} times in all", self.0.len());
        let lines = self.lines();
        for line in &lines {
            println!("{line}");
        }
        match lines.len() {
            0 => Ok(()),
            1 => Err("1 test failed at least once".to_owned()),
            more => Err(format!("{more} tests failed at least once")),
        }
    }
}

/// The generator `SplitMix64`: no order that a test could rely on.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Fisher and Yates.
    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.next() % (last as u64 + 1);
            items.swap(last, usize::try_from(other).unwrap_or(last));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suite(target: &str) -> Suite {
        let binary = Binary {
            executable: "/t/x".into(),
            package: "kit".to_owned(),
            folder: "/w".into(),
            target: target.to_owned(),
        };
        Suite { binary, tests: Vec::new() }
    }

    fn outcome(passed: &[&str], failed: &[&str]) -> Outcome {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Outcome { passed: owned(passed), failed: owned(failed) }
    }

    #[test]
    fn failures_are_counted_for_each_test_of_each_binary() {
        let mut tally = Tally::default();
        for repetition in 0..5 {
            let lucky = repetition % 2 == 0;
            tally.add(&suite("a"), if lucky { outcome(&["x", "y"], &[]) } else { outcome(&["x"], &["y"]) });
            tally.add(&suite("b"), outcome(&["y"], &[]));
        }
        assert_eq!(tally.lines(), ["test y: failed 2 of 5 (kit, a)"]);
        assert_eq!(tally.report(), Err("1 test failed at least once".to_owned()));
        let counts = |target: &str, name: &str| tally.0[&["kit", target, name].map(str::to_owned)];
        assert_eq!(counts("a", "y"), Counts { passed: 3, failed: 2 });
        assert_eq!(counts("b", "y"), Counts { passed: 5, failed: 0 });
    }

    #[test]
    fn nothing_that_failed_is_a_success() {
        let mut tally = Tally::default();
        tally.add(&suite("a"), outcome(&["x"], &[]));
        assert_eq!(tally.report(), Ok(()));
    }

    #[test]
    fn a_shuffled_binary_is_shown_as_it_would_be_typed() {
        let step = shuffled(program(&suite("a").binary), 7);
        assert_eq!(
            step.shown(),
            "cd /w && CARGO_MANIFEST_DIR=/w CARGO_PKG_NAME=kit RUSTC_BOOTSTRAP=1 /t/x -Zunstable-options --shuffle-seed=7"
        );
    }

    #[test]
    fn every_order_comes_up() {
        let mut random = Random(1);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let mut items = [1, 2, 3, 4];
            random.shuffle(&mut items);
            seen.insert(items);
        }
        assert_eq!(seen.len(), 24);
    }
}
