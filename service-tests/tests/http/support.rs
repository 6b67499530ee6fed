//! The shop on free ports.

use std::net::SocketAddr;

use hardening::Running;
use hardening_service_tests::client::connect_from;
use tokio::net::TcpStream;

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
    connect_from([127, 0, 0, peer], address).await
}
