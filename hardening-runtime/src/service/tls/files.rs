//! From files to a configuration: everything is checked before any of it is used.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::InForce;
use crate::clock::wall_clock;
use crate::files;
use crate::settings::{self, ClientAuth};
use crate::weak_keys;

/// Each file as it was.
pub(crate) type Version = [files::Version; 3];

/// What files gave.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) in_force: InForce,
    /// When the certificate expires, in seconds since 1970.
    pub(super) expires: u64,
}

pub(super) fn version(tls: &settings::Tls) -> Version {
    [&tls.certificate, &tls.key, &tls.client_ca].map(files::version)
}

/// Reads everything; every file is looked at, whatever the others are like.
pub(super) fn load(tls: &settings::Tls) -> Result<Loaded, Vec<String>> {
    let certificates = certificates("certificate", &tls.certificate);
    let key = key(&tls.key);
    let clients = (!tls.client_ca.is_empty()).then(|| clients(tls)).transpose();
    let (certificates, key, clients) = match (certificates, key, clients) {
        (Ok(certificates), Ok(key), Ok(clients)) => (certificates, key, clients),
        (certificates, key, clients) => {
            let problems = [certificates.err(), key.err(), clients.err()];
            return Err(problems.into_iter().flatten().collect());
        }
    };
    together(tls, certificates, key, clients).map_err(|problem| vec![problem])
}

fn together(
    tls: &settings::Tls,
    certificates: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> Result<Loaded, String> {
    let expires = expiry(&certificates[0])
        .map_err(|why| format!("[tls] certificate = {:?}: {why}", tls.certificate))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match clients.clone() {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_single_cert(certificates, key).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => format!(
            "[tls] key = {:?}: this is not the key of the certificate in {:?}",
            tls.key, tls.certificate
        ),
        error => format!("[tls] certificate = {:?}: {error}", tls.certificate),
    })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Loaded { in_force: InForce { config: Arc::new(config), clients }, expires })
}

/// Refuses what is over or has not begun: nobody would speak with it.
fn expiry(certificate: &CertificateDer<'_>) -> Result<u64, String> {
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|error| format!("it cannot be read: {error}"))?;
    let (begin, end) =
        (certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp());
    let now = i64::try_from(wall_clock()).unwrap_or(i64::MAX);
    if end <= now {
        return Err("it has expired".to_owned());
    }
    if begin > now {
        return Err("it is not valid yet".to_owned());
    }
    Ok(u64::try_from(end).unwrap_or(0))
}

fn read(setting: &str, path: &str) -> Result<Vec<u8>, String> {
    if path.is_empty() {
        return Err(format!(
            "[tls] {setting} is missing: a listener under TLS needs `certificate` and `key`"
        ));
    }
    files::read_all(path).map_err(|error| format!("[tls] {setting} = {path:?}: {error}"))
}

fn certificates(setting: &str, path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read(setting, path)?;
    let found: Result<Vec<_>, PemError> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| format!("[tls] {setting} = {path:?}: {error}"))?;
    if found.is_empty() {
        return Err(format!("[tls] {setting} = {path:?}: there is no `BEGIN CERTIFICATE` in it"));
    }
    if let Some(why) = found.iter().find_map(|certificate| weak_keys::of_certificate(certificate)) {
        return Err(format!(
            "[tls] {setting} = {path:?}: {why}; make a new key, and a new certificate of it"
        ));
    }
    Ok(found)
}

fn key(path: &str) -> Result<PrivateKeyDer<'static>, String> {
    let text = read("key", path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| match error {
        PemError::NoItemsFound => {
            format!("[tls] key = {path:?}: there is no `BEGIN PRIVATE KEY` in it; a key under a password cannot be read")
        }
        error => format!("[tls] key = {path:?}: {error}"),
    })
}

fn clients(tls: &settings::Tls) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let path = &tls.client_ca;
    let mut roots = RootCertStore::empty();
    for root in certificates("client_ca", path)? {
        roots.add(root).map_err(|error| format!("[tls] client_ca = {path:?}: {error}"))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = match tls.client_auth {
        ClientAuth::Required => builder,
        ClientAuth::Optional => builder.allow_unauthenticated(),
    };
    let built = builder.build().map_err(|error| format!("[tls] client_ca = {path:?}: {error}"))?;
    Ok(built)
}
