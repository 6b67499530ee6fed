//! The environment: which names are ours, and that it wins over the file.

use serde_json::Value;

use crate::process::Program;

/// The value in force.
fn setting(manifest: &Value, section: &str, key: &str) -> String {
    let settings = manifest["settings"].as_array().unwrap();
    let found = settings.iter().find(|setting| setting["section"] == section && setting["key"] == key);
    found.unwrap()["value"].as_str().unwrap().to_owned()
}

fn effective<'a>(manifest: &'a Value, call: &str) -> &'a Value {
    let calls = manifest["calls"].as_array().unwrap();
    &calls.iter().find(|known| known["name"] == call).unwrap()["effective"]
}

#[tokio::test]
async fn the_environment_wins_over_the_file_which_wins_over_defaults_in_code() {
    let file = "[http]\nconnections = 5\nrate_limit = '7/s'\n[call.price]\ntimeout = '150ms'\n[call.price.retry]\nattempts = 4\nbackoff = '1ms'";
    let describe = |program: Program| program.with("HARDENING", "describe").run();
    let manifest = describe(Program::quickstart()).await.manifest();
    assert_eq!(setting(&manifest, "http", "connections"), "10000");
    assert_eq!(setting(&manifest, "http", "rate_limit"), "100000/min", "`with_defaults` of the example");
    assert_eq!(effective(&manifest, "price")["retry"]["attempts"], 3);

    let manifest = describe(Program::quickstart().file(file)).await.manifest();
    assert_eq!(setting(&manifest, "http", "connections"), "5");
    assert_eq!(setting(&manifest, "http", "rate_limit"), "7/s");
    assert_eq!(effective(&manifest, "price")["retry"]["attempts"], 4);
    assert_eq!(effective(&manifest, "price")["timeout"]["after"], "150ms");

    let program = Program::quickstart()
        .file(file)
        .with("HARDENING_HTTP__CONNECTIONS", "6")
        .with("HARDENING_CALL__PRICE__RETRY__ATTEMPTS", "5")
        .with("HARDENING_CALL__PRICE__TIMEOUT", "170ms");
    let manifest = describe(program).await.manifest();
    assert_eq!(setting(&manifest, "http", "connections"), "6");
    assert_eq!(setting(&manifest, "http", "rate_limit"), "7/s");
    let price = effective(&manifest, "price");
    assert_eq!((&price["retry"]["attempts"], &price["retry"]["backoff"]), (&5.into(), &"1ms".into()));
    assert_eq!(price["timeout"]["after"], "170ms");
}

#[tokio::test]
async fn every_setting_of_the_service_has_a_name_in_the_environment() {
    let manifest = Program::quickstart().with("HARDENING", "describe").run().await.manifest();
    let settings = manifest["settings"].as_array().unwrap();
    let names: Vec<_> = settings
        .iter()
        .map(|setting| {
            let (section, key) = (setting["section"].as_str().unwrap(), setting["key"].as_str().unwrap());
            format!("HARDENING_{}__{}", section.to_uppercase(), key.to_uppercase())
        })
        .collect();
    let mut refused = Vec::new();
    // As many problems as one check lists.
    for some in names.chunks(20) {
        let check = Program::quickstart().with("HARDENING", "check");
        let program = some.iter().fold(check, |program, name| program.with(name, "\u{7f}"));
        let end = program.run().await;
        refused.extend(end.refusals().into_iter().map(str::to_owned));
    }
    for name in names.iter().filter(|name| {
        // Any text is a name, a revision, the path of a file, and a claim.
        ![
            "SERVICE__NAME",
            "SERVICE__COMMIT",
            "TLS__CERTIFICATE",
            "TLS__KEY",
            "TLS__CLIENT_CA",
            "AUTH__API_KEYS",
            "AUTH__ISSUER",
            "AUTH__AUDIENCE",
            "AUTH__JWKS",
            "AUTH__JWKS_CA",
            "AUTH__PRINCIPAL_CLAIM",
            "AUTH__SCOPE_CLAIMS",
            "AUTH__TENANT_CLAIM",
        ]
        .iter()
        .any(|free| name.ends_with(free))
    }) {
        assert!(refused.iter().any(|line| line.starts_with(&format!("{name}: "))), "{name}: {refused:#?}");
    }
}

#[tokio::test]
async fn names_of_others_are_left_alone() {
    let mut program = Program::quickstart().with("HARDENING", "check");
    for name in [
        "HARDENING_SERVICE_HOST",
        "HARDENING_SERVICE_PORT",
        "HARDENING_SERVICE_PORT_HTTP",
        "HARDENING_PORT",
        "HARDENING_PORT_8080_TCP_ADDR",
        "HARDENING_PORT_8080_TCP__ADDR",
        "HARDENINGS_HTTP__LISTEN",
        "HTTP__LISTEN",
    ] {
        program = program.with(name, "tcp://10.0.0.1:8080");
    }
    let end = program.run().await;
    assert_eq!((end.code, end.complained.as_str()), (0, ""));
}

#[tokio::test]
async fn names_that_were_meant_for_us_are_refused() {
    for (name, value, parts) in [
        ("HARDENING_HTPP__LISTEN", "127.0.0.1:0", &["did you mean `HARDENING_HTTP__LISTEN`?"][..]),
        ("HARDENING_HTTP__LISEN", "127.0.0.1:0", &["[http] lisen", "did you mean `listen`?"]),
        ("HARDENING_HTTP__CONNECTIONS", "many", &["[http] connections", "a whole number of at least 1"]),
        ("HARDENING_CALL__PIRCE__RETRY__ATTEMPTS", "5", &["did you mean `HARDENING_CALL__PRICE__…`?"]),
        ("HARDENING_CALL__PRICE__RETYR__ATTEMPTS", "5", &["did you mean `retry`?"]),
        ("HARDENING_CALL__PRICE__RETRY__ATTEMPST", "5", &["did you mean `attempts`?"]),
        ("HARDENING_CALL__PRICE__RETRY__ATTEMPTS", "0", &["a whole number of at least 1"]),
        ("HARDENING_CALL__PRICE", "0", &["HARDENING_CALL__<NAME>__<POLICY>__<KEY>"]),
        ("HARDENING_CALL__PRICE__RETRY__ATTEMPTS__X", "0", &["HARDENING_CALL__<NAME>__<POLICY>__<KEY>"]),
        ("HARDENING_CALL__PRICE__BULKHEAD__MAX", "5", &["has no `bulkhead`"]),
        ("HARDENING_CALL__PRICE__RETRY__IDEMPOTENT", "false", &["can only be written at the attribute"]),
    ] {
        let end = Program::quickstart().with(name, value).run().await;
        end.refused(parts);
        assert!(end.refusals()[0].starts_with(&format!("{name}: ")), "{end:?}");
    }
}
