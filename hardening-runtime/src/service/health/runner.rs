//! Runs one check over and over, one run at a time.

use std::sync::Arc;
use std::time::Duration;

use hardening_spec::units::show;

use super::{Change, CheckKind, CheckState, Health};
use crate::service::panics::{self, Place};
use crate::service::setup::Provided;

/// Runs every check of `health` until the task set is dropped.
pub(crate) fn watch(health: &Arc<Health>, provided: &Arc<Provided>) -> tokio::task::JoinSet<()> {
    let mut tasks = tokio::task::JoinSet::new();
    for at in 0..health.checks().len() {
        let (health, provided) = (Arc::clone(health), Arc::clone(provided));
        tasks.spawn(async move { run(&health, &health.checks()[at], &provided).await });
    }
    tasks
}

async fn run(health: &Health, state: &CheckState, provided: &Provided) {
    let check = state.check;
    loop {
        let result = once(state, provided).await;
        let why = result.clone().err().unwrap_or_default();
        let change = state.record(result);
        health.changed();
        match change {
            Some(Change::Up) => {
                tracing::info!(check = check.name, kind = check.kind.name(), "health check is up");
            }
            Some(Change::Down) => {
                tracing::warn!(check = check.name, kind = check.kind.name(), error = %why, "health check is down");
            }
            None => {}
        }
        if check.kind == CheckKind::Startup && state.report().state.is_up() {
            return;
        }
        tokio::time::sleep(spread(check.every, fastrand::f64())).await;
    }
}

async fn once(state: &CheckState, provided: &Provided) -> Result<(), String> {
    let check = state.check;
    // Start-up has seen every provision; what set-up provided does not go away.
    let run = (check.run)(provided).map_err(|missing| missing.to_string())?;
    match tokio::time::timeout(check.timeout, panics::caught(Place::Check, run)).await {
        Ok(Ok(result)) => result,
        Ok(Err(panic)) => Err(format!("the check panicked: {panic}")),
        Err(_) => Err(format!("no answer within {}", show(check.timeout))),
    }
}

/// `every` ±20 %, so that the checks of many instances do not march in step; `at` is uniform in 0..1.
fn spread(every: Duration, at: f64) -> Duration {
    every.mul_f64(0.8 + 0.4 * at)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::HealthCheck;
    use super::*;
    use tokio::time::Instant;

    static RUNS: AtomicU32 = AtomicU32::new(0);
    static AT_ONCE: AtomicU32 = AtomicU32::new(0);

    static FLAKY: HealthCheck = HealthCheck {
        name: "flaky",
        kind: CheckKind::Ready,
        every: Duration::from_secs(5),
        timeout: Duration::from_secs(1),
        down_after: 3,
        up_after: 2,
        module: "test",
        krate: "test",
        file: file!(),
        line: line!(),
        run: |_| {
            Ok(Box::pin(async {
                assert_eq!(AT_ONCE.fetch_add(1, Ordering::SeqCst), 0, "one run at a time");
                let run = RUNS.fetch_add(1, Ordering::SeqCst);
                AT_ONCE.fetch_sub(1, Ordering::SeqCst);
                match run {
                    1 => Err("refused".to_owned()),
                    2 => std::future::pending().await,
                    3 => panic!("broken check"),
                    _ => Ok(()),
                }
            }))
        },
    };

    #[test]
    fn the_cadence_is_spread_by_a_fifth() {
        let every = Duration::from_secs(5);
        assert_eq!(spread(every, 0.0), Duration::from_secs(4));
        assert_eq!(spread(every, 1.0), Duration::from_secs(6));
    }

    #[tokio::test(start_paused = true)]
    async fn errors_hangs_and_panics_are_failures_and_hysteresis_decides() {
        let health = Arc::new(Health::new(&[&FLAKY]));
        health.set_up();
        let _tasks = watch(&health, &Arc::default());
        let began = Instant::now();
        let mut turned = Vec::new();
        let mut last = false;
        while turned.len() < 3 {
            let up = health.ready(crate::clock::now());
            if up != last {
                last = up;
                turned.push((up, began.elapsed()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Up at once; down when the third failure in a row ends; up with the second success after it.
        assert_eq!(turned.iter().map(|(up, _)| *up).collect::<Vec<_>>(), [true, false, true]);
        let down_at = turned[1].1.as_secs_f64();
        assert!((13.0..=19.2).contains(&down_at), "{down_at}");
        let runs = RUNS.load(Ordering::SeqCst);
        assert_eq!(runs, 6);
    }
}
