//! The owned forms of keys of the standard library.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::{NonZeroU8, NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::CacheKey;

/// Types that are kept as they are.
macro_rules! as_they_are {
    ($($ty:ty),* $(,)?) => {$(
        impl CacheKey for $ty {
            type Owned = Self;

            #[inline]
            fn to_owned_key(&self) -> Self {
                self.clone()
            }
        }
    )*};
}

as_they_are!(
    bool,
    char,
    u8,
    u16,
    u32,
    u64,
    u128,
    usize,
    i8,
    i16,
    i32,
    i64,
    i128,
    isize,
    NonZeroU8,
    NonZeroU16,
    NonZeroU32,
    NonZeroU64,
    NonZeroUsize,
    String,
    OsString,
    PathBuf,
    IpAddr,
    Ipv4Addr,
    Ipv6Addr,
    SocketAddr,
    Duration,
    Instant,
    SystemTime,
    Arc<str>,
    Arc<String>,
    Box<str>,
    (),
);

/// Types that are kept as what they borrow from.
macro_rules! as_owner {
    ($($ty:ty),*) => {$(
        impl CacheKey for $ty {
            type Owned = <$ty as ToOwned>::Owned;

            #[inline]
            fn to_owned_key(&self) -> Self::Owned {
                self.to_owned()
            }
        }
    )*};
}

as_owner!(str, OsStr, Path);

impl<K: CacheKey + ?Sized> CacheKey for &K {
    type Owned = K::Owned;

    #[inline]
    fn to_owned_key(&self) -> K::Owned {
        (**self).to_owned_key()
    }
}

impl<K: CacheKey + ?Sized> CacheKey for &mut K {
    type Owned = K::Owned;

    #[inline]
    fn to_owned_key(&self) -> K::Owned {
        (**self).to_owned_key()
    }
}

impl<K: CacheKey> CacheKey for Box<K> {
    type Owned = K::Owned;

    #[inline]
    fn to_owned_key(&self) -> K::Owned {
        (**self).to_owned_key()
    }
}

impl<K: CacheKey + ?Sized> CacheKey for Rc<K> {
    type Owned = K::Owned;

    #[inline]
    fn to_owned_key(&self) -> K::Owned {
        (**self).to_owned_key()
    }
}

impl<K: CacheKey + ToOwned + ?Sized> CacheKey for Cow<'_, K> {
    type Owned = <K as CacheKey>::Owned;

    #[inline]
    fn to_owned_key(&self) -> <K as CacheKey>::Owned {
        (**self).to_owned_key()
    }
}

impl<K: CacheKey> CacheKey for Option<K> {
    type Owned = Option<K::Owned>;

    #[inline]
    fn to_owned_key(&self) -> Self::Owned {
        self.as_ref().map(K::to_owned_key)
    }
}

impl<K: CacheKey> CacheKey for [K] {
    type Owned = Vec<K::Owned>;

    fn to_owned_key(&self) -> Self::Owned {
        self.iter().map(K::to_owned_key).collect()
    }
}

impl<K: CacheKey> CacheKey for Vec<K> {
    type Owned = Vec<K::Owned>;

    fn to_owned_key(&self) -> Self::Owned {
        self.as_slice().to_owned_key()
    }
}

impl<K: CacheKey, const N: usize> CacheKey for [K; N] {
    type Owned = [K::Owned; N];

    fn to_owned_key(&self) -> Self::Owned {
        self.each_ref().map(K::to_owned_key)
    }
}

/// Tuples, member by member.
macro_rules! tuples {
    ($($name:ident)*) => {
        #[allow(non_snake_case)] // a value is named as its type
        impl<$($name: CacheKey),*> CacheKey for ($($name,)*) {
            type Owned = ($($name::Owned,)*);

            #[inline]
            fn to_owned_key(&self) -> Self::Owned {
                let ($($name,)*) = self;
                ($($name.to_owned_key(),)*)
            }
        }
    };
}

tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn each_member_is_owned_at_its_own_level() {
        let pair = (Some("a"), &["b", "c"][..], (Cow::Borrowed("d"), Path::new("/e")), [1_u8, 2]);
        let owned = pair.to_owned_key();
        let expected = (
            Some("a".to_owned()),
            vec!["b".to_owned(), "c".to_owned()],
            ("d".to_owned(), PathBuf::from("/e")),
            [1_u8, 2],
        );
        assert_eq!(owned, expected);
        // As `Borrow` wants it, so that a lookup may hash what was borrowed.
        let hasher = RandomState::new();
        assert_eq!(hasher.hash_one(&pair), hasher.hash_one(&owned));
    }

    #[test]
    fn pointers_are_kept_as_their_target() {
        assert_eq!((&&"a").to_owned_key(), "a");
        assert_eq!(Box::new(Some("a")).to_owned_key(), Some("a".to_owned()));
        assert_eq!(Rc::<str>::from("a").to_owned_key(), "a");
        assert_eq!(Arc::<str>::from("a").to_owned_key(), Arc::from("a"));
    }
}
