//! `cargo xtask test`: what all tests need, then all tests.

use crate::run::{Done, Step};
use crate::{needs, packages, repeat};

/// Tells tests whether a missing tool is a failure (`required`) or ends them early (`optional`).
const TOOLS: &str = "HARDENING_TEST_TOOLS";

pub(crate) fn run(arguments: &[&str]) -> Done {
    let plan = Plan::read(arguments)?;
    if !plan.fast {
        needs::provide(needs::TOOLS)?;
        packages::provide()?;
    }
    if let Some(times) = plan.repeat {
        return repeat::run(plan.selected(), plan.filter.as_deref(), times, |step| plan.dressed(step));
    }
    if !plan.fast {
        // The policies alone, without the server; cheap, and what the tests build is left as it is.
        Step::cargo("check --quiet --package hardening --no-default-features").run()?;
    }
    let tests = plan.tests().run();
    if plan.full {
        needs::provide(needs::OF_SUITES)?;
        // They are run whatever the tests have found.
        return plan.dressed(Step::cargo(SUITES)).run().and(tests);
    }
    tests
}

/// Suites that others wrote and that take long, or need much.
const SUITES: &str = "test --package hardening-service-tests --test http suites:: -- --ignored";

#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    fast: bool,
    /// Whether the suites of others are run as well.
    full: bool,
    /// How many times the tests are run, where each repetition is counted.
    repeat: Option<u32>,
    filter: Option<String>,
}

impl Plan {
    fn read(arguments: &[&str]) -> Done<Self> {
        let mut plan = Self::default();
        let mut arguments = arguments.iter().copied();
        while let Some(argument) = arguments.next() {
            match argument {
                "--fast" => plan.fast = true,
                "--full" => plan.full = true,
                "--repeat" if plan.repeat.is_some() => return Err("`--repeat` is given twice".to_owned()),
                "--repeat" => plan.repeat = Some(times(arguments.next())?),
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown flag `{flag}`; known: `--fast`, `--full`, `--repeat N`"));
                }
                filter if plan.filter.is_none() => plan.filter = Some(filter.to_owned()),
                second => return Err(format!("one filter at a time: what is `{second}`?")),
            }
        }
        if plan.full && (plan.fast || plan.repeat.is_some()) {
            return Err("`--full` runs everything once: leave `--fast` and `--repeat` out".to_owned());
        }
        Ok(plan)
    }

    /// What cargo builds and runs.
    fn selected(&self) -> Step {
        Step::cargo(if self.fast {
            "test --workspace --exclude hardening-ui-tests --exclude hardening-ui-tests-without-service --exclude hardening-shape-tests --lib --bins --tests"
        } else {
            "test --workspace --no-fail-fast"
        })
    }

    /// With the variables that every test needs.
    fn dressed(&self, step: Step) -> Step {
        let tools = if self.fast { "optional" } else { "required" };
        step.variable(TOOLS, tools).variable("PATH", needs::search_path())
    }

    /// The last step: cargo's result lines are the last that is printed.
    fn tests(&self) -> Step {
        self.dressed(self.selected()).arguments(self.filter.clone())
    }
}

/// The number after `--repeat`.
fn times(given: Option<&str>) -> Done<u32> {
    let example = "write `--repeat 10`, and after it a part of the tests' names";
    match given.map(|given| (given, given.parse())) {
        None => Err(format!("`--repeat` needs a number; {example}")),
        Some((_, Ok(0))) => Err(format!("`--repeat 0` runs nothing; {example}")),
        Some((_, Ok(times))) => Ok(times),
        Some((given, Err(_))) => Err(format!("`--repeat {given}` is no number of repetitions; {example}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inner_loop_needs_no_tool_and_takes_a_filter() {
        let shown = |arguments: &[&str]| Plan::read(arguments).unwrap().tests().shown();
        assert_eq!(shown(&[]), "HARDENING_TEST_TOOLS=required cargo test --workspace --no-fail-fast");
        assert_eq!(
            shown(&["--fast", "breaker"]),
            "HARDENING_TEST_TOOLS=optional cargo test --workspace --exclude hardening-ui-tests --exclude hardening-ui-tests-without-service --exclude hardening-shape-tests --lib --bins --tests breaker"
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        assert!(Plan::read(&["--quick"]).unwrap_err().contains("`--fast`, `--full`, `--repeat N`"));
        assert!(Plan::read(&["--full", "--fast"]).unwrap_err().contains("leave `--fast`"));
        assert!(Plan::read(&["a", "b"]).unwrap_err().contains("`b`"));
    }

    #[test]
    fn repetitions_are_read_with_and_without_a_filter() {
        let plan = |fast: bool, filter: Option<&str>| {
            Ok(Plan { fast, full: false, repeat: Some(27), filter: filter.map(str::to_owned) })
        };
        assert_eq!(Plan::read(&["--repeat", "27"]), plan(false, None));
        assert_eq!(Plan::read(&["--repeat", "27", "series"]), plan(false, Some("series")));
        assert_eq!(Plan::read(&["series", "--fast", "--repeat", "27"]), plan(true, Some("series")));
        // A name may be a number.
        assert_eq!(Plan::read(&["--repeat", "27", "75"]), plan(false, Some("75")));
    }

    #[test]
    fn repetitions_that_are_no_number_are_refused() {
        for (arguments, why) in [
            (&["--repeat"][..], "`--repeat` needs a number; write `--repeat 10`"),
            (&["--repeat", "0"], "`--repeat 0` runs nothing"),
            (&["--repeat", "series"], "`--repeat series` is no number"),
            (&["--repeat", "-1"], "`--repeat -1` is no number"),
            (&["--repeat", "4294967296"], "is no number"),
            (&["--repeat", "2", "--repeat", "3"], "given twice"),
        ] {
            let said = Plan::read(arguments).unwrap_err();
            assert!(said.contains(why), "{arguments:?}: {said}");
        }
    }
}
