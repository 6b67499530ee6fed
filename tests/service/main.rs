//! The service over real sockets: every default with a client that misbehaves.

mod app;
mod child;
mod connections;
mod health;
mod http;
mod http2;
mod limits;
mod metrics;
mod operations;
mod panics;
mod ports;
mod problems;
mod settings;
mod shutdown;
mod support;
