//! The binary as its own tool, and what it says while it serves.

use super::child::{Serving, output};
use super::support::{get, send};

#[test]
fn describe_prints_the_manifest_even_of_a_broken_configuration() {
    let (code, said, error) =
        output("tested", &[("HARDENING", "describe"), ("HARDENING_HTTP__CONNECTIONS", "0")]);
    assert_eq!((code, error.as_str()), (0, ""));
    let manifest: serde_json::Value =
        serde_json::from_str(&said[said.find('{').unwrap()..=said.rfind('}').unwrap()]).unwrap();
    assert_eq!(manifest["service"]["name"], "tested");
    assert!(manifest["problems"][0].as_str().unwrap().contains("HARDENING_HTTP__CONNECTIONS"));
    let price =
        manifest["calls"].as_array().unwrap().iter().find(|call| call["name"] == "app::price").unwrap();
    assert!(
        price["file"].as_str().unwrap().ends_with("app.rs") && price["line"].as_u64().unwrap() > 0,
        "{price}"
    );
    let retry = &price["effective"]["retry"];
    assert_eq!(
        (&retry["attempts"], &retry["backoff"], &retry["jitter"]),
        (&3.into(), &"50ms..2s".into(), &"full".into())
    );
    let checks: Vec<_> =
        manifest["checks"].as_array().unwrap().iter().map(|check| check["name"].clone()).collect();
    assert_eq!(checks, ["hanging", "resource"]);
}

#[test]
fn check_says_whether_the_configuration_is_valid() {
    let (code, said, _) = output("tested", &[("HARDENING", "check")]);
    assert!(code == 0 && said.contains("the configuration is valid"), "{said}");
    let (code, _, error) = output("tested", &[("HARDENING", "check"), ("HARDENING_LOG__LEVEL", "loud")]);
    assert!(code == 1 && error.contains("HARDENING_LOG__LEVEL"), "{error}");
}

#[tokio::test]
async fn probe_asks_the_running_instance() {
    let service = Serving::start("tested", &[]).await;
    let listen = service.addr.to_string();
    let variables = [("HARDENING", "probe"), ("HARDENING_HTTP__LISTEN", listen.as_str())];
    super::support::eventually("ready", || async { output("tested", &variables).0 == 0 }).await;
    send(service.addr, "POST /resource/false HTTP/1.1", "").await;
    super::support::eventually("not ready", || async { output("tested", &variables).0 == 1 }).await;
    drop(service);
    let (code, _, error) = output("tested", &variables);
    assert!(code == 1 && error.contains(&listen), "{error}");
}

#[tokio::test]
async fn the_log_is_one_json_object_a_line_with_the_request_id_on_each() {
    let mut service = Serving::start("tested", &[("HARDENING_SHUTDOWN__PRE_DRAIN", "0s")]).await;
    send(service.addr, "GET /items/7?token=hunter2 HTTP/1.1\r\nx-request-id: log-1", "").await;
    send(service.addr, "GET /panic HTTP/1.1\r\nx-request-id: log-2", "").await;
    get(service.addr, "/livez").await;
    service.signal("TERM");
    let (code, said, _) = service.wait().await;
    assert_eq!(code, 0, "{said}");
    let lines: Vec<serde_json::Value> = said
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let start = lines.iter().find(|line| line["message"] == "serving").unwrap();
    assert!(start["sites"].as_u64().unwrap() >= 2 && start["crates"] == "hardening", "{start}");
    let access = |id: &str| {
        let of =
            |line: &&serde_json::Value| line["target"] == "hardening::access" && line["request_id"] == id;
        lines.iter().find(of).unwrap_or_else(|| panic!("no line for {id}: {said}"))
    };
    let line = access("log-1");
    assert_eq!(
        (&line["method"], &line["route"], &line["status"]),
        (&"GET".into(), &"/items/{id}".into(), &200.into())
    );
    assert_eq!(
        (&line["client"], &line["bytes"], &line["path"]),
        (&"127.0.0.1".into(), &1.into(), &"/items/7".into())
    );
    assert!(line["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!((&access("log-2")["status"], &access("log-2")["level"]), (&500.into(), &"ERROR".into()));
    let told: Vec<_> = said.lines().filter(|line| line.contains("the secret of the panic")).collect();
    assert_eq!(told.len(), 1, "a panic is one line: {told:?}");
    assert_eq!(told[0].matches("\"message\":").count(), 1, "{told:?}");
    let told: serde_json::Value = serde_json::from_str(told[0]).unwrap();
    assert_eq!((&told["request_id"], &told["level"]), (&"log-2".into(), &"ERROR".into()), "{told}");
    assert!(told["place"].as_str().unwrap().contains("app.rs:"), "{told}");
    assert!(!said.contains("hunter2"), "queries are not logged");
    assert!(!lines.iter().any(|line| line["path"] == "/livez"), "probes are not logged at this level");
}
