//! Tokens: good ones, and every kind of lie.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

use super::gate::{ask, count, entry, install, start};
use super::issuer::{Issuer, Signer, claims, now};
use hardening::Running;
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::Reply;
use hardening_service_tests::service::problem;

async fn show(running: &Running, path: &str, token: &str) -> Reply {
    ask(running, path, &[("authorization", &format!("Bearer {token}"))]).await
}

#[tokio::test]
async fn a_token_names_its_caller_with_scopes_and_tenant() {
    let (ec, rsa) = (Signer::ec("ec"), Signer::rsa("rsa"));
    let issuer = Issuer::start(&[&ec, &rsa]).await;
    let running = start(&issuer.settings()).await;
    for signer in [&ec, &rsa] {
        let token = signer.sign(&claims(&json!({})));
        let told = show(&running, "/me", &token).await.json();
        assert_eq!(told, json!({"id": "ann", "scopes": ["openid", "orders:read"], "tenant": "north"}));
        assert_eq!(show(&running, "/orders", &token).await.status, 200);
        let listed =
            signer.sign(&claims(&json!({"scope": null, "scp": ["orders:read"], "aud": ["x", "orders"]})));
        assert_eq!(show(&running, "/orders", &listed).await.status, 200);
        let poor = signer.sign(&claims(&json!({"scope": "orders"})));
        let reply = show(&running, "/orders", &poor).await;
        problem(&reply, 403);
        // Of RFC 6750; which scope it takes is not told.
        assert_eq!(reply.header("www-authenticate"), Some("Bearer error=\"insufficient_scope\""));
    }
    assert_eq!(count(&running, "jwt", "accepted").await, 8);
    assert_eq!(issuer.fetches(), 1);
}

#[tokio::test]
async fn every_lie_is_401_and_all_are_told_the_same() {
    let (ec, rsa, other) = (Signer::ec("ec"), Signer::rsa("rsa"), Signer::ec("ec"));
    let issuer = Issuer::start(&[&ec, &rsa]).await;
    let files = Authority::new();
    let key = "till-1c9a3e5b7d9f1a2b3c4d5e6f";
    let callers = files.file("callers.toml", &entry("till", key, ""));
    let settings = format!("{}api_keys = {callers:?}\n", issuer.settings());
    let running = start(&settings).await;
    let good = ec.sign(&claims(&json!({})));
    assert_eq!(show(&running, "/me", &good).await.status, 200);
    let parts: Vec<&str> = good.split('.').collect();
    let forged = ec.sign(&claims(&json!({"sub": "root"})));
    let spliced = format!("{}.{}.{}", parts[0], forged.split('.').nth(1).unwrap(), parts[2]);

    // The issuer's public keys as a shared secret: as they are published, and their parts.
    let public = serde_json::to_value(rsa.public()).unwrap();
    let mut confused = Vec::new();
    for secret in [public.to_string(), public["n"].as_str().unwrap().to_owned()] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("rsa".to_owned());
        confused.push(
            encode(&header, &claims(&json!({})), &EncodingKey::from_secret(secret.as_bytes())).unwrap(),
        );
    }
    let unsigned = |alg: &str, signature: &str| {
        let header = json!({"alg": alg, "typ": "JWT", "kid": "ec"});
        format!("{}.{}.{signature}", base64(&header), parts[1])
    };
    let with = |change: fn(&mut Header)| {
        let mut header = ec.header();
        change(&mut header);
        ec.sign_under(&header, &claims(&json!({})))
    };
    let lies: Vec<(String, &str)> = vec![
        (ec.sign(&claims(&json!({"exp": now() - 60}))), "expired"),
        (ec.sign(&claims(&json!({"exp": null}))), "claims"),
        (ec.sign(&claims(&json!({"exp": "never"}))), "claims"),
        (ec.sign(&claims(&json!({"nbf": now() + 60}))), "not_yet_valid"),
        (ec.sign(&claims(&json!({"aud": "stock"}))), "audience"),
        (ec.sign(&claims(&json!({"aud": null}))), "audience"),
        (ec.sign(&claims(&json!({"iss": "https://id.example.evil"}))), "issuer"),
        (ec.sign(&claims(&json!({"sub": null}))), "claims"),
        // The name of a key of the file.
        (ec.sign(&claims(&json!({"sub": "till"}))), "claims"),
        (other.sign(&claims(&json!({}))), "signature"),
        (spliced, "signature"),
        (confused.remove(0), "algorithm"),
        (confused.remove(0), "algorithm"),
        (unsigned("none", ""), "malformed"),
        (unsigned("None", ""), "malformed"),
        (unsigned("ES256", ""), "signature"),
        (unsigned("ES256", parts[2]), "signature"),
        (unsigned("RS256", parts[2]), "unknown"),
        (unsigned("ES384", parts[2]), "algorithm"),
        (with(|header| header.typ = Some("logout+jwt".to_owned())), "claims"),
        (with(|header| header.crit = Some(vec!["exp".to_owned()])), "malformed"),
        (with(|header| header.kid = Some("../../etc/passwd".to_owned())), "unknown"),
        (with(|header| header.kid = None), "accepted"),
        (with(|header| header.jku = Some("http://127.0.0.1:1/keys".to_owned())), "accepted"),
        (format!("{good}."), "malformed"),
        (format!("{}.{}", parts[0], parts[1]), "malformed"),
        ("...".to_owned(), "malformed"),
        ("..".to_owned(), "malformed"),
        ("a.b.c".to_owned(), "malformed"),
        ("\u{e9}".to_owned(), "-"),
        (format!("{}.{}.{}", parts[0], "A".repeat(12_000), parts[2]), "-"),
    ];
    let mut told: Option<Value> = None;
    for (lie, result) in lies {
        let before = if result == "-" { 0 } else { count(&running, "jwt", result).await };
        let reply = show(&running, "/me", &lie).await;
        if result != "-" {
            assert_eq!(count(&running, "jwt", result).await, before + 1, "{result}: {lie}");
        }
        if result == "accepted" {
            assert_eq!(reply.status, 200, "{lie}");
            continue;
        }
        let mut members = problem(&reply, 401);
        let of_a_token = Some("Bearer error=\"invalid_token\", ApiKey");
        assert_eq!(
            reply.header("www-authenticate"),
            of_a_token.filter(|_| result != "-").or(Some("Bearer, ApiKey"))
        );
        members["request_id"] = json!(null);
        assert_eq!(*told.get_or_insert(members.clone()), members, "{lie}");
    }
    assert_eq!(show(&running, "/me", &good).await.status, 200);
    assert_eq!(ask(&running, "/me", &[("x-api-key", key)]).await.status, 200);
    // A token of more than the head may hold does not reach the judge.
    problem(&show(&running, "/me", &"A".repeat(20_000)).await, 431);
    let many = vec![("authorization", "Bearer a.b.c"); 90];
    problem(&ask(&running, "/me", &many).await, 401);
}

#[tokio::test]
async fn a_key_that_signs_one_way_checks_no_other() {
    let rsa = Signer::rsa("rsa");
    let issuer = Issuer::start(&[&rsa]).await;
    let running = start(&(issuer.settings() + "algorithms = ['RS256', 'PS256']\n")).await;
    let token = rsa.sign(&claims(&json!({})));
    assert_eq!(show(&running, "/me", &token).await.status, 200);
    // The issuer says that the key signs by RS256.
    let mut header = rsa.header();
    header.alg = Algorithm::PS256;
    let other = rsa.sign_under(&header, &claims(&json!({})));
    assert_eq!(show(&running, "/me", &other).await.status, 401);
}

#[tokio::test]
async fn keys_may_stand_in_a_file() {
    let (old, new) = (Signer::ec("old"), Signer::ec("new"));
    let files = Authority::new();
    let publish = |signer: &Signer| files.file("keys.json", &json!({"keys": [signer.public()]}).to_string());
    let path = publish(&old);
    let settings =
        format!("[auth]\nissuer = '{}'\naudience = 'orders'\njwks = {path:?}\n", super::issuer::ISSUER)
            .replace("audience = 'orders'", "audience = ['orders']");
    let running = start(&settings).await;
    assert_eq!(show(&running, "/me", &old.sign(&claims(&json!({})))).await.status, 200);
    publish(&new);
    // A token under an unknown key looks at once.
    assert_eq!(show(&running, "/me", &new.sign(&claims(&json!({})))).await.status, 200);
    assert_eq!(show(&running, "/me", &old.sign(&claims(&json!({})))).await.status, 401);
    let missing = files.directory.join("missing.json");
    let problems = super::gate::refused(&settings.replace(&path, missing.to_str().unwrap())).await;
    assert!(problems[0].starts_with("[auth] jwks = "), "{problems:?}");
    let _ = install(&files, "");
}

/// The URL-safe alphabet, without padding.
fn base64(value: &Value) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for piece in value.to_string().as_bytes().chunks(3) {
        let bits =
            piece.iter().enumerate().fold(0_u32, |bits, (at, byte)| bits | u32::from(*byte) << (16 - 8 * at));
        for digit in 0..=piece.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}
