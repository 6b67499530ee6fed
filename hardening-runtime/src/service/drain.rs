//! Serves until told to stop, then goes through the shutdown's stages.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::panics;
use super::running::Report;
use super::server::Server;
use super::setup::Hook;
use super::shutdown::{Event, Stage, Timeline};
use super::start::{Assembled, Tasks, plan};
use crate::{clock, lifecycle};

/// How long nothing may be in flight for connections to be left behind that say nothing.
const QUIET: Duration = Duration::from_millis(300);
const LOOK: Duration = Duration::from_millis(10);

/// Serves, and shuts down when told to. `process` says that the process ends with the service: then everything in
/// it that waits is told.
pub(super) async fn serve(
    assembled: Assembled,
    mut signals: mpsc::UnboundedReceiver<Event>,
    process: bool,
) -> Report {
    let Assembled { server, provided, hooks, ran, public, admin } = assembled;
    let mut tasks = Assembled::spawn(&server, &provided, public, admin);
    let mut timeline = Timeline::new(plan(&server.settings));
    let mut report = Report::default();
    let mut hooks = Some(hooks);
    let (done, mut finished) = mpsc::channel(1);
    while timeline.stage() != Stage::Done {
        let before = timeline.stage();
        let event = tokio::select! {
            Some(event) = signals.recv() => event,
            () = until(timeline.due()) => Event::Tick,
            () = drained(&server, &mut tasks), if before == Stage::Draining => Event::Idle,
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
        if stage == Stage::Hooks {
            if timeline.cut_requests() {
                report.still_running.extend(in_flight(&server));
                if process {
                    lifecycle::stop_waiting();
                }
                server.cut();
            }
            // The last words of requests that were cut off, and of connections that are closing.
            let _ = tokio::time::timeout(QUIET, &mut tasks.public).await;
            tokio::spawn(run_hooks(hooks.take().unwrap_or_default(), Arc::clone(&ran), done.clone()));
        }
        server.enter(stage);
    }
    if timeline.cut_hooks() {
        report.still_running.extend(ran.unfinished());
    }
    report.failed = ran.failed();
    if report.is_clean() {
        tracing::info!("stopped");
    } else {
        tracing::error!(still_running = ?report.still_running, failed = ?report.failed, "stopped before everything ended");
    }
    report
}

async fn until(due: clock::Nanos) {
    match clock::instant(due) {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

/// Every connection has ended, or nothing has been in flight for a moment: an idle client that does not answer
/// must not keep the process.
async fn drained(server: &Server, tasks: &mut Tasks) {
    let mut quiet_since = Instant::now();
    while !tasks.public.is_finished() {
        if server.stats.in_flight() > 0 {
            quiet_since = Instant::now();
        } else if quiet_since.elapsed() >= QUIET {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// What a process that is ended by force was still doing.
pub(super) fn still_running(server: &Server, hooks: &HookLog) -> Vec<String> {
    let mut running = in_flight(server);
    running.extend(hooks.unfinished());
    running
}

fn in_flight(server: &Server) -> Vec<String> {
    let busy = server.stats.busy();
    if busy.is_empty() && server.stats.in_flight() > 0 {
        return vec![format!("{} requests", server.stats.in_flight())];
    }
    busy.into_iter().map(|(route, count)| format!("{count} × {route}")).collect()
}

/// Which hooks ran, and how they ended.
#[derive(Debug, Default)]
pub(super) struct HookLog(Mutex<Vec<(&'static str, HookState)>>);

#[derive(Clone, Debug)]
enum HookState {
    Waits,
    Ended,
    Failed(String),
}

impl HookLog {
    fn set(&self, name: &'static str, state: HookState) {
        let mut hooks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match hooks.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = state,
            None => hooks.push((name, state)),
        }
    }

    fn unfinished(&self) -> Vec<String> {
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

/// Runs hooks one after the other, the last one registered first.
async fn run_hooks(hooks: Vec<Hook>, log: Arc<HookLog>, done: mpsc::Sender<()>) {
    for hook in hooks.iter().rev() {
        log.set(hook.name, HookState::Waits);
    }
    for hook in hooks.into_iter().rev() {
        let name = hook.name;
        let state = match panics::caught(async move { (hook.run)().await }).await {
            Ok(Ok(())) => HookState::Ended,
            Ok(Err(error)) => HookState::Failed(error.to_string()),
            Err(panic) => HookState::Failed(format!("panicked: {panic}")),
        };
        if let HookState::Failed(why) = &state {
            tracing::error!(hook = name, error = why, "a shutdown hook failed");
        }
        log.set(name, state);
    }
    // Nobody listens any more once the hooks' time is over.
    let _ = done.send(()).await;
}
