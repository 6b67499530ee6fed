//! The task that watches, on paused time.

use std::time::Duration;

use hardening_spec::Ratio;
use http::{Method, StatusCode};

use super::*;

/// One answer of a route, counted as a listener does.
fn answer(stats: &HttpStats, status: StatusCode) {
    let route = stats.route("/orders");
    route.record(&Method::GET, status, 1);
    route.counts(status.as_u16());
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        route.failed("r", "t".to_owned());
    }
}

fn metric(alerts: &Alerts, stats: &HttpStats, series: &str) -> Option<u64> {
    let mut out = String::new();
    alerts.render(stats, &mut out);
    out.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

const BURNING: &str = "hardening_slo_burning{slo=\"orders\",route=\"/orders\",window=\"1h\"}";

#[tokio::test(start_paused = true)]
async fn routes_are_sampled_once_a_minute_for_as_long_as_it_watches() {
    let mut settings = Settings::default();
    "orders".clone_into(&mut settings.service.name);
    settings.alerts.objective = Some(Ratio::millionths(999_000));
    let (alerts, _) = Alerts::new(&settings).unwrap().expect("an objective is watched where nobody is told");
    let stats = Arc::new(HttpStats::default());
    answer(&stats, StatusCode::OK);
    assert_eq!(metric(&alerts, &stats, BURNING), Some(0), "a scrape may come before the first sample");
    let task = tokio::spawn({
        let (alerts, stats) = (Arc::clone(&alerts), Arc::clone(&stats));
        async move { alerts.watch(&stats).await }
    });
    let minutes = async |count: u32| tokio::time::sleep(SAMPLE * count).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(metric(&alerts, &stats, BURNING), Some(0));
    // 10 of 200 failed in the first minute: 5 %, which is 50 times the budget.
    for at in 0..200 {
        answer(&stats, if at % 20 == 0 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK });
    }
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert_eq!(metric(&alerts, &stats, BURNING), Some(0), "a sample is taken once a minute");
    minutes(1).await;
    assert_eq!(metric(&alerts, &stats, BURNING), Some(1));
    minutes(4).await;
    assert_eq!(metric(&alerts, &stats, BURNING), Some(1));
    minutes(1).await;
    assert_eq!(metric(&alerts, &stats, BURNING), Some(0), "the short window is empty");
    let counted = |name| metric(&alerts, &stats, &format!("{name}{{slo=\"orders\",route=\"/orders\"}}"));
    assert_eq!((counted(rules::REQUESTS), counted(rules::ERRORS)), (Some(201), Some(10)));
    task.abort();
}

#[test]
fn series_of_budgets_have_the_bound_that_is_said() {
    let mut settings = Settings::default();
    settings.alerts.objective = Some(Ratio::millionths(999_000));
    let (alerts, _) = Alerts::new(&settings).unwrap().unwrap();
    let stats = HttpStats::new(3, 0);
    for route in 0..100 {
        stats.route(&format!("/{route}"));
    }
    alerts.sample(&stats, 0);
    let mut out = String::new();
    alerts.render(&stats, &mut out);
    let series = out.lines().filter(|line| line.starts_with("hardening_slo_")).count();
    assert_eq!(series, alerts.most_series(&stats));
}

#[test]
fn rules_need_an_objective() {
    let mut settings = Settings::default();
    let why = Alerts::rules(&settings).unwrap_err();
    assert!(why.contains("objective = \"99.9%\""), "{why}");
    settings.alerts.objective = Some(Ratio::millionths(950_000));
    assert!(Alerts::rules(&settings).unwrap().contains("> 0.72"));
}
