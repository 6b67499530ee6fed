//! Keys: the owned form of each key of `#[cached]`, and which values may be keys at all.

mod choose;
mod owned;

pub use choose::{BorrowedKey, FloatAsKey, Hashable, KeptKey, Key, key};

use std::hash::Hash;

/// A key that may borrow, and its owned form, which a cache keeps.
///
/// Implemented for references, `Option`, `Cow`, `Vec`, `Box`, slices, arrays and tuples of such keys, as deep as they nest:
/// `Option<&str>` is kept as `Option<String>`, `&[&str]` as `Vec<String>`, `Cow<'_, str>` as `String`. Every other type that is
/// `Clone + Hash + Eq + Send + Sync + 'static` is a key as well and needs no implementation.
///
/// Implement it for a type of your own that borrows:
///
/// ```
/// use hardening_runtime::CacheKey;
///
/// #[derive(Hash)]
/// struct Sku<'a>(&'a str);
///
/// impl CacheKey for Sku<'_> {
///     type Owned = String;
///
///     fn to_owned_key(&self) -> String {
///         self.0.to_owned()
///     }
/// }
/// ```
pub trait CacheKey: Hash {
    /// The form that is kept, and that [`Cache::invalidate`](crate::policy::cache::Cache::invalidate) expects.
    type Owned: Hash + Eq + Clone + Send + Sync + 'static;

    /// The owned form of this key.
    fn to_owned_key(&self) -> Self::Owned;
}
