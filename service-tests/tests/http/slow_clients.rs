//! Clients that take their time: with a head, a body, an answer, or the next request.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::support::start;
use hardening_service_tests::client::{Client, PATIENCE, get, request};
use hardening_service_tests::service::{problem, scrape, secured, until, value};

/// Sends one piece every 20 ms until the connection is cut; answers how long that took.
async fn trickle(client: &mut Client, piece: &str) -> Duration {
    let began = Instant::now();
    while client.sent(piece).await && began.elapsed() < PATIENCE {
        sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn a_head_that_trickles_is_cut_with_408_while_others_are_served() {
    let running = start("[http]\nheader_timeout = '400ms'\nrate_limit = 'none'").await;
    let mut slow = Client::connect(running.addr).await;
    slow.send("GET /hello HTTP/1.1\r\nhost: x\r\n").await;
    let began = Instant::now();
    let others = tokio::spawn(async move {
        let mut served = 0;
        while began.elapsed() < Duration::from_millis(400) {
            assert_eq!(get(running.addr, "/hello").await.status, 200);
            served += 1;
        }
        (running, served)
    });
    let mut sent = 0;
    while began.elapsed() < Duration::from_millis(300) {
        slow.send("a: b\r\n").await;
        sent += 1;
        sleep(Duration::from_millis(20)).await;
    }
    let reply = slow.reply().await;
    let took = began.elapsed();
    problem(&reply, 408);
    assert!(sent > 3 && took >= Duration::from_millis(390), "{sent} fields, {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(reply.header("connection"), Some("close"));
    assert_eq!(slow.rest().await, "");
    let (running, served) = others.await.expect("the others");
    assert!(served > 3, "{served}");
    let counted = "http_requests_total{method=\"other\",route=\"unmatched\",status=\"408\"}";
    assert_eq!(value(&scrape(&running).await, counted), Some(1.0));
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_though_bytes_keep_coming() {
    let running = start("[http]\nheader_timeout = '200ms'").await;
    for start in ["GET /hello HTTP/1.1\r\nx-long: ", "GET /"] {
        let mut slow = Client::connect(running.addr).await;
        slow.send(start).await;
        let took = trickle(&mut slow, "x").await;
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
}

#[tokio::test]
async fn the_second_head_on_a_connection_has_the_same_time() {
    let running = start("[http]\nheader_timeout = '200ms'\nidle_timeout = '1h'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", "/hello", &[], "")).await;
    assert_eq!(client.reply().await.status, 200);
    // Waiting between requests is no slow head.
    sleep(Duration::from_millis(400)).await;
    client.send("GET /hello HTTP/1.1\r\n").await;
    let began = Instant::now();
    problem(&client.reply().await, 408);
    assert!(began.elapsed() >= Duration::from_millis(150), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_kept_connection_without_requests_is_closed_in_silence() {
    let running = start("[http]\nidle_timeout = '200ms'").await;
    let mut client = Client::connect(running.addr).await;
    for _ in 0..3 {
        client.send(request("GET", "/hello", &[], "")).await;
        assert_eq!(client.reply().await.status, 200);
        sleep(Duration::from_millis(50)).await;
    }
    let began = Instant::now();
    assert_eq!(client.rest().await, "");
    assert!(began.elapsed() >= Duration::from_millis(100), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_request_that_takes_longer_than_idling_may_is_answered() {
    let running =
        start("[http]\nidle_timeout = '100ms'\nheader_timeout = '100ms'\nrequest_timeout = '500ms'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", "/slow", &[], "")).await;
    problem(&client.reply().await, 504);
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let running = start("[http]\nbody_timeout = '200ms'").await;
    let json = ("content-type", "application/json");
    for path in ["/echo", "/orders"] {
        for framing in [("content-length", "100"), ("transfer-encoding", "chunked")] {
            let mut client = Client::connect(running.addr).await;
            client.send(request("POST", path, &[json, framing], "")).await;
            let began = Instant::now();
            let reply = client.reply().await;
            let told = problem(&reply, 408);
            assert_eq!(told["detail"], "The body did not arrive in time.", "{path} {framing:?}");
            let took = began.elapsed();
            assert!(took >= Duration::from_millis(150) && took < Duration::from_secs(3), "{took:?}");
        }
    }
}

#[tokio::test]
async fn a_body_that_trickles_is_408_too() {
    let running = start("[http]\nbody_timeout = '200ms'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("POST", "/echo", &[("transfer-encoding", "chunked")], "")).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(180) {
        client.send("1\r\nx\r\n").await;
        sleep(Duration::from_millis(15)).await;
    }
    problem(&client.reply().await, 408);
    assert_eq!(client.rest().await, "", "one answer and no more");
}

#[tokio::test]
async fn a_body_that_nobody_reads_delays_no_answer() {
    let running = start("[http]\nbody_timeout = '200ms'\nheader_timeout = '200ms'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("POST", "/ignores", &[("content-length", "100")], "")).await;
    let reply = client.reply().await;
    secured(&reply);
    assert_eq!((reply.status, reply.body.as_str()), (200, "ignored"));
    client.sent("x").await;
    assert_eq!(client.rest().await, "", "what follows is no request");
}

#[tokio::test]
async fn a_body_that_breaks_off_or_is_badly_framed_is_400() {
    let running = start("").await;
    let mut client = Client::connect(running.addr).await;
    client.send(request("POST", "/echo", &[("transfer-encoding", "chunked")], "")).await;
    client.send("zz\r\nrubbish\r\n").await;
    problem(&client.reply().await, 400);
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_and_its_handler_dropped() {
    let running = start("").await;
    let in_flight = || async { value(&scrape(&running).await, "http_requests_in_flight").expect("a gauge") };
    let mut client = Client::connect(running.addr).await;
    client.send(request("GET", "/slow", &[], "")).await;
    until("one in flight", || async { in_flight().await > 0.0 }).await;
    drop(client);
    until("none in flight", || async { in_flight().await == 0.0 }).await;
    let counted = "http_requests_total{method=\"GET\",route=\"/slow\",status=\"499\"}";
    assert_eq!(value(&scrape(&running).await, counted), Some(1.0));
}
