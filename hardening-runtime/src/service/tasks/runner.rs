//! Runs the tasks of one service, and stops them.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::state::One;
use super::{Course, Ended, Next, Phase, State, Tasks};
use crate::clock;
use crate::service::panics::{self, Place};
use crate::service::setup::Provided;
use crate::telemetry::redact;

/// The supervisors of the tasks; dropping it cuts every task off.
#[derive(Debug)]
pub(crate) struct Running {
    tasks: Arc<Tasks>,
    supervisors: JoinSet<()>,
}

impl Running {
    /// Begins every task.
    pub(crate) fn begin(tasks: &Arc<Tasks>, provided: &Arc<Provided>) -> Self {
        let mut supervisors = JoinSet::new();
        for at in 0..tasks.0.len() {
            let (tasks, provided) = (Arc::clone(tasks), Arc::clone(provided));
            supervisors.spawn(async move { supervise(&tasks.0[at], &provided).await });
        }
        Self { tasks: Arc::clone(tasks), supervisors }
    }

    /// Asks the tasks to end, those of the highest order first, and waits for them. Each order may take an equal share of the
    /// time until `until` that the ones before have left; what does not end in it is named and left behind.
    pub(crate) async fn stop(&mut self, until: Instant) {
        let mut orders: Vec<u32> = self.tasks.0.iter().map(|one| one.task.order).collect();
        orders.sort_unstable_by(|a, b| b.cmp(a));
        orders.dedup();
        let mut left = orders.len() as u32;
        for order in orders {
            let of_order = || self.tasks.0.iter().filter(|one| one.task.order == order);
            of_order().for_each(|one| one.stopper.reach(Phase::Stopping));
            let share = Instant::now() + until.saturating_duration_since(Instant::now()) / left;
            left -= 1;
            while of_order().any(|one| !one.is_over()) {
                let ended = tokio::time::timeout_at(share, self.supervisors.join_next()).await;
                if !matches!(ended, Ok(Some(_))) {
                    break;
                }
            }
            for one in of_order().filter(|one| !one.is_over()) {
                tracing::error!(task = one.task.name, "a background task did not stop in time");
            }
        }
    }

    /// Ends every task where it waits.
    pub(crate) fn cut(&mut self) {
        self.supervisors.abort_all();
    }
}

async fn supervise(one: &One, provided: &Provided) {
    let task = one.task;
    let stop = one.stopper.stopping();
    let mut course = Course::new(one.restart);
    loop {
        one.set(State::Running);
        let began = Instant::now();
        let ended = match once(one, provided).await {
            Ok(()) => {
                one.set(State::Done);
                if !stop.is_requested() {
                    tracing::info!(task = task.name, "a background task is done");
                }
                return;
            }
            Err(ended) => ended,
        };
        // What comes to an end is not begun again.
        let stopping = stop.is_requested();
        let next = if stopping { Next::GiveUp } else { course.failed(began.elapsed(), fastrand::f64()) };
        let (reason, error) = (ended.reason(), ended.why().to_owned());
        let Next::Restart(pause) = next else {
            one.gave_up(ended, stopping);
            tracing::error!(
                task = task.name,
                reason,
                error,
                "a background task failed and is not begun again"
            );
            return;
        };
        one.failed(State::Waiting, ended);
        let restart_in_ms = pause / 1_000_000;
        tracing::error!(task = task.name, reason, error, restart_in_ms, "a background task failed");
        let due = clock::instant(clock::now().saturating_add(pause)).unwrap_or_else(Instant::now);
        tokio::select! {
            biased;
            // Nothing of it runs.
            () = stop.requested() => return one.set(State::Done),
            () = tokio::time::sleep_until(due) => {}
        }
    }
}

async fn once(one: &One, provided: &Provided) -> Result<(), Ended> {
    let stop = one.stopper.stopping();
    // Start-up has seen every provision; what set-up provided does not go away.
    let run = (one.task.run)(provided, stop).map_err(|missing| Ended::Error(missing.to_string()))?;
    match panics::caught(Place::Task, run).await {
        Ok(result) => result.map_err(|error| Ended::Error(redact::text(&error).into_owned())),
        Err(panic) => Err(Ended::Panic(panic)),
    }
}

#[cfg(test)]
mod tests;
