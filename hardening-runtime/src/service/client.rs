//! Who is calling, as far as trusted proxies tell it.

use std::net::{IpAddr, Ipv6Addr};

use http::HeaderMap;

use super::address::Peer;
use super::forwarded::hops;
use super::lanes::Counted;
use super::said::Said;
use crate::policy::rate_limit::hash_key;
use crate::settings::Http;

/// The client of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Its address; `None` for a process of this machine that names nobody.
    pub(crate) ip: Option<IpAddr>,
    /// Whether the peer's word on its client is believed.
    pub(crate) vouched: bool,
    /// What it is known by where clients are told apart: a hash of its [`bucket`], 0 without an address.
    pub(crate) key: u64,
    /// What a peer says that is not trusted.
    pub(crate) claim: Claim,
}

/// What a peer that is not trusted says of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// Nothing, or nothing that is an address.
    None,
    /// Another address, which changes nothing: the peer is the client.
    Ignored,
    /// This client. The peer may be an unlisted proxy: it has a private address, and `http.trusted_proxies` is empty.
    Of(IpAddr),
}

impl Client {
    /// The peer itself, unless it is trusted; then the rightmost address of `http.client_header` that is not. A process that
    /// may open the service's Unix socket is trusted like a proxy; who stands behind a proxy that does not name them is not.
    /// `key` is the peer's own.
    pub(crate) fn of(headers: &HeaderMap, said: Said, peer: Peer, key: u64, http: &Http) -> Self {
        let vouched = is_trusted(peer, http);
        let peer = peer.ip().map(|ip| ip.to_canonical());
        let mut client = Self { ip: peer, vouched, key, claim: Claim::None };
        if http.client_header.is_usual() && !said.has(Said::FORWARDED) {
            return client;
        }
        let mut hops = hops(headers, http.client_header.name());
        if !vouched {
            // The last hop is the peer's own word.
            client.claim = match hops.next().flatten() {
                None => Claim::None,
                Some(ip) if http.trusted_proxies.is_empty() && peer.is_some_and(is_private) => {
                    Claim::Of(ip.to_canonical())
                }
                Some(_) => Claim::Ignored,
            };
            return client;
        }
        // No trusted proxy writes what cannot be read: the hop that sent it is the client.
        for hop in hops.map_while(|hop| hop) {
            client.ip = Some(hop);
            if !is_proxy(hop, http) {
                break;
            }
        }
        client.key = self::key(client.ip);
        client
    }

    /// Whether nothing is charged to it: a process at the service's Unix socket that names no client.
    pub(super) fn is_free(&self) -> bool {
        self.ip.is_none() && self.vouched
    }

    /// Who is counted where clients are told apart, whatever it claims.
    pub(super) fn counted(&self) -> Counted {
        Counted::known(self.ip, self.key)
    }
}

/// Whether what a peer says of its client is believed.
pub(crate) fn is_trusted(peer: Peer, http: &Http) -> bool {
    match peer {
        Peer::Address(peer) => is_proxy(peer.ip(), http),
        Peer::Local => true,
        Peer::Unnamed(_) => false,
    }
}

/// Whether an address is one of `http.trusted_proxies`.
pub(crate) fn is_proxy(ip: IpAddr, http: &Http) -> bool {
    let ip = ip.to_canonical();
    http.trusted_proxies.iter().any(|net| net.contains(&ip))
}

/// Whether an address is of a private network, of this machine, or of a link: proxies of the service's own have these.
fn is_private(ip: IpAddr) -> bool {
    match ip {
        // Carriers and clouds use 100.64.0.0/10 inside (RFC 6598).
        IpAddr::V4(ip) => {
            let shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xC0 == 64;
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || shared
        }
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

/// What a client of this address is known by; see [`Client::key`].
pub(crate) fn key(ip: Option<IpAddr>) -> u64 {
    ip.map_or(0, |ip| hash_key(&bits(bucket(ip.to_canonical()))))
}

/// The address as one number, which is hashed faster than its parts.
pub(super) fn bits(ip: IpAddr) -> u128 {
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

#[cfg(test)]
mod tests {
    use super::*;

    const PROXIES: [&str; 2] = ["10.0.0.0/8", "fd00::/8"];

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> Client {
        let mut headers = HeaderMap::new();
        for list in forwarded {
            headers.append("x-forwarded-for", list.parse().unwrap());
        }
        let mut http = crate::settings::Settings::default().http;
        http.trusted_proxies = trusted.iter().map(|net| net.parse().unwrap()).collect();
        let peer = match peer {
            "unix" => Peer::Local,
            "unix unnamed" => Peer::Unnamed(None),
            peer => match peer.strip_suffix(" unnamed") {
                Some(proxy) => Peer::Unnamed(Some(std::net::SocketAddr::new(proxy.parse().unwrap(), 4711))),
                None => Peer::Address(std::net::SocketAddr::new(peer.parse().unwrap(), 4711)),
            },
        };
        Client::of(&headers, Said::of(&headers), peer, key(peer.ip()), &http)
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
            ("10.0.0.1 unnamed", &["203.0.113.5"], "10.0.0.1", true),
            ("10.0.0.1 unnamed", &[], "10.0.0.1", false),
            ("unix unnamed", &["203.0.113.5"], "nobody", true),
        ] {
            let got = client(peer, forwarded, &PROXIES);
            assert_eq!(
                (got.ip, got.claim == Claim::Ignored),
                (ip.parse().ok(), stranger),
                "{peer} {forwarded:?}"
            );
            assert!(!(got.vouched && peer.ends_with("unnamed")), "{peer}");
        }
    }

    #[test]
    fn one_bucket_for_each_ipv4_and_each_64_of_ipv6() {
        let bucket = |ip: &str| client(ip, &[], &PROXIES).key;
        assert_eq!(bucket("2001:db8:1:2:3:4:5:6"), bucket("2001:db8:1:2::1"));
        assert_ne!(bucket("2001:db8:1:2::1"), bucket("2001:db8:1:3::1"));
        assert_ne!(bucket("192.0.2.1"), bucket("192.0.2.2"));
        assert_eq!(bucket("::ffff:192.0.2.1"), bucket("192.0.2.1"));
    }

    #[test]
    fn a_claim_counts_where_the_peer_may_be_a_proxy_that_nobody_has_listed() {
        let claimed = |claim: &str| Claim::Of(claim.parse().unwrap());
        for (peer, forwarded, claim) in [
            ("10.0.0.1", &["203.0.113.5"][..], claimed("203.0.113.5")),
            ("10.0.0.1", &["6.6.6.6, 203.0.113.5"], claimed("203.0.113.5")),
            ("10.0.0.1", &["6.6.6.6", "203.0.113.5"], claimed("203.0.113.5")),
            ("10.0.0.1", &["203.0.113.5, rubbish"], Claim::None),
            ("10.0.0.1", &[""], Claim::None),
            ("10.0.0.1", &[], Claim::None),
            ("192.0.2.1", &["203.0.113.5"], Claim::Ignored),
            ("192.0.2.1", &["rubbish"], Claim::None),
        ] {
            let got = client(peer, forwarded, &[]);
            assert_eq!(
                (got.claim, got.ip, got.vouched),
                (claim, peer.parse().ok(), false),
                "{peer} {forwarded:?}"
            );
            assert_eq!(got.key, key(peer.parse().ok()), "the peer's own");
        }
        for private in [
            "127.0.0.1",
            "172.31.0.1",
            "192.168.0.1",
            "169.254.1.1",
            "100.64.0.1",
            "::1",
            "fd00::1",
            "fe80::1",
            "::ffff:10.0.0.1",
        ] {
            assert_eq!(client(private, &["203.0.113.5"], &[]).claim, claimed("203.0.113.5"), "{private}");
        }
        for public in ["172.32.0.1", "100.128.0.1", "100.63.0.1", "8.8.8.8", "2001:db8::1"] {
            assert_eq!(client(public, &["203.0.113.5"], &[]).claim, Claim::Ignored, "{public}");
        }
    }

    #[test]
    fn one_field_is_read_and_every_other_one_ignored() {
        let mut http = crate::settings::Settings::default().http;
        http.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let peer = Peer::Address("10.0.0.1:80".parse().unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-forwarded-for", "203.0.113.1"),
            ("forwarded", "for=203.0.113.2"),
            ("x-real-ip", "203.0.113.3"),
        ] {
            headers.insert(name, value.parse().unwrap());
        }
        for (name, ip) in [
            ("x-forwarded-for", "203.0.113.1"),
            ("Forwarded", "203.0.113.2"),
            ("X-Real-IP", "203.0.113.3"),
            ("cf-connecting-ip", "10.0.0.1"),
        ] {
            http.client_header = crate::settings::ClientHeader::new(name.parse().unwrap());
            let got = Client::of(&headers, Said::of(&headers), peer, 0, &http);
            assert_eq!(got.ip, ip.parse().ok(), "{name}");
        }
    }
}
