//! Who is calling, as far as trusted proxies tell it.

use std::net::{IpAddr, Ipv6Addr};

use http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::address::Peer;
use super::said::Said;
use crate::policy::rate_limit::hash_key;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address; `None` for a process of this machine that names nobody.
    pub(crate) ip: Option<IpAddr>,
    /// Whether the peer's word on its client is believed.
    pub(crate) vouched: bool,
    /// Whether forwarding headers came from a peer that is not trusted.
    pub(crate) forwarded_by_stranger: bool,
    /// What it is known by where clients are told apart: a hash of its [`bucket`], 0 without an address.
    pub(crate) key: u64,
}

impl Client {
    /// The peer itself, unless it is trusted; then the rightmost address of `x-forwarded-for` that is not. A process that
    /// may open the service's Unix socket is trusted like a proxy. `key` is the peer's own.
    pub(crate) fn of(headers: &HeaderMap, said: Said, peer: Peer, key: u64, trusted: &[IpNet]) -> Self {
        let peer = peer.ip().map(|ip| ip.to_canonical());
        let is_trusted = |ip: &IpAddr| trusted.iter().any(|net| net.contains(ip));
        if peer.is_some_and(|peer| !is_trusted(&peer)) {
            let forwarded_by_stranger = said.has(Said::FORWARDED);
            return Self { ip: peer, vouched: false, forwarded_by_stranger, key };
        }
        let mut ip = peer;
        if !said.has(Said::FORWARDED) {
            return Self::new(ip, true, false);
        }
        let lists = headers.get_all(FORWARDED_FOR);
        let mut hops: Vec<&str> =
            lists.iter().filter_map(|list| list.to_str().ok()).flat_map(|l| l.split(',')).collect();
        while let Some(hop) = hops.pop() {
            // What cannot be read was written by nobody we trust: the hop before it is the client.
            let Some(hop) = address(hop.trim()) else { break };
            ip = Some(hop);
            if !is_trusted(&hop) {
                break;
            }
        }
        Self::new(ip, true, false)
    }

    pub(crate) fn new(ip: Option<IpAddr>, vouched: bool, forwarded_by_stranger: bool) -> Self {
        Self { ip, vouched, forwarded_by_stranger, key: key(ip) }
    }
}

/// What a client of this address is known by; see [`Client::key`].
pub(crate) fn key(ip: Option<IpAddr>) -> u64 {
    ip.map_or(0, |ip| hash_key(&bits(bucket(ip.to_canonical()))))
}

/// The address as one number, which is hashed faster than its parts.
fn bits(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// What limits are kept by: the address, of IPv6 its /64, since one client has all of that.
pub(crate) fn bucket(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX))),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1` or `[2001:db8::1]:80`.
fn address(hop: &str) -> Option<IpAddr> {
    let parsed =
        hop.parse().ok().or_else(|| hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()));
    let parsed = parsed.or_else(|| hop.strip_prefix('[')?.strip_suffix(']')?.parse().ok());
    parsed.map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str]) -> Client {
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append(FORWARDED_FOR, list.parse().unwrap());
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let peer = match peer {
            "unix" => Peer::Local,
            peer => Peer::Address(std::net::SocketAddr::new(peer.parse().unwrap(), 4711)),
        };
        Client::of(&headers, Said::of(&headers), peer, key(peer.ip()), &trusted)
    }

    #[test]
    fn only_trusted_peers_are_believed() {
        for (peer, forwarded, ip, stranger) in [
            ("192.0.2.9", &[][..], "192.0.2.9", false),
            ("192.0.2.9", &["203.0.113.5"], "192.0.2.9", true),
            ("10.0.0.1", &["203.0.113.5"], "203.0.113.5", false),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.5, 10.0.0.2"], "203.0.113.5", false),
            ("10.0.0.1", &["6.6.6.6", "203.0.113.5,10.0.0.2"], "203.0.113.5", false),
            ("10.0.0.1", &["203.0.113.5, rubbish, 10.0.0.2"], "10.0.0.2", false),
            ("10.0.0.1", &["10.0.0.3"], "10.0.0.3", false),
            ("10.0.0.1", &[], "10.0.0.1", false),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7", false),
            ("::ffff:10.0.0.1", &["203.0.113.5:99"], "203.0.113.5", false),
            ("unix", &["203.0.113.5, 10.0.0.2"], "203.0.113.5", false),
            ("unix", &["unix:"], "nobody", false),
            ("unix", &[], "nobody", false),
        ] {
            let got = client(peer, forwarded);
            assert_eq!(
                (got.ip, got.forwarded_by_stranger),
                (ip.parse().ok(), stranger),
                "{peer} {forwarded:?}"
            );
        }
    }

    #[test]
    fn one_bucket_for_each_ipv4_and_each_64_of_ipv6() {
        let bucket = |ip: &str| client(ip, &[]).key;
        assert_eq!(bucket("2001:db8:1:2:3:4:5:6"), bucket("2001:db8:1:2::1"));
        assert_ne!(bucket("2001:db8:1:2::1"), bucket("2001:db8:1:3::1"));
        assert_ne!(bucket("192.0.2.1"), bucket("192.0.2.2"));
        assert_eq!(bucket("::ffff:192.0.2.1"), bucket("192.0.2.1"));
    }
}
