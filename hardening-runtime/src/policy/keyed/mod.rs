//! What each key has, in bounded memory.
//!
//! A `Table` holds one value for each key. A key without a value gets one as long as there is room; when there is none, the
//! keys that are idle leave theirs, which changes no decision. Beyond that, keys share the values of *buckets*: those of one
//! caller's network a few, other networks others. Near the bound a caller who has brought in many keys brings in no more, so
//! that there is room for those who come next.
//!
//! Keys are kept as 64-bit hashes of a hasher seeded anew in each process, so an entry has one size whatever the key, no key
//! stays in memory, and nobody outside can aim at a collision; among 10 000 keys the odds of any collision are below 1 in 10^11.

mod accounts;
mod hash;
mod owner;
mod states;
mod table;

pub use hash::hash_key;
pub(crate) use owner::Owner;
pub(crate) use states::{Reusable, States};
pub(crate) use table::{Place, Table, Value};
