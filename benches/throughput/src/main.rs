//! Requests a second, one core for the server and one for the client: `cargo bench --bench throughput`.
//!
//! The program starts itself as each server and lets `wrk` ask. All servers stay, and take turns of a second: each turn is held
//! against the bare server's of the same round, and the median of all rounds counts, so that what else the machine does falls on
//! both.

mod servers;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// One server: its name, its program, what the log says, to nobody, and the least share of the bare server's requests that it
/// must answer.
struct Variant {
    name: &'static str,
    program: &'static str,
    level: &'static str,
    least: f64,
}

const VARIANTS: [Variant; 5] = [
    Variant { name: "bare `axum::serve`", program: "bare", level: "", least: 1.0 },
    Variant { name: "hardened service, log at warn", program: "service", level: "warn", least: 0.80 },
    Variant { name: "and a call under five policies", program: "hardened", level: "warn", least: 0.80 },
    Variant {
        name: "hardened service, a JSON line for each request",
        program: "service",
        level: "info",
        least: 0.55,
    },
    Variant {
        name: "and a call under five policies, with its spans",
        program: "hardened",
        level: "info",
        least: 0.55,
    },
];

/// And a 99th percentile of at most this many times the bare server's.
const LATEST: f64 = 1.3;

const ROUNDS: usize = 15;
const SECONDS: &str = "1s";
const CONNECTIONS: &str = "32";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, program, address] = &arguments[..] {
        return match program.as_str() {
            "bare" => servers::bare(address),
            "service" => servers::service(address),
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
    let servers: Result<Vec<Server>, String> = VARIANTS.iter().map(started).collect();
    let servers = servers?;
    let mut found: [Vec<Found>; VARIANTS.len()] = Default::default();
    // The first round warms them.
    for round in 0..=ROUNDS {
        for ((variant, server), found) in VARIANTS.iter().zip(&servers).zip(&mut found) {
            let turn = wrk(&server.url).map_err(|why| format!("{}: {why}", variant.name))?;
            if round > 0 {
                found.push(turn);
            }
        }
        eprintln!("round {round} of {ROUNDS}");
    }
    println!("| server | requests/s | of bare | p99 ms | of bare |\n|---|---|---|---|---|");
    let mut good = true;
    let bare = &found[0];
    for (variant, found) in VARIANTS.iter().zip(&found) {
        let rate = median(found.iter().map(|found| found.0));
        let late = median(found.iter().map(|found| found.1));
        let share = median(found.iter().zip(bare).map(|(found, bare)| found.0 / bare.0));
        let slower = median(found.iter().zip(bare).map(|(found, bare)| found.1 / bare.1));
        println!("| {} | {rate:.0} | {share:.2} | {:.2} | {slower:.2} |", variant.name, late / 1e3);
        good &= share >= variant.least && slower <= LATEST;
    }
    println!("at least 0.80 of the requests, with lines 0.55; a p99 of at most {LATEST} times the bare one");
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Server {
    process: Child,
    url: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = (self.process.kill(), self.process.wait());
    }
}

fn started(variant: &Variant) -> Result<Server, String> {
    let address = free()?;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let process = Command::new("taskset")
        .args(["-c", "0"])
        .arg(this)
        .args([variant.program, &*address.to_string()])
        .env("RUST_LOG", variant.level)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let process = process.map_err(|error| format!("taskset: {error}"))?;
    let server = Server { process, url: format!("http://{address}/price/lamp") };
    #[expect(
        clippy::disallowed_methods,
        reason = "this program waits for another one, on the machine's clock"
    )]
    let began = Instant::now();
    while TcpStream::connect(address).is_err() {
        if began.elapsed() > Duration::from_secs(10) {
            return Err(format!("{}: it does not serve", variant.name));
        }
        std::thread::yield_now();
    }
    Ok(server)
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

fn wrk(url: &str) -> Result<Found, String> {
    let script = std::env::temp_dir().join(format!("hardening-throughput-{}.lua", std::process::id()));
    std::fs::write(&script, SCRIPT).map_err(|error| error.to_string())?;
    let output = Command::new("taskset")
        .args(["-c", "1", "wrk", "-t1", "-c", CONNECTIONS, "-d", SECONDS, "--latency", "-s"])
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
