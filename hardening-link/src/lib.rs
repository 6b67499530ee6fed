//! Which versions of `hardening` are linked into one program.
//!
//! Versions that are not compatible with each other are crates of their own with registries of their own, so that none of them
//! knows the calls of another. Here each of them is listed. This crate is for `hardening-runtime` alone.

use std::any::TypeId;

#[doc(hidden)]
pub use inventory;

/// One version of `hardening-runtime` in the program.
#[derive(Debug)]
pub struct Version {
    number: &'static str,
    marker: TypeId,
    packages: fn() -> Vec<&'static str>,
}

impl Version {
    /// The version of this number. `M` is a type of its own, which tells two sources of one number apart; `packages` are those
    /// that declare something with it.
    pub const fn new<M: 'static>(number: &'static str, packages: fn() -> Vec<&'static str>) -> Self {
        Self { number, marker: TypeId::of::<M>(), packages }
    }

    /// Its number.
    pub const fn number(&self) -> &'static str {
        self.number
    }

    /// Whether it is the version that `M` is a type of.
    pub fn is_of<M: 'static>(&self) -> bool {
        self.marker == TypeId::of::<M>()
    }

    /// The packages that declare something with it, each once.
    pub fn packages(&self) -> Vec<&'static str> {
        let mut packages = (self.packages)();
        packages.sort_unstable();
        packages.dedup();
        packages
    }
}

inventory::collect!(Version);

/// Every version in the program, in no particular order.
pub fn versions() -> impl Iterator<Item = &'static Version> {
    inventory::iter::<Version>()
}
