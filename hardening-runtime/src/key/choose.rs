//! How an expansion owns or hashes a key, chosen by the key's type.
//!
//! `key(&value).owned_key()` finds the method of the first level whose bounds hold, since method lookup follows `Deref` from one
//! to the next. The last levels hold for every type and have a bound that never holds: their one error stands at the key.

use std::borrow::Cow;
use std::hash::Hash;
use std::ops::Deref;

use super::CacheKey;

/// A key where an expansion mentions it.
#[inline]
pub const fn key<T: ?Sized>(value: &T) -> Key<'_, T> {
    Key(value, ByReference(value, ByValue(value, Float(value, NoKey(value)))))
}

/// Levels, and that each leads to the next.
macro_rules! levels {
    ($($(#[$doc:meta])* $level:ident => $next:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $level<'a, T: ?Sized>(&'a T, $next<'a, T>);

        impl<'a, T: ?Sized> Deref for $level<'a, T> {
            type Target = $next<'a, T>;

            #[inline]
            fn deref(&self) -> &Self::Target {
                &self.1
            }
        }
    )*};
}

levels! {
    /// A key of known form, which may borrow; or one that is hashed alone.
    Key => ByReference;
    /// A reference to a type that can be kept.
    ByReference => ByValue;
    /// A type that can be kept.
    ByValue => Float;
    /// A float.
    Float => NoKey;
}

/// A type that is no key.
#[derive(Debug)]
pub struct NoKey<'a, T: ?Sized>(&'a T);

impl<T: CacheKey + ?Sized> Key<'_, T> {
    /// The form that is kept.
    #[inline]
    pub fn owned_key(&self) -> T::Owned {
        self.0.to_owned_key()
    }
}

impl<T: CacheKey + ?Sized> Key<'_, T> {
    /// The form that is kept, of a type that shows that it borrows.
    #[inline]
    pub fn borrowed_key(&self) -> T::Owned {
        self.0.to_owned_key()
    }
}

impl<T: Hash + ?Sized> Key<'_, T> {
    /// What is hashed.
    #[inline]
    pub const fn hashed_key(&self) -> &T {
        self.0
    }
}

impl<B: ToOwned<Owned: KeptKey> + ?Sized> ByReference<'_, &B> {
    /// The form that is kept.
    #[inline]
    pub fn owned_key(&self) -> B::Owned {
        (*self.0).to_owned()
    }
}

impl<B: ToOwned<Owned: KeptKey> + ?Sized> ByReference<'_, &mut B> {
    /// The form that is kept.
    #[inline]
    pub fn owned_key(&self) -> B::Owned {
        (**self.0).to_owned()
    }
}

impl<B: ToOwned<Owned: KeptKey> + ?Sized> ByReference<'_, Option<&B>> {
    /// The form that is kept.
    #[inline]
    pub fn owned_key(&self) -> Option<B::Owned> {
        self.0.map(ToOwned::to_owned)
    }
}

impl<B: ToOwned<Owned: KeptKey> + ?Sized> ByReference<'_, Cow<'_, B>> {
    /// The form that is kept.
    #[inline]
    pub fn owned_key(&self) -> B::Owned {
        (**self.0).to_owned()
    }

    /// The form that is kept, of a type that shows that it borrows.
    #[inline]
    pub fn borrowed_key(&self) -> B::Owned {
        self.owned_key()
    }
}

impl<T: KeptKey> ByValue<'_, T> {
    /// The form that is kept.
    #[inline]
    pub fn owned_key(&self) -> T {
        self.0.clone()
    }
}

#[expect(clippy::unused_self, reason = "method lookup needs a receiver")]
impl<T: IsFloat> Float<'_, T> {
    /// Never compiled.
    pub const fn owned_key(&self)
    where
        T: FloatAsKey,
    {
    }

    /// Never compiled.
    pub const fn hashed_key(&self) -> &()
    where
        T: FloatAsKey,
    {
        &()
    }
}

#[expect(clippy::unused_self, reason = "method lookup needs a receiver")]
impl<T: ?Sized> NoKey<'_, T> {
    /// Never compiled.
    pub const fn borrowed_key(&self)
    where
        T: BorrowedKey,
    {
    }

    /// Never compiled.
    pub const fn owned_key(&self)
    where
        T: KeptKey,
    {
    }

    /// Never compiled.
    pub const fn hashed_key(&self) -> &()
    where
        T: Hashable,
    {
        &()
    }
}

/// A float, or an optional one.
pub trait IsFloat {}

impl IsFloat for f32 {}
impl IsFloat for f64 {}
impl<F: IsFloat> IsFloat for &F {}
impl<F: IsFloat> IsFloat for Option<F> {}

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key: a float has neither `Eq` nor `Hash`",
    label = "write `.to_bits()` behind this",
    note = "for an `Option`, write `.map(f64::to_bits)`; round first where near values are to share a key"
)]
pub trait FloatAsKey {}

/// A type that can be kept as a key.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a cached result, which is `Hash + Eq + Clone + Send + Sync + 'static`",
    label = "this key is kept after the call",
    note = "derive what is missing, or name the members that tell results apart, such as `key = (order.id, sku)`; of a \
            float, take `.to_bits()`"
)]
pub trait KeptKey: Hash + Eq + Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Hash + Eq + Clone + Send + Sync + 'static> KeptKey for T {}

/// A type that can be hashed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a key: it has no `Hash`",
    label = "this key is hashed",
    note = "derive `Hash` for it, or name the members that tell calls apart, such as `key = (order.id, sku)`; of a float, \
            take `.to_bits()`"
)]
pub trait Hashable {}

#[diagnostic::do_not_recommend]
impl<T: Hash + ?Sized> Hashable for T {}

/// A type that borrows and has an owned form.
#[diagnostic::on_unimplemented(
    message = "`{Self}` borrows, and the key of a cached result is kept after the call",
    label = "this key needs an owned form",
    note = "name the members, such as `key = (pair.0, pair.1)` or `key = sku.0`, or write `impl hardening::CacheKey` for the type of \
            yours that it is or holds"
)]
pub trait BorrowedKey {}

#[diagnostic::do_not_recommend]
impl<T: CacheKey + ?Sized> BorrowedKey for T {}
