//! What tokio says of the runtime that serves.

use std::time::Duration;

use tokio::runtime::Handle;

use super::text::Family;

/// Every series in Prometheus' text format; nothing outside of a runtime.
pub(crate) fn render(out: &mut String) {
    let Ok(handle) = Handle::try_current() else { return };
    let metrics = handle.metrics();
    let workers = metrics.num_workers();
    Family::gauge(out, "tokio_workers", "Threads that run tasks.").sample(&[], workers);
    let help = "Tasks that were spawned and have not ended, a few for each connection.";
    Family::gauge(out, "tokio_alive_tasks", help).sample(&[], metrics.num_alive_tasks());
    let help = "Tasks that wait in the queue of all threads: more than a few mean that no thread is free.";
    Family::gauge(out, "tokio_global_queue_depth", help).sample(&[], metrics.global_queue_depth());
    // Counted on every platform with atomics of 64 bits.
    #[cfg(target_has_atomic = "64")]
    {
        let busy: Duration = (0..workers).map(|worker| metrics.worker_total_busy_duration(worker)).sum();
        let help = "How long the threads ran tasks, all together: its rate by `tokio_workers` is their use.";
        Family::counter(out, "tokio_busy_seconds_total", help).sample(&[], busy.as_secs_f64());
        let parks: u64 = (0..workers).map(|worker| metrics.worker_park_count(worker)).sum();
        let help = "How often a thread had nothing to run.";
        Family::counter(out, "tokio_parks_total", help).sample(&[], parks);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(name: &str) -> f64 {
        let mut text = String::new();
        render(&mut text);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).expect(name);
        line.parse().expect(name)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn threads_and_tasks_are_counted() {
        assert!((value("tokio_workers") - 2.0).abs() < f64::EPSILON);
        let (end, mut ended) = tokio::sync::watch::channel(());
        let before = value("tokio_alive_tasks");
        let waits = tokio::spawn(async move { ended.changed().await });
        assert!(value("tokio_alive_tasks") >= before + 1.0);
        drop(end);
        assert!(waits.await.unwrap().is_err());
        assert!(value("tokio_busy_seconds_total") > 0.0);
        // They are there, whatever they say.
        let _ = (value("tokio_parks_total"), value("tokio_global_queue_depth"));
    }

    #[test]
    fn without_a_runtime_nothing_is_said() {
        let mut text = String::new();
        render(&mut text);
        assert_eq!(text, "");
    }
}
