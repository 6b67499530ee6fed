//! In which arrival time a client is charged: its own, or one that it shares with its network as the table of clients fills.
//!
//! | the table is | IPv6 counts by | IPv4 counts by |
//! |---|---|---|
//! | up to half full | its /64 | its address |
//! | up to three quarters full | its /56 | its address |
//! | nearly full | its /48 | its address |
//! | full | one of the buckets of its /48 | one of the buckets of its /16 |
//!
//! Whoever is known stays where they are. So one /48, of which a customer may have the whole, takes little more than half of the
//! table, and those who find no room share buckets with their neighbours alone, not with everybody.

use std::net::IpAddr;

use super::client::bits;
use crate::policy::rate_limit::hash_key;

/// Networks that share no bucket, as far as their hashes tell them apart.
const NETWORKS: u64 = 1024;
/// Buckets of each, so that newcomers of one network are not all in one.
const OF_EACH: u64 = 64;
/// Arrival times beyond the bound of clients.
const BUCKETS: usize = (NETWORKS * OF_EACH) as usize;

/// A lane, and with how many in the table there is room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lane {
    pub(super) key: u64,
    pub(super) most: usize,
}

impl Lane {
    /// Whether it is one of those beyond the bound of clients.
    pub(super) fn is_shared(self, max: u32) -> bool {
        self.most > max as usize
    }
}

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// The address, if there is one.
    pub(super) ip: Option<IpAddr>,
    /// What it is known by.
    pub(super) key: u64,
    /// The peer that says so and need not be believed, 0 for nobody: what one peer says of others is counted apart from what
    /// another one says, in every lane.
    pub(super) through: u64,
}

impl Counted {
    /// Somebody whose address, or name, is known.
    pub(super) fn known(ip: Option<IpAddr>, key: u64) -> Self {
        Self { ip, key, through: 0 }
    }

    /// Whom a peer claims to ask for, by the key of its address; `peer` is the peer's.
    pub(super) fn claimed(ip: IpAddr, key: u64, peer: u64) -> Self {
        Self { ip: Some(ip), key: hash_key(&("claimed", peer, key)), through: peer }
    }
}

/// The lanes of a client, or of anybody else who is known by a key, from its own to that of everybody else, for a table of `max`.
/// Each is worked out when the one before it had no room.
pub(super) fn lanes(who: Counted, max: u32) -> impl Iterator<Item = Lane> {
    let max = max as usize;
    let who = Counted { ip: who.ip.map(|ip| ip.to_canonical()), ..who };
    let is_v6 = matches!(who.ip, Some(IpAddr::V6(_)));
    (0..4).filter(move |step| is_v6 || matches!(step, 0 | 3)).map(move |step| match (step, who.ip) {
        (0, _) => Lane { key: who.key, most: if is_v6 { max.div_ceil(2) } else { max } },
        (1, Some(ip)) => Lane { key: network(who.through, ip, 56), most: max.div_ceil(4) * 3 },
        (2, Some(ip)) => Lane { key: network(who.through, ip, 48), most: max },
        _ => Lane { key: bucket(who), most: max.saturating_add(BUCKETS) },
    })
}

/// A network of IPv6, apart from a /64 of the same bits.
fn network(through: u64, ip: IpAddr, length: u32) -> u64 {
    hash_key(&(through, length, bits(ip) >> (128 - length)))
}

/// One of the buckets that a client shares with others of its network.
fn bucket(Counted { ip, key, through }: Counted) -> u64 {
    let network = match ip {
        // 96 bits stand before an address of IPv4.
        Some(ip @ IpAddr::V4(_)) => network(through, ip, 96 + 16),
        Some(ip @ IpAddr::V6(_)) => network(through, ip, 48),
        None => key,
    };
    hash_key(&("bucket", network % NETWORKS, key % OF_EACH))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::client::{self, Claim, Client};
    use super::super::limit::{Bucket, Limits, Standing};
    use super::*;
    use crate::clock;
    use crate::settings::Settings;

    fn of(ip: &str) -> Vec<Lane> {
        let ip: Option<IpAddr> = ip.parse().ok();
        lanes(Counted::known(ip, client::key(ip)), 10_000).collect()
    }

    #[test]
    fn ipv6_counts_by_wider_networks_and_ipv4_by_itself() {
        let (one, same_56, same_48) =
            (of("2001:db8:1:201::1"), of("2001:db8:1:2ff::1"), of("2001:db8:1:301::1"));
        assert_eq!([0, 1, 2, 3].map(|at: usize| one[at].most), [5_000, 7_500, 10_000, 75_536]);
        assert_ne!(one[0], same_56[0]);
        assert_eq!((one[1], one[2]), (same_56[1], same_56[2]));
        assert_ne!(one[1], same_48[1]);
        assert_eq!(one[2], same_48[2]);
        assert_ne!(one[2], of("2001:db8:2:201::1")[2]);
        let v4 = of("192.0.2.1");
        assert_eq!(v4, of("::ffff:192.0.2.1"));
        assert_eq!([0, 1].map(|at: usize| v4[at].most), [10_000, 75_536]);
        assert_eq!((v4.len(), lanes(Counted::known(None, 7), 10).count()), (2, 2));
        for max in [1, 2, 3, u32::MAX] {
            assert!(lanes(Counted::known("2001:db8::1".parse().ok(), 7), max).all(|lane| lane.most > 0));
        }
    }

    #[test]
    fn what_two_peers_claim_shares_no_lane() {
        for ip in ["192.0.2.1", "2001:db8:1:201::1"] {
            let ip: IpAddr = ip.parse().expect("an address");
            let of = |peer: &str| {
                let peer = client::key(peer.parse().ok());
                let claimed = Counted::claimed(ip, client::key(Some(ip)), peer);
                lanes(claimed, 10_000).map(|lane| lane.key).collect::<HashSet<_>>()
            };
            assert_eq!(of("10.0.0.1"), of("10.0.0.1"));
            assert!(of("10.0.0.1").is_disjoint(&of("10.0.0.2")), "{ip}");
        }
    }

    #[test]
    fn a_network_has_some_of_the_buckets_and_all_networks_many() {
        let buckets = |ips: &mut dyn Iterator<Item = String>| {
            ips.map(|ip| of(&ip).pop().expect("a bucket").key).collect::<HashSet<_>>().len()
        };
        let of_one = buckets(&mut (0..65_536).map(|n| format!("2001:db8:1:{n:x}::1")));
        assert_eq!(of_one, 64);
        assert_eq!(buckets(&mut (0..10_000).map(|n| format!("10.1.{}.{}", n >> 8, n & 255))), 64);
        let of_many = buckets(&mut (0..40_000).map(|n| format!("{}.{}.0.{}", n >> 8, n & 255, n % 251)));
        assert!(of_many > 20_000, "{of_many}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_48_becomes_one_client_and_leaves_room() {
        let mut http = Settings::default().http;
        http.rate_limit = Some(hardening_spec::units::rate("5/min").unwrap());
        let limits = Limits::new(&http);
        let served = |ip: String| {
            let ip = ip.parse().ok();
            let client = Client { ip, vouched: false, key: client::key(ip), claim: Claim::None };
            limits.charge(Bucket::All, client, clock::now(), &mut Standing::default()).is_none()
        };
        let all = (0..65_536).filter(|n| served(format!("2001:db8:7:{n:x}::1"))).count();
        // Half of the table by themselves, and the others as one of 256 networks.
        assert!((5_000..7_000).contains(&all), "{all}");
        for n in 0..100 {
            assert!(served(format!("192.0.2.{n}")) && served(format!("2001:db9:{n:x}::1")), "{n}");
        }
    }
}
