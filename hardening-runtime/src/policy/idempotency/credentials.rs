//! What a client showed to be known by.

use std::hash::{BuildHasher, Hash, Hasher};

use super::ticket::SEEDS;

/// A digest of a client's credentials, under seeds of the process: nothing can be read back from it, and nobody outside can aim
/// at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials(u128);

impl Credentials {
    /// Those of a client that shows none.
    pub const NONE: Self = Self(0);

    /// Those that a client shows.
    pub fn of(shown: impl IntoIterator<Item = impl Hash>) -> Self {
        let mut hashers = SEEDS.each_ref().map(BuildHasher::build_hasher);
        let mut any = false;
        for credential in shown {
            any = true;
            for hasher in &mut hashers {
                credential.hash(hasher);
            }
        }
        let [high, low] = hashers.map(|hasher| hasher.finish());
        if any { Self(u128::from(high) << 64 | u128::from(low)) } else { Self::NONE }
    }
}
