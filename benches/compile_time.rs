//! What the attributes add to `cargo check`, against `#[tracing::instrument]`; and how long an expansion is.

mod launch;

fn main() -> std::process::ExitCode {
    launch::run("hardening-measure", "compile_time")
}
