//! Certificates made for one test, in a directory of its own, and clients that trust them.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    SanType,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// What certificates are dated by.
#[expect(clippy::disallowed_methods, reason = "they are dated by the wall clock")]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// A certificate with its key, as PEM.
#[derive(Clone)]
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// An authority, and the directory where services find their files.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub directory: PathBuf,
}

impl Authority {
    pub fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("hardening-tls-{}-{number}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test root");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer, directory }
    }

    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    fn issue(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Pair { certificate, key: key.serialize_pem() }
    }

    /// For `localhost`, valid for a month.
    pub fn server(&self) -> Pair {
        let hour = Duration::from_hours(1);
        self.server_within(now() - hour, now() + hour * 720)
    }

    pub fn server_within(&self, begin: SystemTime, end: SystemTime) -> Pair {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        (params.not_before, params.not_after) = (begin.into(), end.into());
        self.issue(&params)
    }

    /// For a client: its common name, and other names.
    pub fn client(&self, common: &str, names: &[SanType]) -> Pair {
        let mut params = of_client(common);
        params.subject_alt_names = names.to_vec();
        self.issue(&params)
    }

    /// For a client, in this time alone.
    pub fn client_within(&self, common: &str, begin: SystemTime, end: SystemTime) -> Pair {
        let mut params = of_client(common);
        (params.not_before, params.not_after) = (begin.into(), end.into());
        self.issue(&params)
    }

    /// Puts a file into the directory; answers its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let (path, written) = (self.directory.join(name), self.directory.join(format!("{name}.new")));
        fs::write(&written, text).unwrap();
        fs::rename(written, &path).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Puts a certificate and its key into place; answers the settings that name them.
    pub fn install(&self, pair: &Pair) -> String {
        // Both are written before either is renamed: the pair is torn for as long as two renames take.
        let put = [("certificate.pem", &pair.certificate), ("key.pem", &pair.key)].map(|(name, text)| {
            let (path, written) = (self.directory.join(name), self.directory.join(format!("{name}.new")));
            fs::write(&written, text).unwrap();
            (written, path)
        });
        let [certificate, key] = put.map(|(written, path)| {
            fs::rename(written, &path).unwrap();
            path.to_str().unwrap().to_owned()
        });
        format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n")
    }

    /// A client's configuration that trusts this authority.
    pub fn config(
        &self,
        pair: Option<&Pair>,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match pair {
            None => builder.with_no_client_auth(),
            Some(pair) => {
                let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(vec![certificate], key).unwrap()
            }
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        // Each connection of a test shakes hands anew.
        config.resumption = rustls::client::Resumption::disabled();
        Arc::new(config)
    }

    /// The same for any version and HTTP/1.1.
    pub fn plain_config(&self) -> Arc<ClientConfig> {
        self.config(None, rustls::ALL_VERSIONS, &["http/1.1"])
    }
}

fn of_client(common: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, common);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params
}

impl Drop for Authority {
    fn drop(&mut self) {
        // A directory that is left behind is no failure of the test.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A connection under TLS.
pub async fn connect(
    address: SocketAddr,
    config: &Arc<ClientConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::clone(config)).connect(name, stream).await
}
