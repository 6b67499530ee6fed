//! What a call costs, in instructions, against the same call written by hand.

mod launch;

fn main() -> std::process::ExitCode {
    launch::run("hardening-measure", "cost")
}
