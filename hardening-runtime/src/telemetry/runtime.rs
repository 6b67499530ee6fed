//! What tokio's runtime says of itself, as far as that is stable.

use tokio::runtime::Handle;

use super::text::Family;

/// Writes the `tokio_*` series of the runtime that this is called on.
pub(crate) fn render(out: &mut String) {
    let Ok(handle) = Handle::try_current() else { return };
    let metrics = handle.metrics();
    let workers = metrics.num_workers();
    Family::gauge(out, "tokio_workers", "Threads that run tasks.").sample(&[], workers);
    Family::gauge(out, "tokio_alive_tasks", "Tasks that have begun and not ended.")
        .sample(&[], metrics.num_alive_tasks());
    Family::gauge(out, "tokio_global_queue_depth", "Tasks that wait for any thread to run them.")
        .sample(&[], metrics.global_queue_depth());
    #[cfg(target_has_atomic = "64")]
    {
        let help = "How long each thread ran tasks; one that stands still runs a task that never waits.";
        let mut family = Family::counter(out, "tokio_worker_busy_seconds_total", help);
        for worker in 0..workers {
            let busy = metrics.worker_total_busy_duration(worker).as_secs_f64();
            family.sample(&[("worker", &worker.to_string())], busy);
        }
        let help = "How often each thread had nothing to run.";
        let mut family = Family::counter(out, "tokio_worker_parks_total", help);
        for worker in 0..workers {
            family.sample(&[("worker", &worker.to_string())], metrics.worker_park_count(worker));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn tasks_that_have_not_ended_are_counted() {
        let task = tokio::spawn(std::future::pending::<()>());
        let mut out = String::new();
        render(&mut out);
        for line in ["tokio_workers 1", "tokio_alive_tasks 1"] {
            assert!(out.lines().any(|written| written == line), "{line} not in\n{out}");
        }
        task.abort();
    }

    #[test]
    fn where_there_is_no_runtime_there_are_no_series() {
        let mut out = String::new();
        render(&mut out);
        assert_eq!(out, "");
    }
}
