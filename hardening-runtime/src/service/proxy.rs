//! The PROXY protocol: what a proxy says of a connection before its first byte (versions 1 and 2 of `HAProxy`'s specification).

use std::io;
use std::net::SocketAddr;

use proxy_header::{ParseConfig, Protocol, ProxyHeader};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// The beginning of version 2, and of version 1.
const BINARY: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const TEXT: &[u8; 6] = b"PROXY ";
/// The longest header of version 1.
const LONGEST_TEXT: usize = 107;
/// The longest header of version 2 that is read: addresses, and what proxies add of TLS and of themselves.
const LONGEST_BINARY: usize = 4096;

/// Reads the header, and not a byte of what comes behind it. Answers the address that the proxy speaks for, `None` where it
/// names none: it speaks for itself, or for somebody whom it does not know.
///
/// # Errors
/// When the connection ends, or begins with anything else.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let mut header = vec![0; BINARY.len()];
    stream.read_exact(&mut header).await?;
    if header == BINARY {
        header.resize(16, 0);
        stream.read_exact(&mut header[12..]).await?;
        let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
        if length > LONGEST_BINARY {
            return Err(garbage("its header is too long"));
        }
        header.resize(16 + length, 0);
        stream.read_exact(&mut header[16..]).await?;
        return client(&header);
    }
    if !header.starts_with(TEXT) {
        return Err(garbage("it does not begin with a header"));
    }
    while !header.ends_with(b"\r\n") {
        if header.len() == LONGEST_TEXT {
            return Err(garbage("its header has no end"));
        }
        header.push(stream.read_u8().await?);
    }
    // The parser takes Rust's numbers, which may have a sign.
    if header.starts_with(b"PROXY TCP") && header.contains(&b'+') {
        return Err(garbage("its port is no number"));
    }
    client(&header)
}

/// Whom a whole header names.
fn client(header: &[u8]) -> io::Result<Option<SocketAddr>> {
    let config = ParseConfig { include_tlvs: false, ..ParseConfig::default() };
    let (read, length) = ProxyHeader::parse(header, config).map_err(|error| garbage(&error.to_string()))?;
    if length != header.len() {
        return Err(garbage("its header has two ends"));
    }
    match read.proxied_address() {
        // A proxy's own check of our health, or a connection of a kind that has no address here.
        None => Ok(None),
        Some(address) if address.protocol == Protocol::Stream => Ok(Some(address.source)),
        Some(_) => Err(garbage("it is no stream")),
    }
}

fn garbage(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of these bytes, and how many are left.
    pub(super) fn of(bytes: &[u8]) -> (Result<Option<SocketAddr>, String>, usize) {
        let mut stream = bytes;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let std::task::Poll::Ready(read) = std::pin::pin!(read(&mut stream)).poll(&mut cx) else {
            panic!("a slice is always ready")
        };
        (read.map_err(|error| error.to_string()), stream.len())
    }

    pub(super) fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [BINARY, &[0x20 | command, family][..], &length, rest].concat()
    }

    #[test]
    fn both_versions_name_the_client_and_leave_the_request() {
        let v4 = [203, 0, 113, 7, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let with_more = [&v4[..], &[0x04, 0, 1, 0]].concat();
        let mut v6 = [0; 36];
        v6[..16].copy_from_slice(&std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).octets());
        v6[32..].copy_from_slice(&[0x12, 0x67, 0, 80]);
        for (header, client) in [
            (b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n".to_vec(), Some("203.0.113.7:4711")),
            (b"PROXY TCP6 2001:db8::7 fd00::1 4711 80\r\n".to_vec(), Some("[2001:db8::7]:4711")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n".to_vec(), None),
            (v2(1, 0x11, &v4), Some("203.0.113.7:4711")),
            (v2(1, 0x11, &with_more), Some("203.0.113.7:4711")),
            (v2(1, 0x21, &v6), Some("[2001:db8::7]:4711")),
            (v2(1, 0x31, &[0; 216]), None),
            (v2(1, 0, &[]), None),
            (v2(0, 0, &[]), None),
            (v2(0, 0x11, &v4), None),
        ] {
            let (read, left) = of(&[&header[..], b"GET / HTTP/1.1\r\n"].concat());
            assert_eq!(read, Ok(client.map(|client| client.parse().unwrap())), "{header:?}");
            assert_eq!(left, 16, "{header:?}");
            for short in 0..header.len() {
                assert!(of(&header[..short]).0.is_err(), "{:?}", &header[..short]);
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = format!("PROXY UNKNOWN {}\r\n", "f".repeat(200));
        for bytes in [
            b"GET / HTTP/1.1\r\nhost: a\r\n\r\n".to_vec(),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(),
            b"proxy TCP4 203.0.113.7 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 4711\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.700 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::7 fd00::1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80 81\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 65536 80\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7 10.0.0.1 +4711 80\r\n".to_vec(),
            b"PROXY TCP6 2001:db8::7 fd00::1 4711 +80\r\n".to_vec(),
            b"PROXY UDP4 203.0.113.7 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY TCP4\xff 203.0.113.7 10.0.0.1 4711 80\r\n".to_vec(),
            long.into_bytes(),
            v2(2, 0x11, &[0; 12]),
            v2(1, 0x11, &[0; 11]),
            v2(1, 0x12, &[0; 12]),
            v2(1, 0x41, &[0; 12]),
            v2(1, 0x11, &[0; LONGEST_BINARY + 1]),
            [BINARY, &[0x11, 0x11, 0, 12][..], &[0; 12]].concat(),
        ] {
            assert!(of(&bytes).0.is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn random_headers_neither_panic_nor_are_read_beyond_their_end() {
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..50_000 {
            let rest: Vec<u8> = (0..random.usize(..64)).map(|_| random.u8(..)).collect();
            let header = v2(random.u8(..3), random.u8(..), &rest);
            assert_eq!(of(&[&header[..], b"after"].concat()).1, 5);
            let letters: String = (0..random.usize(..60))
                .map(|_| {
                    random.choice(b"TCP46UNKOW .:0123456789af").map_or('a', |letter| char::from(*letter))
                })
                .collect();
            let (read, left) = of(format!("PROXY {letters}\r\nafter").as_bytes());
            assert!(read.is_err() || left == 5, "{letters}");
        }
    }
}
