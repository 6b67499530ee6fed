//! The rules by which Prometheus finds what [`super::burn`] finds: recorded rates, and one alert for each pair of windows.
//!
//! `increase` and `rate` are not used: they extrapolate to the ends of a window, and which samples are in a window is not the
//! same in Prometheus 2 and 3. What counters grow by is recorded once a minute and summed instead, which is exact. A range
//! that ends half a minute early holds one recorded value for each minute of the window in both.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::burn::{LEAST_ERRORS, PAIRS};

/// The counter of requests, by `slo` and `route`.
pub(super) const REQUESTS: &str = "hardening_slo_requests_total";
/// The counter of those that failed.
pub(super) const ERRORS: &str = "hardening_slo_errors_total";

/// The rules for the service of this name and a budget in millionths, as a file that Prometheus reads.
pub(super) fn rules(service: &str, budget: u32) -> String {
    // The escapes of JSON are escapes of YAML's double quotes, and of PromQL's.
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let of = format!("{{slo={}}}", quoted(service));
    let mut out = format!(
        "# {objective}% of the requests of each route must not fail. Printed with HARDENING=rules; the evaluator within the\n\
         # service has the same numbers. Instances of one job are taken together.\n\
         groups:\n  - name: {group}\n    interval: 1m\n    rules:\n",
        objective = f64::from(1_000_000 - budget) / 10_000.0,
        group = quoted(&format!("hardening-slo-{service}")),
    );
    // What is written to a string cannot fail, here and below.
    for (of_minute, counter) in [(requests(), REQUESTS), (errors(), ERRORS)] {
        let _ = write!(
            out,
            "      - record: {of_minute}\n        expr: |-\n          sum without (instance, pod) (\n            \
             ({counter}{of} - {counter}{of} offset 1m >= 0)\n            \
             or ({counter}{of} and {counter}{of} offset 1m)\n          )\n"
        );
    }
    let windows: BTreeSet<usize> = PAIRS.iter().flat_map(|pair| [pair.short, pair.long]).collect();
    for minutes in windows {
        let range = range(minutes);
        let _ = write!(
            out,
            "      - record: {ratio}\n        expr: |-\n          sum_over_time({errors}{of}[{range}])\n            \
             / sum_over_time({requests}{of}[{range}])\n",
            ratio = ratio(minutes),
            errors = errors(),
            requests = requests(),
        );
    }
    for pair in PAIRS {
        let (long, short, threshold) = (window(pair.long), window(pair.short), pair.threshold(budget));
        let summary = format!(
            "{{{{ $labels.slo }}}}: the route {{{{ $labels.route }}}} spends its error budget more than {} times too fast",
            pair.factor()
        );
        let description = format!(
            "{{{{ $value | humanizePercentage }}}} of its requests failed in {long}, and more than {}% in {short}.",
            rounded(threshold * 100.0)
        );
        let _ = write!(
            out,
            "      - alert: HardeningErrorBudgetBurn\n        expr: |-\n          {of_long}{of} > {threshold}\n            \
             and {of_short}{of} > {threshold}\n            \
             and sum_over_time({errors}{of}[{range}]) >= {LEAST_ERRORS}\n        \
             labels:\n          severity: page\n          window: {long}\n        \
             annotations:\n          summary: {summary}\n          description: {description}\n",
            of_long = ratio(pair.long),
            of_short = ratio(pair.short),
            errors = errors(),
            range = range(pair.long),
            summary = quoted(&summary),
            description = quoted(&description),
        );
    }
    out
}

/// A number of at most six digits behind the point.
pub(super) fn rounded(number: f64) -> f64 {
    (number * 1e6).round() / 1e6
}

/// A window as Prometheus writes it.
pub(super) fn window(minutes: usize) -> String {
    if minutes.is_multiple_of(60) { format!("{}h", minutes / 60) } else { format!("{minutes}m") }
}

/// The range that holds what was recorded in each minute of a window, the present one included.
fn range(minutes: usize) -> String {
    let (hours, minutes) = ((minutes - 1) / 60, (minutes - 1) % 60);
    if hours > 0 { format!("{hours}h{minutes}m30s") } else { format!("{minutes}m30s") }
}

fn requests() -> &'static str {
    "hardening:slo_requests:delta1m"
}

fn errors() -> &'static str {
    "hardening:slo_errors:delta1m"
}

fn ratio(minutes: usize) -> String {
    format!("hardening:slo_errors:ratio{}", window(minutes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_thresholds_are_exact() {
        let rules = rules("or\"ders\\", 1000);
        assert!(rules.starts_with("# 99.9% of the requests"), "{rules}");
        for part in [
            r#"hardening_slo_errors_total{slo="or\"ders\\"} offset 1m"#,
            r#"hardening:slo_errors:ratio5m{slo="or\"ders\\"} > 0.0144"#,
            r#"hardening:slo_errors:ratio30m{slo="or\"ders\\"} > 0.006"#,
            r#"delta1m{slo="or\"ders\\"}[5h59m30s]) >= 10"#,
            r#"name: "hardening-slo-or\"ders\\""#,
        ] {
            assert!(rules.contains(part), "{part} not in\n{rules}");
        }
        assert_eq!(rules.matches("- alert: ").count(), PAIRS.len());
    }

    #[test]
    fn ranges_end_half_a_minute_before_their_window() {
        assert_eq!([5, 30, 60, 360].map(range), ["4m30s", "29m30s", "59m30s", "5h59m30s"]);
        assert_eq!([5, 30, 60, 360].map(window), ["5m", "30m", "1h", "6h"]);
    }
}
