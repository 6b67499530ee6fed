//! What is still running while the service ends: for its log, for whoever scrapes it until then, and for the watchdog.

use super::server::Server;
use super::shutdown::Stage;
use crate::catalogue::sites;
use crate::site::Site;
use crate::telemetry::http::Busy;
use crate::telemetry::text::Family;

/// What is still running, and how often.
fn what(server: &Server) -> Vec<(String, u64)> {
    let mut all = works(server, requests(server), |busy| busy.requests);
    let (tasks, hooks) = (server.tasks.unfinished(), server.hooks.unfinished());
    all.extend(tasks.into_iter().chain(hooks).map(|name| (name, 1)));
    all
}

/// Requests by their route.
fn requests(server: &Server) -> Vec<Busy> {
    let (busy, in_flight) = (server.stats.busy(), server.stats.in_flight());
    if busy.is_empty() && in_flight > 0 {
        return vec![Busy { route: "requests".to_owned(), requests: in_flight, waiting: 0 }];
    }
    busy
}

/// So many of these requests, and the calls and whatever else has not ended.
fn works(server: &Server, requests: Vec<Busy>, count: fn(&Busy) -> u64) -> Vec<(String, u64)> {
    let requests = requests.into_iter().map(|busy| (count(&busy), busy.route));
    let requests = requests.filter(|(count, _)| *count > 0).map(|(count, route)| (route, count));
    requests.chain(server.lingering()).chain(calls()).collect()
}

fn calls() -> Vec<(String, u64)> {
    let busy = |state: &crate::site::State| {
        let count = state.metrics.in_flight();
        (count > 0).then(|| (format!("call {}", state.name), u64::from(count)))
    };
    sites().map(Site::shown).filter_map(busy).collect()
}

fn counted((name, count): (String, u64)) -> String {
    format!("{count} × {name}")
}

/// What the end of the drain cuts: work of the service, and requests that wait for their clients alone. How long those take is for
/// any client to say, and no fault of the service.
pub(super) fn cut(server: &Server) -> (Vec<String>, Vec<String>) {
    let requests = requests(server);
    let waiting = requests.iter().filter(|busy| busy.waiting > 0);
    let waiting = waiting.map(|busy| counted((busy.route.clone(), busy.waiting))).collect();
    let works = works(server, requests, |busy| busy.requests - busy.waiting);
    (works.into_iter().map(counted).collect(), waiting)
}

/// What a process that is ended by force was still doing.
pub(super) fn still_running(server: &Server) -> Vec<String> {
    let works = works(server, requests(server), |busy| busy.requests);
    let mut running: Vec<String> = works.into_iter().map(counted).collect();
    running.extend(server.tasks.unfinished());
    running.extend(server.hooks.unfinished());
    running
}

/// `shutdown_stage`, and `shutdown_still_running` once the service ends.
pub(super) fn render(server: &Server, out: &mut String) {
    let now = server.stage();
    let mut family = Family::gauge(out, "shutdown_stage", "Where the service stands between start and exit.");
    for stage in Stage::ALL {
        family.sample(&[("stage", stage.name())], u8::from(stage == now));
    }
    if now == Stage::Serving {
        return;
    }
    let help = "What has not ended while the service ends: requests, calls, background tasks, hooks.";
    let mut family = Family::gauge(out, "shutdown_still_running", help);
    for (name, count) in what(server) {
        family.sample(&[("what", &name)], count);
    }
}
