//! What is still running while the service ends: for its log, for whoever scrapes it until then, and for the watchdog.

use super::server::Server;
use super::shutdown::Stage;
use crate::catalogue::sites;
use crate::site::Site;
use crate::telemetry::text::Family;

/// What is still running, and how often.
fn what(server: &Server) -> Vec<(String, u64)> {
    let mut all = requests(server);
    all.extend(server.lingering());
    all.extend(calls());
    let (tasks, hooks) = (server.tasks.unfinished(), server.hooks.unfinished());
    all.extend(tasks.into_iter().chain(hooks).map(|name| (name, 1)));
    all
}

/// Requests by their route.
fn requests(server: &Server) -> Vec<(String, u64)> {
    let busy = server.stats.busy();
    if busy.is_empty() && server.stats.in_flight() > 0 {
        return vec![("requests".to_owned(), server.stats.in_flight())];
    }
    busy
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

/// Requests and calls that have not ended.
pub(super) fn in_flight(server: &Server) -> Vec<String> {
    requests(server).into_iter().chain(server.lingering()).chain(calls()).map(counted).collect()
}

/// What a process that is ended by force was still doing.
pub(super) fn still_running(server: &Server) -> Vec<String> {
    let mut running = in_flight(server);
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
