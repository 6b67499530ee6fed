//! `${NAME}`, `secret://env/…` and `secret://file/…`: resolved at the start, named when missing, never shown.

use crate::client::get;
use crate::process::{End, Program};

const SECRET: &str = "hunter2";

#[track_caller]
fn keeps_the_secret(end: &End) {
    let everything = format!("{end:?}");
    assert!(!everything.contains(SECRET), "{everything}");
}

#[tokio::test]
async fn references_are_resolved_in_files_and_in_the_environment() {
    let program = Program::quickstart();
    let secret = program.directory.write("revision", "abc123\n");
    let file = format!(
        "[service]\ncommit = 'secret://file{secret}'\n[http]\nlisten = '${{HOST}}:${{PORT}}'\ncsp = \"secret://env/CSP\"\n[call.price.retry]\nattempts = '${{ATTEMPTS}}'"
    );
    let service = program
        .file(&file)
        .without("HARDENING_HTTP__LISTEN")
        .with("HOST", "127.0.0.1")
        .with("PORT", "0")
        .with("CSP", "default-src 'self'")
        .with("ATTEMPTS", "1")
        .with("HARDENING_HTTP__CORS_ORIGINS", "https://${DOMAIN}")
        .with("DOMAIN", "example.org")
        .serve()
        .await;
    assert_eq!(service.addr.ip().to_string(), "127.0.0.1");
    let reply = get(service.addr, "/price/lamp").await;
    assert_eq!(reply.header("content-security-policy"), Some("default-src 'self'"));
    let metrics = get(service.admin_addr, "/metrics").await.body;
    assert!(metrics.contains("commit=\"abc123\""), "{metrics}");
}

#[tokio::test]
async fn missing_references_are_named_with_their_place() {
    for (text, parts) in [
        ("'${NOT_THERE}'", &["`service.commit`", "the environment has no `NOT_THERE`"][..]),
        ("'a ${NOT_THERE} b'", &["the environment has no `NOT_THERE`"]),
        ("'${NOT_THERE'", &["`${` has no end"]),
        ("'secret://env/NOT_THERE'", &["the environment has no `NOT_THERE`"]),
        ("'secret://file/not/there'", &["the secret file `/not/there` cannot be read"]),
        ("'secret://vault/x'", &["`secret://env/NAME` or `secret://file/path`"]),
    ] {
        let end = Program::quickstart().file(&format!("[service]\n\ncommit = {text}")).run().await;
        end.refused(parts);
        assert!(end.refusals()[0].starts_with("hardening.toml:3: "), "{end:?}");
    }
    let name = "HARDENING_SERVICE__COMMIT";
    let end = Program::quickstart().with(name, "secret://env/NOT_THERE").run().await;
    end.refused(&[name, "the environment has no `NOT_THERE`"]);
}

#[tokio::test]
async fn what_a_reference_stands_for_is_not_in_the_manifest() {
    let program = Program::quickstart();
    let secret = program.directory.write("secret", SECRET);
    let end = program
        .file(&format!("[service]\nname = 'secret://env/VALUE'\ncommit = 'secret://file{secret}'"))
        .with("VALUE", SECRET)
        .with("HARDENING_HTTP__CSP", "${VALUE}")
        .with("HARDENING", "describe")
        .run()
        .await;
    keeps_the_secret(&end);
    let manifest = end.manifest();
    let settings = manifest["settings"].as_array().unwrap();
    for key in ["name", "commit", "csp"] {
        let setting = settings.iter().find(|setting| setting["key"] == key).unwrap();
        assert_eq!(setting["value"], "[redacted]", "{key}");
    }
}

#[tokio::test]
async fn what_a_reference_stands_for_is_not_in_the_manifest_of_calls() {
    let end = Program::quickstart()
        .file("[call.price.timeout]\nafter = 'secret://env/VALUE'\n[call.price.circuit_breaker]\nwindow = '${CALLS}'")
        .with("VALUE", "137ms")
        .with("CALLS", "731")
        .with("HARDENING", "describe")
        .run()
        .await;
    let manifest = end.manifest();
    let price = manifest["calls"].as_array().unwrap().iter().find(|call| call["name"] == "price").unwrap();
    assert_eq!(price["effective"]["timeout"]["after"], "[redacted]");
    assert_eq!(price["effective"]["circuit_breaker"]["window"], "[redacted]");
    assert_eq!(price["effective"]["retry"]["attempts"], 3);
    assert!(!format!("{end:?}").contains("137ms") && !format!("{end:?}").contains("731"), "{end:?}");
}

#[tokio::test]
async fn what_a_reference_stands_for_is_in_no_refusal() {
    let keys = [
        ("http", "listen"),
        ("http", "connections"),
        ("http", "body_limit"),
        ("http", "rate_limit"),
        ("http", "trusted_proxies"),
        ("http", "request_timeout"),
        ("log", "format"),
        ("log", "level"),
        ("log", "access"),
        ("call.price.timeout", "after"),
        ("call.price.retry", "attempts"),
        ("call.price.retry", "jitter"),
        ("call.price.circuit_breaker", "failure_rate"),
        ("call.create_order.rate_limited", "rate"),
    ];
    let file = keys.map(|(section, key)| format!("{section}.{key} = '${{VALUE}}'\n")).concat();
    let without = |program: Program| program.without("HARDENING_HTTP__LISTEN");
    let end = without(Program::quickstart()).file(&file).with("VALUE", SECRET).run().await;
    assert_eq!(end.refusals().len(), keys.len(), "{end:?}");
    keeps_the_secret(&end);
    for (at, refusal) in end.refusals().iter().enumerate() {
        assert!(refusal.contains("what the reference stands for does not fit"), "{at}: {refusal}");
    }
}

/// The filter of what is told takes what follows a secret's name and a colon for the secret.
#[tokio::test]
async fn what_is_wrong_with_a_secret_is_said_in_full() {
    for (file, expected) in [
        (
            "[secrets]\ndb_password = 'secret://file/nowhere'",
            "hardening.toml:2: [secrets] db_password is wrong: the secret file `/nowhere` cannot be read",
        ),
        (
            "[secrets]\napi_key = 'hunter2'",
            "hardening.toml:2: [secrets] api_key is wrong: write a reference such as `secret://file/run/secrets/key`",
        ),
        (
            "[admin]\ntoken = 'hunter2'",
            "hardening.toml:2: [admin] token is wrong: this token does not fit: a text of",
        ),
    ] {
        let end = Program::quickstart().file(file).with("HARDENING", "check").run().await;
        end.refused(&[expected]);
        assert!(!format!("{end:?}").contains("hunter2"), "{end:?}");
    }
}
