//! Who holds how much, and who has to give something up.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;

use super::Ends;
use crate::clock::Nanos;

/// Something may be broken off once its client has had so long for it.
pub(super) const LONG: Nanos = 10_000_000_000;

/// The same where its network holds more than its share, which is one part in so many of all, with several.
pub(super) const SHORT: Nanos = 1_000_000_000;
const SHARES: u64 = 8;

/// A network; `None` where nobody knows whose it is.
pub(super) type Whose = Option<IpAddr>;

/// What is held by whom.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    last: u64,
    bytes: u64,
    networks: HashMap<Whose, OfNetwork>,
    /// The networks of which something stays, by how much that is; of those with the same, the one that holds it longest is last.
    by_size: BTreeSet<(u64, Reverse<u64>, Whose)>,
    /// The bytes of what is being broken off.
    leaving: u64,
}

/// What one network holds.
#[derive(Debug, Default)]
struct OfNetwork {
    /// Of what stays.
    bytes: u64,
    /// What stays, the oldest first.
    stays: BTreeMap<u64, Held>,
    /// What is being broken off, and how many bytes that is.
    leaves: HashMap<u64, u64>,
}

#[derive(Debug)]
struct Held {
    bytes: u64,
    since: Nanos,
    ends: Ends,
}

impl OfNetwork {
    /// Where it stands among the others.
    fn size(&self, whose: Whose) -> Option<(u64, Reverse<u64>, Whose)> {
        let (oldest, _) = self.stays.first_key_value()?;
        Some((self.bytes, Reverse(*oldest), whose))
    }
}

impl Ledger {
    /// All that is held.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is held and not being broken off.
    pub(super) fn stays(&self) -> u64 {
        self.bytes - self.leaving
    }

    /// Whether so much is held that nobody has any time.
    pub(super) fn is_far_too_much(&self, most: u64) -> bool {
        self.stays() > most.saturating_mul(2)
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.by_size.is_empty() && self.bytes == 0 && self.leaving == 0
    }

    /// Changes what a network holds.
    fn of<T>(&mut self, whose: Whose, change: impl FnOnce(&mut OfNetwork) -> T) -> T {
        let of = self.networks.entry(whose).or_default();
        let before = of.size(whose);
        let changed = change(of);
        let after = of.size(whose);
        if of.stays.is_empty() && of.leaves.is_empty() {
            self.networks.remove(&whose);
        }
        if before != after {
            if let Some(before) = before {
                self.by_size.remove(&before);
            }
            self.by_size.extend(after);
        }
        changed
    }

    /// Somebody holds so many bytes more; answers the number of that.
    pub(super) fn enter(&mut self, whose: Whose, bytes: u64, ends: Ends, now: Nanos) -> u64 {
        self.last += 1;
        let number = self.last;
        self.bytes += bytes;
        self.of(whose, |of| {
            of.bytes += bytes;
            of.stays.insert(number, Held { bytes, since: now, ends });
        });
        number
    }

    /// Something holds so many bytes now.
    pub(super) fn change(&mut self, whose: Whose, number: u64, bytes: u64) {
        let before = self.of(whose, |of| match of.stays.get_mut(&number) {
            Some(held) => {
                let before = std::mem::replace(&mut held.bytes, bytes);
                of.bytes = of.bytes - before + bytes;
                (before, false)
            }
            None => (of.leaves.insert(number, bytes).unwrap_or_default(), true),
        });
        self.count(before, bytes);
    }

    /// Something holds nothing any more.
    pub(super) fn leave(&mut self, whose: Whose, number: u64) {
        let before = self.of(whose, |of| match of.stays.remove(&number) {
            Some(held) => {
                of.bytes -= held.bytes;
                (held.bytes, false)
            }
            None => (of.leaves.remove(&number).unwrap_or_default(), true),
        });
        self.count(before, 0);
    }

    fn count(&mut self, (before, leaves): (u64, bool), bytes: u64) {
        self.bytes = self.bytes - before + bytes;
        if leaves {
            self.leaving = self.leaving - before + bytes;
        }
    }

    /// What breaks off as much as has to go.
    pub(super) fn give_way(&mut self, most: u64, now: Nanos) -> Vec<Ends> {
        let mut gone = Vec::new();
        while self.stays() > most
            && let Some((bytes, Reverse(oldest), whose)) = self.by_size.last().copied()
        {
            let far_too_much = self.is_far_too_much(most);
            let broken_off = self.of(whose, |of| {
                let time = if far_too_much {
                    0
                } else if bytes > most / SHARES && of.stays.len() > 1 {
                    SHORT
                } else {
                    LONG
                };
                // Whoever holds less goes before nobody.
                let held = of.stays.remove(&oldest)?;
                if now.saturating_sub(held.since) < time {
                    of.stays.insert(oldest, held);
                    return None;
                }
                of.bytes -= held.bytes;
                of.leaves.insert(oldest, held.bytes);
                Some(held)
            });
            let Some(held) = broken_off else { break };
            self.leaving += held.bytes;
            gone.push(held.ends);
        }
        gone
    }
}
