//! Every pair of policies under random arrivals, departures, failures and reloads, on paused time: bounds hold at every
//! moment, nothing that a call holds is lost, and the goodput is that of a simple model less a tenth.

#![cfg(feature = "service")]

mod bodies;
mod model;
mod pairs;
mod scenario;

use hardening::Rejected;

/// What the functions return that are no success.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Error {
    /// The body failed.
    Failed,
    #[serde(skip)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

/// One call.
#[derive(Clone, Copy, Debug)]
struct Order {
    key: u32,
    /// Another one for each call.
    number: u64,
    /// How long the body takes, in milliseconds.
    takes: u64,
    fails: bool,
}
