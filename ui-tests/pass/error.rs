//! The error that the cases share.

#![deny(warnings, clippy::all, clippy::pedantic)]
#![forbid(unsafe_code)]

use hardening::Rejected;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Error {
    NotFound,
    Busy { seconds: u64 },
    Number(std::num::ParseIntError),
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl From<std::num::ParseIntError> for Error {
    fn from(error: std::num::ParseIntError) -> Self {
        Self::Number(error)
    }
}

/// What any body may wait for.
pub(crate) async fn pause() {
    tokio::task::yield_now().await;
}
