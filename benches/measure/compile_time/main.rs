//! What the attributes add to `cargo check`: `cargo bench --bench compile_time`.
//!
//! Writes crates of 100 async functions that differ in their attributes alone, checks each several times with
//! everything else built, and compares the processor time of the compiler (user and system, of the child processes, so
//! that other work on the machine counts little). The figure of each crate is the median of its runs, less the plain
//! crate's.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::{fs, io};

const FUNCTIONS: usize = 100;
const RUNS: usize = 7;
/// The attributes may add at most this many times what `#[tracing::instrument]` adds.
const ALLOWED: f64 = 2.0;

const CRATES: [(&str, &str); 4] = [
    ("plain", ""),
    ("instrumented", "#[tracing::instrument]\n"),
    ("one_policy", "#[hardening::timeout(200ms)]\n"),
    (
        "full_stack",
        "#[hardening::retry(attempts = 3, backoff = 50ms..2s, idempotent)]\n\
         #[hardening::circuit_breaker(failure_rate = 50%, window = 10s, open_for = 5s)]\n\
         #[hardening::rate_limited(100/s, burst = 20)]\n\
         #[hardening::timeout(200ms)]\n\
         #[hardening::bulkhead(max = 64)]\n",
    ),
];

fn main() -> ExitCode {
    match measure() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> io::Result<bool> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let folder = repository.join("target/compile-time");
    write_workspace(&folder, &repository)?;
    check(&folder, None)?;
    let mut figures = [0.0; CRATES.len()];
    for (figure, (name, _)) in figures.iter_mut().zip(CRATES) {
        let mut runs = Vec::new();
        for _ in 0..RUNS {
            let source = folder.join(name).join("lib.rs");
            fs::write(&source, fs::read(&source)?)?;
            let before = children_seconds()?;
            check(&folder, Some(name))?;
            runs.push(children_seconds()? - before);
        }
        runs.sort_by(f64::total_cmp);
        *figure = runs[RUNS / 2];
    }
    let added = figures.map(|seconds| (seconds - figures[0]) * 1000.0 / FUNCTIONS as f64);
    for ((name, _), added) in CRATES.iter().zip(added).skip(1) {
        println!("{name:<14} {added:>6.1} ms of processor time a function");
    }
    let ratio = added[3] / added[1];
    println!("full stack / instrument {ratio:.2} (at most {ALLOWED})");
    Ok(ratio <= ALLOWED)
}

fn write_workspace(folder: &Path, repository: &Path) -> io::Result<()> {
    let members = CRATES.map(|(name, _)| format!("\"{name}\"")).join(", ");
    fs::create_dir_all(folder)?;
    fs::write(folder.join("Cargo.toml"), format!("[workspace]\nresolver = \"3\"\nmembers = [{members}]\n"))?;
    fs::copy(repository.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    for (name, attributes) in CRATES {
        let member = folder.join(name);
        fs::create_dir_all(&member)?;
        fs::write(member.join("Cargo.toml"), manifest(name, repository))?;
        fs::write(member.join("lib.rs"), source(attributes))?;
    }
    Ok(())
}

fn manifest(name: &str, repository: &Path) -> String {
    let path = repository.display();
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n\
         [dependencies]\nhardening = {{ path = \"{path}\", default-features = false }}\n\
         tracing = {{ version = \"0.1\", features = [\"attributes\"] }}\n"
    )
}

fn source(attributes: &str) -> String {
    let mut text = String::from(
        "#[derive(Debug)]\npub struct Failure;\n\
         impl From<hardening::Rejected> for Failure { fn from(_: hardening::Rejected) -> Self { Self } }\n",
    );
    for number in 0..FUNCTIONS {
        let _ = write!(
            text,
            "{attributes}pub async fn price_{number}(sku: String, quantity: u64) -> Result<u64, Failure> {{\n    \
             let length = sku.len() as u64;\n    if quantity == 0 {{\n        return Err(Failure);\n    }}\n    \
             Ok(length * quantity)\n}}\n"
        );
    }
    text
}

fn check(folder: &Path, package: Option<&str>) -> io::Result<()> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["check", "--quiet", "--offline"]).current_dir(folder).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", PathBuf::from("target")).env_remove("RUSTFLAGS");
    match package {
        Some(package) => command.args(["--package", package]),
        None => command.arg("--workspace"),
    };
    match command.status()? {
        status if status.success() => Ok(()),
        _ => Err(io::Error::other(format!("`{command:?}` failed"))),
    }
}

/// Processor time of every child process that has ended, in seconds.
fn children_seconds() -> io::Result<f64> {
    // Linux counts in hundredths of a second; the 14th and 15th fields after the name are those of children.
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let read = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    Ok((read(13) + read(14)) / TICKS)
}
