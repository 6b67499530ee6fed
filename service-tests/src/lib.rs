//! What tests of services share: clients that may misbehave, certificates, and what is true of every answer.
#![allow(
    missing_docs,
    clippy::missing_panics_doc,
    clippy::new_without_default,
    reason = "nobody but the tests beside it reads this"
)]

pub mod browser;
pub mod certificates;
pub mod child;
pub mod client;
pub mod ports;
pub mod prices;
pub mod service;
pub mod tool;

/// The examples of a page that need more than the first package has.
#[cfg(doctest)]
#[doc = include_str!("../../docs/grpc.md")]
mod grpc_page {}
#[cfg(doctest)]
#[doc = include_str!("../../docs/axum.md")]
mod axum_page {}
