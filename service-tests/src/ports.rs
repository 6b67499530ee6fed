//! Addresses for programs that must be told a port, and for those that must not reach anybody.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::net::TcpSocket;

/// A loopback address that refuses connections as long as the socket is there, which is bound and does not listen: nobody else
/// gets the port meanwhile.
pub fn refusing() -> (SocketAddr, TcpSocket) {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).expect("a port");
    (socket.local_addr().expect("bound"), socket)
}

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

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::TcpStream;

    use super::*;

    #[tokio::test]
    async fn a_port_that_refuses_is_nobody_elses() {
        let (address, bound) = refusing();
        assert_eq!(TcpStream::connect(address).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TcpListener::bind(address).unwrap_err().kind(), ErrorKind::AddrInUse);
        let listener = bound.listen(1).unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
        TcpStream::connect(address).unwrap();
    }
}
