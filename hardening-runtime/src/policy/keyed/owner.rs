//! On whose account a key is held.

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
    // Several for each network, so that its newcomers are not all in one.
    let of_each = (count / 128).clamp(8, 64);
    let networks = (count / of_each).max(1);
    (owner.network % networks * of_each + key % of_each) % count
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
        assert_eq!(all(None, 24), (0..24).collect());
        assert_eq!(all(Some(7), 24), (8..16).collect());
        assert_eq!(all(Some(8), 24), (16..24).collect());
        // As many as there are.
        assert_eq!((all(Some(7), 3), all(Some(7), 1)), ((0..3).collect(), (0..1).collect()));
        assert_eq!(all(Some(7), 12), (0..8).collect());
        // More, where there are many.
        assert_eq!([1_024, 2_560, 65_536].map(|count| all(Some(7), count).len()), [8, 20, 64]);
        assert_eq!(all(Some(1_024), 65_536), all(Some(0), 65_536));
    }
}
