//! All series are there from the start, and never more of them than the service said when it started.

use std::collections::BTreeSet;
use std::sync::Mutex;

use hardening_service_tests::client::{Client, request};
use hardening_service_tests::service::{until, value};
use serde_json::Value;
use tokio::net::UnixStream;

use super::app::{LET_GO, held};
use super::world::{KEY, Surroundings, World, series};

/// Every family with labels that are known at the start, by the beginning of one of its series.
const FAMILIES: [&str; 72] = [
    "admin_actions_total{action=\"drain\",result=",
    "auth_jwks_age_seconds",
    "auth_jwks_fetches_total{result=\"fetched\"}",
    "auth_jwks_fetches_total{result=\"failed\"}",
    "auth_jwks_keys",
    "auth_keys_reloads_total{result=\"applied\"}",
    "background_task_restarts_total{task=\"sweep\",reason=\"error\"}",
    "background_task_restarts_total{task=\"sweep\",reason=\"panic\"}",
    "background_task_up{task=\"sweep\"}",
    "build_info{version=",
    "db_pool_connections{pool=\"primary\",state=\"in_use\"}",
    "db_pool_connections{pool=\"primary\",state=\"idle\"}",
    "db_pool_connections{pool=\"primary\",state=\"unopened\"}",
    "db_pool_wait_seconds_bucket{pool=\"primary\",le=\"+Inf\"}",
    "db_pool_wait_seconds_count{pool=\"primary\"}",
    "grpc_requests_total{service=\"unmatched\",method=\"unmatched\",code=\"OK\"}",
    "hardening_alerts_suppressed_errors_total",
    "hardening_alerts_total{sink=\"json\",result=\"delivered\"}",
    "hardening_alerts_total{sink=\"slack\",result=\"dropped\"}",
    "hardening_attempts_total{call=\"app::retried\",outcome=\"rejected\"}",
    "hardening_cache_requests_total{call=\"app::price\",result=\"hit\"}",
    "hardening_cache_requests_total{call=\"app::price\",result=\"stale\"}",
    "hardening_call_duration_seconds_bucket{call=\"app::patient\",le=\"+Inf\"}",
    "hardening_calls_total{call=\"app::patient\",outcome=\"timeout\"}",
    "hardening_calls_total{call=\"shop.quote\",outcome=\"cancelled\"}",
    "hardening_circuit_state{circuit=\"app::broken\",state=\"half_open\"}",
    "hardening_circuit_transitions_total{circuit=\"app::broken\",from=\"closed\",to=\"open\"}",
    "hardening_concurrency_limit{call=\"app::narrow\"}",
    "hardening_hedges_total{call=\"app::twice\",result=",
    "hardening_idempotency_total{call=\"app::pay\",result=",
    "hardening_in_flight{call=\"app::saved\"}",
    "hardening_log_lines_dropped_total",
    "hardening_queue_depth{call=\"app::narrow\"}",
    "hardening_rate_limit_decisions_total{limiter=\"app::limited\",decision=\"overflow\"}",
    "hardening_rate_limit_decisions_total{limiter=\"PARTNERS\",decision=\"refused\"}",
    "hardening_retries_total{call=\"app::retried\",reason=\"failure\"}",
    "hardening_retry_budget_remaining{budget=\"app::retried\"}",
    "hardening_settings_reloads_total{result=\"applied\"}",
    "hardening_slo_burning{slo=\"fullest\",route=\"unmatched\",window=\"6h\"}",
    "hardening_slo_errors_total{slo=\"fullest\",route=\"unmatched\"}",
    "hardening_slo_requests_total{slo=\"fullest\",route=\"unmatched\"}",
    "hardening_spans_total{result=\"exported\"}",
    "health_check_up{check=\"own\",kind=\"ready\"}",
    "http_answer_memory_bytes",
    "http_body_memory_bytes",
    "http_authentications_total{method=\"api_key\",result=\"accepted\"}",
    "http_authentications_total{method=\"jwt\",result=\"accepted\"}",
    "http_client_rate_limit_decisions_total{decision=\"refused\"}",
    "http_connections_total{listener=\"public\",result=\"refused\"}",
    "http_open_connections{listener=\"admin\"}",
    "http_request_duration_seconds_count{method=\"GET\",route=\"unmatched\"}",
    "http_requests_in_flight",
    "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"200\"}",
    "http_shed_total{class=",
    "panics_total{where=\"handler\"}",
    "process_cpu_seconds_total",
    "process_max_fds",
    "process_open_fds",
    "process_resident_memory_bytes",
    "process_start_time_seconds",
    "secret_reload_total{name=\"key\",result=",
    "secret_stale{name=\"key\"}",
    "shutdown_stage{stage=\"serving\"}",
    "tls_certificate_expiry_seconds",
    "tls_certificate_reloads_total{result=\"applied\"}",
    "tls_connections_drained_total{cause=\"age\"}",
    "tls_handshakes_total{result=\"done\"}",
    "tokio_alive_tasks",
    "tokio_global_queue_depth",
    "tokio_worker_busy_seconds_total{worker=\"0\"}",
    "tokio_worker_parks_total{worker=\"0\"}",
    "tokio_workers",
];

/// The client's limit is on, or it would have no series; nobody comes near it.
const LIMIT: [(&str, &str); 1] = [("HARDENING_HTTP__RATE_LIMIT", "1000000/s")];

/// What only a program can know in advance: counters at zero.
const AT_ZERO: [&str; 4] = ["hardening_", "http_requests_total", "grpc_", "db_pool_wait"];

/// Those of [`FAMILIES`] that a scrape does not have.
fn missing(metrics: &str) -> Vec<&'static str> {
    let known = series(metrics);
    let missing = FAMILIES.into_iter().filter(|start| !known.iter().any(|series| series.starts_with(start)));
    missing.collect()
}

/// The names of all families in a scrape.
fn families(metrics: &str) -> BTreeSet<&str> {
    metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect()
}

/// `OpenMetrics` names a counter's family without `_total`, and samples of histograms with endings of their own.
#[tokio::test]
async fn no_two_families_have_one_name_for_openmetrics() {
    let world = World::start(&LIMIT, "").await;
    let metrics = world.scrape().await;
    let types = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let types: Vec<_> =
        types.map(|(name, kind)| (name.strip_suffix("_total").unwrap_or(name), kind)).collect();
    let names: BTreeSet<&str> = types.iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), types.len(), "{types:?}");
    for (name, kind) in &types {
        let endings: &[&str] = match *kind {
            "counter" => &["_total", "_created"],
            "histogram" => &["_bucket", "_count", "_sum", "_created"],
            _ => &[],
        };
        for ending in endings {
            assert!(!names.contains(format!("{name}{ending}").as_str()), "{name}{ending}");
        }
    }
    for (name, kind) in metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')) {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} {kind}");
    }
}

/// The request is in the socket before the service has begun to serve, so it is answered before any task has looked at a
/// counter, fetched a key or run a check. Families that come later are those of an ending service alone.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_scrape_that_waits_for_the_start_has_every_family() {
    let socket = std::env::temp_dir().join(format!("hardening-{:016x}.sock", fastrand::u64(..)));
    let admin = format!("[http]\nrate_limit = '1000000/s'\nadmin = 'unix:{}'\n", socket.display());
    let around = Surroundings::start(&admin).await;
    let first = async {
        let connection = Mutex::new(None);
        until("it is bound", || async {
            let connected = UnixStream::connect(&socket).await.ok();
            connected.map(|stream| *connection.lock().unwrap() = Some(stream)).is_some()
        })
        .await;
        let mut client = Client::over(connection.into_inner().unwrap().unwrap());
        client.send(request("GET", "/metrics", &[], "")).await;
        LET_GO.notify_one();
        client.reply().await.body
    };
    let (running, first) = tokio::join!(held().with_settings(around.settings.as_str()).start(), first);
    let running = running.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(missing(&first), Vec::<&str>::new(), "not in\n{first}");
    let scrape = || async {
        let mut client = Client::over(UnixStream::connect(&socket).await.unwrap());
        client.send(request("GET", "/metrics", &[], "")).await;
        client.reply().await.body
    };
    // By then what runs by itself has run once: checks, alerts, the export of traces and the fetch of keys.
    for series in
        ["auth_jwks_fetches_total{result=\"fetched\"}", "health_check_up{check=\"own\",kind=\"ready\"}"]
    {
        until(series, || async { value(&scrape().await, series) == Some(1.0) }).await;
    }
    assert_eq!(families(&first), families(&scrape().await));
    assert!(running.shutdown().await.is_clean());
}

#[tokio::test]
async fn every_family_is_there_right_after_the_start() {
    let world = World::start(&LIMIT, "").await;
    let metrics = world.scrape().await;
    assert_eq!(missing(&metrics), Vec::<&str>::new(), "not in\n{metrics}");
    for line in metrics.lines().filter(|line| AT_ZERO.iter().any(|start| line.starts_with(start))) {
        let gauges = [
            "hardening_circuit_state",
            "hardening_concurrency_limit",
            "hardening_retry_budget",
            "hardening_spans",
        ];
        let (series, value) = line.rsplit_once(' ').unwrap();
        let moves =
            gauges.iter().any(|gauge| series.starts_with(gauge)) || series.contains("route=\"/readyz\"");
        assert!(moves || value == "0", "{line}");
    }
}

/// What the service said of its series: those there were, and those that there can be.
async fn said(world: World) -> (usize, usize) {
    world.child.terminate().await;
    let end = world.child.ended().await;
    assert_eq!(end.code, Some(0), "{:#?}", end.log.last());
    let lines: Vec<&Value> = end.log.iter().filter(|line| line["series_at_most"].is_number()).collect();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    let number = |key: &str| usize::try_from(lines[0][key].as_u64().unwrap()).unwrap();
    (number("series"), number("series_at_most"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i_75_series_never_exceed_the_number_that_the_start_printed() {
    const GRPC: (&str, &str) = ("content-type", "application/grpc");
    let world = World::start(&[("HARDENING_LOG__ACCESS", "false"), LIMIT[0]], "").await;
    let (began, starting) = {
        let metrics = world.scrape().await;
        (series(&metrics).len(), metrics)
    };
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(world.client().await);
    }
    let ask = async |client: &hardening_service_tests::client::Http2, part: usize| {
        for at in 0..2500 {
            let (random, at) = (fastrand::u64(..), at * 4 + part);
            // Paths that nobody has, keys that nobody has seen, and services of gRPC that are not there.
            client.ask("GET", &format!("/{random:x}/{at}"), &[], "").await;
            let path = ["limited", "narrow", "breaker", "items"][at % 4];
            client.ask("GET", &format!("/{path}/{random:x}"), &[], "").await;
            if at % 4 == 0 {
                let path = match at % 3 {
                    0 => format!("/shop.v1.Prices/{random:x}"),
                    1 => format!("/shop.v1.Prices/{random:x}/{at}"),
                    _ => format!("/{random:x}/Quote"),
                };
                client.ask("POST", &path, &[GRPC], "").await;
                let method = format!("M{}", at % 1000);
                client.ask(&method, "/items/1", &[], "").await;
            }
            if at < 1000 {
                client.ask("GET", &format!("/fails/{}", 200 + at % 800), &[], "").await;
            }
        }
    };
    tokio::join!(ask(&clients[0], 0), ask(&clients[1], 1), ask(&clients[2], 2), ask(&clients[3], 3));
    for path in
        ["/panic", "/retried", "/hedged", "/saved", "/timeout", "/partner", "/waited", "/priced/1", "/livez"]
    {
        clients[0].ask("GET", path, &[("x-api-key", KEY)], "").await;
    }
    let mut old = world.old_client().await;
    old.send(request("POST", "/pay", &[("idempotency-key", "1")], "x")).await;
    old.reply().await;
    drop((old, clients));
    let all_counted = || async { value(&world.scrape().await, "http_requests_in_flight") == Some(0.0) };
    until("all are answered", all_counted).await;
    let metrics = world.scrape().await;
    let ended = series(&metrics);
    let unique: BTreeSet<&str> = ended.iter().copied().collect();
    assert_eq!(unique.len(), ended.len(), "a series stands twice");
    let unmatched = value(&metrics, r#"http_requests_total{method="GET",route="unmatched",status="404"}"#);
    assert_eq!(unmatched, Some(10_000.0));
    // None of it belongs to anything but the routes that the program has.
    let growing = ["http_request", "grpc_requests", "auth_jwks_age", "hardening_slo_"];
    let fixed = |metrics: &str| -> BTreeSet<String> {
        let fixed = series(metrics)
            .into_iter()
            .filter(|series| !growing.iter().any(|start| series.starts_with(start)));
        fixed.map(str::to_owned).collect()
    };
    assert_eq!(fixed(&metrics), fixed(&starting));
    let routes: BTreeSet<&str> = ended
        .iter()
        .filter_map(|series| series.split_once("route=\"")?.1.split_once('"').map(|(route, _)| route))
        .collect();
    assert!(routes.len() < 24, "{routes:#?}");
    let statuses =
        ended.iter().filter(|series| series.contains("method=\"GET\",route=\"/fails/{status}\",status="));
    assert_eq!(statuses.count(), 25, "24 of them, and one for all others");
    let (now, ended) = (ended.len(), world);
    let (first, most) = said(ended).await;
    println!("{began} series at the start ({first} said), {now} after the load, {most} at most");
    assert!(first <= now && now <= most, "{first} at first, {now} now, {most} at most");
}
