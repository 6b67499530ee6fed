//! Requests a second, one core for the server and one for the client: `cargo bench --bench throughput`.
//!
//! The program starts itself, or `benches/stacked`, as each server and lets `wrk` ask. All servers stay, and take turns of a
//! second: each turn is held against the bare server's of the same round, and the median of all rounds counts, so that what else
//! the machine does falls on both.

mod servers;

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// One server.
struct Variant {
    name: &'static str,
    /// Its program, and whether that is the one of stacked layers.
    program: &'static str,
    stacked: bool,
    /// What its log says, to nobody.
    level: &'static str,
    /// The least share of the bare server's requests that it must answer, and of a stacked server's: that one is named by its place
    /// here.
    least: f64,
    least_of: &'static [usize],
}

impl Variant {
    const fn ours(name: &'static str, program: &'static str, level: &'static str, least: f64) -> Self {
        Self { name, program, stacked: false, level, least, least_of: &[] }
    }

    const fn of_layers(name: &'static str, program: &'static str, level: &'static str) -> Self {
        Self { name, program, stacked: true, level, least: 0.0, least_of: &[] }
    }

    /// With at least [`OF_STACKED`] times the requests of each of these.
    const fn beats(self, least_of: &'static [usize]) -> Self {
        Self { least_of, ..self }
    }
}

const VARIANTS: [Variant; 9] = [
    Variant::ours("bare `axum::serve`", "bare", "", 1.0),
    Variant::ours("hardened service, log at warn", "service", "warn", 0.80).beats(&[5, 6]),
    Variant::ours("and a call under five policies", "hardened", "warn", 0.80),
    Variant::ours("hardened service, a JSON line for each request", "service", "info", 0.55).beats(&[7, 8]),
    Variant::ours("and a call under five policies, with its spans", "hardened", "info", 0.55),
    Variant::of_layers("axum and thirteen layers, log at warn", "layers", "warn"),
    Variant::of_layers("the same in one `ServiceBuilder`", "builder", "warn"),
    Variant::of_layers("axum and thirteen layers, a JSON line for each request", "layers", "info"),
    Variant::of_layers("the same in one `ServiceBuilder`, with lines", "builder", "info"),
];

/// And a 99th percentile of at most this many times the bare one.
const LATEST: f64 = 1.3;

/// How many times the requests of stacked layers it answers at least.
const OF_STACKED: f64 = 1.0;

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
    let stacked = stacked()?;
    let servers: Result<Vec<Server>, String> =
        VARIANTS.iter().map(|variant| started(variant, &stacked)).collect();
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
    println!("| server | requests/s | of bare | p99 ms | of bare | of layers |\n|---|---|---|---|---|---|");
    let mut good = true;
    let share = |found: &[Found], others: &[Found], of: fn(&Found) -> f64| {
        median(found.iter().zip(others).map(|(found, other)| of(found) / of(other)))
    };
    for (variant, turns) in VARIANTS.iter().zip(&found) {
        let rate = median(turns.iter().map(|turn| turn.0));
        let late = median(turns.iter().map(|turn| turn.1)) / 1e3;
        let (of_bare, later) =
            (share(turns, &found[0], |turn| turn.0), share(turns, &found[0], |turn| turn.1));
        let of_layers = variant.least_of.iter().map(|other| share(turns, &found[*other], |turn| turn.0));
        let of_layers = of_layers.reduce(f64::min);
        let told = of_layers.map_or_else(String::new, |share| format!("{share:.2}"));
        println!("| {} | {rate:.0} | {of_bare:.2} | {late:.2} | {later:.2} | {told} |", variant.name);
        good &= of_bare >= variant.least && of_layers.is_none_or(|share| share >= OF_STACKED);
        good &= variant.stacked || later <= LATEST;
    }
    println!(
        "at least 0.80 of the bare server's requests, with lines 0.55, and a p99 of at most {LATEST} times its own; \
         at least {OF_STACKED} times those of the better of the stacked servers"
    );
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The program of stacked layers, which is a workspace of its own.
fn stacked() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../stacked");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo).args(["build", "--quiet", "--release"]).current_dir(&folder).status();
    match built {
        Ok(status) if status.success() => {}
        Ok(_) => return Err("benches/stacked does not build".to_owned()),
        Err(error) => return Err(format!("cargo does not run: {error}")),
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| folder.join("target"), PathBuf::from);
    Ok(target.join("release/hardening-stacked"))
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

fn started(variant: &Variant, stacked: &Path) -> Result<Server, String> {
    let address = free()?;
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let program = if variant.stacked { stacked } else { &this };
    let process = Command::new("taskset")
        .args(["-c", "0"])
        .arg(program)
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
