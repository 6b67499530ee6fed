//! Suites that others wrote and that take long, or need much: `cargo xtask test --full` runs them.

use serde_json::Value;
use tokio::process::Command;

use super::support::start;
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::get;
use hardening_service_tests::service::{ready, scrape};
use hardening_service_tests::tool::said;

/// A file of its own, gone when dropped.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("hardening-{:016x}-{name}", fastrand::u64(..))))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path of text")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // It may never have been written.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "`cargo xtask test --full` brings sslyze"]
async fn sslyze_finds_no_weakness() {
    let authority = Authority::new();
    let running = start(&authority.install(&authority.server())).await;
    let (found, address) = (File::new("sslyze.json"), running.addr.to_string());
    let checks = [
        "--sslv2",
        "--sslv3",
        "--tlsv1",
        "--tlsv1_1",
        "--tlsv1_2",
        "--tlsv1_3",
        "--compression",
        "--early_data",
        "--fallback",
        "--heartbleed",
        "--openssl_ccs",
        "--reneg",
        "--robot",
    ];
    let mut command = Command::new("sslyze");
    command.args(checks).args(["--mozilla_config", "disable", "--json_out", found.path(), &address]);
    let Some((_, said)) = said(&mut command).await else { return };
    let text = std::fs::read_to_string(found.path()).unwrap_or_else(|error| panic!("{error}: {said}"));
    let report: Value = serde_json::from_str(&text).expect("JSON");
    let results = &report["server_scan_results"][0]["scan_result"];
    let accepted = |version: &str| {
        let suites = &results[format!("{version}_cipher_suites")]["result"]["accepted_cipher_suites"];
        suites.as_array().unwrap_or_else(|| panic!("{version}: {text}")).len()
    };
    for old in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"] {
        assert_eq!(accepted(old), 0, "{old}");
    }
    assert!(accepted("tls_1_2") > 0 && accepted("tls_1_3") > 0);
    for (check, fact, expected) in [
        ("heartbleed", "is_vulnerable_to_heartbleed", false),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", false),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", false),
        ("tls_compression", "supports_compression", false),
        ("tls_1_3_early_data", "supports_early_data", false),
    ] {
        assert_eq!(results[check]["result"][fact], expected, "{check}: {}", results[check]);
    }
    let robot = &results["robot"]["result"]["robot_result"];
    assert!(robot.as_str().is_some_and(|robot| robot.starts_with("NOT_VULNERABLE")), "{robot}");
}

/// Reads what comes on its standard input as Python's client of Prometheus does, and counts its families.
const PARSE: &str = "import sys\n\
    from prometheus_client.parser import text_string_to_metric_families\n\
    families = list(text_string_to_metric_families(open(sys.argv[1]).read()))\n\
    assert all(family.documentation and family.type != 'unknown' for family in families), families\n\
    print('families', len(families))\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "`cargo xtask test --full` brings prometheus_client"]
async fn pythons_client_of_prometheus_reads_the_metrics() {
    let running = start("").await;
    ready(&running).await;
    for path in ["/hello", "/missing", "/panic"] {
        get(running.addr, path).await;
    }
    let metrics = File::new("metrics.txt");
    std::fs::write(metrics.path(), scrape(&running).await).expect("a file");
    let mut command = Command::new("python-prometheus-client");
    let Some((content, said)) = said(command.args(["-c", PARSE, metrics.path()])).await else { return };
    let count: usize =
        said.trim().strip_prefix("families ").and_then(|count| count.parse().ok()).unwrap_or(0);
    assert!(content && count > 30, "{said}");
}
