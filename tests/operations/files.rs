//! `hardening.toml`: everything wrong in it is said with its place and what to write.

use crate::process::Program;

const TOML: &str = "hardening.toml";

async fn refused(text: &str, line: usize, parts: &[&str]) {
    let place = format!("{TOML}:{line}: ");
    let end = Program::quickstart().file(text).run().await;
    let refusals = end.refusals();
    assert_eq!(refusals.len(), 1, "{text}: {refusals:#?}");
    assert!(refusals[0].starts_with(&place), "{text}: not at line {line}: {refusals:?}");
    for part in parts {
        assert!(refusals[0].contains(part), "{text}: `{part}` is not in {refusals:?}");
    }
}

#[tokio::test]
async fn unknown_sections_are_refused_empty_ones_too() {
    let known = "known: `service`, `http`, `shed`, `tls`, `auth`, `log`, `telemetry`, `alerts`, `health`, `shutdown`, `admin`, `call`, `policy`, `policies`, `task`, `route` or `secrets`";
    refused("[htpp]\nlisten = 'x'\n", 2, &["`htpp`", "did you mean `http`?", known]).await;
    refused("\n[shutdwon]\n", 2, &["`shutdwon`", "did you mean `shutdown`?", known]).await;
    refused("# nothing like any\n\n[database]\nurl = 'x'", 4, &["unknown section `database`", known]).await;
    refused("[calls.price.retry]\nattempts = 2", 2, &["did you mean `call`?"]).await;
}

#[tokio::test]
async fn unknown_calls_are_refused() {
    let known = "known: `create_order` or `price`";
    refused("[call.pirce.retry]\nattempts = 5", 2, &["`pirce`", "did you mean `price`?", known]).await;
    refused("[call.\"orders::total\".retry]\nattempts = 5", 2, &["`orders::total`", known]).await;
    refused("[call.pirce]", 1, &["did you mean `price`?"]).await;
}

#[tokio::test]
async fn unknown_policies_and_policies_that_a_call_has_not_are_refused() {
    let known = "known: `timeout`, `deadline`, `retry`, `circuit_breaker`, `rate_limited`, `bulkhead`, `fallback`, \
                 `cached`, `hedged` or `idempotent`";
    refused("[call.price.retyr]\nattempts = 5", 2, &["`retyr`", "did you mean `retry`?", known]).await;
    refused(
        "[call.price.cache]\nttl = '1s'",
        2,
        &["unknown policy `cache`", "did you mean `cached`?", known],
    )
    .await;
    let add = "the attribute `#[bulkhead(max = 10)]` adds one";
    refused("[call.price.bulkhead]\nmax = 5", 2, &["has no `bulkhead`", add]).await;
    refused("[call.price.bulkhead]\n", 1, &["has no `bulkhead`", add]).await;
    refused("\n[call.create_order.rate_limited_2]\nburst = 5", 3, &["has no `rate_limited_2`"]).await;
}

#[tokio::test]
async fn unknown_keys_are_refused() {
    refused(
        "[http]\nlisten = '127.0.0.1:0'\nbody_limti = '1MiB'",
        3,
        &[
            "[http] body_limti",
            "did you mean `body_limit`?",
            "known: `listen`, `admin`, `socket_mode`, `connections`",
        ],
    )
    .await;
    refused(
        "[call.price.retry]\nattempst = 5",
        2,
        &["[call.\"price\".retry] attempst", "did you mean `attempts`?", "`jitter`", "`enabled`"],
    )
    .await;
    refused(
        "[log]\nlevle = 'info'",
        2,
        &["did you mean `level`?", "known: `format`, `level`, `access`, `redact` or `queue`"],
    )
    .await;
    refused("http.tls.key = 'x'", 1, &["`http.tls.key`", "a section holds keys and values"]).await;
}

/// What a caller relies on, and what only the code can know, is no setting.
#[tokio::test]
async fn what_only_the_attribute_can_say_is_refused() {
    for (text, key) in [
        ("[call.price.retry]\nidempotent = false", "`idempotent`"),
        ("[call.create_order.rate_limited]\nkey = 'principal'", "`key`"),
    ] {
        refused(text, 2, &[key, "can only be written at the attribute"]).await;
    }
}

#[tokio::test]
async fn values_of_the_wrong_type_are_refused_with_the_allowed_form() {
    for (text, parts) in [
        ("[http]\nconnections = 'many'", &["[http] connections", "a whole number of at least 1"][..]),
        ("[http]\nconnections = 0", &["a whole number of at least 1"]),
        ("[http]\nconnections = -5", &["a whole number of at least 1"]),
        ("[http]\nconnections = 1.5", &["a whole number of at least 1"]),
        ("[http]\nconnections = 99999999999999999999", &["too large"]),
        ("[http]\nconnections = []", &["a whole number of at least 1"]),
        ("[http]\nlisten = 8080", &["an address and a port such as `127.0.0.1:8080`"]),
        ("[http]\nlisten = '8080'", &["an address and a port such as `127.0.0.1:8080`"]),
        ("[http]\nbody_timeout = 10", &["a duration such as `250ms`"]),
        ("[http]\nbody_timeout = '10'", &["a duration such as `250ms`"]),
        ("[http]\nbody_timeout = 1979-05-27", &["`http.body_timeout`", "no setting is a date"]),
        ("[http]\nbody_limit = '1 parsec'", &["a size such as `1MiB`"]),
        ("[http]\nrate_limit = 'often'", &["a rate such as `100/min`, or `none`"]),
        ("[http]\ntrusted_proxies = ['10.0.0.0/99']", &["`10.0.0.0/99`", "`[\"10.0.0.0/8\"]`"]),
        ("[http]\ntrusted_proxies = [1]", &["`http.trusted_proxies`", "a list holds strings"]),
        ("[log]\nformat = 'xml'", &["one of `auto`, `json` or `pretty`"]),
        ("[log]\naccess = 'perhaps'", &["`true` or `false`"]),
        ("[log]\nlevel = 'loud'", &["write a level", "`error`"]),
        ("[call.price.retry]\nattempts = 'many'", &["a whole number of at least 1"]),
        ("[call.price.retry]\nattempts = ['1']", &["is a list", "a whole number of at least 1"]),
        ("[call.price.timeout]\nafter = 200", &["a duration such as `250ms`"]),
        ("[call.price.circuit_breaker]\nfailure_rate = '120%'", &["between 0 and 100"]),
        ("[call.price.circuit_breaker]\nenabled = 1", &["`true` or `false`"]),
        ("[call.create_order.rate_limited]\nrate = '20'", &["a rate such as"]),
    ] {
        refused(text, 2, parts).await;
    }
}

#[tokio::test]
async fn a_section_that_is_no_table_is_refused() {
    refused("http = 'x'", 1, &["`http`"]).await;
    refused("call = 7", 1, &["[call.\"name\".policy]"]).await;
    refused("call.price = 7", 1, &["[call.\"name\".policy]"]).await;
    refused("[call.price]\nretry = 7", 2, &["write `[call.\"name\".retry]` and below it `key = value`"])
        .await;
}

#[tokio::test]
async fn text_that_is_no_toml_is_refused_with_its_line() {
    for (text, line) in [
        ("[http", 1),
        ("[http]\n\nlisten = \n", 3),
        ("[http]\nlisten = '127.0.0.1:0'\nlisten = '127.0.0.1:1'", 3),
        ("[log]\naccess = true\n[log]\nlevel = 'info'", 3),
        ("listen: 127.0.0.1:0", 1),
        ("[http]\nlisten = \"127.0.0.1:0", 2),
    ] {
        refused(text, line, &["this is not TOML"]).await;
    }
}

#[tokio::test]
async fn everything_wrong_is_said_together_from_every_source() {
    let text = "[http]\nlisen = 'x'\nconnections = 0\n[log]\nformat = 'xml'\n[call.price.retry]\nattempts = 0\n[shutdwon]\n";
    let program = Program::quickstart().file(text).with("HARDENING_HTTP__URI_LIMIT", "long");
    let end = program.run().await;
    let mut refusals = end.refusals();
    refusals.sort_unstable();
    assert_eq!(refusals.len(), 6, "{refusals:#?}");
    let starts = ["HARDENING_HTTP__URI_LIMIT: ", "hardening.toml:2: ", "hardening.toml:3: "];
    let starts = starts.into_iter().chain(["hardening.toml:5: ", "hardening.toml:7: ", "hardening.toml:8: "]);
    for (refusal, start) in refusals.iter().zip(starts) {
        assert!(refusal.starts_with(start), "{start}: {refusals:#?}");
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_refused() {
    let program = Program::quickstart();
    program.directory.make(TOML);
    program.run().await.refused(&["hardening.toml: the settings file cannot be read: "]);

    let program = Program::quickstart();
    program.directory.write(TOML, b"[http]\nlisten = '\xff'\n");
    program.run().await.refused(&["hardening.toml: the settings file cannot be read: ", "UTF-8"]);

    let program = Program::quickstart().with("HARDENING_CONFIG", "elsewhere.toml");
    program.run().await.refused(&["elsewhere.toml: the settings file cannot be read: "]);
}

#[tokio::test]
async fn a_file_of_another_name_is_read_and_named_and_none_is_needed() {
    let program = Program::quickstart().file("[htpp]").with("HARDENING_CONFIG", "other.toml");
    program.directory.write("other.toml", "[log]\n\nformat = 'xml'");
    program.run().await.refused(&["other.toml:3: "]);
    for program in [Program::quickstart(), Program::quickstart().with("HARDENING_CONFIG", "")] {
        let end = program.with("HARDENING", "check").run().await;
        assert_eq!((end.code, end.complained.as_str()), (0, ""));
    }
}

#[tokio::test]
async fn numbers_are_read_in_every_form_of_toml() {
    for text in
        ["connections = 1_000", "connections = 0x3e8", "connections = '1000'", "connections = '1_000'"]
    {
        let program = Program::quickstart().file(&format!("[http]\n{text}")).with("HARDENING", "describe");
        let manifest = program.run().await.manifest();
        let settings = manifest["settings"].as_array().unwrap();
        let connections = settings.iter().find(|setting| setting["key"] == "connections").unwrap();
        assert_eq!(connections["value"], "1000", "{text}");
    }
}
