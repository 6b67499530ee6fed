//! Where a service listens, and who is at the other end of a connection.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// What stands before the path of a Unix socket.
pub(crate) const UNIX: &str = "unix:";

/// The path of a Unix socket, if `listen` names one.
pub(crate) fn unix_path(listen: &str) -> Option<&Path> {
    listen.strip_prefix(UNIX).map(Path::new)
}

/// Where a listener is bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    /// An address and a port.
    Port(SocketAddr),
    /// A Unix socket's file.
    File(PathBuf),
}

impl Bound {
    /// The address and the port; `0.0.0.0:0` for a file.
    pub(crate) fn port(&self) -> SocketAddr {
        match self {
            Self::Port(address) => *address,
            Self::File(_) => SocketAddr::from(([0; 4], 0)),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port(address) => address.fmt(f),
            Self::File(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Somewhere on the network.
    Address(SocketAddr),
    /// A process of this machine that may open the socket's file: it has no address, and is believed like a trusted proxy.
    Local,
    /// Somebody behind the proxy at this address, or at the socket's file, which connects without saying for whom (`UNKNOWN` and
    /// `LOCAL` of the PROXY protocol, and kinds of addresses that are none here): the proxy itself, or anybody. What this peer
    /// says is not the proxy's word.
    Unnamed(Option<SocketAddr>),
}

impl Peer {
    /// Its address, or that of the proxy before it.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.address().map(|address| address.ip())
    }

    /// Its address and port, or those of the proxy before it.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Address(address) => Some(*address),
            Self::Local => None,
            Self::Unnamed(proxy) => *proxy,
        }
    }

    /// Somebody whom this peer, a proxy, does not name.
    pub(crate) fn names_nobody(self) -> Self {
        Self::Unnamed(self.address())
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address() {
            Some(address) => address.fmt(f),
            None => f.write_str("unix"),
        }
    }
}

/// A client's address in log lines; `-` where none is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown(pub(crate) Option<IpAddr>);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(ip) => ip.fmt(f),
            None => f.write_str("-"),
        }
    }
}
