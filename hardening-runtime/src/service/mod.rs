//! The server that `#[hardened_service]` starts.
//!
//! Every default stands in one hand-written service around the routes, since each separate layer costs more than
//! what it does. Limits answer with problem+json; the shutdown is a state machine that loses no accepted request.

mod account;
pub(crate) mod address;
mod admin;
mod answer_body;
mod assembled;
#[cfg(feature = "auth")]
mod auth;
#[cfg(not(feature = "auth"))]
#[path = "no_auth.rs"]
mod auth;
mod body;
mod client;
mod connection;
mod console;
mod deadline;
mod descriptors;
mod drain;
mod ending;
mod entrance;
mod errors;
#[cfg(feature = "alerts")]
mod excuse;
mod farewell;
mod field_text;
mod fields;
mod forwarded;
#[cfg(not(feature = "grpc"))]
#[path = "no_grpc.rs"]
mod grpc;
#[cfg(feature = "grpc")]
mod grpc;
mod headers;
pub mod health;
mod host;
mod http_date;
mod idempotency_key;
pub mod input;
mod json;
mod lanes;
mod limit;
mod listener;
mod manifest;
mod memory;
mod mounts;
mod objects;
mod operate;
pub(crate) mod panics;
mod places;
mod plain;
pub(crate) mod pools;
#[cfg(any(feature = "auth", feature = "tls"))]
mod principal_name;
mod problem;
mod proxy;
mod rarely;
mod reload;
mod request;
mod request_id;
mod route;
mod route_limits;
mod routed;
mod running;
mod said;
mod series;
mod server;
#[cfg(feature = "otlp")]
mod server_span;
mod setup;
mod shed;
pub mod shutdown;
mod signals;
mod slot;
mod socket;
mod spec;
mod start;
mod starting;
mod streams;
#[cfg(unix)]
mod systemd;
mod targets;
pub mod tasks;
#[cfg(not(feature = "tls"))]
#[path = "no_tls.rs"]
mod tls;
#[cfg(feature = "tls")]
mod tls;
#[cfg(unix)]
pub(crate) mod unix;
mod unlisted;
mod unreadable;
mod upgrade;
mod waits;
mod whole;
mod wire;
mod words;

#[cfg(any(feature = "otlp", feature = "alerts"))]
pub(crate) use request_id::make as new_id;

pub(crate) use health::PATHS as PROBE_PATHS;
pub use json::Json;
pub use pools::{PoolState, PoolWaits};
pub use problem::{FieldError, PROBLEM_JSON, Problem};
pub(crate) use reload::{LOOK_EVERY, Watched};
pub(crate) use route_limits::pattern_of;
pub use running::{Report, Running};
pub use setup::{HookResult, MissingProvision, Provided, Setup};
pub use shed::Priority;
pub use spec::{App, BoxError, IntoApp, Result, ServiceSpec};
pub use start::{Service, StartError, main, new};
pub use tasks::Stopping;
