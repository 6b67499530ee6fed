//! Runs one program of the packages that measure. They are packages of their own because this one compiles tokio's test
//! clock in for its tests, which every measured call would pay for.

use std::process::{Command, ExitCode};

/// Runs a program of a package of this workspace and hands its verdict on.
#[allow(dead_code, reason = "each benchmark uses one of the two")]
pub(crate) fn run(package: &str, program: &str) -> ExitCode {
    verdict(&["--profile", "bench", "--package", package, "--bin", program])
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
