//! The shop on free ports.

use std::net::{Ipv4Addr, SocketAddr};

use hardening::Running;
use tokio::net::{TcpSocket, TcpStream};

use super::app::{DEPENDENCIES, Dependencies, shop};

/// The shop on free ports under these settings.
pub(crate) async fn start(settings: &str) -> Running {
    start_with(Dependencies::default(), settings).await
}

pub(crate) async fn start_with(dependencies: Dependencies, settings: &str) -> Running {
    let started = DEPENDENCIES.scope(dependencies, shop().with_settings(settings).start()).await;
    started.unwrap_or_else(|error| panic!("{error}"))
}

/// A connection from this address of the loopback network, all of which is this machine.
pub(crate) async fn from(peer: u8, address: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((Ipv4Addr::new(127, 0, 0, peer), 0).into()).expect("an address");
    let stream = socket.connect(address).await.expect("a connection");
    stream.set_nodelay(true).expect("a socket");
    stream
}
