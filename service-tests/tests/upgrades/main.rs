//! WebSockets and other upgraded connections on a running service.

mod app;
mod bounds;
mod drain;
mod http2;
mod sockets;
mod support;
