//! What a call costs, in instructions: `cargo bench --bench cost`.
//!
//! The program runs itself under `valgrind --tool=callgrind` with two numbers of calls and divides the difference, so
//! that start-up falls out and the figure is repeatable to the digit.

mod callgrind;
mod floor;
mod hardened;

use std::future::Future;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};

use callgrind::per_call;

/// The error of the measured functions.
#[derive(Debug)]
pub(crate) struct Failure;

impl From<hardening::Rejected> for Failure {
    fn from(_: hardening::Rejected) -> Self {
        Self
    }
}

/// What every variant calls: an async function of another crate that answers at once.
#[inline(never)]
pub(crate) async fn body(value: u64) -> Result<u64, Failure> {
    Ok(std::hint::black_box(value))
}

/// Polls a future that never waits.
fn ready<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the measured bodies answer at once"),
    }
}

type Variant = (&'static str, fn(u64) -> bool);

const VARIANTS: [Variant; 9] = [
    ("bare call", |n| ready(body(n)).is_ok()),
    ("floor: full stack by hand", |n| ready(floor::call(n)).is_ok()),
    ("hardened: full stack", |n| ready(hardened::full(n)).is_ok()),
    ("hardened: no policy", |n| ready(hardened::observed(n)).is_ok()),
    ("hardened: timeout", |n| ready(hardened::timed(n)).is_ok()),
    ("hardened: retry", |n| ready(hardened::repeated(n)).is_ok()),
    ("hardened: circuit breaker", |n| ready(hardened::broken(n)).is_ok()),
    ("hardened: rate limit", |n| ready(hardened::limited(n)).is_ok()),
    ("hardened: bulkhead", |n| ready(hardened::bounded(n)).is_ok()),
];

const FEW: u64 = 1_000;
const MANY: u64 = 11_000;
/// The full stack may cost at most this many times the floor.
const ALLOWED: f64 = 1.15;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, mode, at, calls] = &arguments[..]
        && mode == "run"
    {
        let (Ok(at), Ok(calls)) = (at.parse::<usize>(), calls.parse::<u64>()) else {
            return ExitCode::FAILURE;
        };
        let good = (0..calls).filter(|n| VARIANTS[at].1(std::hint::black_box(*n))).count();
        return if good as u64 == calls { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let mut figures = Vec::new();
    for (at, (name, _)) in VARIANTS.iter().enumerate() {
        match per_call(at, FEW, MANY) {
            Ok(each) => {
                println!("{name:<28} {each:>7.1} instructions a call");
                figures.push(each);
            }
            Err(why) => {
                eprintln!("{name}: {why}");
                return ExitCode::FAILURE;
            }
        }
    }
    let ratio = figures[2] / figures[1];
    println!("full stack / floor           {ratio:>7.3} (at most {ALLOWED})");
    if ratio <= ALLOWED { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
