//! What each route counts: atomics of its own, found once by the route and kept.

mod series;
mod shown;

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::{Method, StatusCode};

use self::series::{STATUSES, Series};
pub(crate) use self::shown::Shown;
use super::histogram::BOUNDS;
use super::text::{Family, label};
use crate::clock::Nanos;

/// The route label of everything that no route matches.
pub const UNMATCHED: &str = "unmatched";

/// The route label of those that there is no more room for.
const OTHER: &str = "other";

/// The statuses of gRPC, by number.
pub const GRPC_CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other"];

/// What one service has answered.
#[derive(Debug)]
pub struct HttpStats {
    routes: Mutex<Vec<Arc<RouteStats>>>,
    /// Routes that have counts of their own, at most.
    most: usize,
    /// How many of these answer calls of gRPC alone.
    callable: usize,
    unmatched: Arc<RouteStats>,
    in_flight: AtomicI64,
}

/// A route with requests being answered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The route's pattern.
    pub route: String,
    /// How many there are.
    pub requests: u64,
    /// Those of them that wait for their clients alone, to take the answer or to send more of the body.
    pub waiting: u64,
}

/// What one route has answered.
#[derive(Debug)]
pub struct RouteStats {
    /// The route's pattern.
    pub route: Arc<str>,
    /// Whether it is a method of gRPC.
    callable: bool,
    /// Requests being answered now, and those of them that wait for their clients alone.
    in_flight: AtomicI64,
    waiting: AtomicI64,
    /// The last request that was answered with an error: its id, and its trace's.
    #[cfg(feature = "alerts")]
    failed: Mutex<Option<(String, String)>>,
    /// Requests that were answered with an error.
    #[cfg(feature = "alerts")]
    failures: AtomicU64,
    /// Requests that count for an error budget, and those of them that were answered with 504: not those whose clients brought
    /// that about themselves.
    #[cfg(feature = "alerts")]
    counted: AtomicU64,
    #[cfg(feature = "alerts")]
    late: AtomicU64,
    methods: [OnceLock<Box<Series>>; METHODS.len()],
    /// How its calls of gRPC ended, by status.
    calls: OnceLock<Box<[AtomicU64; GRPC_CODES.len()]>>,
}

impl Default for HttpStats {
    fn default() -> Self {
        Self::new(1000, 0)
    }
}

impl HttpStats {
    /// Counts for this many routes, and this many methods of gRPC; those that come later share one.
    pub fn new(routes: usize, callable: usize) -> Self {
        let unmatched = Arc::new(RouteStats::new(UNMATCHED, false));
        // Exists from the start, so that the first scrape shows the families.
        unmatched.series("GET");
        let (most, routes) = (routes, Mutex::new(vec![Arc::clone(&unmatched)]));
        Self { routes, most: most + callable, callable, unmatched, in_flight: AtomicI64::new(0) }
    }

    /// How many series [`HttpStats::render`] can ever write.
    pub fn most_series(&self) -> usize {
        // Those that share one are one more, and so are those that no route matches.
        let routes = self.most - self.callable + 2;
        let of_method = STATUSES as usize + 1 + BOUNDS.len() + 3;
        let calls = GRPC_CODES.len();
        routes * (METHODS.len() * of_method + calls) + self.callable * (2 * of_method + calls) + 1
    }

    /// How many routes have counts of their own, at most.
    pub fn most_routes(&self) -> usize {
        self.most
    }

    /// The counts of the route with this pattern, or those that share one when there are too many.
    pub fn route(&self, pattern: &str) -> Arc<RouteStats> {
        self.found(pattern, false)
    }

    /// The counts of the method of gRPC with this path, or those that share one when there are too many.
    #[cfg(feature = "grpc")]
    pub fn method(&self, path: &str) -> Arc<RouteStats> {
        self.found(path, true)
    }

    fn found(&self, pattern: &str, callable: bool) -> Arc<RouteStats> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |pattern: &str| routes.iter().find(|known| &*known.route == pattern).map(Arc::clone);
        if let Some(known) = known(pattern) {
            return known;
        }
        let many = routes.iter().filter(|known| known.callable == callable).count();
        // The one for what no route matches is there always.
        let room = if callable { many < self.callable } else { many <= self.most - self.callable };
        let added = if room { RouteStats::new(pattern, callable) } else { RouteStats::new(OTHER, false) };
        if let (false, Some(known)) = (room, known(OTHER)) {
            return known;
        }
        let added = Arc::new(added);
        routes.push(Arc::clone(&added));
        added
    }

    /// The counts of what no route matched.
    pub fn unmatched(&self) -> &Arc<RouteStats> {
        &self.unmatched
    }

    /// Requests being answered now.
    pub fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Acquire).max(0).unsigned_abs()
    }

    /// It answers calls of gRPC: their family exists from the start.
    pub fn answers_calls(&self) {
        self.unmatched.calls();
    }

    /// One request more.
    pub fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// One request less.
    pub fn ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// The routes with requests being answered now.
    pub fn busy(&self) -> Vec<Busy> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let busy = routes.iter().map(|route| {
            let count = |of: &AtomicI64| of.load(Ordering::Acquire).max(0).unsigned_abs();
            let requests = count(&route.in_flight);
            Busy { route: route.route.to_string(), requests, waiting: count(&route.waiting).min(requests) }
        });
        busy.filter(|busy| busy.requests > 0).collect()
    }

    /// Of each route the answers that are errors, by their status, and the last request of them.
    #[cfg(feature = "alerts")]
    pub(crate) fn errors(&self) -> Vec<RouteErrors> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_route = |route: &Arc<RouteStats>| {
            let series: Vec<&Series> =
                route.methods.iter().filter_map(|series| Some(&**series.get()?)).collect();
            let count = |status: u16| {
                if status == LATE {
                    return (status, route.late.load(Ordering::Relaxed));
                }
                let at = usize::from(status) - 100;
                let count = series.iter().map(|series| series.statuses[at].load(Ordering::Relaxed)).sum();
                (status, count)
            };
            let counts = (500..600).filter(|status| is_error(*status)).map(count);
            let counts = counts.map(|(status, count)| (status.to_string(), count));
            let calls = route.calls.get().into_iter().flat_map(|calls| calls.iter().enumerate());
            let faults = calls.filter(|(code, _)| is_fault(*code as u8));
            let faults =
                faults.map(|(code, count)| (GRPC_CODES[code].to_owned(), count.load(Ordering::Relaxed)));
            let counts = counts.chain(faults);
            let failed = route.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
            (route.route.to_string(), counts.filter(|(_, count)| *count > 0).collect(), failed)
        };
        routes.iter().map(of_route).collect()
    }

    /// Of each route the requests that count for an error budget, and those of them that were answered with an error.
    #[cfg(feature = "alerts")]
    pub(crate) fn answered(&self) -> Vec<(String, u64, u64)> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_route = |route: &Arc<RouteStats>| {
            // Before the requests, so that one that is being counted is never an error of no request.
            let failures = route.failures.load(Ordering::Acquire);
            (route.route.to_string(), route.counted.load(Ordering::Acquire), failures)
        };
        routes.iter().map(of_route).collect()
    }

    /// Every series in Prometheus' text format.
    pub fn render(&self, out: &mut String) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        routes.sort_by(|a, b| a.route.cmp(&b.route));
        let series = || {
            routes.iter().flat_map(|route| {
                let seen = METHODS.iter().zip(&route.methods);
                seen.filter_map(|(method, series)| Some((*method, &*route.route, series.get()?)))
            })
        };
        let mut family = Family::counter(out, "http_requests_total", "Requests answered.");
        for (method, route, series) in series() {
            let mut none = true;
            for (at, count) in series.statuses.iter().enumerate() {
                let count = count.load(Ordering::Relaxed);
                if count > 0 {
                    none = false;
                    let status = (at + 100).to_string();
                    family.sample(&[("method", method), ("route", route), ("status", &status)], count);
                }
            }
            let others = series.others.load(Ordering::Relaxed);
            if others > 0 {
                none = false;
                family.sample(&[("method", method), ("route", route), ("status", OTHER)], others);
            }
            if none {
                family.sample(&[("method", method), ("route", route), ("status", "200")], 0);
            }
        }
        let name = "http_request_duration_seconds";
        let mut family =
            Family::histogram(out, name, "From a request's head to the last byte of its answer.");
        for (method, route, series) in series() {
            let labels = format!("{},{}", label("method", method), label("route", route));
            family.distribution(&labels, &series.durations);
        }
        render_calls(&routes, out);
        let mut family = Family::gauge(out, "http_requests_in_flight", "Requests being answered now.");
        family.sample(&[], self.in_flight());
    }
}

/// A route, its errors by their status or the name of gRPC's, and the last request of them with its trace.
#[cfg(feature = "alerts")]
type RouteErrors = (String, Vec<(String, u64)>, Option<(String, String)>);

/// Whether a status of gRPC says that the service is at fault: UNKNOWN, INTERNAL, `DATA_LOSS`.
pub(crate) fn is_fault(code: u8) -> bool {
    matches!(code, 2 | 13 | 15)
}

/// Whether a status says that the service failed. 503 says that it refused, as it should when it is full or ends; 505 that the
/// client speaks another version of HTTP.
#[cfg(feature = "alerts")]
pub(crate) fn is_error(status: u16) -> bool {
    (500..600).contains(&status) && !matches!(status, 503 | 505)
}

/// The status of an answer that was not ready in time.
#[cfg(feature = "alerts")]
const LATE: u16 = 504;

impl RouteStats {
    /// Counts a request that was answered with this status for the error budget.
    #[cfg(feature = "alerts")]
    pub(crate) fn counts(&self, status: u16) {
        self.counted.fetch_add(1, Ordering::Release);
        if status == LATE {
            self.late.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a request that was answered with an error, once however many ways say so, and keeps which was the last.
    #[cfg(feature = "alerts")]
    pub(crate) fn failed(&self, request: &str, trace: String) {
        self.failures.fetch_add(1, Ordering::Release);
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some((request.to_owned(), trace));
    }

    fn new(route: &str, callable: bool) -> Self {
        Self {
            route: route.into(),
            callable,
            in_flight: AtomicI64::new(0),
            waiting: AtomicI64::new(0),
            #[cfg(feature = "alerts")]
            failed: Mutex::default(),
            #[cfg(feature = "alerts")]
            failures: AtomicU64::new(0),
            #[cfg(feature = "alerts")]
            counted: AtomicU64::new(0),
            #[cfg(feature = "alerts")]
            late: AtomicU64::new(0),
            methods: [const { OnceLock::new() }; METHODS.len()],
            calls: OnceLock::new(),
        }
    }

    fn calls(&self) -> &[AtomicU64; GRPC_CODES.len()] {
        self.calls.get_or_init(Box::default)
    }

    /// Counts one call of gRPC that ended with this status; what is none of gRPC's is UNKNOWN.
    pub fn record_call(&self, code: u8) {
        let calls = self.calls();
        calls.get(usize::from(code)).unwrap_or(&calls[2]).fetch_add(1, Ordering::Relaxed);
    }

    fn series(&self, method: &str) -> &Series {
        let other = METHODS.len() - 1;
        let at = METHODS.iter().position(|known| *known == method).unwrap_or(other);
        // A method of gRPC is called by POST, whatever a client may send besides.
        let at = if self.callable && METHODS[at] != "POST" { other } else { at };
        self.methods[at].get_or_init(Box::default)
    }

    /// One request more on this route.
    pub fn began(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// One request less on this route.
    pub fn ended(&self) {
        self.in_flight.fetch_sub(1, Ordering::AcqRel);
    }

    /// One request more, or one less, waits for its client alone.
    pub fn waits_for_client(&self, waits: bool) {
        self.waiting.fetch_add(if waits { 1 } else { -1 }, Ordering::AcqRel);
    }

    /// Counts one answer.
    pub fn record(&self, method: &Method, status: StatusCode, took: Nanos) {
        let series = self.series(method.as_str());
        series.count(status);
        series.durations.record(took);
    }
}

/// `grpc_requests_total`; a service that answers no gRPC has none.
fn render_calls(routes: &[Arc<RouteStats>], out: &mut String) {
    let mut called = routes.iter().filter_map(|route| Some((&*route.route, route.calls.get()?))).peekable();
    if called.peek().is_none() {
        return;
    }
    let mut family = Family::counter(out, "grpc_requests_total", "Calls of gRPC by how they ended.");
    for (route, calls) in called {
        let (service, method) =
            route.strip_prefix('/').and_then(|path| path.split_once('/')).unwrap_or((route, route));
        let mut sample = |code: usize, count: u64| {
            family.sample(&[("service", service), ("method", method), ("code", GRPC_CODES[code])], count);
        };
        let counts = calls.iter().map(|count| count.load(Ordering::Relaxed)).enumerate();
        let mut counts = counts.filter(|(_, count)| *count > 0).peekable();
        if counts.peek().is_none() {
            sample(0, 0);
        }
        for (code, count) in counts {
            sample(code, count);
        }
    }
}

#[cfg(test)]
mod tests;
