//! What the same policies cost here and elsewhere: `cargo bench --bench peers`.
//!
//! Instructions are counted by callgrind in a process of its own for each row, with two numbers of calls, so that start-up falls
//! out. Nanoseconds are medians of batches in this process, and as noisy as the machine.

#![allow(clippy::disallowed_methods, reason = "real time is what is measured")]

#[path = "../../measure/cost/callgrind.rs"]
mod callgrind;
#[path = "../../measure/cost/floor.rs"]
mod floor;
mod ours;
mod theirs;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use callgrind::per_call;

/// The error of the measured functions.
#[derive(Clone, Debug)]
pub(crate) struct Failure;

impl From<hardening::Rejected> for Failure {
    fn from(_: hardening::Rejected) -> Self {
        Self
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("failure")
    }
}

impl std::error::Error for Failure {}

/// What every variant calls: an async function that answers at once.
#[inline(never)]
pub(crate) async fn body(value: u64) -> Result<u64, Failure> {
    Ok(black_box(value))
}

/// Polls a future that never waits.
pub(crate) fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a measured body answers at once"),
    }
}

/// Makes so many calls; answers how many ended as they should.
pub(crate) type Run = fn(u64) -> u64;

const ROWS: &[(&str, &str, Run)] = &[
    ("success", "bare async call", |n| repeat(n, |i| ready(body(i)).is_ok())),
    ("success", "full stack: the floor, by hand", |n| repeat(n, |i| ready(floor::call(i)).is_ok())),
    ("success", "full stack: hardening", |n| repeat(n, |i| ready(ours::full(i)).is_ok())),
    ("success", "full stack: crates put together, cached metrics", theirs::together),
    (
        "success",
        "full stack: crates put together, #[instrument], metrics macros",
        theirs::together_as_people_do,
    ),
    ("success", "shed, concurrency, timeout, retry, rate: tower", theirs::tower),
    ("success", "the same behind its buffer: tower", theirs::tower_buffered),
    ("success", "five policies, no metrics: tower-resilience", theirs::tower_resilience),
    ("success", "breaker: hardening", |n| repeat(n, |i| ready(ours::broken(i)).is_ok())),
    ("success", "breaker: failsafe", theirs::failsafe),
    ("success", "breaker: recloser", theirs::recloser),
    ("success", "breaker: tower-resilience", theirs::breaker),
    ("success", "retry: hardening", |n| repeat(n, |i| ready(ours::repeated(i)).is_ok())),
    ("success", "retry: backon", theirs::backon),
    ("success", "limit, 10000 keys: hardening", ours::keyed),
    ("success", "limit, 10000 keys: governor", theirs::governor),
    ("success", "cache hit, 10000 entries: hardening, the whole call", ours::cached),
    ("success", "cache hit, 10000 entries: moka future get", theirs::moka),
    ("refusal", "open breaker: hardening, the whole call", ours::open),
    ("refusal", "open breaker: hardening, the breaker alone", ours::open_alone),
    ("refusal", "open breaker: failsafe", theirs::failsafe_open),
    ("refusal", "open breaker: recloser", theirs::recloser_open),
    ("refusal", "open breaker: tower-resilience", theirs::breaker_open),
];

/// Rows that are also run by two threads at once.
const CONTENDED: [&str; 4] = [
    "full stack: hardening",
    "full stack: the floor, by hand",
    "breaker: hardening",
    "limit, 10000 keys: hardening",
];

pub(crate) fn repeat(calls: u64, call: impl Fn(u64) -> bool) -> u64 {
    (0..calls).filter(|n| call(black_box(*n))).count() as u64
}

const FEW: u64 = 1_000;
const MANY: u64 = 21_000;
/// For the rows that fill a map: what that costs differs by the seed of its hash, by up to a million instructions.
const MANY_KEYS: u64 = 401_000;
const FILLS_A_MAP: [&str; 2] = ["10000", "crates put together"];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, at, calls] = &arguments[..]
        && mode == "run"
        && let (Ok(at), Ok(calls)) = (at.parse::<usize>(), calls.parse::<u64>())
    {
        return if ROWS[at].2(calls) == calls { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    println!("{:<8} {:<66} {:>12} {:>9}", "path", "what", "instructions", "median ns");
    let mut verdict = ExitCode::SUCCESS;
    for (at, (path, name, run)) in ROWS.iter().enumerate() {
        let many = if FILLS_A_MAP.iter().any(|part| name.contains(part)) { MANY_KEYS } else { MANY };
        let instructions = per_call(at, FEW, many).map(|each| format!("{each:.0}")).unwrap_or_else(|why| {
            eprintln!("{name}: {why}");
            verdict = ExitCode::FAILURE;
            "unsteady".to_owned()
        });
        println!("{path:<8} {name:<66} {instructions:>12} {:>9.0}", median(*run));
    }
    println!("\ntwo threads at once, median ns a call of each");
    for (_, name, run) in ROWS.iter().filter(|(_, name, _)| CONTENDED.contains(name)) {
        println!("         {name:<66} {:>22.0}", contended(*run));
    }
    println!("\nbytes held");
    for (name, bytes) in ours::memory() {
        println!("         {name:<66} {bytes:>22.0}");
    }
    verdict
}

fn median(run: Run) -> f64 {
    const BATCH: u64 = 2_000;
    run(BATCH);
    let mut times: Vec<f64> = (0..31)
        .map(|_| {
            let began = Instant::now();
            black_box(run(BATCH));
            began.elapsed().as_nanos() as f64 / BATCH as f64
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn contended(run: Run) -> f64 {
    let barrier = Barrier::new(2);
    let one = || {
        barrier.wait();
        median(run)
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(one);
        let mine = one();
        f64::midpoint(mine, other.join().unwrap_or(mine))
    })
}
