//! Serves until told to stop, then goes through the shutdown's stages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::assembled::Assembled;
use super::ending;
use super::panics::{self, Place};
use super::running::Report;
use super::server::Server;
use super::setup::Hook;
use super::shutdown::{Event, Stage, Timeline};
use super::whole::plan;
use crate::telemetry::redact;
use crate::{clock, layer, lifecycle};

/// How long nothing may be in flight for connections to be left behind that say nothing.
const QUIET: Duration = Duration::from_millis(300);
/// How long telemetry may take at the end, of the hooks' time.
const LAST_WORDS: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(10);

/// Serves, and shuts down when told to. `process` says that the process ends with the service: then everything in
/// it that waits is told.
pub(super) async fn serve(
    assembled: Assembled,
    mut signals: mpsc::UnboundedReceiver<Event>,
    process: bool,
) -> Report {
    let Assembled {
        reloader,
        said: _said,
        exporter,
        senders,
        server,
        provided,
        mut hooks,
        followers,
        public,
        admin,
    } = assembled;
    let ran = Arc::clone(&server.hooks);
    let mut tasks =
        Assembled::spawn(reloader, (exporter, senders), &server, &provided, public, admin, followers);
    let plan = plan(&server.settings);
    let mut timeline = Timeline::new(plan);
    // Taken from the time of what comes next, most of which is theirs.
    let quiet = QUIET.min(if plan.tasks.is_zero() { plan.hooks } else { plan.tasks } / 4);
    let mut report = Report::default();
    // The last one registered runs first.
    hooks.reverse();
    let (done, mut finished) = mpsc::channel(1);
    while timeline.stage() != Stage::Done {
        let before = timeline.stage();
        let event = tokio::select! {
            Some(event) = signals.recv() => event,
            () = clock::until(timeline.due()) => Event::Tick,
            () = drained(&server, &tasks.public), if before == Stage::Draining => Event::Idle,
            () = tasks.background.stop(instant(timeline.due())), if before == Stage::Tasks => Event::TasksDone,
            _ = finished.recv(), if before == Stage::Hooks => Event::HooksDone,
        };
        let stage = timeline.step(clock::now(), event);
        if stage == before {
            continue;
        }
        if before == Stage::Serving && process {
            lifecycle::begin_drain();
        }
        tracing::info!(?stage, in_flight = server.stats.in_flight(), "shutting down");
        if before <= Stage::Draining && stage > Stage::Draining {
            if timeline.cut_requests() {
                (report.still_running, report.awaiting_clients) = ending::cut(&server);
                if process {
                    lifecycle::stop_waiting();
                }
                server.cut();
            }
            // The last words of requests that were cut off, and of connections that are closing.
            let _ = tokio::time::timeout(quiet, &mut tasks.public).await;
        }
        if stage == Stage::Hooks {
            // Before anything of them begins, so that they are named even if they never have their turn.
            ran.begin(hooks.iter().map(|hook| hook.name));
            report.still_running.extend(server.tasks.unfinished());
            report.failed.extend(server.tasks.failed_at_the_end());
            tasks.background.cut();
            let until = instant(timeline.due());
            let (hooks, server, ran) = (std::mem::take(&mut hooks), Arc::clone(&server), Arc::clone(&ran));
            let done = done.clone();
            let last_words = LAST_WORDS.min(plan.hooks / 4);
            tokio::spawn(async move {
                let speaks = server.traces.is_some() || server.alerts.is_some();
                let kept = if speaks { last_words } else { Duration::ZERO };
                run_hooks(hooks, until - kept, ran).await;
                flush(&server, last_words).await;
                // Nobody listens any more once the hooks' time is over.
                let _ = done.send(()).await;
            });
        }
        server.enter(stage);
    }
    report.still_running.extend(ran.unfinished());
    report.failed.extend(ran.failed());
    if !report.awaiting_clients.is_empty() {
        let awaiting = &report.awaiting_clients;
        tracing::warn!(awaiting_clients = ?awaiting, "requests were cut that waited for their clients alone");
    }
    if report.is_clean() {
        tracing::info!("stopped");
    } else {
        tracing::error!(still_running = ?report.still_running, failed = ?report.failed, "stopped before everything ended");
    }
    report
}

fn instant(due: clock::Nanos) -> Instant {
    clock::instant(due).unwrap_or_else(Instant::now)
}

/// Every connection has ended, or nothing has been in flight for a moment: an idle client that does not answer
/// must not keep the process.
async fn drained(server: &Server, public: &JoinHandle<()>) {
    let mut quiet_since = Instant::now();
    while !public.is_finished() || layer::finishing() > 0 || server.lingers() {
        if server.stats.in_flight() > 0 || server.lingers() || layer::finishing() > 0 {
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() >= QUIET {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Which hooks ran, and how they ended.
#[derive(Debug, Default)]
pub(crate) struct HookLog(Mutex<Vec<(&'static str, HookState)>>);

#[derive(Clone, Debug)]
enum HookState {
    Waits,
    Ended,
    Failed(String),
}

impl HookLog {
    /// All of them wait, in the order in which they run.
    fn begin(&self, names: impl Iterator<Item = &'static str>) {
        let mut hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *hooks = names.map(|name| (name, HookState::Waits)).collect();
    }

    fn set(&self, at: usize, state: HookState) {
        let mut hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, old)) = hooks.get_mut(at) {
            *old = state;
        }
    }

    pub(super) fn unfinished(&self) -> Vec<String> {
        let hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = hooks.iter().filter(|(_, state)| matches!(state, HookState::Waits));
        waits.map(|(name, _)| format!("hook {name}")).collect()
    }

    fn failed(&self) -> Vec<String> {
        let hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = hooks.iter().filter_map(|(name, state)| match state {
            HookState::Failed(why) => Some(format!("hook {name}: {why}")),
            HookState::Waits | HookState::Ended => None,
        });
        failed.collect()
    }
}

/// Runs hooks one after the other. Each may take an equal share of the time that is
/// left, so that one that hangs takes no turn from the others.
async fn run_hooks(hooks: Vec<Hook>, until: Instant, log: Arc<HookLog>) {
    let mut left = hooks.len() as u32;
    for (at, hook) in hooks.into_iter().enumerate() {
        let name = hook.name;
        let share = until.saturating_duration_since(Instant::now()) / left;
        left -= 1;
        let run = panics::caught(Place::Hook, async move { (hook.run)().await });
        let state = match tokio::time::timeout(share, run).await {
            Ok(Ok(Ok(()))) => HookState::Ended,
            Ok(Ok(Err(error))) => HookState::Failed(redact::text(&error.to_string()).into_owned()),
            Ok(Err(panic)) => HookState::Failed(format!("panicked: {panic}")),
            Err(_) => {
                tracing::error!(hook = name, "a shutdown hook took too long and was cut off");
                continue;
            }
        };
        if let HookState::Failed(why) = &state {
            tracing::error!(hook = name, error = why, "a shutdown hook failed");
        }
        log.set(at, state);
    }
}

/// Sends what telemetry still has to say.
async fn flush(server: &Server, within: Duration) {
    let traces = async {
        if let Some(traces) = &server.traces {
            traces.flush(within).await;
        }
    };
    let alerts = async {
        if let Some(alerts) = &server.alerts {
            alerts.flush(&server.stats, within).await;
        }
    };
    tokio::join!(traces, alerts);
}
