//! More connections than places: who gives way, who is refused, and that one peer never keeps out the others.

use std::net::SocketAddr;

use tokio::time::{Duration, Instant, sleep};

use super::support::{self, start};
use hardening::Running;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::client::{Client, Http2, get, request};
use hardening_service_tests::service::{comes_again, problem, scrape, until, value};

/// A connection of this peer.
async fn from(peer: u8, address: SocketAddr) -> Client {
    Client::over(support::from(peer, address).await)
}

async fn hello(client: &mut Client) {
    client.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(client.reply().await.status, 200);
}

async fn counted(running: &Running, result: &str) -> Option<f64> {
    let series = format!("http_connections_total{{listener=\"public\",result=\"{result}\"}}");
    value(&scrape(running).await, &series)
}

#[tokio::test]
async fn the_longest_idle_of_the_peer_that_has_most_gives_way() {
    let running = start("[http]\nconnections = 4").await;
    let mut one = Vec::new();
    for _ in 0..3 {
        let mut client = from(1, running.addr).await;
        hello(&mut client).await;
        one.push(client);
        sleep(Duration::from_millis(20)).await;
    }
    let mut two = from(2, running.addr).await;
    hello(&mut two).await;
    let mut three = from(3, running.addr).await;
    hello(&mut three).await;
    assert_eq!(one[0].rest().await, "", "it is closed in silence");
    for client in [&mut two, &mut three].into_iter().chain(&mut one[1..]) {
        hello(client).await;
    }
    assert_eq!(counted(&running, "displaced").await, Some(1.0));
    assert_eq!(counted(&running, "refused").await, Some(0.0));
    let open = || async {
        value(&scrape(&running).await, "http_open_connections{listener=\"public\"}") == Some(4.0)
    };
    until("four are open", open).await;
}

#[tokio::test]
async fn an_idle_connection_of_http2_gives_way_with_a_word() {
    let running = start("[http]\nconnections = 1").await;
    let idle = Http2::connect(running.addr).await;
    assert_eq!(idle.ask("GET", "/hello", &[], "").await.status, 200);
    assert_eq!(get(running.addr, "/hello").await.status, 200);
    assert_eq!(counted(&running, "displaced").await, Some(1.0));
}

#[tokio::test]
async fn who_is_answered_never_gives_way_and_the_newcomer_is_refused_at_once() {
    let running = start("[http]\nconnections = 2").await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(running.addr).await;
        client.send(request("GET", "/large", &[], "")).await;
        client.reply_to_head().await;
        busy.push(client);
    }
    let mut newcomer = Client::connect(running.addr).await;
    let began = Instant::now();
    newcomer.send(request("GET", "/hello", &[], "")).await;
    let reply = newcomer.reply().await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let told = problem(&reply, 503);
    assert_eq!(told["type"], "urn:hardening:problem:overloaded");
    assert_eq!(reply.header("connection"), Some("close"));
    comes_again(reply.header("retry-after"), 1, 8);
    assert_eq!(newcomer.rest().await, "");
    assert_eq!(counted(&running, "refused").await, Some(1.0));
    assert_eq!(
        get(running.admin_addr, "/livez").await.status,
        200,
        "the other listener has places of its own"
    );
    drop(busy);
    for _ in 0..20 {
        until("places come back", || async { get(running.addr, "/hello").await.status == 200 }).await;
    }
}

#[tokio::test]
async fn under_tls_a_newcomer_without_a_place_is_cut() {
    let authority = Authority::new();
    let settings = format!("[http]\nconnections = 1\n{}", authority.install(&authority.server()));
    let running = start(&settings).await;
    let config = authority.plain_config();
    let mut busy = Client::over(connect(running.addr, &config).await.expect("a place"));
    busy.send(request("GET", "/large", &[], "")).await;
    busy.reply_to_head().await;
    assert!(connect(running.addr, &config).await.is_err());
    assert_eq!(counted(&running, "refused").await, Some(1.0));
}

#[tokio::test]
async fn clients_that_never_speak_do_not_keep_their_places() {
    let running = start("[http]\nconnections = 3\nheader_timeout = '1h'").await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(Client::connect(running.addr).await);
    }
    let served = || async { get(running.addr, "/hello").await.status == 200 };
    until("a newcomer has the place of one of them", served).await;
    for _ in 0..5 {
        assert!(served().await, "and the next one that of the one before, which is idle");
    }
    assert_eq!(value(&scrape(&running).await, "http_requests_in_flight"), Some(0.0));
}

#[tokio::test]
async fn a_peer_whose_heads_never_end_keeps_nobody_out() {
    let running = start("[http]\nconnections = 40\nheader_timeout = '1h'\nrate_limit = 'none'").await;
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut client = from(1, running.addr).await;
        client.sent("GET /hello HTTP/1.1\r\n").await;
        slow.push(client);
    }
    // Five places are for others from the first moment on, and then those of heads that take too long.
    let mut good = Vec::new();
    for peer in 2..7 {
        let mut client = from(peer, running.addr).await;
        hello(&mut client).await;
        good.push(client);
    }
    sleep(Duration::from_millis(1100)).await;
    for peer in 7..30 {
        let mut client = from(peer, running.addr).await;
        hello(&mut client).await;
        good.push(client);
    }
    for client in &mut good {
        hello(client).await;
    }
    assert!(counted(&running, "refused").await >= Some(25.0));
}

#[tokio::test]
async fn those_behind_a_trusted_proxy_are_not_one_peer() {
    let settings = "[http]\nconnections = 16\nanswer_memory = '1GiB'\ntrusted_proxies = ['127.0.0.1']\nrate_limit = 'none'";
    let running = start(settings).await;
    let mut busy = Vec::new();
    for _ in 0..16 {
        let mut client = from(1, running.addr).await;
        client.send(request("GET", "/large", &[], "")).await;
        client.reply_to_head().await;
        busy.push(client);
    }
    assert_eq!(counted(&running, "refused").await, Some(0.0), "all places may be the proxy's");
    problem(&get(running.addr, "/hello").await, 503);
}

#[tokio::test]
async fn the_admin_listener_has_places_of_its_own_and_answers_when_all_are_idle() {
    let running = start("[http]\nadmin_connections = 2").await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(running.admin_addr).await;
        client.send(request("GET", "/livez", &[], "")).await;
        assert_eq!(client.reply().await.status, 200);
        idle.push(client);
    }
    let series = "http_connections_total{listener=\"admin\",result=\"displaced\"}";
    assert!(value(&scrape(&running).await, series) >= Some(3.0));
}
