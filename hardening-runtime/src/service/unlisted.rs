//! The warnings of a proxy that is in nobody's list.

use std::net::IpAddr;

use http::HeaderName;

use crate::clock::Nanos;
use crate::once_a_minute::OnceAMinute;

/// Says which settings to write, once a minute, whatever comes.
#[derive(Debug)]
pub(super) struct UnlistedWarning {
    header: HeaderName,
    said: OnceAMinute,
}

impl UnlistedWarning {
    pub(super) fn new(header: &HeaderName) -> Self {
        Self { header: header.clone(), said: OnceAMinute::default() }
    }

    /// A peer with a private address named a client.
    pub(super) fn is_believed(&self, peer: IpAddr, now: Nanos) {
        if self.said.is_due(now) {
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
        if self.said.is_due(now) {
            tracing::warn!(
                %peer,
                "the rate limit refused {peer}, whose `{header}` is not believed: if this is your proxy, add it to \
                 `http.trusted_proxies`",
                header = self.header,
            );
        }
    }
}
