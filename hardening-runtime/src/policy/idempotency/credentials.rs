//! What a client showed to be known by.

use std::hash::Hash;

use super::ticket::wide;

/// A digest of a client's credentials, under seeds of the process: nothing can be read back from it, and nobody outside can aim
/// at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials(u128);

impl Credentials {
    /// Those of a client that shows none.
    pub const NONE: Self = Self(0);

    /// Those that a client shows.
    pub fn of(shown: impl IntoIterator<Item = impl Hash>) -> Self {
        let shown: Vec<_> = shown.into_iter().collect();
        if shown.is_empty() { Self::NONE } else { Self(wide(&shown)) }
    }
}
