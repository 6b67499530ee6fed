//! Requests a second of a service with all its defaults, beside a bare axum.

mod launch;

fn main() -> std::process::ExitCode {
    launch::run("hardening-throughput", "throughput")
}
