//! Requests that a proxy in front could read otherwise than the service: each is refused, or read in the one way that the
//! standard allows, and never leaves a second request in the same bytes.

use super::support::start;
use hardening_service_tests::client::{Client, get};

/// What would be a request of its own if the one before it ended earlier than the service thinks.
const HIDDEN: &str = "GET /panic HTTP/1.1\r\nhost: x\r\n\r\n";

/// Every status that the bytes get as answers.
async fn statuses(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut client = Client::connect(address).await;
    client.sent(bytes).await;
    let text = client.rest().await;
    // No answer of these tests holds the words itself.
    text.match_indices("HTTP/1.1 ").map(|(at, _)| text[at + 9..at + 12].parse().expect("a status")).collect()
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let running = start("http.rate_limit = 'none'").await;
    let post = "POST /echo HTTP/1.1\r\nhost: x\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    for (what, head) in [
        ("two lengths", format!("{post}content-length: 0\r\ncontent-length: 5\r\n\r\n")),
        ("two lengths in one field", format!("{post}content-length: 0, 5\r\n\r\n")),
        ("a length with a sign", format!("{post}content-length: +5\r\n\r\n")),
        ("a negative length", format!("{post}content-length: -5\r\n\r\n")),
        ("a length in hex", format!("{post}content-length: 0x5\r\n\r\n")),
        ("no length at all", format!("{post}content-length: \r\n\r\n")),
        ("a length beyond every number", format!("{post}content-length: 99999999999999999999999\r\n\r\n")),
        ("chunked not last", format!("{post}transfer-encoding: chunked, identity\r\n\r\n")),
        ("a coding nobody knows", format!("{post}transfer-encoding: xchunked\r\n\r\n")),
        ("chunked in quotes", format!("{post}transfer-encoding: \"chunked\"\r\n\r\n")),
        ("a vertical tab before chunked", format!("{post}transfer-encoding: \x0bchunked\r\n\r\n")),
        ("a space before the colon", format!("{post}transfer-encoding : chunked\r\n\r\n")),
        ("a space before the colon of a length", format!("{post}content-length : 5\r\n\r\n")),
        ("a folded field", format!("{post}x-a: b\r\n {chunked}\r\n")),
        ("a folded coding", format!("{post}transfer-encoding:\r\n chunked\r\n\r\n")),
        ("a space before the first field", format!("POST /echo HTTP/1.1\r\n host: x\r\n{chunked}\r\n")),
        ("a bare carriage return in a field", format!("{post}x-a: b\r{chunked}\r\n")),
        ("a zero byte in a field", format!("{post}x-a: b\0c\r\n\r\n")),
        ("a zero byte in a name", format!("{post}x\0-a: b\r\n\r\n")),
        ("a line that is no field", format!("{post}nonsense\r\n\r\n")),
        ("chunked in old HTTP", format!("POST /echo HTTP/1.0\r\nhost: x\r\n{chunked}\r\n")),
    ] {
        let bytes = format!("{head}0\r\n\r\n{HIDDEN}");
        let answers = statuses(running.addr, bytes.as_bytes()).await;
        assert!(matches!(answers.as_slice(), [400 | 413]), "{what}: {answers:?}");
    }
    for (what, body) in [
        ("a size that is no number", "zz\r\n\r\n"),
        ("a size with a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size in C", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a size beyond every number", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("a chunk longer than its size", "3\r\nhello\r\n0\r\n\r\n"),
        ("no end of the chunk", "5\r\nhello0\r\n\r\n"),
        ("a size that ends in a bare line feed", "5\nhello\r\n0\r\n\r\n"),
        ("a chunk that ends in a bare line feed", "5\r\nhello\n0\r\n\r\n"),
        ("a body that ends in a bare line feed", "5\r\nhello\r\n0\r\n\n"),
    ] {
        let bytes = format!("{post}{chunked}\r\n{body}{HIDDEN}");
        let answers = statuses(running.addr, bytes.as_bytes()).await;
        assert_eq!(answers, [400], "{what}");
    }
    assert_eq!(get(running.addr, "/hello").await.status, 200);
}

#[tokio::test]
async fn a_length_beside_a_coding_counts_for_nothing_and_ends_the_connection() {
    let running = start("http.rate_limit = 'none'").await;
    let chunked = "transfer-encoding: chunked\r\n";
    for (first, second) in [
        (chunked, "content-length: 6\r\n"),
        ("content-length: 6\r\n", chunked),
        ("Content-Length:6\r\n", chunked),
    ] {
        let bytes = format!("POST /echo HTTP/1.1\r\nhost: x\r\n{first}{second}\r\n0\r\n\r\n{HIDDEN}");
        let answers = statuses(running.addr, bytes.as_bytes()).await;
        assert_eq!(answers, [200], "{first:?}: what follows the chunks is never read");
    }
}

#[tokio::test]
async fn what_the_standard_allows_is_read_as_it_says() {
    let running = start("http.rate_limit = 'none'").await;
    let two = |first: &str| format!("{first}GET /hello HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    for (what, first) in [
        (
            "the same length twice",
            "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
        ),
        (
            "an empty line before the request",
            "\r\n\r\nPOST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
        ),
        (
            "any case, and spaces around the value",
            "POST /echo HTTP/1.1\r\nhost: x\r\nTransfer-Encoding: \t CHUNKED \t\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "an extension of a chunk",
            "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n",
        ),
        (
            "a trailer",
            "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\na: b\r\n\r\n",
        ),
    ] {
        let answers = statuses(running.addr, two(first).as_bytes()).await;
        assert_eq!(answers, [200, 200], "{what}");
    }
}
