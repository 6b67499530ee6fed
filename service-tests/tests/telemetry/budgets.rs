//! I-71: the rules that a service prints find in Prometheus what its own evaluator finds, minute by minute.

use std::path::Path;

use serde_json::{Value, json};
use tokio::process::Command;

use hardening_service_tests::certificates::Authority;
use hardening_service_tests::client::get;
use hardening_service_tests::service::value;
use hardening_service_tests::tool::said;

use super::world::{KEY, World, asked_for_rules};
use burn::{Burn, Counts, PAIRS, Samples};

/// The evaluator of the service, which is no part of its interface.
#[expect(dead_code, reason = "messages have words for what is compared here")]
#[path = "../../../hardening-runtime/src/telemetry/alerts/burn.rs"]
mod burn;

/// The budget of an objective of 99.9 %, in millionths.
const BUDGET: u32 = 1_000;
const OBJECTIVE: &str = "[alerts]\nobjective = '99.9%'\n";

/// The rules that the service prints.
async fn printed_rules() -> String {
    printed(OBJECTIVE).await
}

async fn printed(settings: &str) -> String {
    let end = asked_for_rules(settings).await;
    assert_eq!(end.code, Some(0), "{}", end.complained);
    // What the harness of tests says stands before it.
    let (_, rules) = end.said.split_once("# ").expect("a comment");
    format!("# {rules}\n")
}

#[tokio::test]
async fn without_an_objective_there_are_no_rules() {
    let end = asked_for_rules("").await;
    assert_eq!(end.code, Some(1));
    assert!(!end.said.contains("groups"), "{}", end.said);
    assert!(end.complained.contains("error: [alerts] objective is missing"), "{}", end.complained);
}

/// Half a day: the longest window slides over all of its own length.
const MINUTES: usize = 720;

/// What a route's counters showed in each minute; nothing before there was the route.
struct Trace {
    route: String,
    shown: Vec<Option<Counts>>,
}

/// A route that answers so many requests in each minute, so many of them with an error.
fn growing(route: &str, mut minute: impl FnMut(usize) -> (u64, u64)) -> Trace {
    let mut counts = Counts::default();
    let shown = (0..MINUTES).map(|at| {
        let (requests, errors) = minute(at);
        counts.requests += requests;
        counts.errors += errors;
        Some(counts)
    });
    Trace { route: route.to_owned(), shown: shown.collect() }
}

/// The same, of a process that began anew in these minutes.
fn restarted(mut trace: Trace, at: &[usize]) -> Trace {
    for &at in at {
        let before = trace.shown[at - 1].unwrap_or_default();
        for counts in trace.shown[at..].iter_mut().flatten() {
            counts.requests -= before.requests;
            counts.errors -= before.errors;
        }
    }
    trace
}

/// The same, of a route that nobody had asked before this minute.
fn young(mut trace: Trace, first: usize) -> Trace {
    trace.shown[..first].fill(None);
    trace
}

fn traces() -> Vec<Trace> {
    let within = |at: usize, from: usize, to: usize| (from..to).contains(&at);
    let mut traces = vec![
        growing("/steady", |_| (10_000, 10)),
        // At the threshold, and one more.
        growing("/at-the-fast", |_| (10_000, 144)),
        growing("/above-the-fast", |_| (10_000, 145)),
        growing("/at-the-slow", |_| (10_000, 60)),
        growing("/above-the-slow", |_| (10_000, 61)),
        growing("/burst", |at| (600, if within(at, 400, 410) { 300 } else { 0 })),
        growing("/recovery", |at| (600, if within(at, 60, 300) { 60 } else { 0 })),
        growing("/silent-afterwards", |at| if at < 200 { (50, 5) } else { (0, 0) }),
        growing("/never-asked", |_| (0, 0)),
        // Nine errors in each hour, nine in each six hours, and ten.
        growing("/low", |at| (1, u64::from(at % 60 < 9))),
        growing("/lower", |at| (u64::from(at % 360 < 9), u64::from(at % 360 < 9))),
        growing("/ten", |at| (u64::from(at % 360 < 10), u64::from(at % 360 < 10))),
        growing("/flapping", |at| (600, if at % 20 < 3 { 120 } else { 0 })),
        // Around the threshold within an hour, so that each minute of a window counts.
        growing("/edge", |at| (1_000, if at % 61 == 0 { 865 } else { 0 })),
        growing("/slow-edge", |at| (1_000, if at % 361 == 20 { 725 } else { 4 })),
        restarted(growing("/restarted", |at| (100, u64::from(at % 50 == 0) * 80)), &[50, 251, 470]),
        restarted(
            growing("/restarted-while-it-burns", |at| (100, 20 * u64::from(at > 90))),
            &[120, 124, 300],
        ),
        // It shows 40 errors when it is seen first, which count for nothing.
        young(growing("/young", |at| (50, u64::from(at < 140) * 10)), 137),
        young(growing("/young-and-bad", |at| (50, u64::from(at < 500) * 2)), 401),
    ];
    let mut random = fastrand::Rng::with_seed(71);
    for number in 0..6 {
        let (mut burns, most) = (false, random.u64(20..2_000));
        let trace = growing(&format!("/random/{number}"), |_| {
            burns ^= random.u8(0..30) == 0;
            let requests = random.u64(0..most);
            (requests, if burns { random.u64(0..=requests / 10) } else { random.u64(0..=requests / 500) })
        });
        traces.push(restarted(trace, &[random.usize(1..MINUTES)]));
    }
    traces
}

/// What the evaluator says of a route in each minute, of each pair; nothing before there was the route.
fn evaluated(trace: &Trace) -> Vec<Option<[Burn; PAIRS.len()]>> {
    let mut samples = Samples::default();
    let minute = |shown: &Option<Counts>| {
        samples.push((*shown)?);
        Some(PAIRS.map(|pair| samples.burn(pair, BUDGET)))
    };
    trace.shown.iter().map(minute).collect()
}

fn window(minutes: usize) -> String {
    if minutes.is_multiple_of(60) { format!("{}h", minutes / 60) } else { format!("{minutes}m") }
}

/// A unit test of Prometheus' tool: what is recorded, and what the evaluator says of it in each minute. Rates are compared in
/// one of so many minutes.
fn unit_test(rules: &str, traces: &[Trace], rates_every: usize) -> Value {
    let series = |trace: &Trace, name: &str, of: fn(Counts) -> u64| {
        let shown =
            trace.shown.iter().map(|counts| counts.map_or("_".to_owned(), |counts| of(counts).to_string()));
        json!({
            "series": format!("{name}{{slo=\"fullest\",route=\"{}\",job=\"j\",instance=\"i\"}}", trace.route),
            "values": shown.collect::<Vec<_>>().join(" "),
        })
    };
    let series = traces.iter().flat_map(|trace| {
        [
            series(trace, "hardening_slo_requests_total", |counts| counts.requests),
            series(trace, "hardening_slo_errors_total", |counts| counts.errors),
        ]
    });
    let evaluated: Vec<_> = traces.iter().map(|trace| (trace, evaluated(trace))).collect();
    let mut questions = Vec::new();
    for at in 0..traces.iter().map(|trace| trace.shown.len()).max().unwrap_or(0) {
        let (mut firing, mut rates) = (Vec::new(), Vec::new());
        for (trace, minutes) in &evaluated {
            let Some(burns) = &minutes[at] else { continue };
            let labels = format!("job=\"j\",route=\"{}\",slo=\"fullest\"", trace.route);
            for (pair, burn) in PAIRS.into_iter().zip(burns) {
                for (minutes, counts) in [(pair.long, burn.long), (pair.short, burn.short)] {
                    let name = format!("hardening:slo_errors:ratio{}", window(minutes));
                    // There is no rate without requests.
                    if counts.requests > 0 {
                        rates
                            .push(json!({ "labels": format!("{name}{{{labels}}}"), "value": counts.rate() }));
                    }
                }
                if burn.fires {
                    let labels = format!(
                        "ALERTS{{alertname=\"HardeningErrorBudgetBurn\",alertstate=\"firing\",severity=\"page\",window=\"{}\",{labels}}}",
                        window(pair.long)
                    );
                    firing.push(json!({ "labels": labels, "value": 1 }));
                }
            }
        }
        let question = |expr: &str, expected: Vec<Value>| json!({ "expr": expr, "eval_time": format!("{at}m"), "exp_samples": expected });
        questions.push(question("ALERTS{alertstate=\"firing\"}", firing));
        if at % rates_every == 0 {
            questions.push(question("{__name__=~\"hardening:slo_errors:ratio.*\"} >= 0", rates));
        }
    }
    json!({
        "rule_files": [rules],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": series.collect::<Vec<_>>(),
            "promql_expr_test": questions,
        }],
    })
}

/// What Prometheus' tool says, or nothing where it is not here and need not be.
async fn promtool(arguments: &[&Path], words: &[&str]) -> Option<(bool, String)> {
    said(Command::new("promtool").args(words).args(arguments)).await
}

/// Whether rules find in Prometheus what the evaluator finds, and what is said otherwise.
async fn agree(rules: &str, traces: &[Trace], rates_every: usize) -> Option<(bool, String)> {
    let directory = Authority::new();
    let file = directory.file("rules.yml", rules);
    let test = directory.file("test.yml", &unit_test(&file, traces, rates_every).to_string());
    promtool(&[test.as_ref()], &["test", "rules"]).await
}

#[tokio::test]
async fn i_71_the_printed_rules_fire_in_the_minutes_in_which_the_evaluator_does() {
    let (rules, traces) = (printed_rules().await, traces());
    // What is compared is worth it: each pair fires and ends on some route, and some never do.
    let fires = |route: &str, pair: usize| {
        let trace = traces.iter().find(|trace| trace.route == route).expect("a trace");
        let minutes = evaluated(trace).into_iter();
        minutes.filter(|burns| burns.is_some_and(|burns| burns[pair].fires)).count()
    };
    for route in ["/steady", "/at-the-slow", "/never-asked", "/lower"] {
        assert_eq!([fires(route, 0), fires(route, 1)], [0, 0], "{route}");
    }
    assert_eq!([fires("/at-the-fast", 0), fires("/low", 0)], [0, 0]);
    for (route, pairs) in [
        ("/burst", 0..2),
        ("/recovery", 0..2),
        ("/ten", 0..2),
        ("/flapping", 0..1),
        ("/edge", 0..1),
        ("/slow-edge", 1..2),
    ] {
        for pair in pairs {
            let minutes = fires(route, pair);
            assert!((1..MINUTES - 100).contains(&minutes), "{route}: {minutes}");
        }
    }
    assert!(fires("/above-the-fast", 0) > 700 && fires("/above-the-slow", 1) > 700);

    let Some((agreed, said)) = agree(&rules, &traces, 10).await else { return };
    let start: String = said.chars().take(4000).collect();
    assert!(agreed, "{start}");
}

#[tokio::test]
async fn i_71_rules_that_differ_in_a_number_are_found_out() {
    let rules = printed_rules().await;
    // Each beside the route that tells it.
    for (part, other, route) in [
        ("> 0.0144", "> 0.0144 ", "/above-the-fast"),
        ("> 0.0144", "> 0.0145", "/above-the-fast"),
        ("> 0.0144", ">= 0.0144", "/at-the-fast"),
        ("> 0.006", "> 0.0061", "/above-the-slow"),
        ("> 0.006", ">= 0.006", "/at-the-slow"),
        (">= 10", ">= 11", "/ten"),
        (">= 10", ">= 9", "/low"),
        ("[4m30s]", "[5m30s]", "/burst"),
        ("[29m30s]", "[28m30s]", "/burst"),
        ("[59m30s]", "[60m30s]", "/burst"),
        ("[5h59m30s]", "[6h0m30s]", "/burst"),
        ("offset 1m", "offset 2m", "/burst"),
        (
            "or (hardening_slo_errors_total{slo=\"fullest\"} and",
            "or (hardening_slo_errors_total{slo=\"fullest\"} unless",
            "/restarted",
        ),
    ] {
        let planted = rules.replace(part, other);
        assert_ne!(planted, rules, "{part}");
        let mut traces = traces();
        traces.retain(|trace| trace.route == route);
        traces[0].shown.truncate(420);
        let Some((agreed, said)) = agree(&planted, &traces, 1).await else { return };
        // A blank changes nothing, which shows that the others fail for what they change.
        let same = other.trim_end() == part;
        assert!(agreed == same && (same || said.contains("FAILED")), "{other} for {part}: {said}");
    }
}

/// What somebody is told, and that Prometheus' own check finds nothing wrong.
#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_printed_rules() {
    let directory = Authority::new();
    let odd = printed(&format!("{OBJECTIVE}[service]\nname = 'or\"ders\\ {{{{ oops }}}}: ünï #1'")).await;
    assert!(odd.contains(r#"{slo="or\"ders\\ {{ oops }}: ünï #1"}"#), "{odd}");
    for rules in [odd, printed_rules().await] {
        let file = directory.file("rules.yml", &rules);
        let Some((right, said)) = promtool(&[file.as_ref()], &["check", "rules"]).await else { return };
        assert!(right && said.contains("8 rules found"), "{said}");
    }
    let file = directory.directory.join("rules.yml");
    let alert = |window: &str, summary: &str, description: &str| {
        json!({
            "exp_labels": { "slo": "fullest", "route": "/items/{id}", "job": "j", "severity": "page", "window": window },
            "exp_annotations": { "summary": summary, "description": description },
        })
    };
    // Two instances, of which one errs.
    let series = |name: &str, pod: &str, values: &str| json!({ "series": format!("{name}{{slo='fullest',route='/items/{{id}}',job='j',pod='{pod}'}}"), "values": values });
    let spends = "fullest: the route /items/{id} spends its error budget more than";
    let test = json!({
        "rule_files": [file],
        "evaluation_interval": "1m",
        "tests": [{
            "interval": "1m",
            "input_series": [
                series("hardening_slo_requests_total", "a", "0 60 120"),
                series("hardening_slo_errors_total", "a", "0 5 10"),
                series("hardening_slo_requests_total", "b", "0 40 80"),
                series("hardening_slo_errors_total", "b", "0 0 0"),
            ],
            "alert_rule_test": [
                { "eval_time": "1m", "alertname": "HardeningErrorBudgetBurn", "exp_alerts": [] },
                { "eval_time": "2m", "alertname": "HardeningErrorBudgetBurn", "exp_alerts": [
                    alert("1h", &format!("{spends} 14.4 times too fast"), "5% of its requests failed in 1h, and more than 1.44% in 5m."),
                    alert("6h", &format!("{spends} 6 times too fast"), "5% of its requests failed in 6h, and more than 0.6% in 30m."),
                ] },
            ],
        }],
    });
    let test = directory.file("test.yml", &test.to_string());
    let judged = promtool(&[test.as_ref()], &["test", "rules"]).await;
    assert!(judged.as_ref().is_some_and(|(right, _)| *right), "{judged:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counters_of_the_rules_are_those_of_the_service_and_hold_each_failed_request_once() {
    let world = World::start(&[], "").await;
    let client = world.client().await;
    for (path, times) in [("/hello", 3), ("/panic", 2), ("/fails/503", 4), ("/fails/500", 5), ("/missing", 6)]
    {
        for _ in 0..times {
            client.ask("GET", path, &[("x-api-key", KEY)], "").await;
        }
    }
    let call = [("content-type", "application/grpc")];
    client.ask("POST", "/shop.v1.Prices/Quote", &call, &b"\0\0\0\0\0"[..]).await;
    let metrics = world.scrape().await;
    for (route, requests, errors) in [
        ("/hello", 3.0, 0.0),
        ("/panic", 2.0, 2.0),
        ("/fails/{status}", 9.0, 5.0),
        ("unmatched", 6.0, 0.0),
        ("/shop.v1.Prices/Quote", 1.0, 0.0),
    ] {
        let of = |name: &str| value(&metrics, &format!("{name}{{slo=\"fullest\",route=\"{route}\"}}"));
        let counted = (of("hardening_slo_requests_total"), of("hardening_slo_errors_total"));
        assert_eq!(counted, (Some(requests), Some(errors)), "{route}");
    }
    assert_eq!(get(world.child.admin_addr, "/readyz").await.status, 200);
    let rules = printed_rules().await;
    for counter in ["hardening_slo_requests_total", "hardening_slo_errors_total"] {
        assert!(rules.contains(&format!("{counter}{{slo=\"fullest\"}}")), "{rules}");
    }
}
