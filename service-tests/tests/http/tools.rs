//! The service under attack and under load by tools that others wrote.
//!
//! Each says aloud when its tool is not here; where tools are required, as in `cargo xtask test`, that is a failure.

use hardening::Running;
use serde_json::Value;
use tokio::process::Command;
use tokio::time::{Duration, timeout};

use super::support::start;
use hardening_service_tests::certificates::{Authority, connect};
use hardening_service_tests::client::{Client, get, request};
use hardening_service_tests::service::{ready, scrape, until, value};
use hardening_service_tests::tool::said;

/// What a tool wrote, or nothing where there is no such tool.
async fn run(program: &str, arguments: &[&str]) -> Option<String> {
    said(Command::new(program).args(arguments)).await.map(|(_, said)| said)
}

/// The number that follows these words.
fn after(text: &str, words: &str) -> f64 {
    let rest = text.split_once(words).unwrap_or_else(|| panic!("no {words:?} in {text}")).1.trim_start();
    let number: String = rest.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    number.parse().unwrap_or_else(|error| panic!("{error} after {words:?}: {text}"))
}

async fn none_is_left(running: &Running) {
    let open =
        || async { value(&scrape(running).await, "http_open_connections{listener=\"public\"}") == Some(0.0) };
    until("none is left", open).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowhttptest_holds_no_connection_for_longer_than_the_settings_say() {
    let settings =
        "[http]\nrate_limit = 'none'\nheader_timeout = '2s'\nbody_timeout = '2s'\nwrite_timeout = '2s'";
    if run("slowhttptest", &["-h"]).await.is_none() {
        return;
    }
    for attack in ["-H", "-B", "-X"] {
        let running = start(settings).await;
        ready(&running).await;
        let path = if attack == "-X" { "long" } else { "echo" };
        let url = format!("http://{}/{path}", running.addr);
        let arguments = [attack, "-c", "200", "-r", "200", "-i", "1", "-l", "12", "-p", "2", "-u", &url];
        let open = || async { value(&scrape(&running).await, "http_open_connections{listener=\"public\"}") };
        let cut = async {
            // On a busy machine the first ones are cut before the last ones come.
            let came = r#"http_connections_total{listener="public",result="accepted"}"#;
            until("they came", || async { value(&scrape(&running).await, came) > Some(150.0) }).await;
            // All but the tool's own probe, while the tool still holds its ends.
            until("they are cut", || async { open().await <= Some(2.0) }).await;
            Some(())
        };
        let (said, cut) =
            tokio::join!(run("slowhttptest", &arguments), timeout(Duration::from_secs(25), cut));
        let Some(said) = said else { return };
        assert!(cut.is_ok(), "{attack}: {said}");
        // It ends early when every connection was closed. Who reads slowly does not look before all that came is read.
        assert!(attack == "-X" || said.contains("No open connections left"), "{attack}: {said}");
        assert_eq!(get(running.addr, "/hello").await.status, 200);
        none_is_left(&running).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn h2load_gets_an_answer_to_every_request() {
    let authority = Authority::new();
    let tls = authority.install(&authority.server());
    for (settings, scheme, more) in
        [("", "http", &[][..]), ("", "http", &["--h1"]), (tls.as_str(), "https", &[])]
    {
        let running = start(&format!("http.rate_limit = 'none'\nlog.access = false\n{settings}")).await;
        ready(&running).await;
        let url = format!("{scheme}://{}/hello", running.addr);
        let arguments = [&["-n", "3000", "-c", "20", "-m", "10", &url], more].concat();
        let Some(said) = run("h2load", &arguments).await else { return };
        assert_eq!(Some(after(&said, "requests: ")), Some(3000.0));
        assert!(said.contains("3000 succeeded, 0 failed, 0 errored, 0 timeout"), "{said}");
        assert!(said.contains("status codes: 3000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{said}");
        none_is_left(&running).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sslscan_finds_two_versions_of_tls_and_no_known_weakness() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    let Some(said) = run("sslscan", &["--no-colour", &running.addr.to_string()]).await else { return };
    for (version, state) in [
        ("SSLv2", "disabled"),
        ("SSLv3", "disabled"),
        ("TLSv1.0", "disabled"),
        ("TLSv1.1", "disabled"),
        ("TLSv1.2", "enabled"),
        ("TLSv1.3", "enabled"),
    ] {
        let line = said.lines().find(|line| line.starts_with(version)).unwrap_or_else(|| panic!("{said}"));
        assert!(line.trim_end().ends_with(state), "{line}");
    }
    assert!(!said.contains("Compression enabled"), "{said}");
    let heartbleed: Vec<&str> =
        said.lines().filter(|line| line.contains("vulnerable to heartbleed")).collect();
    assert!(
        !heartbleed.is_empty() && heartbleed.iter().all(|line| line.contains("not vulnerable")),
        "{said}"
    );
    let accepted: Vec<&str> =
        said.lines().filter(|line| line.starts_with("Accepted") || line.starts_with("Preferred")).collect();
    assert!(accepted.len() >= 5, "{said}");
    for line in accepted {
        let modern = line.contains("GCM") || line.contains("CHACHA20");
        assert!(modern && (line.contains("ECDHE") || line.contains("TLS_")), "{line}");
    }
}

/// TLS as testssl.sh judges it: protocols, and vulnerabilities that do not follow from the ciphers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn testssl_finds_no_weakness() {
    let authority = Authority::new();
    let running =
        start(&format!("http.rate_limit = 'none'\n{}", authority.install(&authority.server()))).await;
    let (roots, findings) =
        (authority.file("roots.pem", &authority.pem()), authority.directory.join("findings.json"));
    let findings = findings.to_str().expect("a path");
    let address = format!("localhost:{}", running.addr.port());
    let arguments = [
        "--quiet",
        "--color",
        "0",
        "--warnings",
        "off",
        "--ip",
        "127.0.0.1",
        "--nodns",
        "none",
        "--add-ca",
        &roots,
        "--connect-timeout",
        "5",
        "--openssl-timeout",
        "5",
        "--protocols",
        "--heartbleed",
        "--ccs-injection",
        "--ticketbleed",
        "--robot",
        "--renegotiation",
        "--compression",
        "--poodle",
        "--tls-fallback",
        "--freak",
        "--jsonfile",
        findings,
        &address,
    ];
    let Some(said) = run("testssl", &arguments).await else { return };
    let found = std::fs::read_to_string(findings).unwrap_or_else(|error| panic!("{error}: {said}"));
    let found: Vec<Value> = serde_json::from_str(&found).unwrap_or_else(|error| panic!("{error}: {found}"));
    let judged = |id: &str| found.iter().find(|finding| finding["id"] == id);
    for (id, severity) in [
        ("SSLv2", "OK"),
        ("SSLv3", "OK"),
        ("TLS1", "INFO"),
        ("TLS1_1", "INFO"),
        ("TLS1_2", "OK"),
        ("TLS1_3", "OK"),
    ] {
        let finding = judged(id).unwrap_or_else(|| panic!("nothing of {id}: {said}"));
        assert_eq!(finding["severity"], severity, "{finding}");
    }
    for id in [
        "heartbleed",
        "CCS",
        "ticketbleed",
        "ROBOT",
        "secure_renego",
        "CRIME_TLS",
        "POODLE_SSL",
        "fallback_SCSV",
        "FREAK",
    ] {
        let finding = judged(id).unwrap_or_else(|| panic!("nothing of {id}: {said}"));
        assert_eq!(finding["severity"], "OK", "{finding}");
    }
    let weak: Vec<&Value> = found
        .iter()
        .filter(|finding| !matches!(finding["severity"].as_str(), Some("OK" | "INFO")))
        // What the tool says of itself.
        .filter(|finding| finding["id"] != "engine_problem")
        .collect();
    assert!(weak.is_empty(), "{weak:#?}");
    assert_eq!(get_over_tls(&running, &authority).await, 200, "the server lives on");
}

async fn get_over_tls(running: &Running, authority: &Authority) -> u16 {
    let stream = connect(running.addr, &authority.plain_config()).await.expect("a handshake");
    let mut connection = Client::over(stream);
    connection.send(request("GET", "/hello", &[], "")).await;
    connection.reply().await.status
}

/// Requests that schemathesis makes up along a description of the shop: whatever comes, each answer is one that is described.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_no_answer_beside_the_description() {
    let running = start("http.rate_limit = 'none'\nlog.access = false").await;
    ready(&running).await;
    let description = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/http/shop.openapi.json");
    let url = format!("http://{}", running.addr);
    let arguments = [
        "run",
        description,
        "--url",
        &url,
        "--no-color",
        "--seed",
        "4",
        "--generation-database",
        "none",
        "--phases",
        "examples,coverage,fuzzing",
        "--max-examples",
        "30",
        "--workers",
        "1",
        "--no-shrink",
        "--warnings",
        "off",
        "--request-timeout",
        "10",
    ];
    let Some(said) = run("schemathesis", &arguments).await else { return };
    assert!(said.contains("No issues found"), "{said}");
    let metrics = scrape(&running).await;
    let answered = |status: &str| {
        let lines =
            metrics.lines().filter(|line| line.starts_with("http_requests_total") && line.contains(status));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
    };
    assert!(
        answered("status=\"2") > 50.0 && answered("status=\"4") > 50.0,
        "it asked well and badly: {metrics}"
    );
    assert!(answered("status=\"5") < 1.0, "{metrics}");
}
