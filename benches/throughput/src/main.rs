//! Requests a second, one core for the server and one for the client: `cargo bench --bench throughput`.
//!
//! The program starts itself as each server in turn and lets `wrk` ask. The servers take turns in every round, and the
//! median of all rounds counts, so that what else the machine does falls on all of them.

mod servers;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// One server: its name, its program, and what the log says, to nobody.
const VARIANTS: [(&str, &str, &str); 3] = [
    ("bare axum::serve", "bare", ""),
    ("hardened, log at warn", "hardened", "warn"),
    ("hardened, a JSON line each", "hardened", "info"),
];

/// What the issue of throughput is about: at least this share of the bare server's requests a second.
const LEAST: [f64; 3] = [1.0, 0.80, 0.55];
/// And a 99th percentile of at most this many times the bare server's.
const LATEST: f64 = 1.3;

const ROUNDS: usize = 7;
const SECONDS: &str = "3s";
const CONNECTIONS: &str = "32";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, program, address] = &arguments[..] {
        return match program.as_str() {
            "bare" => servers::bare(address),
            _ => servers::hardened(address),
        };
    }
    match measure() {
        Ok(code) => code,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

/// What `wrk` found: requests a second, and the 99th percentile in microseconds.
type Found = (f64, f64);

fn measure() -> Result<ExitCode, String> {
    let mut found: [Vec<Found>; 3] = Default::default();
    for round in 1..=ROUNDS {
        for (variant, found) in VARIANTS.iter().zip(&mut found) {
            found.push(one(variant).map_err(|why| format!("{}: {why}", variant.0))?);
        }
        eprintln!("round {round} of {ROUNDS}");
    }
    let median = |variant: usize, of: fn(&Found) -> f64| {
        let mut values: Vec<f64> = found[variant].iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("| server | requests/s | of bare | p99 ms | of bare |\n|---|---|---|---|---|");
    let mut good = true;
    for (at, (name, ..)) in VARIANTS.iter().enumerate() {
        let (rate, late) = (median(at, |found| found.0), median(at, |found| found.1));
        let (share, slower) = (rate / median(0, |found| found.0), late / median(0, |found| found.1));
        println!("| {name} | {rate:.0} | {share:.2} | {:.2} | {slower:.2} |", late / 1e3);
        good &= share >= LEAST[at] && slower <= LATEST;
    }
    println!("at least {LEAST:?} of the requests, a p99 of at most {LATEST} times the bare one");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = (self.0.kill(), self.0.wait());
    }
}

fn one((_, program, level): &(&str, &str, &str)) -> Result<Found, String> {
    let address = free()?;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let server = Command::new("taskset")
        .args(["-c", "0"])
        .arg(this)
        .args([program, &*address.to_string()])
        .env("RUST_LOG", level)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let _server = Server(server.map_err(|error| format!("taskset: {error}"))?);
    #[expect(
        clippy::disallowed_methods,
        reason = "this program waits for another one, on the machine's clock"
    )]
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err("it does not serve".to_owned());
        }
        std::thread::yield_now();
    }
    let url = format!("http://{address}/price/lamp");
    // Warm.
    wrk(&url, "1s")?;
    wrk(&url, SECONDS)
}

fn free() -> Result<SocketAddr, String> {
    let bound = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    bound.map_err(|error| error.to_string())
}

/// Prints two numbers at its end; every answer but 200 is an error there.
const SCRIPT: &str = "done = function(summary, latency, requests)\n\
    local errors = summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout\n\
    io.write(string.format('FOUND %f %f %d\\n', summary.requests / summary.duration * 1e6, latency:percentile(99), errors))\n\
    end\n";

fn wrk(url: &str, lasts: &str) -> Result<Found, String> {
    let script = std::env::temp_dir().join(format!("hardening-throughput-{}.lua", std::process::id()));
    std::fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c", CONNECTIONS, "-d", lasts, "--latency", "-s"])
        .arg(&script)
        .arg(url)
        .output();
    // Nothing reads it any more.
    let _ = std::fs::remove_file(&script);
    let output = output.map_err(|error| format!("taskset: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("FOUND "));
    let line = line.ok_or_else(|| {
        format!(
            "wrk says nothing; is it installed (Debian's package is called wrk)? {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    let numbers: Vec<f64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
    match numbers[..] {
        [rate, late, 0.0] => Ok((rate, late)),
        [_, _, errors] => Err(format!("{errors} requests were not answered with 200")),
        _ => Err(format!("wrk says {line}")),
    }
}
