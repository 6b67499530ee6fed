//! The bundled client against servers that answer, hang, break off and lie.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hardening::http::{Client, Error, Kind, Sent};
use hardening::{BoxError, Rejected, circuit_breaker, context, retry};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use super::support::start;
use hardening_service_tests::certificates::Authority;

/// A server that reads a request's head, writes this and then waits for the client to go.
async fn saying(answer: &'static str, then_close: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(say(stream, answer, then_close));
        }
    });
    address
}

async fn say(mut stream: TcpStream, answer: &str, then_close: bool) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    stream.write_all(answer.as_bytes()).await.unwrap();
    if !then_close {
        // Ends with the client.
        let _ = stream.read_u8().await;
    }
}

#[tokio::test]
async fn an_answer_comes_whole_with_its_status_and_fields() {
    let running = start("").await;
    let client = Client::new();
    let order = json!({ "sku": "apple", "lines": [{ "quantity": 2 }] });
    let answer = client.post(format!("http://{}/orders", running.addr)).json(&order).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.json::<Value>().unwrap()), (201, json!({ "lines": 1 })));
    let missing = client.get(format!("http://{}/missing", running.addr)).send().await.unwrap();
    assert_eq!(missing.status(), 404);
    assert_eq!(missing.headers()["content-type"], "application/problem+json");
    assert_eq!(missing.json::<Value>().unwrap()["status"], 404);
    let error = missing.error_for_status().unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::Status(axum::http::StatusCode::NOT_FOUND), Sent::Yes));
}

#[tokio::test]
async fn the_error_says_whether_anything_was_sent() {
    let (gone, _bound) = hardening_service_tests::ports::refusing();
    let silent = saying("", false).await;
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let deaf = (deaf.local_addr().unwrap(), deaf);
    let cases = [
        (format!("http://{gone}/a?key=secret"), Kind::Connect, Sent::No),
        ("http://nowhere.invalid/".to_owned(), Kind::Connect, Sent::No),
        ("gopher://a/".to_owned(), Kind::Invalid, Sent::No),
        (format!("http://{silent}/"), Kind::Timeout, Sent::Maybe),
        // Nobody shakes hands, so nothing was sent when the connection's time is over.
        (format!("https://{}/", deaf.0), Kind::Connect, Sent::No),
        (format!("http://{}/", saying("", true).await), Kind::Broken, Sent::Maybe),
        (format!("http://{}/", saying("SSH-2.0\r\n\r\n", false).await), Kind::Broken, Sent::Maybe),
        (
            format!("http://{}/", saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", true).await),
            Kind::Broken,
            Sent::Yes,
        ),
        (
            format!("http://{}/", saying("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", false).await),
            Kind::Timeout,
            Sent::Yes,
        ),
    ];
    let built =
        Client::builder().connect_timeout(Duration::from_millis(300)).timeout(Duration::from_millis(900));
    let client = built.build().unwrap();
    for (url, kind, sent) in cases {
        let error = client.get(&url).send().await.expect_err(&url);
        assert_eq!((error.kind(), error.sent()), (kind, sent), "{url}: {error:?}");
        assert_eq!(error.was_not_sent(), sent == Sent::No);
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_an_error_and_is_not_read_to_its_end() {
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n6\r\n123456\r\n";
    let client = Client::builder().body_limit(10).build().unwrap();
    // Neither server ends its body, so that waiting for the end would be a timeout.
    for answer in [chunked, "HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n12345678901"] {
        let error = client.get(format!("http://{}/", saying(answer, false).await)).send().await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (Kind::TooLarge, Sent::Yes), "{error:?}");
    }
    let fits = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n1234567890";
    let answer = client.get(format!("http://{}/", saying(fits, false).await)).send().await.unwrap();
    assert_eq!(answer.text(), "1234567890");
}

/// A server that answers with this, and then with the other again and again.
async fn repeating(first: &'static str, again: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let again = again.repeat(500);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 1024];
            while !stream.read(&mut head).await.is_ok_and(|read| head[..read].ends_with(b"\r\n\r\n")) {}
            stream.write_all(first.as_bytes()).await.unwrap();
            while stream.write_all(again.as_bytes()).await.is_ok() {}
        }
    });
    address
}

#[tokio::test]
async fn interim_answers_and_small_pieces_without_end_are_errors() {
    let client = Client::builder().timeout(Duration::from_secs(20)).build().unwrap();
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for (first, again, sent, why) in [
        ("", "HTTP/1.1 100 Continue\r\n\r\n", Sent::Maybe, "interim answers"),
        ("", "HTTP/1.1 102 Processing\r\n\r\n", Sent::Maybe, "interim answers"),
        ("", "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n", Sent::Maybe, "interim answers"),
        (chunked, "1\r\nz\r\n", Sent::Yes, "small pieces"),
    ] {
        let (address, began) = (repeating(first, again).await, Instant::now());
        let error = client.get(format!("http://{address}/")).send().await.unwrap_err();
        assert_eq!((error.kind(), error.sent()), (Kind::Broken, sent), "{again:?}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(cause.contains(why), "{cause}");
        assert!(began.elapsed() < Duration::from_secs(10), "{again:?}: {:?}", began.elapsed());
    }
    // Some are fine.
    let few = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let answer = client.get(format!("http://{}/", saying(few, false).await)).send().await.unwrap();
    assert_eq!(answer.text(), "ok");
}

#[tokio::test]
async fn the_deadline_around_it_cuts_it_and_goes_with_it() {
    let client = Client::new();
    let silent = saying("", false).await;
    let began = Instant::now();
    let within = |left: Duration, url: String| {
        let request = Arc::new(context::Request { id: "r-9".to_owned(), ..context::Request::default() });
        context::scope(request, Some(Instant::now() + left), client.get(url).send())
    };
    let error = within(Duration::from_millis(200), format!("http://{silent}/")).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::DeadlineExceeded, Sent::Maybe), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(5), "the client's own timeout would be 10 s");
    let error = within(Duration::ZERO, format!("http://{silent}/")).await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::DeadlineExceeded, Sent::No), "{error:?}");

    let running = start("").await;
    let answer = within(Duration::from_secs(4), format!("http://{}/about", running.addr)).await.unwrap();
    let seen: Value = answer.json().unwrap();
    assert_eq!(seen["id"], "r-9");
    let left = seen["left_ms"].as_u64().unwrap();
    assert!((1..=4000).contains(&left), "{left}");
}

#[tokio::test]
async fn connections_are_kept_and_shared_by_clones() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let client = Client::new();
    let asking = tokio::spawn(async move {
        for _ in 0..5 {
            client.clone().get(&url).send().await.unwrap();
        }
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    for _ in 0..5 {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    }
    asking.await.unwrap();
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_roots_vouch_for() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    let url = format!("https://localhost:{}/about", running.addr.port());
    let roots = authority.file("roots.pem", &authority.pem());
    let trusting = Client::builder().ca_file(&roots).build().unwrap();
    let answer = trusting.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("strict-transport-security"));

    let error = Client::new().get(&url).send().await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::Connect, Sent::No), "{error:?}");
    let other_name = url.replace("localhost", "127.0.0.1");
    let error = trusting.get(other_name).send().await.unwrap_err();
    assert_eq!((error.kind(), error.sent()), (Kind::Connect, Sent::No), "{error:?}");

    let empty = authority.file("empty.pem", "nothing");
    for (path, why) in [(empty.as_str(), "BEGIN CERTIFICATE"), ("/does/not/exist", "No such file")] {
        let error = Client::builder().ca_file(path).build().unwrap_err().to_string();
        assert!(error.contains(path) && error.contains(why), "{error}");
    }
}

#[circuit_breaker(consecutive = 3, open_for = 1m)]
async fn own(url: &str) -> Result<u16, Error> {
    Ok(Client::new().get(url).send().await?.status().as_u16())
}

#[retry(attempts = 2, backoff = 1ms, idempotent, on = Err(_))]
#[circuit_breaker(consecutive = 3, open_for = 1m)]
async fn boxed(url: &str) -> Result<u16, BoxError> {
    Ok(Client::new().get(url).send().await?.status().as_u16())
}

/// Says that everything is a failure.
#[circuit_breaker(consecutive = 3, open_for = 1m, failure = Err(_))]
async fn strict(url: &str) -> Result<u16, Error> {
    Ok(Client::new().get(url).send().await?.status().as_u16())
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_is_no_evidence_against_whom_it_was_for() {
    let running = start("").await;
    let (good, gone) = (format!("http://{}/livez", running.addr), "http://127.0.0.1:9/");
    // As a handler makes one of what its client sends.
    let invalid = format!("{good}/ x");
    for _ in 0..20 {
        assert_eq!(own(&invalid).await.unwrap_err().kind(), Kind::Invalid);
        boxed(&invalid).await.unwrap_err();
    }
    assert_eq!((own(&good).await.unwrap(), boxed(&good).await.unwrap()), (200, 200));
    for _ in 0..3 {
        assert_eq!(own(gone).await.unwrap_err().kind(), Kind::Connect);
        boxed(gone).await.unwrap_err();
    }
    let refused = own(&good).await.unwrap_err();
    assert!(matches!(refused.rejected(), Some(Rejected::CircuitOpen { .. })), "{refused}");
    let refused = boxed(&good).await.unwrap_err();
    assert!(matches!(refused.downcast_ref(), Some(Rejected::CircuitOpen { .. })), "{refused}");
    // What the function's own patterns say counts.
    for _ in 0..3 {
        assert_eq!(strict(&invalid).await.unwrap_err().kind(), Kind::Invalid);
    }
    assert!(strict(&good).await.unwrap_err().rejected().is_some());
}
