//! Two libraries with a `pub async fn fetch` at their root, and a service that has one itself.

use std::process::Command;

use axum::Router;
use axum::routing::get;
use hardening::{Rejected, hardened_service, timeout};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const NAMES: [&str; 7] = [
    "fetch",
    "inventory_client::fetch",
    "inventory_client::lookup",
    "price_client::fetch",
    "price_client::lookup",
    "price_client::total",
    "price_client::total#2",
];

#[timeout(1s)]
async fn fetch(sku: &str) -> Result<usize, Rejected> {
    Ok(inventory_client::fetch(sku).await? + price_client::fetch(sku).await?)
}

#[hardened_service(name = "shop")]
async fn shop() -> Router {
    Router::new().route("/", get(async || fetch("a-7").await.map(|found| found.to_string())))
}

async fn asked(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn each_library_has_metrics_settings_and_a_circuit_of_its_own() {
    // Before anything is started: a name is the same whenever it is first asked for.
    price_client::fetch("a").await.unwrap();
    let settings = "
        [call.\"inventory_client::fetch\"]
        timeout = '70ms'
        [call.\"price_client::lookup\"]
        timeout = '80ms'
        [policy.\"price_client::UPSTREAM\"]
        open_for = '7s'
        [task.\"inventory_client::refresh\"]
        enabled = false
    ";
    let running = shop().with_settings(settings).start().await.unwrap_or_else(|error| panic!("{error}"));
    let timeouts = NAMES.map(|name| {
        let site = hardening::catalogue::site(name).unwrap_or_else(|| panic!("{name}"));
        site.effective().timeout.unwrap().as_millis()
    });
    assert_eq!(timeouts, [1000, 70, 1000, 1000, 80, 1000, 2000]);
    assert!(asked(running.addr, "/").await.ends_with("\r\n\r\n6"));
    let metrics = asked(running.admin_addr, "/metrics").await;
    let counted: [u64; 7] = NAMES.map(|name| {
        let line = format!("hardening_calls_total{{call=\"{name}\",outcome=\"success\"}} ");
        let found = metrics.lines().find_map(|found| found.strip_prefix(&line));
        found.unwrap_or_else(|| panic!("{name} in {metrics}")).parse().unwrap()
    });
    assert_eq!(counted, [1, 1, 0, 2, 0, 0, 0]);
    for circuit in ["inventory_client::UPSTREAM", "price_client::UPSTREAM"] {
        assert!(metrics.contains(&format!("hardening_circuit_state{{circuit=\"{circuit}\"")), "{metrics}");
    }
    for check in ["inventory_client::database", "price_client::database"] {
        assert!(metrics.contains(&format!("health_check_up{{check=\"{check}\"")), "{metrics}");
    }
    assert!(metrics.contains("background_task_up{task=\"price_client::refresh\"}"), "{metrics}");
    assert!(!metrics.contains("inventory_client::refresh"), "{metrics}");
    hardening::circuit("price_client::UPSTREAM").unwrap().force_open();
    assert!(inventory_client::fetch("a").await.is_ok() && price_client::fetch("a").await.is_err());
    assert!(inventory_client::knows_its_call());
    assert!(running.shutdown().await.is_clean());
}

#[tokio::test]
async fn unknown_names_are_answered_with_the_one_that_has_the_crate_in_front() {
    let refused = shop().with_settings("[call.\"lookup\"]\ntimeout = '1s'\n").start().await.unwrap_err();
    assert!(refused.to_string().contains("did you mean `inventory_client::lookup`?"), "{refused}");
    let refused = shop().with_settings("[task.\"refresh\"]\nenabled = false\n").start().await.unwrap_err();
    assert!(refused.to_string().contains("did you mean `inventory_client::refresh`?"), "{refused}");
    let (_, errors) = program(&[("HARDENING", "check"), ("HARDENING_CALL__LOOKUP__TIMEOUT", "1s")]);
    assert!(errors.contains("did you mean `HARDENING_CALL__INVENTORY_CLIENT_LOOKUP__…`?"), "{errors}");
    let unknown = hardening::circuit("UPSTREAM").unwrap_err();
    assert_eq!(unknown.nearest, Some("inventory_client::UPSTREAM"), "{unknown}");
}

/// What the program writes to standard output and standard error.
fn program(variables: &[(&str, &str)]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hardening-library-tests"));
    let output = command.envs(variables.iter().copied()).output().unwrap();
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_manifest_and_the_environment_use_the_same_names() {
    let variables = [
        ("HARDENING", "describe"),
        ("HARDENING_CALL__INVENTORY_CLIENT_FETCH__TIMEOUT", "70ms"),
        ("HARDENING_CALL__PRICE_CLIENT_TOTAL_2__TIMEOUT", "80ms"),
        ("HARDENING_CALL__FETCH__TIMEOUT", "90ms"),
        ("HARDENING_TASK__PRICE_CLIENT_REFRESH__ENABLED", "false"),
    ];
    let (manifest, errors) = program(&variables);
    let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(manifest["problems"], serde_json::Value::Null, "{errors}");
    let named = |kind: &str| -> Vec<(String, String)> {
        let all = manifest[kind].as_array().unwrap().iter();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        all.map(|one| (text(&one["name"]), text(&one["crate"]))).collect()
    };
    let (own, inventory, price) = ("hardening-library-tests", "inventory-client", "price-client");
    let crates = [own, inventory, inventory, price, price, price, price];
    let expected = NAMES.into_iter().zip(crates);
    assert_eq!(
        named("calls"),
        expected.map(|(name, of)| (name.to_owned(), of.to_owned())).collect::<Vec<_>>()
    );
    let three = |last: &str| {
        let mut all = [(own, ""), (inventory, "inventory_client::"), (price, "price_client::")]
            .map(|(package, before)| (format!("{before}{last}"), package.to_owned()));
        all.sort();
        all
    };
    assert_eq!(named("checks"), three("database"));
    assert_eq!(named("tasks"), three("refresh"));
    let foreign = |(_, package): &(String, String)| package != own;
    assert_eq!(named("policies"), three("UPSTREAM").into_iter().filter(foreign).collect::<Vec<_>>());
    let timeout = |at: usize| manifest["calls"][at]["effective"]["timeout"]["after"].clone();
    assert_eq!([timeout(0), timeout(1), timeout(3), timeout(6)], ["90ms", "70ms", "1s", "80ms"]);
    let enabled = |at: usize| manifest["tasks"][at]["enabled"].clone();
    assert_eq!([enabled(0), enabled(1), enabled(2)], [true, false, true]);
}
