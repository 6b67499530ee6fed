//! `cargo xtask test`: what all tests need, then all tests.

use crate::run::{Done, Step};
use crate::{needs, packages};

/// Tells tests whether a missing tool is a failure (`required`) or ends them early (`optional`).
const TOOLS: &str = "HARDENING_TEST_TOOLS";

pub(crate) fn run(arguments: &[&str]) -> Done {
    let plan = Plan::read(arguments)?;
    if plan.fast {
        return plan.tests().run();
    }
    needs::provide()?;
    packages::provide()?;
    // The policies alone, without the server; cheap, and what the tests build is left as it is.
    Step::cargo("check --quiet --package hardening --no-default-features").run()?;
    plan.tests().run()
}

#[derive(Debug, PartialEq, Eq)]
struct Plan {
    fast: bool,
    filter: Option<String>,
}

impl Plan {
    fn read(arguments: &[&str]) -> Done<Self> {
        let mut plan = Self { fast: false, filter: None };
        for argument in arguments {
            match *argument {
                "--fast" => plan.fast = true,
                flag if flag.starts_with('-') => {
                    return Err(format!("unknown flag `{flag}`; known: `--fast`"));
                }
                filter if plan.filter.is_none() => plan.filter = Some(filter.to_owned()),
                second => return Err(format!("one filter at a time: what is `{second}`?")),
            }
        }
        Ok(plan)
    }

    /// The last step: cargo's result lines are the last that is printed.
    fn tests(&self) -> Step {
        let step = if self.fast {
            Step::cargo("test --workspace --exclude hardening-ui-tests --exclude hardening-ui-tests-without-service --exclude hardening-shape-tests --lib --bins --tests")
                .variable(TOOLS, "optional")
        } else {
            Step::cargo("test --workspace --no-fail-fast").variable(TOOLS, "required")
        };
        let step = step.variable("PATH", needs::search_path());
        match &self.filter {
            Some(filter) => step.argument(filter),
            None => step,
        }
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
        assert!(Plan::read(&["--quick"]).unwrap_err().contains("`--fast`"));
        assert!(Plan::read(&["a", "b"]).unwrap_err().contains("`b`"));
    }
}
