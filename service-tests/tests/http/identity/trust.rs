//! Which keys of an issuer are trusted, where they come from, and what operators are told of those that are not.

use hardening::Running;
use rcgen::KeyPair;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::net::TcpListener;

use super::gate::{ask, gate, refused, start, total};
use super::issuer::{ISSUER, Issuer, Signer, claims};
use hardening_service_tests::certificates::{Authority, Pair};
use hardening_service_tests::child::{Child, main_of};
use hardening_service_tests::client::get;
use hardening_service_tests::service::until;

const NAME: &str = "identity::trust::child_main";

#[test]
fn child_main() {
    main_of(NAME, gate);
}

async fn status(running: &Running, signer: &Signer) -> u16 {
    let token = format!("Bearer {}", signer.sign(&claims(&json!({}))));
    ask(running, "/me", &[("authorization", &token)]).await.status
}

fn settings(jwks: &str) -> String {
    format!("[auth]\nissuer = '{ISSUER}'\naudience = ['orders']\njwks = '{jwks}'\n")
}

#[tokio::test]
async fn keys_are_not_fetched_without_tls_from_another_machine() {
    for url in [
        "http://id.example/keys",
        "http://10.0.0.1/keys",
        "http://[2001:db8::1]/keys",
        "http://0.0.0.0/keys",
        "http://localhost.example/keys",
        "http://127.0.0.1@id.example/keys",
        "http://ann:hunter2@id.example/keys",
    ] {
        let problems = refused(&settings(url)).await;
        assert!(problems[0].starts_with("[auth] jwks = ") && problems.len() == 1, "{problems:?}");
        assert!(
            problems[0].contains("`https://`") && problems[0].contains("`[auth] jwks_ca`"),
            "{problems:?}"
        );
        assert!(!problems[0].contains("hunter2"), "{problems:?}");
    }
    for url in ["http://[::1]:1/keys", "http://localhost:1/keys", "https://id.invalid/keys"] {
        drop(start(&settings(url)).await);
    }
}

/// A server that shakes hands and says nothing; its port.
async fn shaking(pair: &Pair) -> u16 {
    let certificate = CertificateDer::from_pem_slice(pair.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { acceptor.accept(stream).await });
        }
    });
    port
}

#[tokio::test]
async fn a_fetch_that_fails_is_logged_with_its_cause() {
    let (files, strangers) = (Authority::new(), Authority::new());
    let roots = files.file("roots.pem", &files.pem());
    let port = shaking(&strangers.server()).await;
    let (nobody, _bound) = hardening_service_tests::ports::refusing();
    let nobody = nobody.port();
    let issuer = Issuer::start(&[]).await;
    issuer.break_down(true);
    let empty = Issuer::start(&[]).await;
    for (jwks, part) in [
        (format!("https://localhost:{port}/keys"), "invalid peer certificate"),
        (format!("https://localhost:{nobody}/keys"), "Connection refused"),
        ("https://nobody.invalid/keys".to_owned(), "dns error"),
        (format!("http://{}/keys", issuer.address), "503"),
        (format!("http://{}/keys", empty.address), "no key that fits `[auth] algorithms`"),
    ] {
        let variables = [
            ("HARDENING_AUTH__ISSUER", ISSUER),
            ("HARDENING_AUTH__AUDIENCE", "orders"),
            ("HARDENING_AUTH__JWKS", &jwks),
            ("HARDENING_AUTH__JWKS_CA", &roots),
        ];
        let child = Child::start(NAME, &variables).await;
        until("a fetch failed", async || {
            let metrics = get(child.admin_addr, "/metrics").await.body;
            let failed = "auth_jwks_fetches_total{result=\"failed\"} ";
            metrics.lines().any(|line| line.strip_prefix(failed).is_some_and(|count| count != "0"))
        })
        .await;
        child.terminate().await;
        let end = child.ended().await;
        let told = end.log.iter().filter_map(|line| line["why"].as_str());
        assert!(told.clone().any(|why| why.contains(part)), "{part}: {:?}", told.collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_key_set_without_a_usable_key_replaces_none_that_works() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let issuer = Issuer::start(&[&old]).await;
    let running = start(&(issuer.settings() + "jwks_refresh = '100ms'\njwks_cooldown = '100ms'\n")).await;
    let fetches = async |result: &str| {
        total(&running, &format!("auth_jwks_fetches_total{{result=\"{result}\"}}")).await
    };
    assert_eq!(status(&running, &old).await, 200);
    let other = json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"});
    let mut off_curve = serde_json::to_value(new.public()).unwrap();
    off_curve["y"] = off_curve["x"].clone();
    for keys in [
        vec![],
        vec![json!({})],
        vec![json!({"kty": "oct", "k": "c2VjcmV0"})],
        vec![other],
        vec![roca()],
        // Keys of which the verifier refuses every signature.
        vec![huge_exponent()],
        vec![off_curve],
    ] {
        let before = fetches("failed").await;
        issuer.publish_as_it_is(keys.clone());
        until("it is asked again and again", async || fetches("failed").await >= before + 2).await;
        assert_eq!(status(&running, &old).await, 200, "{keys:?}");
    }
    issuer.publish(&[&new]);
    until("the new key counts", async || status(&running, &new).await == 200).await;
    assert_eq!(status(&running, &old).await, 401, "a set with keys replaces those before");
    // Where there were none, tokens cannot be checked, which is nobody's fault.
    let empty = Issuer::start(&[]).await;
    let running = start(&(empty.settings() + "jwks_cooldown = '100ms'\n")).await;
    assert_eq!(status(&running, &old).await, 503);
    empty.publish(&[&old]);
    until("they are fetched", async || status(&running, &old).await == 200).await;
}

/// A public key as the library of CVE-2017-15361 made them: `k * M + 65537^a`, where the first 39 primes divide `M`.
fn roca() -> Value {
    const PRIMES: [u32; 39] = [
        2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101,
        103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
    ];
    // Digits of 32 bits, the least significant first.
    let times = |digits: &mut Vec<u32>, factor: u32| {
        let mut carry = 0;
        for digit in digits.iter_mut() {
            let product = u64::from(*digit) * u64::from(factor) + carry;
            (*digit, carry) = (product as u32, product >> 32);
        }
        if carry > 0 {
            digits.push(carry as u32);
        }
    };
    let mut digits = vec![1];
    for prime in PRIMES {
        times(&mut digits, prime);
    }
    while digits.len() < 64 {
        times(&mut digits, 0xc3a5_c85d);
    }
    while digits[63] >> 31 == 0 {
        times(&mut digits, 2);
    }
    // No digit overflows: the lowest is even, and 65537 raised to nothing is 1.
    digits[0] += 1;
    let bytes: Vec<u8> = digits.iter().rev().flat_map(|digit| digit.to_be_bytes()).collect();
    rsa(&bytes, "AQAB")
}

fn rsa(modulus: &[u8], exponent: &str) -> Value {
    use base64::Engine as _;
    let n = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(modulus);
    json!({"kty": "RSA", "kid": "weak", "n": n, "e": exponent})
}

/// A good modulus under an exponent of 1600 bits.
fn huge_exponent() -> Value {
    let mut key = serde_json::to_value(Signer::rsa("weak").public()).unwrap();
    key["e"] = json!(rsa(&[0xff; 200], "")["n"]);
    key
}

#[tokio::test]
async fn keys_with_a_known_weakness_are_refused_with_what_is_wrong() {
    let (good, files) = (Signer::rsa("good"), Authority::new());
    let public = serde_json::to_value(good.public()).unwrap();
    let padded = [&[0; 200][..], &[0xff; 100]].concat();
    let mut private = public.clone();
    private["d"] = json!("AA");
    for (weak, part) in [
        (roca(), "ROCA"),
        (rsa(&[0xff; 128], "AQAB"), "1024 bits"),
        (rsa(&padded, "AQAB"), "800 bits"),
        (json!({"kty": "RSA", "kid": "weak", "n": public["n"], "e": "AQ"}), "exponent"),
        (private, "private part"),
        (huge_exponent(), "1600 bits"),
    ] {
        let path = files.file("keys.json", &json!({ "keys": [weak] }).to_string());
        let problems = refused(&settings(&path)).await;
        assert!(
            problems[0].starts_with("[auth] jwks = ") && problems[0].contains(part),
            "{part}: {problems:?}"
        );
        assert!(problems[0].contains("have the issuer make a new key"), "{problems:?}");
        // Beside a good one it is left out.
        files.file("keys.json", &json!({ "keys": [weak, public] }).to_string());
        let running = start(&settings(&path)).await;
        assert_eq!(status(&running, &good).await, 200, "{part}");
    }
    // The library's keys in certificates: of the service, of its clients' authority, and of the issuer's.
    let (pair, broken, weak) = (files.server(), Authority::new(), weak_certificate());
    let path = files.file("weak.pem", &weak);
    let tls = files.install(&pair);
    for (settings, setting) in [
        (broken.install(&Pair { certificate: weak, key: pair.key.clone() }), "[tls] certificate = "),
        (format!("{tls}client_ca = {path:?}\n"), "[tls] client_ca = "),
        (format!("{}jwks_ca = {path:?}\n", settings("https://id.invalid/keys")), "[auth] jwks_ca = "),
    ] {
        let problems = refused(&settings).await;
        assert!(problems[0].starts_with(setting) && problems[0].contains("ROCA"), "{problems:?}");
    }
}

/// A certificate of an RSA key, in which the modulus is one of the library's.
fn weak_certificate() -> String {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    let pair = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let mut der = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
    let weak = roca();
    let modulus =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(weak["n"].as_str().unwrap()).unwrap();
    // The key is the last number of 257 bytes, the first of which is zero.
    let at = der.windows(5).position(|bytes| bytes == [0x02, 0x82, 0x01, 0x01, 0x00]).unwrap() + 5;
    der[at..at + 256].copy_from_slice(&modulus);
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", engine.encode(der))
}
