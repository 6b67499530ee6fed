//! An issuer of tokens: a real server with its keys, and a pen for every kind of lie.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const ISSUER: &str = "https://id.example";

/// A key that signs.
#[derive(Clone)]
pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    pub(crate) fn ec(kid: &'static str) -> Self {
        let pair = rcgen::KeyPair::generate().unwrap();
        Self { kid, algorithm: Algorithm::ES256, key: EncodingKey::from_ec_der(&pair.serialize_der()) }
    }

    pub(crate) fn rsa(kid: &'static str) -> Self {
        let pair =
            rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        // PKCS #8 is 26 bytes around what PKCS #1 says of a key of this size.
        let key = EncodingKey::from_rsa_der(&pair.serialize_der()[26..]);
        Self { kid, algorithm: Algorithm::RS256, key }
    }

    /// What the issuer publishes of it.
    pub(crate) fn public(&self) -> Jwk {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.kid.to_owned());
        jwk
    }

    pub(crate) fn header(&self) -> Header {
        let mut header = Header::new(self.algorithm);
        header.kid = Some(self.kid.to_owned());
        header
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_under(&self.header(), claims)
    }

    pub(crate) fn sign_under(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).unwrap()
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let now = hardening_service_tests::certificates::now();
    now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// The claims of a good token.
pub(crate) fn claims(change: &Value) -> Value {
    let mut claims = json!({
        "iss": ISSUER, "aud": "orders", "sub": "ann", "exp": now() + 300, "nbf": now() - 10,
        "scope": "orders:read openid", "org": "north",
    });
    for (claim, value) in change.as_object().unwrap() {
        claims[claim] = value.clone();
    }
    claims
}

/// The server of the keys.
#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) address: SocketAddr,
    keys: Arc<Mutex<Vec<Value>>>,
    fetches: Arc<AtomicU32>,
    down: Arc<AtomicBool>,
}

impl Issuer {
    pub(crate) async fn start(signers: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, signers)
    }

    pub(crate) fn on(listener: TcpListener, signers: &[&Signer]) -> Self {
        let issuer = Self {
            address: listener.local_addr().unwrap(),
            keys: Arc::default(),
            fetches: Arc::default(),
            down: Arc::default(),
        };
        issuer.publish(signers);
        let this = issuer.clone();
        let router = Router::new().route(
            "/keys",
            get(async move || {
                this.fetches.fetch_add(1, Ordering::SeqCst);
                let keys = this.keys.lock().unwrap().clone();
                if this.down.load(Ordering::SeqCst) {
                    (StatusCode::SERVICE_UNAVAILABLE, String::new())
                } else {
                    (StatusCode::OK, json!({ "keys": keys }).to_string())
                }
            }),
        );
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        issuer
    }

    /// Publishes the keys of these and no others.
    pub(crate) fn publish(&self, signers: &[&Signer]) {
        let keys = signers.iter().map(|signer| serde_json::to_value(signer.public()).unwrap());
        self.publish_as_it_is(keys.collect());
    }

    /// Publishes this as its keys.
    pub(crate) fn publish_as_it_is(&self, keys: Vec<Value>) {
        *self.keys.lock().unwrap() = keys;
    }

    pub(crate) fn break_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(crate) fn fetches(&self) -> u32 {
        self.fetches.load(Ordering::SeqCst)
    }

    /// The settings of a service that believes it.
    pub(crate) fn settings(&self) -> String {
        settings_at(self.address)
    }
}

pub(crate) fn settings_at(address: SocketAddr) -> String {
    format!(
        "[http]\nrate_limit = 'none'\n[auth]\nissuer = '{ISSUER}'\naudience = ['orders']\ntenant_claim = 'org'\n\
         jwks = 'http://{address}/keys'\n"
    )
}
