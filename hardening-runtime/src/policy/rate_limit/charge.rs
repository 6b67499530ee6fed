//! What is asked of a limiter, and what it answers.

use std::hash::Hash;
use std::time::Duration;

use super::hash_key;

/// What one call is charged: the hash of its key, and its cost.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    pub(super) key: u64,
    pub(super) cost: u32,
}

impl Charge {
    /// One unit, without a key.
    pub const ONE: Self = Self::plain(1);

    /// `cost` units, without a key.
    pub const fn plain(cost: u32) -> Self {
        Self { key: 0, cost }
    }

    /// The units.
    pub(crate) const fn cost(&self) -> u32 {
        self.cost
    }

    /// The hash of the key.
    pub(crate) const fn key(&self) -> u64 {
        self.key
    }

    /// `cost` units of `key`.
    #[inline(always)]
    pub fn keyed<K: Hash + ?Sized>(key: &K, cost: u32) -> Self {
        Self { key: hash_key(key), cost }
    }
}

/// What a limiter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Admitted.
    Allowed {
        /// Units left at once.
        remaining: u32,
        /// When the whole burst is there again.
        reset: Duration,
    },
    /// Refused; nothing was charged.
    Refused {
        /// When the same request will be admitted; [`Duration::MAX`] for never.
        retry_after: Duration,
        /// The burst.
        limit: u32,
        /// Units left at once.
        remaining: u32,
    },
}
