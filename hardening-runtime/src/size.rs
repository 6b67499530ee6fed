//! How much memory a kept result takes.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

/// How many bytes of memory a value holds: its own and what it owns. `#[cached(max_bytes = …)]` asks for it.
///
/// An estimate is enough. For a type of your own, add up the fields; what is shared counts in each value that shares it.
///
/// ```
/// use hardening_runtime::ByteSize;
///
/// struct Price {
///     sku: String,
///     cents: u32,
/// }
///
/// impl ByteSize for Price {
///     fn byte_size(&self) -> usize {
///         self.sku.byte_size() + self.cents.byte_size()
///     }
/// }
/// # assert_eq!(Price { sku: "abc".into(), cents: 1 }.byte_size(), size_of::<String>() + 3 + 4);
/// ```
#[diagnostic::on_unimplemented(
    message = "`max_bytes` needs the size of `{Self}`, which has no `hardening::ByteSize`",
    label = "the size of this result is not known",
    note = "a type of this crate: write `impl hardening::ByteSize for {Self}`, which adds up the fields; a type of another crate: keep \
            it in a type of your own, or leave `max_bytes` out and bound `max_entries`"
)]
pub trait ByteSize {
    /// The bytes that the value holds.
    fn byte_size(&self) -> usize;
}

/// Those that own nothing.
macro_rules! plain {
    ($($ty:ty),* $(,)?) => {$(
        impl ByteSize for $ty {
            fn byte_size(&self) -> usize {
                size_of::<Self>()
            }
        }
    )*};
}

plain! {
    (), bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize, f32, f64,
    std::time::Duration, std::time::Instant, std::time::SystemTime, tokio::time::Instant, std::cmp::Ordering,
    std::net::IpAddr, std::net::Ipv4Addr, std::net::Ipv6Addr, std::net::SocketAddr,
    std::num::NonZeroU8, std::num::NonZeroU16, std::num::NonZeroU32, std::num::NonZeroU64, std::num::NonZeroU128,
    std::num::NonZeroUsize, std::num::NonZeroI8, std::num::NonZeroI16, std::num::NonZeroI32, std::num::NonZeroI64,
    std::num::NonZeroI128, std::num::NonZeroIsize,
}

/// What elements own besides the room that they take in their list.
fn owned<'e, T: ByteSize + 'e>(elements: impl IntoIterator<Item = &'e T>) -> usize {
    elements.into_iter().map(|element| element.byte_size().saturating_sub(size_of::<T>())).sum()
}

impl ByteSize for str {
    fn byte_size(&self) -> usize {
        self.len()
    }
}

impl<T: ByteSize> ByteSize for [T] {
    fn byte_size(&self) -> usize {
        size_of_val(self) + owned(self)
    }
}

impl<T: ByteSize, const N: usize> ByteSize for [T; N] {
    fn byte_size(&self) -> usize {
        self.as_slice().byte_size()
    }
}

impl ByteSize for String {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + self.capacity()
    }
}

impl ByteSize for OsString {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + self.capacity()
    }
}

impl ByteSize for PathBuf {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + self.capacity()
    }
}

impl<T: ByteSize> ByteSize for Vec<T> {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + self.capacity() * size_of::<T>() + owned(self)
    }
}

impl<T: ByteSize> ByteSize for VecDeque<T> {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + self.capacity() * size_of::<T>() + owned(self)
    }
}

impl<T: ByteSize> ByteSize for BinaryHeap<T> {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + self.capacity() * size_of::<T>() + owned(self)
    }
}

impl<T: ByteSize, S> ByteSize for HashSet<T, S> {
    fn byte_size(&self) -> usize {
        // A byte of control for each element.
        size_of::<Self>() + self.capacity() * (size_of::<T>() + 1) + owned(self)
    }
}

impl<K: ByteSize, V: ByteSize, S> ByteSize for HashMap<K, V, S> {
    fn byte_size(&self) -> usize {
        let places = self.capacity() * (size_of::<(K, V)>() + 1);
        size_of::<Self>() + places + owned(self.keys()) + owned(self.values())
    }
}

impl<T: ByteSize> ByteSize for BTreeSet<T> {
    fn byte_size(&self) -> usize {
        // Nodes are two thirds full on average.
        size_of::<Self>() + self.len() * size_of::<T>() * 3 / 2 + owned(self)
    }
}

impl<K: ByteSize, V: ByteSize> ByteSize for BTreeMap<K, V> {
    fn byte_size(&self) -> usize {
        let places = self.len() * (size_of::<K>() + size_of::<V>()) * 3 / 2;
        size_of::<Self>() + places + owned(self.keys()) + owned(self.values())
    }
}

impl<T: ByteSize + ?Sized> ByteSize for Box<T> {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + (**self).byte_size()
    }
}

impl<T: ByteSize + ?Sized> ByteSize for Arc<T> {
    fn byte_size(&self) -> usize {
        // Two counters stand before the value.
        size_of::<Self>() + 2 * size_of::<usize>() + (**self).byte_size()
    }
}

impl<T: ByteSize + ?Sized> ByteSize for Rc<T> {
    fn byte_size(&self) -> usize {
        size_of::<Self>() + 2 * size_of::<usize>() + (**self).byte_size()
    }
}

/// What a reference points to is not owned, and is there anyway.
impl<T: ?Sized> ByteSize for &T {
    fn byte_size(&self) -> usize {
        size_of::<Self>()
    }
}

impl<T: ToOwned<Owned: ByteSize> + ?Sized> ByteSize for Cow<'_, T> {
    fn byte_size(&self) -> usize {
        match self {
            Self::Borrowed(_) => size_of::<Self>(),
            Self::Owned(owned) => inside::<Self, _>(owned),
        }
    }
}

impl<T: ByteSize> ByteSize for Option<T> {
    fn byte_size(&self) -> usize {
        self.as_ref().map_or(size_of::<Self>(), inside::<Self, T>)
    }
}

impl<T: ByteSize, E: ByteSize> ByteSize for Result<T, E> {
    fn byte_size(&self) -> usize {
        match self {
            Ok(value) => inside::<Self, T>(value),
            Err(error) => inside::<Self, E>(error),
        }
    }
}

/// The size of an `Outer` that holds this.
fn inside<Outer, T: ByteSize>(value: &T) -> usize {
    size_of::<Outer>() + value.byte_size().saturating_sub(size_of::<T>())
}

macro_rules! tuples {
    ($(($($name:ident $at:tt),+))+) => {$(
        impl<$($name: ByteSize),+> ByteSize for ($($name,)+) {
            fn byte_size(&self) -> usize {
                size_of::<Self>() $(+ self.$at.byte_size().saturating_sub(size_of::<$name>()))+
            }
        }
    )+};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

#[cfg(feature = "service")]
mod service {
    use super::ByteSize;

    impl ByteSize for bytes::Bytes {
        fn byte_size(&self) -> usize {
            size_of::<Self>() + self.len()
        }
    }

    impl<T: ByteSize> ByteSize for crate::service::Json<T> {
        fn byte_size(&self) -> usize {
            self.0.byte_size()
        }
    }

    impl ByteSize for http::StatusCode {
        fn byte_size(&self) -> usize {
            size_of::<Self>()
        }
    }

    impl ByteSize for serde_json::Value {
        fn byte_size(&self) -> usize {
            let owned = match self {
                Self::Null | Self::Bool(_) | Self::Number(_) => 0,
                Self::String(text) => text.capacity(),
                Self::Array(list) => list.byte_size().saturating_sub(size_of_val(list)),
                Self::Object(map) => {
                    map.iter().map(|(name, value)| 3 * name.byte_size() / 2 + 3 * value.byte_size() / 2).sum()
                }
            };
            size_of::<Self>() + owned
        }
    }
}

/// The size of a key, or of an error: where it has no [`ByteSize`], what it owns does not count.
#[derive(Debug)]
pub struct SizeOf<'a, T>(pub &'a T);

impl<T: ByteSize> SizeOf<'_, T> {
    /// Its size.
    pub fn bytes(&self) -> usize {
        self.0.byte_size()
    }
}

/// What every other value says.
pub trait OwnSize {
    /// Its own size.
    fn bytes(&self) -> usize;
}

impl<T> OwnSize for SizeOf<'_, T> {
    fn bytes(&self) -> usize {
        size_of::<T>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_value_owns_counts_besides_itself() {
        let text = |length: usize| "x".repeat(length);
        assert_eq!(7_u32.byte_size(), 4);
        assert_eq!(text(10).byte_size(), size_of::<String>() + 10);
        assert_eq!(ByteSize::byte_size(&"static"), size_of::<&str>());
        assert_eq!(vec![0_u8; 1_000].byte_size(), size_of::<Vec<u8>>() + 1_000);
        assert_eq!(vec![text(5), text(6)].byte_size(), size_of::<Vec<u8>>() + 2 * size_of::<String>() + 11);
        assert_eq!(Some(text(5)).byte_size(), size_of::<Option<String>>() + 5);
        assert_eq!(None::<String>.byte_size(), size_of::<Option<String>>());
        assert_eq!((1_u8, text(5)).byte_size(), size_of::<(u8, String)>() + 5);
        assert_eq!([text(1), text(2)].byte_size(), 2 * size_of::<String>() + 3);
        assert_eq!(Ok::<_, u8>(text(5)).byte_size(), size_of::<Result<String, u8>>() + 5);
        assert_eq!(Box::new(text(5)).byte_size(), 8 + size_of::<String>() + 5);
        assert_eq!(Arc::<str>::from("abc").byte_size(), 16 + 16 + 3);
        assert_eq!(Cow::Borrowed("abc").byte_size(), size_of::<Cow<'_, str>>());
        assert_eq!(Cow::<str>::Owned(text(5)).byte_size(), size_of::<Cow<'_, str>>() + 5);
        let map: HashMap<String, Vec<u8>> = (0..10).map(|at| (at.to_string(), vec![0; 100])).collect();
        assert!((1_500..3_000).contains(&map.byte_size()), "{}", map.byte_size());
        let sorted: BTreeMap<u32, String> = (0..10).map(|at| (at, text(100))).collect();
        assert!((1_200..2_000).contains(&sorted.byte_size()), "{}", sorted.byte_size());
    }
}
