//! `cargo xtask docs`: the generated tables. The test that judges them also writes them.

use crate::run::{Done, Step};

/// What to do with tables that differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Write them anew.
    Write,
    /// Fail.
    Check,
}

pub(crate) fn run(mode: Mode) -> Done {
    let step = Step::cargo("test --quiet --package hardening --test docs");
    match mode {
        // Nothing else may read the pages meanwhile.
        Mode::Write => step.argument("generated_blocks").variable("HARDENING_DOCS", "write").run(),
        Mode::Check => step.run(),
    }
}
