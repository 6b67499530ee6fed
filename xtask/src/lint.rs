//! `cargo xtask lint`: everything that is judged without running the product.

use std::path::PathBuf;

use crate::run::{Done, Step, all};

/// The version that `deny.toml` is written for.
const DENY: &str = "0.20.2";

pub(crate) fn run() -> Done {
    let sources = all([
        Step::cargo("fmt --all --check"),
        Step::cargo("clippy --workspace --all-targets -- -D warnings"),
        Step::cargo(
            "clippy --package hardening --package hardening-runtime --no-default-features -- -D warnings",
        ),
        Step::cargo("doc --workspace --no-deps --features hardening/testing")
            .variable("RUSTDOCFLAGS", "-D warnings"),
    ]);
    let dependencies = dependencies();
    match (sources, dependencies) {
        (Err(one), Err(other)) => Err(format!("{one}\nerror: {other}")),
        (one, other) => one.and(other),
    }
}

fn dependencies() -> Done {
    if !Step::cargo("deny --version").succeeds() {
        Step::cargo("install cargo-deny --locked --version").argument(DENY).run()?;
    }
    Step::cargo("deny --workspace check licenses bans sources").run()?;
    let Some(databases) = advisory_databases() else {
        eprintln!("advisories: skipped, there is no advisory database in CARGO_HOME/advisory-dbs");
        return Ok(());
    };
    eprintln!("advisories: from {}", databases.display());
    Step::cargo("deny --workspace --offline check advisories").run()
}

/// Where cargo-deny keeps its databases, if there is one: nothing is fetched here.
fn advisory_databases() -> Option<PathBuf> {
    let home = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let folder = home?.join("advisory-dbs");
    let filled = std::fs::read_dir(&folder).ok()?.flatten().any(|entry| entry.path().join(".git").exists());
    filled.then_some(folder)
}
