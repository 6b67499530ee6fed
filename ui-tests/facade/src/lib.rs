//! A crate that re-exports `hardening`, as a company's own crate does: as a module, and flat.

pub use hardening;
pub use hardening::*;
