//! The line of the access log that a request has.

use std::borrow::Cow;
use std::time::Duration;

use super::super::address::Shown;
use super::Account;
use crate::context::trace::hex;
use crate::telemetry::http::{GRPC_CODES, is_fault};

/// The level of a line that tells of no failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// Of what clients ask.
    Info,
    /// Of what no limit charges: nobody's requests of that kind are bounded.
    Debug,
}

impl Account {
    /// The client's address as a line shows it, which is mostly its peer's.
    fn client_shown(&self) -> Cow<'_, str> {
        let client = self.request.client_ip;
        if client == self.conn.peer.ip().map(|ip| ip.to_canonical()) {
            Cow::Borrowed(&self.conn.shown)
        } else {
            Cow::Owned(Shown(client).to_string())
        }
    }

    pub(super) fn write(
        &self,
        route: &str,
        status: u16,
        code: Option<u8>,
        took: Duration,
        bytes: u64,
        whole: bool,
    ) {
        let (method, path) = (self.method.as_str(), self.uri.path());
        // Whole microseconds, so that the last digits mean something.
        let duration_ms = took.as_micros() as f64 / 1e3;
        let grpc_status = code.map(|code| GRPC_CODES[usize::from(code).min(GRPC_CODES.len() - 1)]);
        let request = &*self.request;
        let trace_id = request.trace.as_ref().map_or(0, |trace| trace.id);
        let request_id = request.id.as_str();
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    target: "hardening::access",
                    method, route, path, status, grpc_status, duration_ms, bytes, request_id,
                    trace_id = str::from_utf8(&hex(trace_id)).unwrap_or_default(), client = &*self.client_shown(),
                    aborted = !whole, "request"
                )
            };
        }
        if self.line == At::Debug {
            line!(debug);
        } else if code.map_or(status >= 500 && !matches!(status, 503..=505), is_fault) {
            line!(error);
        } else {
            line!(info);
        }
    }
}
