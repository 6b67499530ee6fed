//! TLS of the client: whom it trusts.
//!
//! The roots are the system's: an operator renews them with the image, adds a root of their own, or names files in
//! `SSL_CERT_FILE` and `SSL_CERT_DIR`, all without a new build. Roots that are compiled in can do none of that.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use ::http::Uri;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::connector::Stream;
use super::error::BuildError;
use crate::{files, weak_keys};

pub(super) const SPOKEN: bool = true;
pub(super) const NOT_SPOKEN: &str = "";

/// Shakes hands.
#[derive(Clone)]
pub(super) struct Connector(Option<Arc<ClientConfig>>);

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// The connector that trusts the system's roots and those of the file. The system's are read once, when the first
    /// handshake of any client needs them.
    pub(super) fn new(ca_file: Option<&Path>) -> Result<Self, BuildError> {
        let Some(path) = ca_file else { return Ok(Self(None)) };
        let mut roots = system().clone();
        let wrong = |why: &dyn std::fmt::Display| {
            BuildError(format!("the roots in `{}` cannot be used: {why}", path.display()))
        };
        let text = files::read_all(path).map_err(|error| wrong(&error))?;
        let before = roots.len();
        for root in CertificateDer::pem_slice_iter(&text) {
            let root = root.map_err(|error| wrong(&error))?;
            if let Some(why) = weak_keys::of_certificate(&root) {
                return Err(wrong(&why));
            }
            roots.add(root).map_err(|error| wrong(&error))?;
        }
        if roots.len() == before {
            return Err(wrong(&"there is no `BEGIN CERTIFICATE` in it"));
        }
        Ok(Self(Some(Arc::new(config(roots)))))
    }

    pub(super) async fn shake(
        &self,
        uri: &Uri,
        stream: TcpStream,
    ) -> Result<Stream, Box<dyn std::error::Error + Send + Sync>> {
        let config = match &self.0 {
            Some(config) => Arc::clone(config),
            None => tokio::task::spawn_blocking(usual).await?,
        };
        let host = uri.host().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let name = ServerName::try_from(host.to_owned())?;
        let stream = TlsConnector::from(config).connect(name, stream).await?;
        let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(Stream::new(stream, http2))
    }
}

fn usual() -> Arc<ClientConfig> {
    static USUAL: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    Arc::clone(USUAL.get_or_init(|| Arc::new(config(system().clone()))))
}

fn system() -> &'static RootCertStore {
    static SYSTEM: OnceLock<RootCertStore> = OnceLock::new();
    SYSTEM.get_or_init(|| {
        if let Some(path) = std::env::var_os("SSL_CERT_FILE")
            && let Err(error) = files::check(&path)
            && error.kind() == std::io::ErrorKind::InvalidInput
        {
            // To read it could wait for ever.
            tracing::warn!(%error, "the file of SSL_CERT_FILE is not read, and no root is trusted");
            return RootCertStore::empty();
        }
        let found = rustls_native_certs::load_native_certs();
        for error in &found.errors {
            tracing::warn!(%error, "some of the system's roots cannot be read");
        }
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            tracing::warn!(
                "the system has no roots: install its `ca-certificates`, or name a file in SSL_CERT_FILE"
            );
        }
        roots
    })
}

fn config(roots: RootCertStore) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions();
    let mut config = match builder {
        Ok(builder) => builder.with_root_certificates(roots).with_no_client_auth(),
        Err(error) => unreachable!("the provider has the usual versions: {error}"),
    };
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}
