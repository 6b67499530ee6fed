//! What the same policies cost here and in other crates.

mod launch;

fn main() -> std::process::ExitCode {
    launch::run_apart(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/Cargo.toml"))
}
