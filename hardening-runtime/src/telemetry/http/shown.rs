//! What each route has answered, for the console.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::{GRPC_CODES, HttpStats, OTHER, RouteStats};
use crate::telemetry::histogram::BOUNDS;

/// One route, all of its methods together.
#[derive(Debug)]
pub(crate) struct Shown {
    pub(crate) route: String,
    pub(crate) in_flight: u64,
    /// Answers by their status, and calls of gRPC by theirs.
    pub(crate) answers: BTreeMap<String, u64>,
    /// How many took no longer than each bound, and all.
    pub(crate) below: [u64; BOUNDS.len() + 1],
}

impl Shown {
    /// One that nobody has asked for yet.
    pub(crate) fn unasked(route: &str) -> Self {
        Self { route: route.to_owned(), in_flight: 0, answers: BTreeMap::new(), below: [0; BOUNDS.len() + 1] }
    }
}

impl HttpStats {
    /// Each route, by its pattern.
    pub(crate) fn shown(&self) -> Vec<Shown> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut shown: Vec<Shown> = routes.iter().map(|route| route.shown()).collect();
        shown.sort_by(|a, b| a.route.cmp(&b.route));
        shown
    }
}

impl RouteStats {
    fn shown(&self) -> Shown {
        let mut below = [0; BOUNDS.len() + 1];
        let mut answers = BTreeMap::new();
        let mut add = |what: String, count: u64| {
            if count > 0 {
                *answers.entry(what).or_default() += count;
            }
        };
        let calls = self.calls.get();
        for series in self.methods.iter().filter_map(|series| series.get()) {
            for (all, one) in below.iter_mut().zip(series.durations.read().0) {
                *all += one;
            }
            // Every call is answered with 200.
            if calls.is_none() {
                for (at, count) in series.statuses.iter().enumerate() {
                    add((at + 100).to_string(), count.load(Ordering::Relaxed));
                }
                add(OTHER.to_owned(), series.others.load(Ordering::Relaxed));
            }
        }
        for (code, count) in GRPC_CODES.iter().zip(calls.into_iter().flat_map(|calls| calls.iter())) {
            add((*code).to_owned(), count.load(Ordering::Relaxed));
        }
        let in_flight = self.in_flight.load(Ordering::Acquire).max(0).unsigned_abs();
        Shown { route: self.route.to_string(), in_flight, answers, below }
    }
}
