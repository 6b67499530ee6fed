//! The error budget of each route of a service: who is told that it is spent too fast.

use std::collections::BTreeMap;

use super::burn::{Burn, Counts, PAIRS, Pair, Samples};
use super::rules::{ERRORS, REQUESTS, window};
use super::turns::{Turn, Turns};
use crate::clock::Nanos;
use crate::telemetry::http::HttpStats;
use crate::telemetry::text::Family;

/// The budgets of all routes.
#[derive(Debug)]
pub(super) struct Slo {
    /// The share of requests that may fail, in millionths.
    budget: u32,
    routes: BTreeMap<String, Route>,
}

#[derive(Debug, Default)]
struct Route {
    samples: Samples,
    turns: [Turns; PAIRS.len()],
}

/// What somebody must be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct News {
    pub(super) route: String,
    pub(super) pair: Pair,
    pub(super) burn: Burn,
    pub(super) budget: u32,
    pub(super) turn: Turn,
}

impl Slo {
    pub(super) fn new(budget: u32) -> Self {
        Self { budget, routes: BTreeMap::new() }
    }

    /// What the counters of each route show a minute after the last sample. Answers what somebody must be told, and nothing
    /// sooner than `every` after the last message about the same route and windows.
    pub(super) fn sample(
        &mut self,
        every: Nanos,
        now: Nanos,
        shown: impl IntoIterator<Item = (String, Counts)>,
    ) -> Vec<News> {
        let mut news = Vec::new();
        for (name, counts) in shown {
            let route = self.routes.entry(name.clone()).or_default();
            route.samples.push(counts);
            for (pair, turns) in PAIRS.into_iter().zip(&mut route.turns) {
                let burn = route.samples.burn(pair, self.budget);
                if let Some(turn) = turns.step(every, now, burn.fires) {
                    news.push(News { route: name.clone(), pair, burn, budget: self.budget, turn });
                }
            }
        }
        news
    }

    /// Writes which of these routes spend their budgets too fast. None does before its first sample, which comes up to a
    /// minute after its counters exist.
    fn render<'r>(&self, service: &str, routes: impl IntoIterator<Item = &'r str>, out: &mut String) {
        let help = "Whether a route's error budget is spent too fast, by the longer window of the pair that tells: 1 or 0.";
        let mut family = Family::gauge(out, "hardening_slo_burning", help);
        for name in routes {
            let sampled = self.routes.get(name);
            for (at, pair) in PAIRS.into_iter().enumerate() {
                let labels = [("slo", service), ("route", name), ("window", &*window(pair.long))];
                let burning = sampled.is_some_and(|route| route.turns[at].is_on());
                family.sample(&labels, u8::from(burning));
            }
        }
    }
}

/// The counters of every route so far.
pub(super) fn shown(stats: &HttpStats) -> impl Iterator<Item = (String, Counts)> {
    stats.answered().into_iter().map(|(route, requests, errors)| (route, Counts { requests, errors }))
}

/// Writes the counters that the rules of Prometheus are about, and what the evaluator makes of them.
pub(super) fn render(slo: &Slo, service: &str, stats: &HttpStats, out: &mut String) {
    let mut all: Vec<_> = shown(stats).collect();
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut family = Family::counter(out, REQUESTS, "Requests answered that count for an error budget.");
    for (route, counts) in &all {
        family.sample(&[("slo", service), ("route", route)], counts.requests);
    }
    let mut family = Family::counter(out, ERRORS, "Those of them that the service failed.");
    for (route, counts) in &all {
        family.sample(&[("slo", service), ("route", route)], counts.errors);
    }
    slo.render(service, all.iter().map(|(route, _)| route.as_str()), out);
}

/// How many series [`render`] writes at most for this many routes.
pub(super) const fn most_series(routes: usize) -> usize {
    routes * (2 + PAIRS.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: Nanos = 60_000_000_000;

    #[test]
    fn each_route_and_pair_is_told_of_when_it_begins_and_when_it_is_over() {
        let mut slo = Slo::new(1_000);
        let mut told = Vec::new();
        for minute in 0..400_u64 {
            // 10 % of the requests fail for twenty minutes.
            let bad = minute.clamp(100, 120) - 100;
            let shown = [
                ("/bad".to_owned(), Counts { requests: minute * 100, errors: bad * 10 }),
                ("/good".to_owned(), Counts { requests: minute * 100, errors: 0 }),
            ];
            for news in slo.sample(15 * M, minute * M, shown) {
                told.push((minute, news.route, news.pair.long, news.turn.on));
            }
        }
        let bad = |minute, long, on| (minute, "/bad".to_owned(), long, on);
        // 14.4 times is 1.44 % of an hour: 90 of 6 000 requests. 6 times is 0.6 % of what is there of six hours.
        assert_eq!(
            told,
            [bad(107, 360, true), bad(109, 60, true), bad(125, 60, false), bad(149, 360, false)]
        );
        let mut out = String::new();
        slo.render("orders", ["/bad", "/good", "/new"], &mut out);
        assert!(
            out.contains("hardening_slo_burning{slo=\"orders\",route=\"/bad\",window=\"1h\"} 0\n"),
            "{out}"
        );
        // A route without a sample is there too.
        assert!(
            out.ends_with("hardening_slo_burning{slo=\"orders\",route=\"/new\",window=\"6h\"} 0\n"),
            "{out}"
        );
        assert_eq!(out.lines().filter(|line| !line.starts_with('#')).count(), 6);
    }
}
