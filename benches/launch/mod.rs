//! Runs one program of the package that measures. It is a package of its own because this one compiles tokio's test
//! clock in for its tests, which every measured call would pay for.

use std::process::{Command, ExitCode};

/// Runs `program` and hands its verdict on.
#[allow(dead_code, reason = "each benchmark uses one of the two")]
pub(crate) fn run(program: &str) -> ExitCode {
    verdict(&["--profile", "bench", "--package", "hardening-measure", "--bin", program])
}

/// The same for a program that is a workspace of its own.
#[allow(dead_code, reason = "each benchmark uses one of the two")]
pub(crate) fn run_apart(manifest: &str) -> ExitCode {
    verdict(&["--release", "--manifest-path", manifest])
}

fn verdict(arguments: &[&str]) -> ExitCode {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["run", "--quiet"]).args(arguments).status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("cargo does not run: {error}");
            ExitCode::FAILURE
        }
    }
}
