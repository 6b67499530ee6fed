//! Clients that mean harm, and the good ones beside them.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, sleep, timeout};

use super::support::start;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::client::{Client, Http2, get, request};
use hardening_service_tests::service::{problem, ready, scrape, until, value};

/// What this process has in memory, in bytes; the clients are part of it.
fn memory() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("Linux tells");
    pages.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("pages") * 4096
}

/// Whether this process runs the test of this name alone. In the one that runs them all, another is started that does: memory
/// and times of many tests at once say nothing of one.
fn alone(name: &str) -> bool {
    const ALONE: &str = "HARDENING_TEST_ALONE";
    if std::env::var(ALONE).is_ok_and(|only| only == name) {
        return true;
    }
    let program = std::env::current_exe().expect("this program");
    let mut test = std::process::Command::new(program);
    test.args(["--exact", &format!("hostile::{name}"), "--nocapture"]).env(ALONE, name);
    let ended = test.output().expect("it runs");
    let said = String::from_utf8_lossy(&ended.stdout);
    let complained = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && said.contains("1 passed"), "{said}\n{complained}");
    false
}

fn series(metrics: &str) -> usize {
    metrics.lines().filter(|line| !line.starts_with('#')).count()
}

/// How long the slowest one in a hundred of these takes.
fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

/// Good requests one after the other on kept connections for a while, and how long each took.
async fn good(address: std::net::SocketAddr, time: Duration) -> Vec<Duration> {
    let mut client = Client::connect(address).await;
    let (mut times, began) = (Vec::new(), Instant::now());
    while began.elapsed() < time {
        let asked = Instant::now();
        client.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(client.reply().await.status, 200);
        times.push(asked.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_slow_heads_do_not_slow_good_requests() {
    if !alone("two_thousand_slow_heads_do_not_slow_good_requests") {
        return;
    }
    let running = start("[http]\nrate_limit = 'none'\nheader_timeout = '1h'").await;
    ready(&running).await;
    let alone = p99(good(running.addr, Duration::from_secs(2)).await);
    let before = memory();
    let mut slow = Vec::new();
    for _ in 0..2000 {
        let mut client = Client::connect(running.addr).await;
        client.send("GET /hello HTTP/1.1\r\nhost: x\r\n").await;
        slow.push(client);
    }
    let held = before.abs_diff(memory());
    let over = Arc::new(AtomicBool::new(false));
    let trickle = tokio::spawn({
        let over = Arc::clone(&over);
        async move {
            // Each of them says something every five seconds.
            for at in (0..slow.len()).cycle() {
                slow[at].send("a: b\r\n").await;
                sleep(Duration::from_micros(2500)).await;
                if over.load(Ordering::Relaxed) {
                    break;
                }
            }
            slow
        }
    });
    let beside = p99(good(running.addr, Duration::from_secs(4)).await);
    over.store(true, Ordering::Relaxed);
    let mut slow = trickle.await.expect("the slow ones");
    // A machine that is slow without them is not measured by them.
    let bound = Duration::from_millis(50).max(alone * 4);
    assert!(beside < bound, "p99 {beside:?} beside them, {alone:?} alone");
    let open = value(&scrape(&running).await, "http_open_connections{listener=\"public\"}");
    assert!(open >= Some(2000.0), "{open:?}");
    // Both ends of each: what a connection costs is bounded.
    assert!(held < 2000 * 64 * 1024, "{held} bytes for 2000 connections");
    for client in slow.iter_mut().take(20) {
        client.send("\r\n").await;
        assert_eq!(client.reply().await.status, 200, "who ends its head is served");
    }
}

#[tokio::test]
async fn slow_heads_are_cut_in_time_all_of_them() {
    let running = start("[http]\nrate_limit = 'none'\nheader_timeout = '1s'").await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut client = Client::connect(running.addr).await;
        client.send("GET /hello HTTP/1.1\r\n").await;
        slow.push(client);
    }
    for client in &mut slow {
        problem(&client.reply().await, 408);
    }
    drop(slow);
    let open = || async {
        value(&scrape(&running).await, "http_open_connections{listener=\"public\"}") == Some(0.0)
    };
    until("none is left", open).await;
}

#[tokio::test]
async fn a_body_without_an_end_is_cut_whatever_it_is_made_of() {
    if !alone("a_body_without_an_end_is_cut_whatever_it_is_made_of") {
        return;
    }
    let running = start("[http]\nbody_limit = '64KiB'\nbody_timeout = '2s'\nrate_limit = 'none'").await;
    let before = memory();
    let head = request("POST", "/echo", &[("transfer-encoding", "chunked")], "");
    let large = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    let extended = format!("1;{}\r\nx\r\n", "e".repeat(4000));
    let extension = "e".repeat(4000);
    let trailers = "trailer: value\r\n".repeat(200);
    for (what, first, more) in [
        ("chunks", "", large.as_str()),
        ("chunks of one byte", "", "1\r\nx\r\n"),
        ("extensions", "", &extended),
        ("one extension", "1;", &extension),
        ("a size", "", "0"),
        ("trailers", "1\r\nx\r\n0\r\n", &trailers),
    ] {
        let mut client = Client::connect(running.addr).await;
        client.send(&head).await;
        client.sent(first).await;
        let began = Instant::now();
        while client.sent(more).await {
            assert!(began.elapsed() < Duration::from_secs(8), "{what}: it goes on and on");
            tokio::task::yield_now().await;
        }
        assert_eq!(get(running.addr, "/hello").await.status, 200, "{what}");
    }
    let grown = memory().saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes");
}

/// How many of them.
const BYTES: usize = 10_000;

/// Each read of a connection may have memory of its own: a byte of a body must not keep all of that.
#[tokio::test]
async fn a_body_that_comes_in_single_bytes_takes_no_memory_of_what_was_read_with_it() {
    if !alone("a_body_that_comes_in_single_bytes_takes_no_memory_of_what_was_read_with_it") {
        return;
    }
    let running = start("[http]\nbody_timeout = '60s'\nrequest_timeout = '60s'\nrate_limit = 'none'\n[shutdown]\ngrace = '80s'").await;
    let before = memory();
    let chunked = request("POST", "/echo", &[("transfer-encoding", "chunked")], "");
    let counted = format!("POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: {BYTES}\r\n\r\n");
    let mut clients = Vec::new();
    for (head, byte) in [(chunked.as_str(), "1\r\nx\r\n"), (counted.as_str(), "x")] {
        let mut client = Client::connect(running.addr).await;
        client.send(head).await;
        for _ in 0..BYTES {
            client.send(byte).await;
            // The service reads it before there is more.
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
        }
        clients.push(client);
    }
    let grown = memory().saturating_sub(before);
    clients[0].send("0\r\n\r\n").await;
    for client in &mut clients {
        assert_eq!(client.reply().await.body, BYTES.to_string());
    }
    // Each piece is known by some tens of bytes.
    assert!(grown < 4 << 20, "{grown} bytes");
}

#[tokio::test]
async fn a_head_that_grows_when_it_is_unpacked_is_refused() {
    if !alone("a_head_that_grows_when_it_is_unpacked_is_refused") {
        return;
    }
    let running = start("http.rate_limit = 'none'").await;
    let before = memory();
    // One field of three thousand bytes in the table, and then ten thousand times its number: thirty megabytes in one frame.
    let named =
        [b"\x82\x86\x04\x06/hello\x41\x01x\x40\x06x-bomb\x7f\xb9\x16".as_slice(), &[b'v'; 3000]].concat();
    let block = [named.as_slice(), &[0xbe; 10_000]].concat();
    let length = u32::try_from(block.len()).expect("a frame").to_be_bytes();
    let mut bomber = TcpStream::connect(running.addr).await.expect("a connection");
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for stream in 0..20_u8 {
        let frame = [&length[1..], &[1, 5, 0, 0, 0, 2 * stream + 1], block.as_slice()].concat();
        bytes.extend(frame);
    }
    // A ping, which is answered when all before it was read; or the connection is cut.
    bytes.extend(b"\0\0\x08\x06\0\0\0\0\0boombang");
    let _ = bomber.write_all(&bytes).await;
    let mut said = Vec::new();
    let read = async {
        while !said.windows(8).any(|part| part == b"boombang") {
            if bomber.read_buf(&mut said).await.is_ok_and(|read| read > 0) {
                continue;
            }
            break;
        }
    };
    timeout(Duration::from_secs(8), read).await.expect("an end in time");
    assert!(!said.windows(5).any(|part| part == b"hello"), "no bomb is served");
    let value = "v".repeat(4000);
    let few: Vec<(&str, &str)> = std::iter::repeat_n(("x-few", value.as_str()), 5).collect();
    let refused = Http2::connect(running.addr).await.ask("GET", "/hello", &few, "").await;
    problem(&refused, 431);
    assert_eq!(get(running.addr, "/hello").await.status, 200);
    assert!(memory().saturating_sub(before) < 64 << 20);
}

#[tokio::test]
async fn bytes_at_random_on_both_ports_with_and_without_tls_harm_nobody() {
    let authority = Authority::new();
    for tls in [String::new(), authority.install(&authority.server())] {
        let running = start(&format!("[http]\nrate_limit = 'none'\nheader_timeout = '1s'\n{tls}")).await;
        ready(&running).await;
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..200 {
            let length = random.usize(1..3000);
            let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
            let begin: &[u8] = match round % 4 {
                0 => b"",
                1 => b"GET / HTTP/1.1\r\n",
                2 => b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                _ => &[0x16, 3, 1, 0x10, 0, 1, 0],
            };
            for address in [running.addr, running.admin_addr] {
                let mut client = Client::connect(address).await;
                client.sent([begin, &noise].concat()).await;
                if round % 8 == 0 {
                    let text = client.rest().await;
                    assert!(!text.contains("HTTP/1.1 200") && !text.contains("HTTP/1.1 5"), "{text}");
                }
            }
        }
        if tls.is_empty() {
            assert_eq!(get(running.addr, "/hello").await.status, 200);
        } else {
            let mut good =
                Client::over(connect(running.addr, &authority.plain_config()).await.expect("hands"));
            good.send(request("GET", "/hello", &[], "")).await;
            assert_eq!(good.reply().await.status, 200);
        }
        let metrics = scrape(&running).await;
        assert_eq!(value(&metrics, "http_requests_in_flight"), Some(0.0));
    }
}

#[tokio::test]
async fn ten_thousand_clients_and_ten_thousand_paths_make_no_series_and_little_memory() {
    if !alone("ten_thousand_clients_and_ten_thousand_paths_make_no_series_and_little_memory") {
        return;
    }
    let settings = "[http]\ntrusted_proxies = ['127.0.0.1']\nrate_limit_max_keys = 1000\nrate_limit = '5/min'\n[log]\naccess = false";
    let running = start(settings).await;
    ready(&running).await;
    let mut client = Client::connect(running.addr).await;
    let mut ask = async |path: &str, from: &str| {
        client.send(request("GET", path, &[("x-forwarded-for", from)], "")).await;
        client.reply().await.status
    };
    for path in ["/hello", "/missing"] {
        ask(path, "192.0.2.1").await;
    }
    let (before, memory_before) = (series(&scrape(&running).await), memory());
    let mut path = String::new();
    for n in 0..10_000_u32 {
        path.clear();
        write!(path, "/{:x}/{n}?q={n}", fastrand::u64(..)).expect("a text");
        let [_, a, b, c] = n.to_be_bytes();
        ask(&path, &format!("10.{a}.{b}.{c}")).await;
    }
    let after = scrape(&running).await;
    let grown = memory().saturating_sub(memory_before);
    // The statuses of the one label that they share: 404, and 429 beyond the clients that are remembered.
    assert!(series(&after) <= before + 2, "{} series after {before}", series(&after));
    assert!(!after.contains("10.0.") && !after.contains("?q="));
    assert!(grown < 16 << 20, "{grown} bytes");
    let counted = |status: &str| {
        let series = format!("http_requests_total{{method=\"GET\",route=\"unmatched\",status=\"{status}\"}}");
        value(&after, &series).unwrap_or_default()
    };
    assert_eq!(Some(counted("404") + counted("429")), Some(10_001.0));
}
