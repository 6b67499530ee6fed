//! On whose account a key is held.

/// Buckets of one network, so that its newcomers are not all in one. Few, so that many networks share none.
const OF_A_NETWORK: u64 = 16;

/// Whoever brings in a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// A hash of its principal, or of its address: of IPv6 the /48, since that is what one customer may have.
    pub(crate) id: u64,
    /// A hash of its principal, or of the network that it is in: of IPv4 the /16, of IPv6 the /48.
    pub(crate) network: u64,
}

/// Which of `count` buckets takes a key that has no room.
pub(super) fn bucket(owner: Option<Owner>, key: u64, count: u64) -> u64 {
    let Some(owner) = owner else { return key % count };
    let networks = (count / OF_A_NETWORK).max(1);
    (owner.network % networks * OF_A_NETWORK + key % OF_A_NETWORK) % count
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_network_has_some_of_the_buckets_and_all_networks_all() {
        let all = |network: Option<u64>, count| {
            let owner = network.map(|network| Owner { id: 0, network });
            (0..1000).map(|key| bucket(owner, key, count)).collect::<BTreeSet<u64>>()
        };
        assert_eq!(all(None, 48), (0..48).collect());
        assert_eq!(all(Some(7), 48), (16..32).collect());
        assert_eq!(all(Some(8), 48), (32..48).collect());
        // As many as there are.
        assert_eq!((all(Some(7), 3), all(Some(7), 1)), ((0..3).collect(), (0..1).collect()));
        assert_eq!(all(Some(7), 24), (0..16).collect());
        assert_eq!(all(Some(4_096), 65_536), all(Some(0), 65_536));
        assert_ne!(all(Some(4_095), 65_536), all(Some(0), 65_536));
    }
}
