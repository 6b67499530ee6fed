//! Addresses for programs that must be told a port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// A loopback address where nothing listens.
///
/// A port that was bound as port 0 and closed again may be given away in the next moment, to another test's listener or
/// outgoing connection. This one lies below the ports that systems give out (from 32768 on Linux, from 49152 elsewhere), so
/// that only a program that names it can take it.
pub fn free() -> SocketAddr {
    const FIRST: u32 = 20_000;
    const COUNT: u32 = 12_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run at the same time begin far from each other.
    let begin = std::process::id().wrapping_mul(61);
    let port = |number: u32| u16::try_from(FIRST + begin.wrapping_add(number) % COUNT).expect("below 32000");
    let next = |_| SocketAddr::from((Ipv4Addr::LOCALHOST, port(TAKEN.fetch_add(1, Ordering::Relaxed))));
    (0..COUNT).map(next).find(|address| TcpListener::bind(address).is_ok()).expect("a free port")
}
