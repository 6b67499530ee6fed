//! What axum applications do, on a running service: sockets, uploads, downloads, streams, static files.

mod app;
mod bounds;
mod drain;
mod dropin;
mod http2;
mod hurried;
mod layers;
mod packed;
mod probes;
mod reload;
mod routes;
mod sockets;
mod starting;
mod statics;
mod streams;
mod support;
mod together;
mod unfinished;
mod uploads;
