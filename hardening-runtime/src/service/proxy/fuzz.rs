//! Whatever stands at the beginning of a connection in place of a header of the PROXY protocol.

use super::tests::{of, v2};
use super::*;
use crate::fuzzing::run;

const TEXTS: &[&[u8]] = &[
    b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\nGET / HTTP/1.1\r\n",
    b"PROXY TCP6 2001:db8::7 fd00::1 4711 80\r\n\x16\x03\x01",
    b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
];
const WORDS: &[&[u8]] = &[
    b"PROXY ",
    b"TCP4",
    b"TCP6",
    b"UNKNOWN",
    b" ",
    b"\r\n",
    b"203.0.113.7",
    b"::1",
    b"65535",
    b"0",
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x21\x11\0\x0c",
    b"\x20\0\0\0",
    b"\x21\x21\0\x24",
    b"\x21\x31\0\xd8",
];

/// A header of version 2 that names this address.
fn written(client: SocketAddr) -> Vec<u8> {
    let port = client.port().to_be_bytes();
    match client {
        SocketAddr::V4(client) => {
            v2(1, 0x11, &[&client.ip().octets()[..], &[10, 0, 0, 1], &port, &[0, 80]].concat())
        }
        SocketAddr::V6(client) => {
            v2(1, 0x21, &[&client.ip().octets()[..], &[0; 16], &port, &[0, 80]].concat())
        }
    }
}

fn holds(input: &[u8]) {
    let (read, left) = of(input);
    let header = &input[..input.len() - left];
    assert!(header.len() <= 16 + LONGEST_BINARY, "a bounded header");
    let Ok(client) = read else { return };
    let text = header.starts_with(TEXT);
    assert!(text || header.starts_with(BINARY), "never guessed");
    assert!(!text || header.ends_with(b"\r\n") && header.len() <= LONGEST_TEXT);
    // What comes behind it is not looked at, and nothing shorter is a header.
    assert_eq!(of(&[header, b"\r\n\0PROXY "].concat()), (Ok(client), 9));
    assert!(of(&header[..header.len() - 1]).0.is_err());
    if let Some(client) = client {
        assert_eq!(of(&written(client)), (Ok(Some(client)), 0), "the same client in the other form");
    }
}

#[test]
fn proxy_v1() {
    run("PROXY v1", TEXTS, WORDS, holds);
}

#[test]
fn proxy_v2() {
    let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
    let seeds = [
        v2(1, 0x11, &v4),
        v2(1, 0x11, &[&v4[..], &[0x04, 0, 1, 0, 0x03, 0, 4, 1, 2, 3, 4]].concat()),
        v2(1, 0x21, &[7; 36]),
        v2(1, 0x31, &[b'a'; 216]),
        v2(0, 0, b""),
    ];
    let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
    run("PROXY v2", &seeds, WORDS, holds);
}
