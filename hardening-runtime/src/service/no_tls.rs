//! A binary that was built without TLS.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;

use super::socket::Socket;
use crate::context::Principal;
use crate::settings;

/// Nobody has one.
#[derive(Debug)]
pub(crate) enum Tls {}

/// No connection's.
#[derive(Debug)]
pub(crate) enum Validity {}

/// For no reason.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Over {}

impl Over {
    pub(crate) const fn is_of_the_client(self) -> bool {
        match self {}
    }
}

impl Validity {
    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(crate) async fn over(&mut self) -> Over {
        match *self {}
    }
}

/// Of no file.
pub(super) type Version = ();

impl Tls {
    /// Nothing, as long as settings ask for nothing.
    ///
    /// # Errors
    /// When they ask for it.
    pub(crate) fn new(settings: &settings::Tls) -> Result<Option<Self>, Vec<String>> {
        if settings.is_off() {
            return Ok(None);
        }
        Err(vec![
            "[tls]: this binary was built without TLS; write `hardening = { …, features = [\"tls\"] }` in Cargo.toml"
                .to_owned(),
        ])
    }

    pub(super) fn began_with(&self) -> Version {
        match *self {}
    }

    pub(super) fn version(&self) -> Version {
        match *self {}
    }

    pub(super) fn reload(&self, _: &'static str, (): Version) {
        match *self {}
    }

    pub(super) fn handshake_timeout(&self) -> Duration {
        match *self {}
    }

    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(super) async fn shake(
        self: &Arc<Self>,
        _: TcpStream,
        _: Duration,
    ) -> Option<(Socket, Option<Principal>, Validity)> {
        match **self {}
    }

    pub(super) fn render(&self, _: &mut String) {
        match *self {}
    }
}
