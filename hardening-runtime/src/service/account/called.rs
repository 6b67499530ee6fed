//! What of gRPC a request is, by its content type.

use http::request::Parts;
use tokio::time::Instant;

use crate::service::grpc;
use crate::service::said::Said;
use crate::service::server::Server;

/// What of gRPC a request is.
#[derive(Debug)]
pub(super) enum Grpc {
    /// Nothing.
    No,
    /// A call of gRPC-Web, which a route may read and no service of gRPC does.
    Web,
    /// A call.
    Call(GrpcCall),
}

impl Grpc {
    pub(super) fn of(server: &Server, parts: &Parts, said: Said) -> Self {
        match said.has(Said::KIND) {
            true if grpc::is(server, parts) => Self::Call(GrpcCall::default()),
            true if grpc::is_web(server, parts) => Self::Web,
            _ => Self::No,
        }
    }

    pub(super) fn call(&self) -> Option<&GrpcCall> {
        if let Self::Call(call) = self { Some(call) } else { None }
    }

    pub(super) fn call_mut(&mut self) -> Option<&mut GrpcCall> {
        if let Self::Call(call) = self { Some(call) } else { None }
    }
}

/// What only a call of gRPC has.
#[derive(Debug, Default)]
pub(super) struct GrpcCall {
    /// How it ended; `None` until that is known.
    pub(super) code: Option<u8>,
    /// By when it must have ended, where its client says.
    pub(super) ends: Option<Instant>,
}
