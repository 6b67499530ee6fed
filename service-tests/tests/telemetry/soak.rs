//! Nothing is left behind: rounds of everything that clients do and do wrong, after which memory, tasks and descriptors are what
//! they were.

use std::fs;
use std::time::Duration;

use hardening_service_tests::client::{Http2, ask, get, request};
use hardening_service_tests::prices::{PricesClient, text};
use hardening_service_tests::service::{until, value};
use hardening_service_tests::tool::said;
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::{Instant, timeout};
use tonic::Request;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};

use super::world::{COUNTED, KEY, World};

/// Rounds in which bounded tables fill up, and then those that must leave nothing behind.
const WARM_UP: usize = 4;
const ROUNDS: usize = 6;

/// What the last round holds on the heap beyond the first one after the warm-up, in bytes: eleven for each request between them.
const MARGIN: i64 = 64 << 10;

/// Memory of the process beyond that, in KiB. A heap of which some is free in between grows for an hour, so this finds no more than
/// a leak of what the heap is not asked for.
const MEMORY_MARGIN: i64 = 2048;

/// The same after many requests of one kind, which leave less free in between.
const HOUR_MARGIN: i64 = 512;

/// How often the heap is looked at: a line or a span that is on its way is there in one look and not in the next.
const LOOKS: usize = 10;

const SETTINGS: [(&str, &str); 5] = [
    ("HARDENING_LOG__ACCESS", "false"),
    ("HARDENING_HTTP__RATE_LIMIT", "1000000/s"),
    ("HARDENING_ADMIN__TOKEN", "correct-horse-battery-staple"),
    // One heap that gives back what is free at its end, so that the process's memory is what the service holds.
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TRIM_THRESHOLD_", "65536"),
];

/// What the process holds while nobody asks anything.
#[derive(Clone, Copy, Debug)]
struct Held {
    /// Memory that no file stands behind, in KiB.
    memory: i64,
    descriptors: usize,
    tasks: f64,
}

struct Soak {
    world: World,
    requests: usize,
}

impl Soak {
    /// Waits until everybody has left and what they began has ended.
    async fn held(&self, tasks: f64, descriptors: usize) -> Held {
        let id = self.world.child.id();
        let open = || fs::read_dir(format!("/proc/{id}/fd")).unwrap().count();
        let alive = async || {
            let metrics = self.world.scrape().await;
            let still = [r#"http_open_connections{listener="public"}"#, "http_requests_in_flight"];
            let idle = still.iter().all(|series| value(&metrics, series) == Some(0.0));
            (idle, value(&metrics, "tokio_alive_tasks").expect("a number"))
        };
        let began = Instant::now();
        loop {
            let (idle, alive) = alive().await;
            let open = open();
            if idle && alive <= tasks && open <= descriptors {
                let rollup = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap();
                let line = rollup.lines().find_map(|line| line.strip_prefix("Anonymous:")).expect("a line");
                let memory = line.trim().trim_end_matches(" kB").parse().expect("a number");
                return Held { memory, descriptors: open, tasks: alive };
            }
            assert!(
                began.elapsed() < Duration::from_secs(15),
                "idle: {idle}; {alive} tasks of {tasks}, {open} descriptors of {descriptors}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The least that its heap holds while nobody asks anything else, in bytes.
    async fn heap(&self) -> i64 {
        let mut client = self.world.old_client().await;
        let mut least = i64::MAX;
        for _ in 0..LOOKS {
            tokio::time::sleep(Duration::from_millis(50)).await;
            client.send(request("GET", "/allocated", &[], "")).await;
            least = least.min(client.reply().await.body.parse().expect("a number"));
        }
        least
    }

    async fn round(&mut self) {
        let world = &self.world;
        let all = tokio::join!(asks(world), asks(world), calls(world), torn(world), operator(world));
        self.requests += all.0 + all.1 + all.2 + all.3 + all.4;
        world.exchange_certificate();
        world.child.signal("HUP").await;
    }
}

/// Requests of every kind over one connection of each version.
async fn asks(world: &World) -> usize {
    let client = world.client().await;
    for at in 0..45 {
        let random = fastrand::u64(..);
        let key = random.to_string();
        for path in ["limited", "narrow", "breaker", "items", "missing"] {
            client.ask("GET", &format!("/{path}/{random:x}"), &[], "").await;
        }
        client.ask("GET", &format!("/priced/{}", random as u32), &[("x-api-key", KEY)], "").await;
        client.ask("POST", "/pay", &[("idempotency-key", &key)], key.clone()).await;
        client.ask("POST", "/pay", &[("idempotency-key", &key)], key.clone()).await;
        let path =
            ["/retried", "/hedged", "/saved", "/partner", "/waited", "/fails/500", "/timeout", "/panic"]
                [at % 8];
        client.ask("GET", path, &[("x-api-key", &key)], "").await;
    }
    let mut old = world.old_client().await;
    for at in 0..45 {
        old.send(request("GET", &format!("/items/{at}"), &[("authorization", "Bearer a.b.c")], "")).await;
        old.reply().await;
    }
    45 * 10
}

/// A connection for calls of gRPC.
#[derive(Clone)]
struct Connection(http2::SendRequest<Body>);

impl Service<http::Request<Body>> for Connection {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<Self::Response, hyper::Error>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), hyper::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        *request.uri_mut() = format!("http://test{path}").parse().expect("an address");
        Box::pin(self.0.send_request(request))
    }
}

/// Calls of gRPC, and streams that are left in the middle.
async fn calls(world: &World) -> usize {
    let stream = TokioIo::new(world.connection().await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.expect("a handshake");
    let connection = tokio::spawn(connection);
    let mut client = PricesClient::new(Connection(sender));
    for at in 0..20 {
        let asked = if at % 4 == 0 { "missing" } else { "a" };
        let _ = client.quote(Request::new(text(asked))).await;
        let mut feed = client.feed(Request::new(text(""))).await.expect("a stream").into_inner();
        feed.message().await.expect("a message").expect("the first");
        drop(feed);
    }
    // The last ones are cut with their connection.
    let mut left = Vec::new();
    for _ in 0..10 {
        left.push(client.feed(Request::new(text(""))).await.expect("a stream").into_inner());
    }
    connection.abort();
    50
}

/// Handshakes that end early, bytes that are none of a protocol's, requests that are abandoned.
async fn torn(world: &World) -> usize {
    for at in 0..12 {
        let mut silent = TcpStream::connect(world.child.addr).await.expect("a connection");
        if at % 2 == 0 {
            // The beginning of a handshake, or of none.
            let bytes: &[u8] = if at % 4 == 0 {
                b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
            } else {
                b"GET / HTTP/1.1\r\n\r\n"
            };
            silent.write_all(bytes).await.expect("they are taken");
        }
        drop(silent);
        let client: Http2 = world.client().await;
        let slow = client.open("GET", "/hedged", &[], "");
        let _ = timeout(Duration::from_millis(1), slow).await;
        let mut old = world.old_client().await;
        old.sent("POST /pay HTTP/1.1\r\nhost: test\r\ncontent-length: 10000\r\n\r\nhalf of it").await;
    }
    36
}

/// Somebody reads the console and the probes, and metrics are scraped.
async fn operator(world: &World) -> usize {
    let admin = world.child.admin_addr;
    let bearer = [("authorization", "Bearer correct-horse-battery-staple")];
    for _ in 0..5 {
        for path in ["/console/api/state", "/console/api/configuration"] {
            let asked = request("GET", path, &bearer, "");
            assert_eq!(ask(admin, asked).await.status, 200, "{path}");
        }
        get(admin, "/readyz?verbose").await;
        world.scrape().await;
    }
    20
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_rounds_of_everything_memory_tasks_and_descriptors_are_what_they_were() {
    let world = World::start(&[&SETTINGS[..], &[(COUNTED, "1")]].concat(), "").await;
    let mut soak = Soak { world, requests: 0 };
    let start = soak.held(f64::INFINITY, usize::MAX).await;
    for _ in 0..WARM_UP {
        Box::pin(soak.round()).await;
    }
    // The service keeps a connection to each of those that it tells of traces and errors, with a task or two.
    let (tasks, descriptors) = (start.tasks + 8.0, start.descriptors + 4);
    let before = soak.held(tasks, descriptors).await;
    let mut heap = vec![soak.heap().await];
    // One of them may be between two connections at that moment: with two tasks that may begin after the first look they come to
    // seven tasks and three descriptors.
    let tasks = before.tasks.max(start.tasks + 7.0);
    let descriptors = before.descriptors.max(start.descriptors + 3);
    let warm = soak.requests;
    let began = Instant::now();
    let mut all = vec![before];
    for _ in 0..ROUNDS {
        Box::pin(soak.round()).await;
        all.push(soak.held(tasks, descriptors).await);
        heap.push(soak.heap().await);
    }
    let after = all[ROUNDS];
    let requests = soak.requests - warm;
    let told: Vec<i64> = all.iter().map(|held| held.memory).collect();
    println!(
        "{requests} requests in {ROUNDS} rounds and {:?}: bytes {heap:?}, KiB {told:?}, tasks {} to {} to {}, descriptors {} to {} to {}",
        began.elapsed(),
        start.tasks,
        before.tasks,
        after.tasks,
        start.descriptors,
        before.descriptors,
        after.descriptors
    );
    assert!(heap[ROUNDS] - heap[0] < MARGIN, "{heap:?} bytes");
    assert!(after.memory - before.memory < MEMORY_MARGIN, "{told:?} KiB");
    let reloads = || async {
        value(&soak.world.scrape().await, r#"tls_certificate_reloads_total{result="applied"}"#)
            >= Some(ROUNDS as f64 / 2.0)
    };
    until("certificates were exchanged", reloads).await;
}

/// Requests of one turn, and the turns after one of each version: an hour of twenty-five requests a second.
const TURN: usize = 15_000;
const TURNS: usize = 6;

/// Lets h2load ask over both versions in turn; false where there is no h2load.
async fn turn(world: &World, at: usize) -> bool {
    let url = format!("https://{}/items/{at}", world.child.addr);
    let mut tool = Command::new("h2load");
    tool.args(["-n", &TURN.to_string(), "-c", "16", &url]);
    if at.is_multiple_of(2) {
        tool.arg("--h1");
    }
    let Some((_, said)) = said(&mut tool).await else { return false };
    assert!(said.contains(&format!("status codes: {TURN} 2xx")), "{said}");
    true
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hour_of_requests_takes_no_memory() {
    let soak = Soak { world: World::start(&SETTINGS, "").await, requests: 0 };
    let start = soak.held(f64::INFINITY, usize::MAX).await;
    let (tasks, descriptors) = (start.tasks + 6.0, start.descriptors + 4);
    let mut told = Vec::new();
    let began = Instant::now();
    for at in 0..TURNS + 2 {
        if !turn(&soak.world, at).await {
            return;
        }
        told.push(soak.held(tasks, descriptors).await.memory);
    }
    println!("{} requests in {:?}: KiB {told:?}", TURN * TURNS, began.elapsed());
    // Less than six bytes a request.
    assert!(told[TURNS + 1] - told[1] < HOUR_MARGIN, "{told:?} KiB");
}
