//! The line of the access log that a request has.

use std::borrow::Cow;
use std::time::Duration;

use super::super::address::Shown;
use super::Account;
use crate::clock;
use crate::context::trace::hex;
use crate::telemetry::http::{GRPC_CODES, is_fault};

/// How much of a client's text one line has.
const MOST: usize = 1024;

/// The first letters of a text.
fn first(text: &str) -> &str {
    &text[..text.floor_char_boundary(MOST)]
}

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
        // Beyond its limit a client may send as many as it likes: some are told of one by one.
        let mut unsaid = None;
        if self.standing.is_refused() {
            match self.server.refused.line(clock::now()) {
                Some(before) => unsaid = Some(before).filter(|before| *before > 0),
                None => return,
            }
        }
        let (method, path) = (first(self.method.as_str()), first(self.uri.path()));
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
                    aborted = !whole, unsaid, "request"
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
