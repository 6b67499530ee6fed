//! `HARDENING=describe`: the manifest.

use std::path::Path;

use serde_json::{Value, json};

use crate::process::Program;

async fn described(program: Program) -> Value {
    program.with("HARDENING", "describe").run().await.manifest()
}

fn named<'a>(all: &'a Value, name: &str) -> &'a Value {
    all.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("{all}"))
}

/// Asserts that this is where `text` stands in the source.
#[track_caller]
fn stands_at(site: &Value, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(site["file"].as_str().unwrap());
    let source = std::fs::read_to_string(&file).unwrap();
    let line = usize::try_from(site["line"].as_u64().unwrap()).unwrap();
    // The line of the attribute or of the function, whichever the compiler calls the place.
    let near: Vec<_> = source.lines().skip(line - 1).take(6).collect();
    assert!(near.iter().any(|line| line.contains(text)), "{site}: {near:#?}");
}

#[tokio::test]
async fn it_holds_calls_with_their_places_and_every_number() {
    let manifest = described(Program::quickstart()).await;
    assert_eq!(manifest["manifest"], 1);
    assert_eq!(
        manifest["service"],
        json!({ "name": "quickstart", "version": env!("CARGO_PKG_VERSION"), "crate": "hardening" })
    );
    assert_eq!(manifest.get("problems"), None);
    let calls: Vec<_> = manifest["calls"].as_array().unwrap().iter().map(|call| &call["name"]).collect();
    assert_eq!(calls, ["create_order", "price"]);
    let price = named(&manifest["calls"], "price");
    stands_at(price, "async fn price");
    assert_eq!(price["file"], "examples/quickstart.rs");
    assert_eq!(price["declared"], price["effective"]);
    assert_eq!(price["declared"]["timeout"], json!({ "after": "200ms" }));
    let breaker = &price["declared"]["circuit_breaker"];
    assert_eq!((&breaker["failure_rate"], &breaker["window"]), (&"50%".into(), &"10s".into()));
    assert_eq!((&breaker["min_calls"], &breaker["open_for"]), (&10.into(), &"2s".into()));
    let retry = &price["declared"]["retry"];
    assert_eq!((&retry["attempts"], &retry["backoff"]), (&3.into(), &"20ms..200ms".into()));
    assert!(price["declared"]["fallback"].is_object());
    let order = named(&manifest["calls"], "create_order");
    stands_at(order, "async fn create_order");
    assert_eq!(order["declared"]["rate_limited"]["rate"], "20/s");
    assert_eq!(order["declared"]["rate_limited"]["burst"], 10);
}

#[tokio::test]
async fn it_tells_what_is_declared_from_what_is_in_force() {
    let file = "[call.price.retry]\nenabled = false\n[call.price]\ntimeout = '2s'\n[call.price.circuit_breaker]\nmin_calls = 3";
    let manifest = described(Program::quickstart().file(file)).await;
    let price = named(&manifest["calls"], "price");
    assert_eq!(price["declared"]["retry"]["attempts"], 3);
    assert_eq!(price["effective"].get("retry"), None);
    assert_eq!(price["declared"]["timeout"]["after"], "200ms");
    assert_eq!(price["effective"]["timeout"]["after"], "2s");
    assert_eq!(price["declared"]["circuit_breaker"]["min_calls"], 10);
    // What is doubtful is in it too.
    let findings = price["findings"].as_array().unwrap();
    assert!(findings.iter().any(|finding| finding["severity"] == "warning" && finding["key"] == "min_calls"));
    let order = named(&manifest["calls"], "create_order");
    assert_eq!(order["declared"], order["effective"]);
}

#[tokio::test]
async fn it_holds_the_checks() {
    let manifest = described(Program::quickstart()).await;
    let checks = manifest["checks"].as_array().unwrap();
    assert_eq!(checks.len(), 1);
    stands_at(&checks[0], "async fn supplier");
    let expected = json!({
        "name": "supplier", "kind": "degraded", "every": "2s", "timeout": "500ms", "down_after": 3, "up_after": 2,
        "crate": "hardening", "file": "examples/quickstart.rs", "line": checks[0]["line"],
    });
    assert_eq!(checks[0], expected);
}

#[tokio::test]
async fn it_holds_every_setting_with_its_default_and_its_value() {
    let manifest = described(Program::quickstart().file("[http]\nconnections = 7")).await;
    let settings = manifest["settings"].as_array().unwrap();
    let of = |section: &str, key: &str| {
        let is = |setting: &&Value| setting["section"] == section && setting["key"] == key;
        let found = settings.iter().find(is).unwrap_or_else(|| panic!("no {section}.{key}"));
        let text = |member: &str| found[member].as_str().unwrap().to_owned();
        assert!(!text("doc").is_empty() && !text("form").is_empty(), "{found}");
        (text("default"), text("value"))
    };
    assert_eq!(settings.len(), hardening::settings::keys::SETTINGS.len());
    let both = |default: &str, value: &str| (default.to_owned(), value.to_owned());
    assert_eq!(of("http", "connections"), both("10000", "7"));
    assert_eq!(of("http", "listen"), both("127.0.0.1:8080", "127.0.0.1:0"));
    assert_eq!(of("http", "admin"), both("127.0.0.1:9090", "127.0.0.1:0"));
    assert_eq!(of("http", "body_limit"), both("1MiB", "1MiB"));
    assert_eq!(of("service", "name"), both("quickstart", "quickstart"));
    assert_eq!(of("shutdown", "grace"), both("30s", "30s"));
    assert_eq!(of("shutdown", "pre_drain"), both("5s", "5s"));
}

/// What is wrong is in it, and the rest is what would be without any settings.
#[tokio::test]
async fn it_is_printed_of_a_wrong_configuration_too() {
    let manifest =
        described(Program::quickstart().file("[http]\nconnections = 0\n[log]\nformat = 'xml'")).await;
    let problems = manifest["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].as_str().unwrap().starts_with("hardening.toml:2: "), "{problems:?}");
    assert_eq!(named(&manifest["calls"], "price")["effective"]["retry"]["attempts"], 3);
    assert_eq!(manifest["service"]["name"], "quickstart");
    for setting in manifest["settings"].as_array().unwrap() {
        // Of derived ones the default says nothing.
        let derived = setting["default"] == "";
        assert!(derived || setting["value"] == setting["default"], "{setting}");
    }
}
