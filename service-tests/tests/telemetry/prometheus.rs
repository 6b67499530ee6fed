//! A real Prometheus scrapes the service and answers questions, and its tool finds nothing wrong.

use std::process::Stdio;

use hardening_service_tests::client::get;
use hardening_service_tests::service::{until, value};
use hardening_service_tests::tool::spawned;
use serde_json::Value;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::world::{KEY, World};

/// Requests of every kind, each so many times.
async fn use_it(world: &World) {
    let client = world.client().await;
    for _ in 0..7 {
        client.ask("GET", "/hello", &[("x-api-key", KEY)], "").await;
        client.ask("GET", "/saved", &[], "").await;
    }
    for path in [
        "/items/1",
        "/items/2",
        "/missing",
        "/panic",
        "/timeout",
        "/retried",
        "/fails/503",
        "/waited",
        "/livez",
    ] {
        client.ask("GET", path, &[], "").await;
    }
    client
        .ask("POST", "/shop.v1.Prices/Quote", &[("content-type", "application/grpc")], &b"\0\0\0\0\0"[..])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_finds_nothing_wrong_with_a_service_that_has_everything() {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let Some(mut promtool) = spawned(&mut command) else { return };
    let world = World::start(&[], "").await;
    use_it(&world).await;
    let metrics = world.scrape().await;
    let mut stdin = promtool.stdin.take().expect("its input");
    stdin.write_all(metrics.as_bytes()).await.expect("it reads");
    drop(stdin);
    let judged = promtool.wait_with_output().await.expect("it ends");
    let problems = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && problems.is_empty(), "{problems}");
}

/// The one value that a question has for an answer, if it has one yet.
async fn asked(prometheus: std::net::SocketAddr, question: &str) -> Option<f64> {
    let reply = get(prometheus, &format!("/api/v1/query?query={}", encoded(question))).await;
    if reply.status != 200 {
        return None;
    }
    let answer: Value = reply.json();
    let result = answer["data"]["result"].as_array()?;
    assert!(result.len() < 2, "{question}: {answer:#}");
    result.first()?["value"][1].as_str()?.parse().ok()
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            },
        )
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_prometheus_scrapes_the_service_and_answers_what_it_counted() {
    let world = World::start(&[], "").await;
    let target = world.child.admin_addr;
    let directory = hardening_service_tests::certificates::Authority::new();
    let config = directory.file(
        "prometheus.yml",
        &format!(
            "global: {{ scrape_interval: 200ms }}\nscrape_configs:\n  - job_name: fullest\n    \
             static_configs: [{{ targets: ['{target}'] }}]\n"
        ),
    );
    let free = hardening_service_tests::ports::free();
    let mut command = Command::new("prometheus");
    command.args([
        format!("--config.file={config}"),
        format!("--storage.tsdb.path={}", directory.directory.join("data").display()),
        format!("--web.listen-address={free}"),
        "--log.level=error".to_owned(),
    ]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Some(mut prometheus) = spawned(&mut command) else { return };
    let listens = || async { tokio::net::TcpStream::connect(free).await.is_ok() };
    until("it listens", listens).await;
    let up = format!("up{{instance=\"{target}\"}}");
    until("it scrapes", || async { asked(free, &up).await == Some(1.0) }).await;
    use_it(&world).await;
    let metrics = world.scrape().await;
    for (question, expected) in [
        (r#"hardening_calls_total{call="app::saved",outcome="fallback"}"#, 7.0),
        (r#"hardening_calls_total{call="app::patient",outcome="timeout"}"#, 1.0),
        (r#"sum(hardening_calls_total{call="app::retried"})"#, 1.0),
        (r#"hardening_calls_total{call="shop.quote",outcome="success"}"#, 1.0),
        (r#"http_requests_total{method="GET",route="/hello",status="200"}"#, 7.0),
        (r#"sum(http_requests_total{route="/items/{id}"})"#, 2.0),
        (r#"http_requests_total{method="GET",route="unmatched",status="404"}"#, 1.0),
        (r#"sum(http_requests_total{status=~"5.."})"#, 3.0),
        (r#"grpc_requests_total{service="shop.v1.Prices",method="Quote",code="OK"}"#, 1.0),
        (r#"histogram_quantile(0.5, db_pool_wait_seconds_bucket{pool="primary"}) < bool 0.0026"#, 1.0),
        (r#"sum(db_pool_connections{pool="primary"})"#, 10.0),
        ("scrape_samples_scraped > bool 300", 1.0),
    ] {
        until(question, || async { asked(free, question).await == Some(expected) }).await;
    }
    let bare = r#"http_requests_total{method="GET",route="/hello",status="200"}"#;
    assert_eq!(value(&metrics, bare), Some(7.0), "which is what the service says itself");
    prometheus.kill().await.unwrap();
}
