//! More requests than the service can do: which of them are refused, and what becomes of the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::app::Dependencies;
use axum::Router;
use axum::routing::get;
use hardening::{Priority, Running, Setup, hardened_service};
use hardening_service_tests::client::{Client, Reply, get as ask, request};
use hardening_service_tests::service::{comes_again, problem, ready, scrape, until, value};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

/// How many requests the work does at once, and how long one takes.
const AT_ONCE: usize = 4;
const WORK: Duration = Duration::from_millis(50);

#[hardened_service(name = "busy")]
async fn busy(setup: &mut Setup) -> Router {
    // What the checks of this program ask for.
    setup.provide(Dependencies::default());
    setup.priority("/report", Priority::Low);
    setup.priority("/pay", Priority::Low);
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let work = move || {
        let places = Arc::clone(&places);
        async move {
            let _place = places.acquire().await;
            sleep(WORK).await;
            "done"
        }
    };
    let wait = || async {
        sleep(Duration::from_secs(2)).await;
        "done"
    };
    Router::new()
        .route("/work", get(work))
        .route("/wait", get(wait))
        .route("/report", get(wait))
        .route("/pay", get(wait))
        .route("/items/{id}", get(|| async { "item" }))
}

async fn start(settings: &str) -> Running {
    let settings = format!("http.rate_limit = 'none'\n{settings}");
    let running = busy().with_settings(settings).start().await.unwrap_or_else(|error| panic!("{error}"));
    ready(&running).await;
    running
}

async fn with(running: &Running, path: &str, fields: &[(&str, &str)]) -> Reply {
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", path, fields, "")).await;
    client.reply().await
}

/// As many clients as there are paths, all of which wait for their answers.
async fn hold(running: &Running, paths: &[&str]) -> Vec<Client> {
    let mut held = Vec::new();
    for path in paths {
        let mut client = Client::connect(running.addr).await;
        client.send(request("GET", path, &[], "")).await;
        held.push(client);
    }
    let count = held.len() as f64;
    // The one that scrapes stands on the other listener.
    let all = || async { value(&scrape(running).await, "http_requests_in_flight") == Some(count) };
    until("all of them are worked on", all).await;
    held
}

#[track_caller]
fn overloaded(reply: &Reply) {
    let told = problem(reply, 503);
    assert_eq!(told["type"], "urn:hardening:problem:overloaded");
    comes_again(reply.header("retry-after"), 1, 8);
}

#[tokio::test]
async fn beyond_the_limit_requests_are_refused_and_probes_are_answered() {
    let running = start("[shed]\nmax = 3").await;
    let mut held = hold(&running, &["/wait"; 3]).await;
    for path in ["/work", "/items/1", "/wait", "/missing"] {
        let began = Instant::now();
        overloaded(&ask(running.addr, path).await);
        assert!(began.elapsed() < Duration::from_secs(1), "nobody waits to be refused");
    }
    for path in ["/livez", "/readyz", "/startupz", "/health"] {
        assert_eq!(ask(running.addr, path).await.status, 200, "{path}");
    }
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, "http_shed_total{class=\"normal\"}"), Some(4.0));
    assert_eq!(value(&metrics, "http_shed_total{class=\"critical\"}"), Some(0.0));
    assert_eq!(value(&metrics, "http_concurrency_limit"), Some(3.0));
    for client in &mut held {
        assert_eq!(client.reply().await.status, 200, "who was let in is served");
    }
    until("everybody is served again", || async { ask(running.addr, "/items/1").await.status == 200 }).await;
}

#[tokio::test]
async fn a_client_that_leaves_gives_its_place_back() {
    let running = start("[shed]\nmax = 2").await;
    drop(hold(&running, &["/wait"; 2]).await);
    until("there is room", || async { ask(running.addr, "/items/1").await.status == 200 }).await;
}

#[tokio::test]
async fn the_limit_can_be_switched_off() {
    let running = start("[shed]\nlimit = 'off'\nmax = 1").await;
    let _held = hold(&running, &["/wait"; 5]).await;
    assert_eq!(ask(running.addr, "/items/1").await.status, 200);
    assert_eq!(value(&scrape(&running).await, "http_concurrency_limit"), None);
}

/// Within one tick a higher class is let in where a lower one was; afterwards those above the edge are.
#[tokio::test]
async fn what_matters_more_is_refused_last() {
    let settings = "http.trusted_proxies = ['127.0.0.1']\n[shed]\nmax = 40\ncritical = ['/pay']";
    let running = Arc::new(start(settings).await);
    let over = Arc::new(AtomicBool::new(false));
    let mut load = Vec::new();
    // Four times as many reports as there is room for.
    for at in 0..160 {
        let (running, over) = (Arc::clone(&running), Arc::clone(&over));
        load.push(tokio::spawn(async move {
            let user = format!("203.0.113.{at}");
            while !over.load(Ordering::Relaxed) {
                with(&running, "/report", &[("x-forwarded-for", &user)]).await;
                sleep(Duration::from_millis(50)).await;
            }
        }));
    }
    let shed = || async { value(&scrape(&running).await, "http_shed_total{class=\"low\"}") > Some(300.0) };
    until("reports are refused", shed).await;
    let mut served = [0; 3];
    for at in 0..30 {
        // A payment by the route's priority, which settings set over what the code says, and a report that a proxy vouches for.
        let user = format!("198.51.100.{at}");
        let from = ("x-forwarded-for", user.as_str());
        let (plain, high) = ([from], [from, ("x-request-priority", "high")]);
        let (pay, report, item) = tokio::join!(
            with(&running, "/pay", &plain),
            with(&running, "/report", &high),
            with(&running, "/items/1", &plain)
        );
        for (count, reply) in served.iter_mut().zip([pay, report, item]) {
            *count += u32::from(reply.status == 200);
        }
        if at > 3 && served.iter().all(|count| *count >= 3) {
            break;
        }
    }
    over.store(true, Ordering::Relaxed);
    for client in load {
        client.await.expect("a client");
    }
    assert!(served.iter().all(|count| *count >= 3), "{served:?}");
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, "http_shed_total{class=\"critical\"}"), Some(0.0), "{served:?}");
}

#[tokio::test]
async fn a_stranger_cannot_say_that_its_request_matters() {
    let running = start("[shed]\nmax = 1\nbackground = ['/items/{id}']").await;
    let _held = hold(&running, &["/wait"]).await;
    overloaded(&with(&running, "/items/1", &[("x-request-priority", "critical")]).await);
    let metrics = scrape(&running).await;
    assert_eq!(value(&metrics, "http_shed_total{class=\"background\"}"), Some(1.0));
    assert_eq!(value(&metrics, "http_shed_total{class=\"critical\"}"), Some(0.0));
}

/// What the clients of an overloaded service got.
#[derive(Default)]
struct Got {
    served: AtomicU32,
    refused: AtomicU32,
    slow: AtomicU32,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_an_overload_an_adaptive_limit_keeps_the_goodput_and_answers_stay_quick() {
    let running = Arc::new(start("[shed]\nlimit = 'adaptive'\nmin = 4\nmax = 1000").await);
    let mut calm = Client::connect(running.addr).await;
    for _ in 0..40 {
        calm.send(request("GET", "/work", &[], "")).await;
        assert_eq!(calm.reply().await.status, 200, "a calm service refuses nobody");
    }
    let got = Arc::new(Got::default());
    let (counts, over) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let mut clients = Vec::new();
    for _ in 0..60 {
        let (running, got) = (Arc::clone(&running), Arc::clone(&got));
        let (counts, over) = (Arc::clone(&counts), Arc::clone(&over));
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(running.addr).await;
            while !over.load(Ordering::Relaxed) {
                let began = Instant::now();
                client.send(request("GET", "/work", &[], "")).await;
                let reply = client.reply().await;
                if counts.load(Ordering::Relaxed) {
                    let (count, slow) = match reply.status {
                        200 => (&got.served, began.elapsed() > WORK * 10),
                        _ => (&got.refused, false),
                    };
                    count.fetch_add(1, Ordering::Relaxed);
                    got.slow.fetch_add(u32::from(slow), Ordering::Relaxed);
                }
                if reply.status != 200 {
                    overloaded(&reply);
                    sleep(Duration::from_millis(200)).await;
                }
            }
        }));
    }
    let limit = || async { value(&scrape(&running).await, "http_concurrency_limit").expect("a limit") };
    until("the limit is found", || async { limit().await <= 15.0 }).await;
    counts.store(true, Ordering::Relaxed);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        assert_eq!(ask(running.addr, "/readyz").await.status, 200);
        assert_eq!(ask(running.admin_addr, "/livez").await.status, 200);
        sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("a client");
    }
    let [served, refused, slow] = [&got.served, &got.refused, &got.slow].map(|n| n.load(Ordering::Relaxed));
    // A busy machine does less than the sleeps alone would allow.
    let could = AT_ONCE as f64 * took.as_secs_f64() / WORK.as_secs_f64();
    assert!(f64::from(served) > could * 0.5, "{served} of {could}");
    assert!(refused > 0 && f64::from(slow) < f64::from(served) * 0.1, "{served} {refused} {slow}");
}
