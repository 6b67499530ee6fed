//! Bodies that are larger once they are unpacked.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hardening_service_tests::client::{self, Reply};
use hardening_service_tests::service::problem;

use super::support::start;

fn packed(text: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    packed.write_all(text).unwrap();
    packed.finish().unwrap()
}

async fn post(address: std::net::SocketAddr, path: &str, body: &[u8]) -> Reply {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: here\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    client::ask(address, [head.as_bytes(), body].concat()).await
}

#[tokio::test]
async fn what_is_unpacked_is_held_to_the_limit_in_every_extractor() {
    let (running, _) = start("").await;
    let small = format!("[{}]", ["1"; 1000].join(","));
    let large = format!("[{}]", vec!["1"; 1 << 20].join(","));
    let bomb = vec![b'0'; 64 << 20];
    for path in ["/packed/bytes", "/packed/text", "/packed/json", "/packed/axum"] {
        let reply = post(running.addr, path, &packed(small.as_bytes())).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        for text in [large.as_bytes(), &bomb] {
            let packed = packed(text);
            assert!(packed.len() < 1 << 20);
            problem(&post(running.addr, path, &packed).await, 413);
        }
    }
    // Who reads the bare body has what comes.
    let raw = post(running.addr, "/packed/raw", &packed(large.as_bytes())).await;
    assert_eq!((raw.status, raw.body), (200, large.len().to_string()));
}
