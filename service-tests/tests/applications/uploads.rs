//! Requests whose bodies do not come: their handlers wait, and nobody else does.

use std::net::SocketAddr;
use std::time::Duration;

use hardening_service_tests::client::{Client, get, request};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::sleep;

use super::support::{sample, start};

/// A connection of this client.
async fn from(last: u8, address: SocketAddr) -> Client<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, last], 0))).unwrap();
    Client::over(socket.connect(address).await.unwrap())
}

const BEGINS: &str = "POST /other HTTP/1.1\r\nhost: here\r\ncontent-length: 6\r\n\r\nh";

/// Has begun a request whose body does not come.
async fn begun(last: u8, address: SocketAddr) -> Client<TcpStream> {
    let mut client = from(last, address).await;
    client.send(BEGINS).await;
    client
}

#[tokio::test]
async fn requests_whose_bodies_do_not_come_are_nobodys_work() {
    let settings = "[http]\nrate_limit = 'none'\n[shed]\nlimit = 'fixed'\nmax = 2";
    let (running, _) = start(settings).await;
    let mut waiting = Vec::new();
    for _ in 0..10 {
        waiting.push(begun(2, running.addr).await);
        sleep(Duration::from_millis(20)).await;
    }
    for _ in 0..10 {
        assert_eq!(get(running.addr, "/hello").await.status, 200);
    }
    // What is worked on is bounded as before: two that wait for nobody.
    let (mut one, mut other) = (from(3, running.addr).await, from(3, running.addr).await);
    one.send(request("GET", "/poll", &[], "")).await;
    other.send(request("GET", "/poll", &[], "")).await;
    sleep(Duration::from_millis(200)).await;
    assert_eq!(get(running.addr, "/hello").await.status, 503);
    drop((one, other));
    sleep(Duration::from_millis(200)).await;
    // Those that come are answered, and all places are free in the end.
    for client in &mut waiting {
        client.send("ello!").await;
        assert_eq!(client.reply().await.body, "6");
    }
    drop(begun(2, running.addr).await);
    sleep(Duration::from_millis(200)).await;
    for _ in 0..10 {
        assert_eq!(get(running.addr, "/hello").await.status, 200);
    }
    assert_eq!(sample(&running, "http_requests_in_flight").await, Some(0));
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_no_newcomer_out() {
    let (running, _) = start("[http]\nrate_limit = 'none'\nconnections = 16").await;
    let mut greedy = Vec::new();
    for _ in 0..16 {
        greedy.push(begun(2, running.addr).await);
    }
    sleep(Duration::from_millis(100)).await;
    for last in 3..9 {
        let mut newcomer = from(last, running.addr).await;
        newcomer.send(request("GET", "/hello", &[("connection", "close")], "")).await;
        assert_eq!(newcomer.reply().await.status, 200, "{last}");
    }
    // Whoever has only its part keeps it, and a handler at work is left alone.
    let mut patient = begun(9, running.addr).await;
    let mut working = from(10, running.addr).await;
    working.send(request("GET", "/short", &[], "")).await;
    for last in 11..20 {
        let mut newcomer = from(last, running.addr).await;
        newcomer.send(request("GET", "/hello", &[("connection", "close")], "")).await;
        assert_eq!(newcomer.reply().await.status, 200, "{last}");
    }
    patient.send("ello!").await;
    assert_eq!(patient.reply().await.body, "6");
}
