//! Who is calling: keys, tokens and certificates over real sockets, and callers that lie.

pub(crate) mod gate;
pub(crate) mod issuer;

mod calls;
mod certificates;
mod keys;
mod limits;
mod odd;
mod rotation;
mod secrecy;
mod tokens;
mod trust;
