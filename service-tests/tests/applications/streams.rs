//! Answers that last: those of which nothing passes, and those that nobody takes.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use hardening_service_tests::client::{self, Client, Http2, connect_from, get, request};
use hardening_service_tests::service::until;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use super::app::TICKS;
use super::support::{close_of, open, sample, start};

const TAKES: &[(&str, &str)] = &[];

#[tokio::test]
async fn a_stream_that_nobody_takes_is_reset_and_the_others_of_its_connection_go_on() {
    let (running, _) = start("[http]\nwrite_timeout = '300ms'").await;
    let http2 = Http2::connect(running.addr).await;
    let mut silent = http2.open("GET", "/silent", TAKES, "").await.into_body();
    assert_eq!(silent.frame().await.unwrap().unwrap().into_data().unwrap(), "begins");
    let mut untaken = http2.open("GET", "/large", TAKES, "").await.into_body();
    // Streams that others renew again and again.
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_200) {
        assert_eq!(http2.ask("GET", "/hello", TAKES, "").await.status, 200);
        sleep(Duration::from_millis(50)).await;
    }
    let mut taken = 0;
    let broke = loop {
        match untaken.frame().await.expect("no end") {
            Ok(frame) => taken += frame.into_data().map_or(0, |data| data.len()),
            Err(error) => break error,
        }
    };
    assert!(taken < 16 << 20, "{taken} {broke}");
    let more = tokio::time::timeout(Duration::from_millis(200), silent.frame()).await;
    assert!(more.is_err(), "the silent one is alive: {more:?}");
    assert_eq!(http2.ask("GET", "/hello", TAKES, "").await.status, 200);
    drop(silent);
    let mut left = Some(1);
    while left != Some(0) {
        assert!(began.elapsed() < Duration::from_secs(10), "something stays in flight");
        left = sample(&running, "http_requests_in_flight").await;
    }
}

#[tokio::test]
async fn answers_of_which_nothing_passes_give_way_and_those_that_speak_do_not() {
    let (running, _) =
        start("[http]\nconnections = 4\nidle_timeout = '1s'\nupgraded_idle_timeout = '1h'").await;
    let mut socket = open(running.addr, "/quiet").await;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(running.addr).await;
        client.send(request("GET", "/silent", &[], "")).await;
        assert_eq!(client.reply_to_head().await.status, 200);
        streams.push(client);
    }
    let http2 = Http2::connect(running.addr).await;
    let mut silent = http2.open("GET", "/silent", TAKES, "").await.into_body();
    silent.frame().await.unwrap().unwrap();
    assert_eq!(get(running.addr, "/hello").await.status, 503, "all of them have just spoken");
    sleep(Duration::from_millis(1_100)).await;
    for newcomer in 0..4 {
        let mut kept = Client::connect(running.addr).await;
        kept.send(request("GET", "/silent", &[], "")).await;
        assert_eq!(kept.reply_to_head().await.status, 200, "{newcomer}");
        streams.push(kept);
    }
    let told = Some((1001, "others wait for a place".to_owned()));
    assert_eq!(close_of(&mut socket).await, told);
    assert!(silent.frame().await.is_none_or(|frame| frame.is_err()), "its connection has ended");
    for old in &mut streams[..2] {
        old.rest().await;
    }
    assert_eq!(get(running.addr, "/hello").await.status, 503, "the new ones have just spoken");
}

#[tokio::test]
async fn a_handler_that_is_at_work_keeps_its_place() {
    let (running, _) = start("[http]\nconnections = 1\nidle_timeout = '200ms'").await;
    let mut working = Client::connect(running.addr).await;
    working.send(request("GET", "/poll", &[], "")).await;
    sleep(Duration::from_millis(600)).await;
    assert_eq!(get(running.addr, "/hello").await.status, 503);
    assert_eq!(working.reply().await.body, "news");
}

/// A client of few bytes a second, of whose answer the system would hold what takes it minutes.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn who_takes_a_long_answer_slowly_is_no_client_that_takes_nothing() {
    let (running, _) = start("[http]\nwrite_timeout = '2s'").await;
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(64 << 10).unwrap();
    let mut client = Client::over(socket.connect(running.addr).await.unwrap());
    client.send(request("GET", "/large", &[], "")).await;
    assert_eq!(client.reply_to_head().await.status, 200);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(7) {
        client.some(32 << 10).await;
        sleep(Duration::from_millis(250)).await;
    }
}

#[tokio::test]
async fn who_holds_the_most_memory_with_answers_taken_slowly_loses_them_and_nobody_else() {
    let (running, _) = start("[http]\nanswer_memory = '40MiB'\nidle_timeout = '1h'").await;
    let addr = running.addr;
    let greedy = Http2::over(connect_from([127, 0, 0, 2], addr).await).await;
    let mut silent = greedy.open("GET", "/silent", TAKES, "").await.into_body();
    silent.frame().await.unwrap().unwrap();
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut body = greedy.open("GET", "/large", TAKES, "").await.into_body();
        body.frame().await.unwrap().unwrap();
        streams.push(body);
    }
    let mut old = Client::over(connect_from([127, 0, 0, 2], addr).await);
    old.send(request("GET", "/large", &[("connection", "close")], "")).await;
    assert_eq!(old.reply_to_head().await.status, 200);
    let mut patient = Client::over(connect_from([127, 0, 0, 1], addr).await);
    patient.send(request("GET", "/large", &[("connection", "close")], "")).await;
    assert_eq!(patient.reply_to_head().await.status, 200);
    let held = "http_answer_memory_bytes";
    assert!(sample(&running, held).await > Some(60 << 20), "all of them are there");
    // They had no time yet.
    let mut first = Client::over(connect_from([127, 0, 0, 3], addr).await);
    first.send(request("GET", "/large", &[], "")).await;
    assert_eq!(first.reply().await.body.len(), 16 << 20);
    sleep(Duration::from_secs(11)).await;
    let mut newcomer = Client::over(connect_from([127, 0, 0, 3], addr).await);
    newcomer.send(request("GET", "/large", &[], "")).await;
    assert_eq!(newcomer.reply().await.body.len(), 16 << 20);
    for body in streams {
        assert!(body.collect().await.is_err(), "it is whole");
    }
    // A connection has two seconds for what it has begun.
    sleep(Duration::from_secs(3)).await;
    assert!(old.rest().await.len() < 16 << 20);
    let more = tokio::time::timeout(Duration::from_millis(200), silent.frame()).await;
    assert!(more.is_err(), "another stream of the connection goes on: {more:?}");
    assert_eq!(greedy.ask("GET", "/hello", TAKES, "").await.status, 200);
    assert_eq!(patient.rest().await.len(), 16 << 20);
    assert_eq!(sample(&running, held).await, Some(0));
}

#[tokio::test]
async fn what_a_client_has_no_room_for_is_counted_and_ends_its_connection_in_time() {
    let (running, _) = start("[http]\nwrite_timeout = '1s'\nidle_timeout = '1h'").await;
    // A byte of each answer goes out, and its stream is over for the service.
    let mut sender = with_room_for(running.addr, 1).await;
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(ask(&mut sender, "/hello").await);
    }
    until("they are counted", || async { sample(&running, "http_answer_memory_bytes").await > Some(0) })
        .await;
    until("the connection ends", || async { sender.is_closed() }).await;
    until("nothing is kept", || async { sample(&running, "http_answer_memory_bytes").await == Some(0) })
        .await;
}

/// A client over HTTP/2 that has room for so many bytes of each answer, and for as many of all.
async fn with_room_for(address: SocketAddr, bytes: u32) -> SendRequest<Empty<Bytes>> {
    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(bytes).initial_connection_window_size((1 << 31) - 1);
    let (sender, connection) = builder.handshake::<_, Empty<Bytes>>(stream).await.unwrap();
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>, path: &str) -> Incoming {
    let request = http::Request::get(format!("http://here{path}")).body(Empty::new()).unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body()
}

#[tokio::test]
async fn whoever_takes_all_of_a_large_answer_but_its_end_is_counted_with_the_whole_and_loses_it() {
    const LARGE: u64 = 16 << 20;
    let (running, _) = start("[http]\nwrite_timeout = '2s'\nidle_timeout = '1h'").await;
    let held = || sample(&running, "http_answer_memory_bytes");
    let mut client = with_room_for(running.addr, (16 << 20) - 4096).await;
    let mut silent = ask(&mut client, "/silent").await;
    silent.frame().await.unwrap().unwrap();
    let answers = [ask(&mut client, "/large").await, ask(&mut client, "/large").await];
    sleep(Duration::from_secs(1)).await;
    assert_eq!(held().await, Some(2 * LARGE));
    until("their memory is given back", || async { held().await == Some(0) }).await;
    for mut answer in answers {
        let mut bytes = 0;
        while let Some(Ok(frame)) = answer.frame().await {
            bytes += frame.into_data().unwrap().len() as u64;
        }
        assert!(bytes < LARGE, "{bytes}");
    }
    let more = tokio::time::timeout(Duration::from_millis(200), silent.frame()).await;
    assert!(more.is_err(), "another stream of the connection goes on: {more:?}");
    let small = ask(&mut client, "/hello").await.collect().await.unwrap().to_bytes();
    assert!(!small.is_empty());
}

#[tokio::test]
async fn a_large_answer_needs_no_more_room_than_it_has_bytes() {
    let (running, _) = start("[http]\nwrite_timeout = '5s'").await;
    let mut client = with_room_for(running.addr, 16 << 20).await;
    let answer = ask(&mut client, "/large").await;
    until("it is over for the service", || async {
        sample(&running, "http_requests_in_flight").await == Some(0)
            && sample(&running, "http_answer_memory_bytes").await == Some(0)
    })
    .await;
    assert_eq!(answer.collect().await.unwrap().to_bytes().len(), 16 << 20);
}

#[tokio::test]
async fn a_head_over_http2_must_end_as_one_over_http1() {
    let (running, _) = start("[http]\nheader_timeout = '400ms'\nidle_timeout = '1h'").await;
    let mut client = Client::connect(running.addr).await;
    let begun = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x01\0\0\0\x01\x82";
    client.send(begun).await;
    let began = Instant::now();
    client.rest().await;
    assert!(began.elapsed() >= Duration::from_millis(350), "{:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn heads_over_http2_that_do_not_end_are_charged() {
    let (running, _) = start("[http]\nheader_timeout = '300ms'\nrate_limit = '4/h'").await;
    let begun = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x01\0\0\0\x01\x82";
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect(running.addr).await;
        client.send(begun).await;
        clients.push(client);
    }
    for mut client in clients {
        client.rest().await;
    }
    // One that hangs up before it is cut.
    let mut client = Client::connect(running.addr).await;
    client.send(begun).await;
    drop(client);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(get(running.addr, "/hello").await.status, 429);
}

#[tokio::test]
async fn frames_that_are_no_part_of_a_request_end_their_connection() {
    let (running, _) = start("").await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let priority: &[u8] = b"\0\0\x05\x02\0\0\0\0\x01\0\0\0\0\x10";
    let window: &[u8] = b"\0\0\x04\x08\0\0\0\0\0\0\0\0\x01";
    let unknown: &[u8] = b"\0\0\0\x77\0\0\0\0\0";
    for frame in [priority, window, unknown] {
        let mut client = Client::connect(running.addr).await;
        client.send(preface).await;
        let many = frame.repeat(1000);
        let (began, mut sent) = (Instant::now(), 0);
        while client.sent(&many).await {
            sent += many.len();
            assert!(began.elapsed() < Duration::from_secs(5), "{frame:?}");
        }
        assert!(sent >= 1 << 20, "{frame:?}: {sent}");
    }
    let http2 = Http2::connect(running.addr).await;
    assert_eq!(
        http2.ask("GET", "/download", TAKES, "").await.body.len(),
        16 << 20,
        "windows of an answer are fine"
    );
}

/// A client as gRPC's in Go is one: to each DATA that comes it sends a PING that measures the line, and opens windows by
/// as much.
#[tokio::test]
async fn a_client_that_measures_the_line_with_each_small_message_is_served() {
    let (running, _) = start("").await;
    let (mut from, mut to) = TcpStream::connect(running.addr).await.unwrap().into_split();
    let begins = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // GET, http and a path.
    let asks: &[u8] = b"\0\0\x10\x01\x05\0\0\0\x01\x82\x86\x44\x06/ticks\x41\x04here";
    to.write_all(&[&begins[..], asks].concat()).await.unwrap();
    let windows = [0, 1].map(|stream| [b"\0\0\x04\x08\0\0\0\0", &[stream, 0, 0, 0, 4][..]].concat());
    let bdp = [&windows[0][..], &windows[1], b"\0\0\x08\x06\0\0\0\0\0measures"].concat();
    let (mut came, mut ticks, mut ended) = (Vec::new(), 0, false);
    while !ended {
        let read = tokio::time::timeout(Duration::from_secs(10), from.read_buf(&mut came)).await;
        assert!(read.expect("no end").unwrap() > 0, "cut after {ticks} bytes");
        let (mut at, mut said) = (0, Vec::new());
        while let [a, b, c, kind, flags, ..] = came[at..] {
            let length = u32::from_be_bytes([0, a, b, c]) as usize;
            let whole = at + 9 + length;
            if came.len() < whole {
                break;
            }
            at = whole;
            if kind == 0 {
                ticks += length;
                ended |= flags & 1 != 0;
                said.extend_from_slice(&bdp);
            }
        }
        came.drain(..at);
        to.write_all(&said).await.unwrap();
    }
    assert_eq!(ticks, TICKS * "tick".len());
}

#[tokio::test]
async fn bodies_that_stop_or_cannot_be_read_open_no_circuit() {
    let (running, _) = start("[http]\nrate_limit = 'none'").await;
    let head = "POST /reads HTTP/1.1\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n";
    for rest in ["", "zz\r\n"] {
        for _ in 0..5 {
            let mut client = Client::connect(running.addr).await;
            client.send(format!("{head}{rest}")).await;
            let status = client.reply().await.status;
            assert!(matches!(status, 400 | 500), "{status}");
        }
        let whole = client::ask(running.addr, request("POST", "/reads", &[], "hello")).await;
        assert_eq!((whole.status, &*whole.body), (200, "5"), "{rest:?}");
    }
}
