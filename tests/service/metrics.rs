//! What `/metrics` answers.

use std::collections::{BTreeMap, BTreeSet};

use super::support::{get, start};

/// What `promtool check metrics` looks at, as far as it can be told from the text: one head for each family, of a
/// known type, before its samples; counters named `_total`; no series twice; histograms with `+Inf`.
fn lint(text: &str) -> Vec<String> {
    let (mut types, mut helps, mut series) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    let mut wrong = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, said) = help.split_once(' ').unwrap_or((help, ""));
            if said.is_empty() || !helps.insert(name.to_owned()) {
                wrong.push(format!("empty or second help: {line}"));
            }
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap_or((kind, ""));
            if types.insert(name.to_owned(), kind.to_owned()).is_some() {
                wrong.push(format!("second type: {line}"));
            }
            if (kind == "counter") != name.ends_with("_total") {
                wrong.push(format!("counters and no others end in _total: {line}"));
            }
        } else {
            let (id, value) = line.rsplit_once(' ').unwrap_or((line, ""));
            let name = id.split('{').next().unwrap_or_default();
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            let typed = types.get(name).or_else(|| types.get(family).filter(|kind| *kind == "histogram"));
            if typed.is_none() || !(helps.contains(name) || helps.contains(family)) {
                wrong.push(format!("a sample without its head: {line}"));
            }
            if value.parse::<f64>().is_err() || !series.insert(id.to_owned()) {
                wrong.push(format!("no number, or twice: {line}"));
            }
        }
    }
    for (name, _) in types.iter().filter(|(_, kind)| *kind == "histogram") {
        if !series.iter().any(|id| id.starts_with(&format!("{name}_bucket")) && id.contains("le=\"+Inf\"")) {
            wrong.push(format!("{name} has no bucket for everything"));
        }
    }
    wrong
}

#[tokio::test]
async fn every_family_is_there_from_the_start_and_well_formed() {
    let service = start("").await;
    let text = get(service.admin_addr, "/metrics").await.body;
    assert_eq!(lint(&text), Vec::<String>::new(), "{text}");
    for series in [
        "hardening_calls_total{call=\"app::price\",outcome=\"success\"} 0",
        "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"200\"} 0",
        "http_requests_in_flight 0",
        "health_check_up{check=\"hanging\",kind=\"degraded\"} 0",
        "http_client_rate_limit_decisions_total{decision=\"refused\"} 0",
    ] {
        assert!(text.lines().any(|line| line == series), "{series} is not in\n{text}");
    }
    for family in
        ["build_info{version=\"0.1.0\",commit=\"unknown\",rustc=\"1.", "process_start_time_seconds "]
    {
        assert!(text.lines().any(|line| line.starts_with(family)), "{family} is not in\n{text}");
    }
}

#[tokio::test]
async fn requests_are_counted_by_route_and_unmatched_ones_share_a_label() {
    let service = start("").await;
    for path in ["/items/1", "/items/2", "/items/x", "/a", "/b", "/livez"] {
        get(service.addr, path).await;
    }
    let text = get(service.admin_addr, "/metrics").await.body;
    for series in [
        "http_requests_total{method=\"GET\",route=\"/items/{id}\",status=\"200\"} 2",
        "http_requests_total{method=\"GET\",route=\"/items/{id}\",status=\"400\"} 1",
        "http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"} 2",
        "http_requests_total{method=\"GET\",route=\"/livez\",status=\"200\"} 1",
        "http_request_duration_seconds_count{method=\"GET\",route=\"/items/{id}\"} 3",
    ] {
        assert!(text.lines().any(|line| line == series), "{series} is not in\n{text}");
    }
    assert!(!text.contains("/items/1"), "paths are never labels");
    assert_eq!(lint(&text), Vec::<String>::new());
}
