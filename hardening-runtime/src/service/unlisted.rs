//! The warnings of a proxy that is in nobody's list.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderName;

use crate::clock::Nanos;

/// Between two warnings.
const MINUTE: Nanos = 60_000_000_000;

/// Says which settings to write, once a minute, whatever comes.
#[derive(Debug)]
pub(super) struct UnlistedWarning {
    header: HeaderName,
    /// The moment from which the next one is due.
    due: AtomicU64,
}

impl UnlistedWarning {
    pub(super) fn new(header: &HeaderName) -> Self {
        Self { header: header.clone(), due: AtomicU64::new(0) }
    }

    /// A peer with a private address named a client.
    pub(super) fn is_believed(&self, peer: IpAddr, now: Nanos) {
        if self.is_due(now) {
            tracing::warn!(
                %peer,
                "requests of {peer} have `{header}`, but no proxy is listed: each client that {peer} names is limited by \
                 `http.rate_limit`, all of them together by `http.unlisted_proxy_rate_limit`; write `trusted_proxies = \
                 [\"{peer}\"]` in `[http]` if this is your proxy, and `client_header` if it names clients in another header \
                 field",
                header = self.header,
            );
        }
    }

    /// The limit refused a peer that named another client, which changed nothing.
    pub(super) fn is_refused(&self, peer: IpAddr, now: Nanos) {
        if self.is_due(now) {
            tracing::warn!(
                %peer,
                "the rate limit refused {peer}, whose `{header}` is not believed: if this is your proxy, add it to \
                 `http.trusted_proxies`",
                header = self.header,
            );
        }
    }

    fn is_due(&self, now: Nanos) -> bool {
        let due = self.due.load(Ordering::Relaxed);
        now >= due
            && self
                .due
                .compare_exchange(due, now.saturating_add(MINUTE), Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_due_once_a_minute() {
        let warning = UnlistedWarning::new(&HeaderName::from_static("forwarded"));
        let due = [0, 1, MINUTE - 1, MINUTE, MINUTE + 1, 3 * MINUTE].map(|now| warning.is_due(now));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
