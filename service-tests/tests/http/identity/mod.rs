//! Who is calling: keys, tokens and certificates over real sockets, and callers that lie.

mod gate;
mod issuer;

mod calls;
mod certificates;
mod keys;
mod limits;
mod odd;
mod rotation;
mod secrecy;
mod tokens;
