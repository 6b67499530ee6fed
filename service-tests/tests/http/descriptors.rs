//! Fewer file descriptors than places: the service accepts as many connections as it has descriptors for, and goes on to
//! answer, to be scraped, and to open what it needs itself.

use std::fs::File;
use std::net::SocketAddr;
use std::sync::Mutex;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use hardening::{Setup, hardened_service};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Duration, sleep, timeout};

use super::app::Dependencies;
use hardening_service_tests::child::{Child, End, main_of};
use hardening_service_tests::client::{self, Client, connect_from, request};
use hardening_service_tests::service::{until, value};

const NAME: &str = "descriptors::child_main";

#[test]
fn child_main() {
    main_of(NAME, openers);
}

static HELD: Mutex<Vec<File>> = Mutex::new(Vec::new());

/// Opens so many files and keeps them; answers whether it could.
fn open(count: usize) -> StatusCode {
    let mut held = HELD.lock().unwrap();
    for _ in 0..count {
        match File::open("/dev/null") {
            Ok(file) => held.push(file),
            Err(_) => return StatusCode::INSUFFICIENT_STORAGE,
        }
    }
    StatusCode::OK
}

#[hardened_service(name = "openers")]
async fn openers(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    Router::new()
        .route("/hello", get(async || "hello"))
        .route("/some", get(async || open(30)))
        .route("/all", get(async || open(usize::MAX)))
        .route("/none", get(async || HELD.lock().unwrap().clear()))
}

/// A connection from this address of the loopback network.
async fn from(peer: u8, address: SocketAddr) -> Client {
    Client::over(connect_from([127, 0, 0, peer], address).await)
}

async fn asks(client: &mut Client, path: &str) -> u16 {
    client.send(request("GET", path, &[], "")).await;
    client.reply().await.status
}

async fn metric(child: &Child, series: &str) -> f64 {
    let metrics = client::get(child.admin_addr, "/metrics").await.body;
    value(&metrics, series).unwrap_or_else(|| panic!("{series}: {metrics}"))
}

fn said<'e>(end: &'e End, part: &str) -> Vec<&'e Value> {
    end.log.iter().filter(|line| line["message"].as_str().is_some_and(|said| said.contains(part))).collect()
}

#[tokio::test]
async fn places_are_cut_to_the_descriptors_so_that_a_crowd_holds_nothing_up() {
    let child = Child::start_with_files("-n 256", NAME, &[]).await;
    let mut crowd = Vec::new();
    for number in 0..500_u16 {
        let mut client = from(2 + (number % 20) as u8, child.addr).await;
        // Half a head: it is neither idle nor answered.
        client.sent("GET /hello HTTP/1.1\r\n").await;
        crowd.push(client);
    }
    for _ in 0..3 {
        assert_eq!(client::get(child.admin_addr, "/livez").await.status, 200);
    }
    // Heads that take long give way, and until then a newcomer is told at once that there is no place.
    let served = async || {
        let mut newcomer = from(40, child.addr).await;
        newcomer.sent(request("GET", "/hello", &[("connection", "close")], "")).await;
        newcomer.rest().await.starts_with("HTTP/1.1 200")
    };
    until("a newcomer is served", served).await;
    let open = metric(&child, "process_open_fds").await;
    assert!(open < 256.0, "{open}");
    // What is reserved can still be opened.
    drop(crowd);
    let mut last = from(50, child.addr).await;
    assert_eq!(asks(&mut last, "/some").await, 200);
    child.terminate().await;
    let end = child.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.complained);
    let cut = said(&end, "fewer connections are accepted than `http.connections` = 10000");
    assert_eq!(cut.len(), 1, "{}", end.said);
    let connections = cut[0]["connections"].as_u64().expect("a number");
    assert!((50..200).contains(&connections) && cut[0]["limit"] == 256, "{}", cut[0]);
    assert_eq!(said(&end, "cannot accept").len(), 0, "there was a descriptor for each that came");
}

#[tokio::test]
async fn while_a_crowd_stands_there_what_is_reserved_can_be_opened() {
    let child = Child::start_with_files("-n 256", NAME, &[]).await;
    let mut opener = from(50, child.addr).await;
    assert_eq!(asks(&mut opener, "/hello").await, 200);
    let mut crowd = Vec::new();
    for number in 0..500_u16 {
        let mut client = from(2 + (number % 20) as u8, child.addr).await;
        client.sent("GET /hello HTTP/1.1\r\n").await;
        crowd.push(client);
        if number % 50 == 0 {
            // Kept in use, so that it is not the one that gives way.
            assert_eq!(asks(&mut opener, "/hello").await, 200);
        }
    }
    assert_eq!(asks(&mut opener, "/some").await, 200);
}

#[tokio::test]
async fn the_soft_limit_is_raised_to_the_hard_one() {
    let hard = Command::new("sh").args(["-c", "ulimit -Hn"]).output().await.expect("a shell").stdout;
    let hard: Option<f64> = String::from_utf8_lossy(&hard).trim().parse().ok();
    let child = Child::start_with_files("-S -n 200", NAME, &[]).await;
    let most = metric(&child, "process_max_fds").await;
    // Where there is no hard limit, nothing is to be compared.
    assert!(most > 200.0 && hard.is_none_or(|hard| (hard - most).abs() < 1.0), "{most} of {hard:?}");
}

#[tokio::test]
async fn when_the_program_has_opened_all_there_is_it_is_scraped_and_goes_on_afterwards() {
    let child = Child::start_with_files("-n 256", NAME, &[]).await;
    let mut inside = Client::connect(child.addr).await;
    assert_eq!(asks(&mut inside, "/all").await, 507);
    for _ in 0..10 {
        assert_eq!(client::get(child.admin_addr, "/livez").await.status, 200, "descriptors of its own");
    }
    // What those connections had, once they have ended.
    sleep(Duration::from_millis(300)).await;
    assert_eq!(asks(&mut inside, "/all").await, 507);
    let mut waiting = Client::connect(child.addr).await;
    waiting.send(request("GET", "/hello", &[], "")).await;
    let early = timeout(Duration::from_millis(1500), waiting.reply()).await;
    assert!(early.is_err(), "there is no descriptor for it: {early:?}");
    assert_eq!(asks(&mut inside, "/none").await, 200);
    assert_eq!(waiting.reply().await.status, 200);
    child.terminate().await;
    let end = child.ended().await;
    assert_eq!(end.code, Some(0), "{}", end.complained);
    let cannot = said(&end, "cannot accept connections");
    assert_eq!(cannot.len(), 1, "one line in a minute: {cannot:?}");
    assert_eq!(cannot[0]["listener"], "public");
}

#[tokio::test]
async fn without_descriptors_for_connections_it_does_not_start() {
    let end = Child::run_with_files("-n 48", NAME, &[]).await;
    assert_eq!(end.code, Some(1), "{end:?}");
    assert!(end.complained.contains("the limit of 48 open files leaves no room"), "{}", end.complained);
}
