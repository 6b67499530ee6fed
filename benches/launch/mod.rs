//! Runs one program of the package that measures. It is a package of its own because this one compiles tokio's test
//! clock in for its tests, which every measured call would pay for.

use std::process::{Command, ExitCode};

/// Runs `program` and hands its verdict on.
pub(crate) fn run(program: &str) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["run", "--quiet", "--profile", "bench", "--package", "hardening-measure", "--bin", program])
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo does not run: {error}");
            ExitCode::FAILURE
        }
    }
}
