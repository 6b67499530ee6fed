//! Who has the upgraded connections when there are no more. They know no socket.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::service::places::{is_far_more, network, one_less};

/// The upgraded connections that keep their places, oldest first, and how many each client's network has.
#[derive(Debug, Default)]
pub(super) struct Shares {
    last: u64,
    held: BTreeMap<u64, Share>,
    networks: HashMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Share {
    /// `None` where nobody knows whose it is.
    network: Option<IpAddr>,
    gives_way: Arc<Notify>,
}

impl Shares {
    /// A place of so many for a client, and what tells whoever has it to give way. When none is free, the oldest connection of the
    /// network that has most gives way to one that has far fewer. `None` where there is no place.
    pub(super) fn enter(&mut self, most: u64, client: Option<IpAddr>) -> Option<(u64, Arc<Notify>)> {
        let network = client.map(|client| network(client.to_canonical()));
        if self.held.len() as u64 >= most {
            self.make_room(self.of(network))?;
        }
        self.last += 1;
        let gives_way = Arc::new(Notify::new());
        self.held.insert(self.last, Share { network, gives_way: Arc::clone(&gives_way) });
        if let Some(network) = network {
            *self.networks.entry(network).or_default() += 1;
        }
        Some((self.last, gives_way))
    }

    fn make_room(&mut self, has: usize) -> Option<()> {
        let (largest, theirs) = self.networks.iter().max_by_key(|(_, count)| **count)?;
        if !is_far_more(*theirs, has) {
            return None;
        }
        let largest = *largest;
        let oldest = *self.held.iter().find(|(_, share)| share.network == Some(largest))?.0;
        // It is told once, and has its place no longer.
        self.leave(oldest)?.gives_way.notify_one();
        Some(())
    }

    /// One has ended, or gives way.
    fn leave(&mut self, number: u64) -> Option<Share> {
        let share = self.held.remove(&number)?;
        if let Some(network) = share.network {
            one_less(&mut self.networks, network);
        }
        Some(share)
    }

    /// One has ended.
    pub(super) fn ended(&mut self, number: u64) {
        // One that gave way has no place already.
        let _ = self.leave(number);
    }

    fn of(&self, network: Option<IpAddr>) -> usize {
        network.and_then(|network| self.networks.get(&network)).copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn client(last: u8) -> IpAddr {
        IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, last))
    }

    #[test]
    fn one_client_does_not_keep_all_of_them() {
        let mut shares = Shares::default();
        let first: Vec<_> = (0..20).map(|_| shares.enter(20, Some(client(1))).unwrap()).collect();
        assert!(shares.enter(20, Some(client(1))).is_none(), "it has all of them");
        for newcomer in 2..12 {
            assert!(shares.enter(20, Some(client(newcomer))).is_some(), "{newcomer}");
        }
        let told = first.iter().filter(|(number, _)| !shares.held.contains_key(number)).count();
        assert_eq!((told, shares.of(Some(network(client(1)))), shares.held.len()), (10, 10, 20));
        assert!(
            !shares.held.contains_key(&first[0].0) && shares.held.contains_key(&first[19].0),
            "oldest first"
        );
        // Whoever gave way leaves once.
        for (number, _) in first {
            shares.ended(number);
        }
        assert_eq!((shares.held.len(), shares.networks.len()), (10, 10));
    }

    #[test]
    fn those_who_have_few_lose_none_and_a_network_is_one() {
        let mut shares = Shares::default();
        for peer in 0..10 {
            for _ in 0..2 {
                assert!(shares.enter(20, Some(client(peer))).is_some());
            }
        }
        assert!(shares.enter(20, Some(client(100))).is_none());
        let mut shares = Shares::default();
        for peer in 0..20_u16 {
            let of_one_network = IpAddr::from([0x2001, 0xdb8, 1, peer, 0, 0, 0, 1]);
            assert!(shares.enter(20, Some(of_one_network)).is_some());
        }
        assert!(shares.enter(20, Some(client(1))).is_some());
        assert!(shares.enter(20, None).is_some(), "whom nobody knows has none");
    }
}
