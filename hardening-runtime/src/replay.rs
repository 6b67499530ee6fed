//! Arguments for one more attempt, and what is reported of those that have no second one.
//!
//! `replay(&name).for_attempt()` finds the method of the first level whose bounds hold, as in [`key`](crate::key).

use std::ops::Deref;

/// An argument of which each attempt gets its own.
#[inline]
pub const fn replay<T>(value: &T) -> Replay<'_, T> {
    Replay(value, Exclusive(value, Once(value)))
}

/// An argument that is cloned.
#[derive(Debug)]
pub struct Replay<'a, T>(&'a T, Exclusive<'a, T>);

/// An exclusive borrow that the signature does not show.
#[derive(Debug)]
pub struct Exclusive<'a, T>(#[allow(dead_code)] &'a T, Once<'a, T>);

/// Every other argument.
#[derive(Debug)]
pub struct Once<'a, T>(#[allow(dead_code)] &'a T);

impl<'a, T> Deref for Replay<'a, T> {
    type Target = Exclusive<'a, T>;

    fn deref(&self) -> &Self::Target {
        &self.1
    }
}

impl<'a, T> Deref for Exclusive<'a, T> {
    type Target = Once<'a, T>;

    fn deref(&self) -> &Self::Target {
        &self.1
    }
}

impl<T: Clone> Replay<'_, T> {
    /// The copy.
    #[inline]
    pub fn for_attempt(&self) -> T {
        self.0.clone()
    }
}

#[expect(clippy::unused_self, reason = "method lookup needs a receiver")]
impl<'b, T: ?Sized> Exclusive<'_, &'b mut T> {
    /// Never compiled.
    pub fn for_attempt(&self) -> &'b mut T
    where
        &'b mut T: ReplayedBorrow,
    {
        unreachable!("its bound never holds")
    }
}

#[expect(clippy::unused_self, reason = "method lookup needs a receiver")]
impl<'b, T: ?Sized> Exclusive<'_, Option<&'b mut T>> {
    /// Never compiled.
    pub fn for_attempt(&self) -> Option<&'b mut T>
    where
        Option<&'b mut T>: ReplayedOption,
    {
        unreachable!("its bound never holds")
    }
}

#[expect(clippy::unused_self, reason = "method lookup needs a receiver")]
impl<T> Once<'_, T> {
    /// Never compiled.
    pub fn for_attempt(&self) -> T
    where
        T: Replayable,
    {
        unreachable!("its bound never holds")
    }
}

/// An argument that is cloned for each attempt.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is handed to each attempt anew, so it must be `Clone`",
    label = "this argument is used again when the call is repeated or falls back",
    note = "a type of this crate: derive `Clone` for it; any type: take it by `&`, or by `&mut` where attempts follow each other, which is \
            everywhere but under `hedged`: what is borrowed is lent to each attempt in turn"
)]
pub trait Replayable {}

#[diagnostic::do_not_recommend]
impl<T: Clone> Replayable for T {}

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "each attempt borrows this argument anew, which needs its `&mut` in the signature",
    label = "the type of this argument is `{Self}` by another name",
    note = "write the `&mut` out, such as `conn: &mut Conn`; under `hedged`, which runs two bodies at once, take a value that is `Clone`"
)]
pub trait ReplayedBorrow {}

/// Implemented by no type.
#[diagnostic::on_unimplemented(
    message = "each attempt borrows this argument anew, which an owned `{Self}` does not allow",
    label = "this argument is used again when the call is repeated or falls back",
    note = "take it by `&mut`, such as `tx: &mut Option<&mut Tx>`, and use `tx.as_deref_mut()` in the body; under `hedged`, \
            which runs two bodies at once, take a value that is `Clone`"
)]
pub trait ReplayedOption {}
