//! The server that `#[hardened_service]` starts.
//!
//! Every default stands in one hand-written service around the routes, since each separate layer costs more than
//! what it does. Limits answer with problem+json; the shutdown is a state machine that loses no accepted request.

mod account;
mod admin;
mod body;
mod client;
mod connection;
mod console;
mod deadline;
mod drain;
mod headers;
pub mod health;
mod host;
mod json;
mod limit;
mod listener;
mod manifest;
mod objects;
mod operate;
mod panics;
mod plain;
mod problem;
mod reload;
mod request;
mod request_id;
mod route;
mod running;
mod server;
mod setup;
pub mod shutdown;
mod signals;
mod socket;
mod spec;
mod start;
mod targets;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(feature = "tls")]
mod tls;
mod wire;

pub use json::Json;
pub use problem::{FieldError, PROBLEM_JSON, Problem};
pub use running::{Report, Running};
pub use setup::{HookResult, MissingProvision, Provided, Setup};
pub use spec::{App, BoxError, IntoApp, Result, ServiceSpec};
pub use start::{Service, StartError, main, new};
