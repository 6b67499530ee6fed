//! A client in a binary that was built without TLS.

use std::path::Path;

use ::http::Uri;
use tokio::net::TcpStream;

use super::connector::Stream;
use super::error::BuildError;

pub(super) const SPOKEN: bool = false;
pub(super) const NOT_SPOKEN: &str =
    "this binary was built without TLS; write `hardening = { …, features = [\"tls\"] }` in Cargo.toml";

/// Makes none.
#[derive(Clone, Debug)]
pub(super) struct Connector;

impl Connector {
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, BuildError> {
        match ca_file {
            None => Ok(Self),
            Some(_) => Err(BuildError(NOT_SPOKEN.to_owned())),
        }
    }

    #[allow(clippy::unused_async, clippy::unused_self, reason = "the signature of the one that is there")]
    pub(super) async fn shake(
        &self,
        _: &Uri,
        _: TcpStream,
    ) -> Result<Stream, Box<dyn std::error::Error + Send + Sync>> {
        Err(NOT_SPOKEN.into())
    }
}
