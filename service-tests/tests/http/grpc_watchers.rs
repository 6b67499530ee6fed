//! Crowds that watch health over gRPC: bounded, charged, and idle where somebody else needs the place.

use std::net::SocketAddr;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Duration, sleep, timeout};

use super::support::{from, start};
use hardening::Running;
use hardening_service_tests::client::{Client, Http2, PATIENCE, request};
use hardening_service_tests::service::{ready, scrape, until, value};

const CHECK: &str = "/grpc.health.v1.Health/Check";
const WATCH: &str = "/grpc.health.v1.Health/Watch";
const GRPC: (&str, &str) = ("content-type", "application/grpc");
/// A request for the health of the whole.
const WHOLE: &[u8] = &[0; 5];

/// Those who watch on one connection, which lives as long.
struct Crowd {
    client: Http2,
    watching: Vec<Incoming>,
}

impl Crowd {
    async fn of(peer: u8, address: SocketAddr) -> Self {
        Self { client: Http2::over(from(peer, address).await).await, watching: Vec::new() }
    }

    /// One more; the status of its refusal.
    async fn watch(&mut self) -> Result<(), String> {
        let answer = self.client.open("POST", WATCH, &[GRPC], WHOLE).await;
        if let Some(status) = answer.headers().get("grpc-status") {
            return Err(status.to_str().expect("a status").to_owned());
        }
        let mut watching = answer.into_body();
        let state = timeout(PATIENCE, watching.frame()).await.expect("in time").expect("a frame");
        assert!(state.expect("a state").is_data());
        self.watching.push(watching);
        Ok(())
    }

    async fn check(&self) -> String {
        let reply = self.client.ask("POST", CHECK, &[GRPC], WHOLE).await;
        // A state stands in the body, and a refusal in the head.
        reply.header("grpc-status").unwrap_or("0").to_owned()
    }
}

/// The status with which one who watches is ended, or that it was cut.
async fn ended(watching: &mut Incoming) -> String {
    loop {
        match timeout(PATIENCE, watching.frame()).await.expect("an end in time") {
            Some(Ok(frame)) if frame.is_trailers() => {
                return frame.trailers_ref().unwrap()["grpc-status"].to_str().unwrap().to_owned();
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return "cut".to_owned(),
        }
    }
}

/// Whether it goes on.
async fn goes_on(watching: &mut Incoming) -> bool {
    timeout(Duration::from_millis(100), watching.frame()).await.is_err()
}

async fn displaced(running: &Running) -> f64 {
    let series = "http_connections_total{listener=\"public\",result=\"displaced\"}";
    value(&scrape(running).await, series).unwrap_or_default()
}

#[tokio::test]
async fn a_crowd_that_watches_from_two_addresses_keeps_nobody_out() {
    let unbounded = "health_watchers = 100000\nhealth_watchers_per_client = 100000\n";
    for bounds in ["", unbounded] {
        let running =
            start(&format!("[http]\nconnections = 1000\nrate_limit = 'none'\nidle_timeout = '1h'\n{bounds}"))
                .await;
        // Every place is taken by a connection on which somebody watches, or would.
        let mut crowds = Vec::new();
        for at in 0..1000_usize {
            let mut crowd = Crowd::of([2, 3][at % 2], running.addr).await;
            for _ in 0..3 {
                let _ = crowd.watch().await;
            }
            crowds.push(crowd);
        }
        let watching = crowds.iter().map(|crowd| crowd.watching.len()).sum::<usize>();
        assert_eq!(watching, if bounds.is_empty() { 200 } else { 3000 });
        let mut good = Vec::new();
        for peer in 4..44 {
            let mut client = Client::over(from(peer, running.addr).await);
            client.send(request("GET", "/hello", &[], "")).await;
            assert_eq!(client.reply().await.status, 200);
            good.push(client);
        }
        let mut late = Crowd::of(44, running.addr).await;
        assert_eq!((late.check().await.as_str(), late.watch().await), ("0", Ok(())));
        for client in &mut good {
            client.send(request("GET", "/hello", &[], "")).await;
            assert_eq!(client.reply().await.status, 200, "and keeps its place");
        }
        assert!(displaced(&running).await >= 40.0);
        if !bounds.is_empty() {
            // Those whose places were taken are told so.
            let first = &mut crowds[0].watching[0];
            assert_eq!(ended(first).await, "14");
        }
    }
}

#[tokio::test]
async fn the_bounds_hold_for_each_client_and_for_all_and_newcomers_come_in() {
    let running = start(
        "[http]\nrate_limit = 'none'\nadmin_connections = 5\nhealth_watchers = 4\nhealth_watchers_per_client = 3",
    )
    .await;
    for address in [running.addr, running.admin_addr] {
        let (mut one, mut two, mut three) =
            (Crowd::of(2, address).await, Crowd::of(3, address).await, Crowd::of(4, address).await);
        for _ in 0..3 {
            assert_eq!(one.watch().await, Ok(()));
        }
        assert_eq!(one.watch().await, Err("8".to_owned()), "more than one client may have");
        assert_eq!((two.watch().await, two.watch().await), (Ok(()), Ok(())));
        assert_eq!(ended(&mut one.watching[0]).await, "8", "the oldest of the client that had most");
        for crowd in [&mut one, &mut two] {
            assert_eq!(crowd.watch().await, Err("8".to_owned()), "both have as many");
        }
        assert_eq!(three.watch().await, Ok(()), "who has none has a place");
        assert_eq!(ended(&mut one.watching[1]).await, "8");
        for watching in [&mut one.watching[2]].into_iter().chain(&mut two.watching).chain(&mut three.watching)
        {
            assert!(goes_on(watching).await);
        }
        // Who goes away gives its place back.
        two.watching.clear();
        until("a place comes back", async || {
            one.client.open("POST", WATCH, &[GRPC], WHOLE).await.headers().get("grpc-status").is_none()
        })
        .await;
        for crowd in [&one, &two, &three] {
            assert_eq!(crowd.check().await, "0", "checking is not watching");
        }
    }
}

#[tokio::test]
async fn watching_is_charged_to_the_client_and_checking_is_not() {
    let running = start("[http]\nrate_limit = '3/h'").await;
    let mut crowd = Crowd::of(2, running.addr).await;
    assert_eq!((crowd.watch().await, crowd.watch().await), (Ok(()), Ok(())));
    assert_eq!(crowd.client.ask("GET", "/hello", &[], "").await.status, 200);
    let refused = crowd.client.ask("POST", WATCH, &[GRPC], WHOLE).await;
    assert_eq!(refused.header("grpc-status"), Some("8"));
    assert!(refused.header("grpc-retry-pushback-ms").is_some(), "{refused:#?}");
    assert_eq!(crowd.client.ask("GET", "/hello", &[], "").await.status, 429);
    assert_eq!(crowd.check().await, "0");
    let mut admin = Crowd::of(2, running.admin_addr).await;
    for _ in 0..5 {
        assert_eq!(admin.watch().await, Ok(()), "the operator's listener has no limit");
    }
}

#[tokio::test]
async fn a_connection_on_which_somebody_watches_is_not_ended_for_being_idle() {
    let running = start("[http]\nidle_timeout = '200ms'\n[shutdown]\npre_drain = '2s'").await;
    ready(&running).await;
    let mut crowd = Crowd::of(2, running.addr).await;
    crowd.watch().await.expect("a place");
    sleep(Duration::from_secs(1)).await;
    running.terminate();
    let state = timeout(PATIENCE, crowd.watching[0].frame()).await.expect("in time").expect("a frame");
    assert_eq!(state.expect("a state").into_data().unwrap().last(), Some(&2), "not serving");
    assert_eq!(ended(&mut crowd.watching[0]).await, "14");
}

/// What is no watching yet holds no place either: a request for health of which the body does not come.
#[tokio::test]
async fn who_never_says_of_what_it_asks_the_health_keeps_nobody_out() {
    /// The preface with empty settings, and the head of a request whose body follows.
    const OPENING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for path in [CHECK, WATCH, "/grpc.health.v1.Health/None"] {
        let running = start(
            "[http]\nconnections = 20\nrate_limit = 'none'\nrequest_timeout = '1h'\n[shutdown]\ndrain = '1s'",
        )
        .await;
        let mut fields = b"\x83\x86\x41\x01x".to_vec();
        for (name, value) in [("\x04", path), ("\x0f\x10", "application/grpc")] {
            // `:path` and `content-type` by their place in the static table, in literals that are not kept.
            fields.extend(name.as_bytes());
            fields.push(u8::try_from(value.len()).unwrap());
            fields.extend(value.as_bytes());
        }
        let head = [&[0, 0, u8::try_from(fields.len()).unwrap(), 1, 4, 0, 0, 0, 1][..], &fields].concat();
        let mut asking = Vec::new();
        for at in 0..20_usize {
            let mut client = Client::over(from([2, 3][at % 2], running.addr).await);
            client.send([OPENING, &head].concat()).await;
            asking.push(client);
        }
        let in_flight = async || {
            let series = "http_open_connections{listener=\"public\"}";
            value(&scrape(&running).await, series) == Some(20.0)
        };
        until("all places are taken", in_flight).await;
        sleep(Duration::from_millis(200)).await;
        for peer in 4..10 {
            let mut client = Client::over(from(peer, running.addr).await);
            client.send(request("GET", "/hello", &[], "")).await;
            assert_eq!(client.reply().await.status, 200, "{path}");
        }
    }
}
