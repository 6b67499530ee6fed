//! The service as a process of its own, with all that it needs around it: certificates, keys, an issuer, a receiver of traces, and
//! somebody who is told of errors.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::child::{Child, End, main_of};
use hardening_service_tests::client::{Client, Http2, get};
use hardening_service_tests::service::until;
use rustls::ClientConfig;
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;

const NAME: &str = "world::child_main";
/// Whether the child counts what its heap holds, which `/allocated` tells.
pub(crate) const COUNTED: &str = "TELEMETRY_TEST_COUNTED";
const SETTINGS: &str = "TELEMETRY_TEST_SETTINGS";

/// The key of a caller.
pub(crate) const KEY: &str = "till-1c9a3e5b7d9f1a2b3c4d5e6f";

#[test]
fn child_main() {
    main_of(NAME, || {
        if std::env::var_os(COUNTED).is_some() {
            std::mem::forget(dhat::Profiler::builder().testing().trim_backtraces(Some(4)).build());
        }
        let settings = std::env::var_os(SETTINGS).expect("a file");
        super::app::fullest().with_settings(std::fs::read_to_string(settings).expect("settings"))
    });
}

/// What the service does with `HARDENING=rules` under these settings.
pub(crate) async fn asked_for_rules(settings: &str) -> End {
    let directory = Authority::new();
    let file = directory.file("settings.toml", settings);
    Child::run(NAME, &[(SETTINGS, &file), ("HARDENING", "rules")]).await
}

/// The public key of RFC 7517, appendix A.1.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// Answers everything with what a receiver of traces, a webhook and an issuer would.
async fn others() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let routes = Router::new()
        .fallback(|uri: axum::http::Uri| async move { if uri.path() == "/keys" { KEYS } else { "" } });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    addr
}

/// What a service with everything on needs, and its settings.
pub(crate) struct Surroundings {
    pub(crate) authority: Authority,
    pub(crate) settings: String,
}

impl Surroundings {
    /// `more` are further settings.
    pub(crate) async fn start(more: &str) -> Self {
        let (authority, others) = (Authority::new(), others().await);
        let tls = authority.install(&authority.server());
        let mut digest = String::new();
        for byte in Sha256::digest(KEY.as_bytes()) {
            write!(digest, "{byte:02x}").unwrap();
        }
        let callers = authority.file("callers.toml", &format!("[[key]]\nid = 'till'\nsha256 = '{digest}'\n"));
        let key = authority.file("secret", "a key of somebody");
        let settings = format!(
            "{tls}[auth]\napi_keys = {callers:?}\nissuer = 'https://id.example'\naudience = ['orders']\n\
             jwks = 'http://{others}/keys'\n[telemetry]\notlp_endpoint = 'http://{others}'\nexport_every = '100ms'\n\
             [alerts]\njson = ['http://{others}/alerts']\nslack = ['http://{others}/slack']\nevery = '1s'\n\
             objective = '99.9%'\n\
             secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n\
             [secrets]\nkey = 'secret://file{key}'\n{more}"
        );
        Self { authority, settings }
    }
}

/// A service with everything on.
pub(crate) struct World {
    pub(crate) child: Child,
    authority: Authority,
    old: Arc<ClientConfig>,
    new: Arc<ClientConfig>,
}

impl World {
    /// `variables` are the process's, `more` settings.
    pub(crate) async fn start(variables: &[(&str, &str)], more: &str) -> Self {
        let Surroundings { authority, settings } = Surroundings::start(more).await;
        let file = authority.file("settings.toml", &settings);
        let mut all = vec![(SETTINGS, file.as_str())];
        all.extend_from_slice(variables);
        let child = Child::start(NAME, &all).await;
        let ready = || async { get(child.admin_addr, "/readyz").await.status == 200 };
        until("ready", ready).await;
        let config = |alpn: &str| authority.config(None, rustls::ALL_VERSIONS, &[alpn]);
        let (old, new) = (config("http/1.1"), config("h2"));
        Self { child, authority, old, new }
    }

    /// What `/metrics` answers.
    pub(crate) async fn scrape(&self) -> String {
        let reply = get(self.child.admin_addr, "/metrics").await;
        assert_eq!(reply.status, 200);
        reply.body
    }

    /// A connection of HTTP/1.1.
    pub(crate) async fn old_client(&self) -> Client<TlsStream<TcpStream>> {
        Client::over(connect(self.child.addr, &self.old).await.expect("a handshake"))
    }

    /// A connection of HTTP/2.
    pub(crate) async fn connection(&self) -> TlsStream<TcpStream> {
        connect(self.child.addr, &self.new).await.expect("a handshake")
    }

    /// A client of HTTP/2.
    pub(crate) async fn client(&self) -> Http2 {
        Http2::over(self.connection().await).await
    }

    /// Puts a new certificate into place.
    pub(crate) fn exchange_certificate(&self) {
        self.authority.install(&self.authority.server());
    }
}

/// The series of a scrape: names and labels, without values.
pub(crate) fn series(metrics: &str) -> Vec<&str> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    samples.map(|line| line.rsplit_once(' ').expect("a value").0).collect()
}
