//! What is kept of bodies and messages whose clients do not send them to the end.

use std::time::Duration;

use hardening_service_tests::client::{Client, connect_from, request};
use hardening_service_tests::service::until;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::time::{Instant, sleep};

use super::bounds::frame;
use super::support::{close_of, open, sample, start};

const MIB: usize = 1 << 20;
const HELD: &str = "http_body_memory_bytes";

/// The head of a body of so many bytes, and the first of them.
fn begun(path: &str, whole: usize, bytes: usize) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: here\r\ncontent-length: {whole}\r\n\r\n");
    [head.into_bytes(), vec![b'x'; bytes]].concat()
}

#[tokio::test]
async fn bodies_that_do_not_end_are_refused_beyond_the_bound_those_of_who_holds_most_first() {
    let (running, _) = start("[http]\nbody_memory = '8MiB'").await;
    let addr = running.addr;
    let mut patient = Client::over(connect_from([127, 0, 0, 1], addr).await);
    patient.send(begun("/upload/1", 3 * MIB, 2 * MIB)).await;
    until("it is counted", || async { sample(&running, HELD).await > Some(2_000_000) }).await;
    let mut greedy = Vec::new();
    for _ in 0..7 {
        let mut attacker = Client::over(connect_from([127, 0, 0, 2], addr).await);
        // It is cut while it sends where it is refused meanwhile.
        attacker.sent(begun("/upload/2", 4 * MIB, 4 * MIB - 1)).await;
        greedy.push(attacker);
    }
    until("no more is held than may be", || async { sample(&running, HELD).await <= Some(8 << 20) }).await;
    patient.send(vec![b'x'; MIB]).await;
    let reply = patient.reply().await;
    assert_eq!((reply.status, &*reply.body), (200, "3145728"));
    let refused = greedy.first_mut().unwrap().reply().await;
    let told: Value = serde_json::from_str(&refused.body).unwrap();
    assert_eq!(refused.status, 503, "{told}");
    assert_eq!(told["detail"], "Too much memory is held by bodies that are not complete.");
    assert!(refused.header("retry-after").is_some());
    drop(greedy);
    until("all of it is given back", || async { sample(&running, HELD).await == Some(0) }).await;
}

#[tokio::test]
async fn small_parts_of_bodies_count_with_what_they_take_beside_their_bytes() {
    let (running, _) = start("[http]\nbody_memory = '1MiB'").await;
    let mut client = Client::connect(running.addr).await;
    client.send("POST /upload/1 HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n").await;
    // Beyond twice as much as may be nobody has any time.
    let chunks = "1\r\nx\r\n".repeat(1000);
    let mut sent = 0;
    while sent < 30 && client.sent(&chunks).await {
        sent += 1;
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(client.reply().await.status, 503, "after {sent} thousand");
}

#[tokio::test]
async fn a_body_that_its_handler_passes_on_is_none_that_is_kept() {
    let (running, _) = start("[http]\nbody_memory = '1MiB'\nbody_limit = '64MiB'").await;
    let mut client = Client::connect(running.addr).await;
    client.send(begun("/passes", 64 * MIB, 0)).await;
    for _ in 0..64 {
        client.send(vec![b'x'; MIB]).await;
    }
    let reply = client.reply().await;
    assert_eq!((reply.status, &*reply.body), (200, "67108864"));
    // Nor one that is complete at once.
    let mut client = Client::connect(running.addr).await;
    client.send(request("POST", "/passes", &[], &"x".repeat(10_000))).await;
    assert_eq!(client.reply().await.body, "10000");
}

#[tokio::test]
async fn messages_that_do_not_end_close_their_sockets_beyond_the_bound() {
    let (running, _) = start("[http]\nbody_memory = '1MiB'").await;
    let part = frame(0x02, 3 * MIB);
    let other = connect_from([127, 0, 0, 2], running.addr).await;
    let (mut small, _) = tokio_tungstenite::client_async("ws://here/echo", other).await.unwrap();
    small.get_mut().write_all(&frame(0x02, 100_000)[..90_000]).await.unwrap();
    let mut socket = open(running.addr, "/echo").await;
    let began = Instant::now();
    let _ = socket.get_mut().write_all(&part[..part.len() - 1]).await;
    let told = (1013, "others need the memory of a message".to_owned());
    assert_eq!(close_of(&mut socket).await, Some(told));
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    let crowded = "http_upgraded_connections_ended_total{protocol=\"websocket\",end=\"crowded\"}";
    until("it is counted", || async { sample(&running, crowded).await == Some(1) }).await;
    assert!(sample(&running, HELD).await < Some(200_000), "the small one stays");
    assert!(sample(&running, HELD).await > Some(0), "the small one stays");
}

/// Its reader copies what it keeps.
#[tokio::test]
async fn all_that_has_come_of_a_short_body_counts_whatever_its_reader_does_with_it() {
    let (running, _) = start("").await;
    let mut client = Client::connect(running.addr).await;
    client.send(begun("/passes", MIB, MIB - 1)).await;
    until("it is counted", || async { sample(&running, HELD).await > Some(1_000_000) }).await;
    client.send("x").await;
    assert_eq!(client.reply().await.status, 200);
    until("it is given back", || async { sample(&running, HELD).await == Some(0) }).await;
}
