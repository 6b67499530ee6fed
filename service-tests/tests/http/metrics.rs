//! `/metrics`: everything is there from the start, adds up, and does not grow with what clients send.

use std::collections::{BTreeMap, BTreeSet};

use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::support::start;
use hardening_service_tests::client::{Client, get, post_json, request};
use hardening_service_tests::service::{scrape, value};
use hardening_service_tests::tool::spawned;

const OUTCOMES: [&str; 12] = [
    "success",
    "failure",
    "fallback",
    "timeout",
    "deadline_exceeded",
    "circuit_open",
    "rate_limited",
    "bulkhead_full",
    "cancelled",
    "panicked",
    "ignored",
    "rejected",
];

/// The series of a scrape, each with its value.
fn series(metrics: &str) -> BTreeMap<&str, f64> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let samples: Vec<(&str, f64)> = samples
        .map(|line| line.rsplit_once(' ').expect("a value"))
        .map(|(name, value)| (name, value.parse().expect("a number")))
        .collect();
    let all: BTreeMap<&str, f64> = samples.iter().copied().collect();
    assert_eq!(all.len(), samples.len(), "a series stands twice");
    all
}

/// The value of a label.
fn label<'m>(series: &'m str, name: &str) -> Option<&'m str> {
    let (_, rest) = series.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

#[tokio::test]
async fn every_series_with_fixed_labels_is_there_before_any_request() {
    let running = start("").await;
    let reply = get(running.admin_addr, "/metrics").await;
    assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let metrics = reply.body;
    let mut expected = Vec::new();
    for call in ["app::patient", "app::hasty", "app::broken", "app::narrow", "app::limited", "app::retried"] {
        for outcome in OUTCOMES {
            expected.push(format!("hardening_calls_total{{call=\"{call}\",outcome=\"{outcome}\"}}"));
            expected.push(format!("hardening_attempts_total{{call=\"{call}\",outcome=\"{outcome}\"}}"));
        }
        expected.push(format!("hardening_in_flight{{call=\"{call}\"}}"));
        expected.push(format!("hardening_call_duration_seconds_count{{call=\"{call}\"}}"));
        expected.push(format!("hardening_call_duration_seconds_sum{{call=\"{call}\"}}"));
        expected.push(format!("hardening_call_duration_seconds_bucket{{call=\"{call}\",le=\"+Inf\"}}"));
    }
    for reason in ["failure", "timeout", "refused"] {
        expected.push(format!("hardening_retries_total{{call=\"app::retried\",reason=\"{reason}\"}}"));
    }
    for state in ["closed", "open", "half_open"] {
        expected.push(format!("hardening_circuit_state{{circuit=\"app::broken\",state=\"{state}\"}}"));
    }
    for (from, to) in
        [("closed", "open"), ("open", "half_open"), ("half_open", "open"), ("half_open", "closed")]
    {
        expected.push(format!(
            "hardening_circuit_transitions_total{{circuit=\"app::broken\",from=\"{from}\",to=\"{to}\"}}"
        ));
    }
    for decision in ["allowed", "refused", "overflow"] {
        expected.push(format!(
            "hardening_rate_limit_decisions_total{{limiter=\"app::limited\",decision=\"{decision}\"}}"
        ));
        expected.push(format!("http_client_rate_limit_decisions_total{{decision=\"{decision}\"}}"));
    }
    expected.push("hardening_concurrency_limit{call=\"app::narrow\"}".to_owned());
    expected.push("hardening_queue_depth{call=\"app::narrow\"}".to_owned());
    expected.push("hardening_retry_budget_remaining{budget=\"app::retried\"}".to_owned());
    for (check, kind) in [("own", "ready"), ("shared", "degraded"), ("warm", "startup")] {
        expected.push(format!("health_check_up{{check=\"{check}\",kind=\"{kind}\"}}"));
    }
    expected.push("http_requests_in_flight".to_owned());
    let missing: Vec<&String> = expected.iter().filter(|series| value(&metrics, series).is_none()).collect();
    assert!(missing.is_empty(), "{missing:#?} not in\n{metrics}");
    assert_eq!(
        value(&metrics, "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"200\"}"),
        Some(0.0)
    );
    assert_eq!(
        value(&metrics, "http_request_duration_seconds_count{method=\"GET\",route=\"unmatched\"}"),
        Some(0.0)
    );
    for family in
        ["build_info", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"]
    {
        assert!(series(&metrics).keys().any(|series| series.starts_with(family)), "{family}");
    }
}

#[tokio::test]
async fn every_family_is_described_once_and_its_series_stand_together() {
    let running = start("").await;
    let metrics = scrape(&running).await;
    let mut described = BTreeSet::new();
    let mut current = String::new();
    for line in metrics.lines().filter(|line| !line.is_empty()) {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            current = rest.split(' ').next().unwrap_or_default().to_owned();
            assert!(described.insert(current.clone()), "{current} is described twice");
        } else if !line.starts_with('#') {
            assert!(line.starts_with(&current) && !current.is_empty(), "{line} stands under {current}");
        }
    }
    for family in &described {
        let help = metrics.lines().filter(|line| line.starts_with(&format!("# HELP {family} "))).count();
        assert_eq!(help, 1, "{family}");
    }
}

#[tokio::test]
async fn answers_are_counted_by_method_route_and_status() {
    let running = start("").await;
    for path in ["/items/1", "/items/2", "/items/x", "/missing", "/panic", "/livez"] {
        get(running.addr, path).await;
    }
    post_json(running.addr, "/orders", "{}").await;
    post_json(running.addr, "/hello", "{}").await;
    let metrics = scrape(&running).await;
    for (method, route, status, count) in [
        ("GET", "/items/{id}", 200, 2.0),
        ("GET", "/items/{id}", 400, 1.0),
        ("GET", "unmatched", 404, 1.0),
        ("GET", "/panic", 500, 1.0),
        ("GET", "/livez", 200, 1.0),
        ("POST", "/orders", 422, 1.0),
        ("POST", "/hello", 405, 1.0),
    ] {
        let series =
            format!("http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}");
        assert_eq!(value(&metrics, &series), Some(count), "{series}");
    }
    assert!(!metrics.contains("route=\"/metrics\""), "the admin listener counts nothing of its own");
}

#[tokio::test]
async fn paths_methods_and_header_fields_of_clients_make_no_series() {
    let running = start("[http]\nrate_limit = 'none'").await;
    let mut client = Client::connect(running.addr).await;
    for method in ["GET", "BREW"] {
        client.send(request(method, "/missing", &[], "")).await;
        client.reply().await;
        client.send(request("GET", "/items/0", &[], "")).await;
        client.reply().await;
    }
    let before = scrape(&running).await;
    for n in 0..1000 {
        let (path, id) = (format!("/{:x}/{n}", fastrand::u64(..)), format!("id-{n}"));
        client.send(request("GET", &path, &[("x-request-id", &id)], "")).await;
        assert_eq!(client.reply().await.status, 404);
    }
    for n in 0..100 {
        client.send(request(&format!("BREW{n}"), "/missing", &[], "")).await;
        assert_eq!(client.reply().await.status, 404);
        client.send(request("GET", &format!("/items/{n}"), &[], "")).await;
        assert_eq!(client.reply().await.status, 200);
    }
    let after = scrape(&running).await;
    let names = |metrics: &str| -> Vec<String> {
        series(metrics).into_keys().filter(|name| !name.starts_with("process_")).map(str::to_owned).collect()
    };
    assert_eq!(names(&before), names(&after));
    let unmatched = "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"}";
    assert_eq!(value(&after, unmatched), Some(1001.0));
}

#[tokio::test]
async fn histograms_are_cumulative_and_agree_with_the_counters() {
    let running = start("").await;
    for path in ["/hello", "/hello", "/items/1", "/items/x", "/missing", "/timeout", "/timeout"] {
        get(running.addr, path).await;
    }
    let metrics = scrape(&running).await;
    let all = series(&metrics);
    let mut buckets: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    // In the order of the text, which is that of the bounds.
    for line in metrics.lines().filter(|line| line.contains("_bucket{")) {
        let (series, value) = line.rsplit_once(' ').expect("a value");
        let (of, _) = series.rsplit_once(",le=").unwrap_or_else(|| panic!("{series}"));
        let of = format!("{}}}", of.replacen("_bucket", "", 1));
        buckets.entry(of).or_default().push(value.parse().expect("a number"));
    }
    assert!(buckets.len() > 6, "{buckets:?}");
    for (of, counts) in &buckets {
        let (name, labels) = of.split_once('{').expect("labels");
        let (count, sum) =
            (all[format!("{name}_count{{{labels}").as_str()], all[format!("{name}_sum{{{labels}").as_str()]);
        assert!(counts.is_sorted(), "{of}: {counts:?}");
        assert_eq!(counts.last(), Some(&count), "{of}");
        assert!(if count > 0.0 { sum > 0.0 } else { sum.abs() < f64::EPSILON }, "{of}: {sum} of {count}");
    }
    let mut answered: BTreeMap<(&str, &str), f64> = BTreeMap::new();
    for (name, value) in all.iter().filter(|(name, _)| name.starts_with("http_requests_total{")) {
        *answered
            .entry((label(name, "method").expect("method"), label(name, "route").expect("route")))
            .or_default() += value;
    }
    for ((method, route), count) in answered {
        let name = format!("http_request_duration_seconds_count{{method=\"{method}\",route=\"{route}\"}}");
        assert_eq!(value(&metrics, &name), Some(count), "{name}");
    }
    let timeouts = "hardening_calls_total{call=\"app::patient\",outcome=\"timeout\"}";
    assert!(all[timeouts] >= 2.0, "{}", all[timeouts]);
}

#[tokio::test]
async fn promtool_finds_nothing_wrong() {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let Some(mut promtool) = spawned(&mut promtool) else { return };
    let running = start("").await;
    for path in ["/hello", "/missing", "/panic", "/items/1", "/timeout", "/livez"] {
        get(running.addr, path).await;
    }
    let metrics = scrape(&running).await;
    // Dropped at the end of the statement, so that promtool sees the end.
    promtool.stdin.take().expect("its input").write_all(metrics.as_bytes()).await.expect("it reads");
    let judged = promtool.wait_with_output().await.expect("it ends");
    let problems = String::from_utf8_lossy(&judged.stderr);
    assert!(judged.status.success() && problems.is_empty(), "{problems}");
}
