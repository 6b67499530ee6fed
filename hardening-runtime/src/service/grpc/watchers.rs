//! Those who watch health on each listener: a bound for each client and one for all of them.
//!
//! When all places are taken, a newcomer gets that of the network that has most of them, which loses the one who has watched
//! longest of its client that has most; no network takes a place from one that has no more than itself.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::service::client::{self, Client};
use crate::service::places::network;
use crate::service::server::Surface;
use crate::settings::Http;

/// Those who watch, of both listeners.
#[derive(Debug)]
pub(crate) struct Watchers([Arc<Mutex<Table>>; 2]);

impl Watchers {
    /// None yet, within the bounds of these settings.
    pub(crate) fn new(http: &Http) -> Self {
        let (all, each) = (http.health_watchers as usize, http.health_watchers_per_client as usize);
        Self([(); 2].map(|()| Arc::new(Mutex::new(Table::new(all, each)))))
    }

    /// A place for one more who watches as this client; `None` where it may have none.
    pub(super) fn admit(&self, surface: Surface, client: &Client) -> Option<Place> {
        let table = &self.0[surface as usize];
        let network = client.ip.map_or(client.key, |ip| client::key(Some(network(ip.to_canonical()))));
        let client = (network, client.key);
        let (id, taken) = locked(table).admit(client)?;
        Some(Place { table: Arc::clone(table), client, id, taken })
    }
}

/// The place of one who watches, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    table: Arc<Mutex<Table>>,
    client: Watcher,
    id: u64,
    taken: oneshot::Receiver<()>,
}

impl Place {
    /// Completes once it is another's. Not to be asked again afterwards.
    pub(super) async fn taken(&mut self) {
        // The table keeps the other end until then.
        let _ = (&mut self.taken).await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.table).leave(self.client, self.id);
    }
}

fn locked(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A network, and one client of it.
type Watcher = (u64, u64);

/// Who watches on one listener.
#[derive(Debug)]
struct Table {
    most: usize,
    most_of_one: usize,
    /// Of each client those who watch, in the order in which they came, by what tells them that they lose their place.
    clients: HashMap<Watcher, BTreeMap<u64, oneshot::Sender<()>>>,
    held: usize,
    next: u64,
}

impl Table {
    fn new(most: usize, most_of_one: usize) -> Self {
        Self { most, most_of_one, clients: HashMap::new(), held: 0, next: 0 }
    }

    fn admit(&mut self, client: Watcher) -> Option<(u64, oneshot::Receiver<()>)> {
        let has = self.clients.get(&client).map_or(0, BTreeMap::len);
        if has >= self.most_of_one {
            return None;
        }
        if self.held >= self.most {
            self.displace(client.0)?;
        }
        let id = self.next;
        self.next += 1;
        let (sender, taken) = oneshot::channel();
        self.clients.entry(client).or_default().insert(id, sender);
        self.held += 1;
        Some((id, taken))
    }

    /// Takes a place of the network that has most, if those are more than `network` has: the oldest of its client that has most.
    fn displace(&mut self, network: u64) -> Option<()> {
        let mut networks: HashMap<u64, usize> = HashMap::new();
        for ((network, _), places) in &self.clients {
            *networks.entry(*network).or_default() += places.len();
        }
        let has = networks.get(&network).copied().unwrap_or_default();
        let oldest = |places: &BTreeMap<u64, _>| places.first_key_value().map(|(id, _)| *id);
        let of_each = self.clients.iter().filter_map(|(client, places)| {
            Some(((networks[&client.0], places.len(), Reverse(oldest(places)?)), *client))
        });
        let ((most, _, Reverse(id)), client) = of_each.max()?;
        (most > has).then(|| self.leave(client, id))
    }

    fn leave(&mut self, client: Watcher, id: u64) {
        let Some(places) = self.clients.get_mut(&client) else { return };
        // Dropping its sender tells who has it.
        if places.remove(&id).is_some() {
            self.held -= 1;
        }
        if places.is_empty() {
            self.clients.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client that is its own network.
    fn alone(client: u64) -> Watcher {
        (client, client)
    }

    #[test]
    fn a_network_of_many_clients_is_one() {
        let mut table = Table::new(20, 10);
        let mut honest: Vec<_> = (0..10).map(|client| table.admit(alone(client)).unwrap()).collect();
        let mut many: Vec<_> = (100..110).map(|client| table.admit((99, client)).unwrap()).collect();
        assert!(table.admit((99, 110)).is_none());
        honest.push(table.admit(alone(10)).unwrap());
        assert_eq!(lost(&mut honest), [false; 11]);
        assert_eq!(lost(&mut many).into_iter().filter(|lost| *lost).count(), 1);
    }

    /// Whether each of these has lost its place.
    fn lost(places: &mut [(u64, oneshot::Receiver<()>)]) -> Vec<bool> {
        let closed = |(_, taken): &mut (_, oneshot::Receiver<()>)| {
            matches!(taken.try_recv(), Err(oneshot::error::TryRecvError::Closed))
        };
        places.iter_mut().map(closed).collect()
    }

    #[test]
    fn the_oldest_of_the_client_that_has_most_gives_way_to_those_that_have_fewer() {
        let mut table = Table::new(4, 3);
        let mut one: Vec<_> = (0..3).map(|_| table.admit(alone(1)).unwrap()).collect();
        assert!(table.admit(alone(1)).is_none(), "it has all that one client may have");
        let mut two = vec![table.admit(alone(2)).unwrap()];
        two.push(table.admit(alone(2)).expect("the place of one that has more"));
        assert_eq!((lost(&mut one), lost(&mut two)), (vec![true, false, false], vec![false; 2]));
        assert!(table.admit(alone(2)).is_none() && table.admit(alone(1)).is_none(), "both have as many");
        let mut three = vec![table.admit(alone(3)).unwrap()];
        assert_eq!(lost(&mut one), [true, true, false], "of two that have as many, the older one");
        for _ in 0..2 {
            table.leave(alone(2), two.pop().unwrap().0);
        }
        three.extend([table.admit(alone(3)).unwrap(), table.admit(alone(3)).unwrap()]);
        assert_eq!((lost(&mut one), lost(&mut three)), (vec![true, true, false], vec![false; 3]));
        // Those who were told leave once more, by themselves.
        for (id, _) in &one {
            table.leave(alone(1), *id);
        }
        assert_eq!((table.held, table.clients.len()), (3, 1));
    }

    #[test]
    fn a_newcomer_always_has_a_place_however_many_clients_there_are() {
        let mut table = Table::new(100, 10);
        let mut places: Vec<_> = (0..1000).map(|client| table.admit(alone(client)).unwrap()).collect();
        assert_eq!(lost(&mut places).into_iter().filter(|lost| !lost).count(), 100);
        assert!(table.admit(alone(1000)).is_some());
        assert_eq!(table.held, 100);
    }
}
