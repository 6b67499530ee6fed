//! How many series `/metrics` can ever have.
//!
//! All but a few are there from the start, whatever comes later, so that they are counted where they are rendered. The rest
//! have bounds of their own: those of requests by route, method and status, and those that exist only for a while.

use super::admin;
use super::server::Server;
use crate::catalogue::sites;
use crate::telemetry::calls;

/// Families that begin small: their bounds are added instead.
const GROWING: [&str; 7] = [
    "http_requests_total{",
    "http_request_duration_seconds_",
    "grpc_requests_total{",
    "http_requests_in_flight ",
    "hardening_retry_budget_remaining{",
    "shutdown_still_running{",
    "hardening_slo_",
];

fn samples(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The series of a service; what the program itself records is not bounded here, and counts as it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    /// There are this many.
    pub(super) now: usize,
    /// There will never be more.
    pub(super) most: usize,
}

impl Series {
    /// Of a service with this many shutdown hooks.
    pub(super) fn of(server: &Server, hooks: usize) -> Self {
        let text = admin::metrics(server, true);
        let now = if server.settings.telemetry.rare_zeros {
            samples(&text).count()
        } else {
            samples(&admin::metrics(server, false)).count()
        };
        let fixed =
            samples(&text).filter(|line| !GROWING.iter().any(|family| line.starts_with(family))).count();
        // While the service ends: requests, upgraded connections and what was spawned by route, calls, tasks and hooks.
        let ending = 4 * (server.stats.most_routes() + 2) + sites().count() + server.tasks.0.len() + hooks;
        let of_alerts = server.alerts.as_ref().map_or(0, |alerts| alerts.most_series(&server.stats));
        let most = fixed + server.stats.most_series() + of_alerts + calls::budgets() + ending;
        Self { now, most }
    }
}
