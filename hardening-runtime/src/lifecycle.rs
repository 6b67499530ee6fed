//! Whether the process is on its way out, for everything that waits.

use std::sync::LazyLock;

use tokio::sync::Notify;

use crate::sync::atomic::{AtomicBool, Ordering};

static PROCESS: LazyLock<Lifecycle> = LazyLock::new(Lifecycle::default);

/// How far a shutdown has come.
#[derive(Debug, Default)]
pub(crate) struct Lifecycle {
    draining: AtomicBool,
    stopped: AtomicBool,
    stopping: Notify,
}

impl Lifecycle {
    fn begin_drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub(crate) fn stop_waiting(&self) {
        self.begin_drain();
        self.stopped.store(true, Ordering::Release);
        self.stopping.notify_waiters();
    }

    pub(crate) async fn stopped(&self) {
        // Made before the look, so that a word that comes in between is not missed.
        let notified = self.stopping.notified();
        if !self.stopped.load(Ordering::Acquire) {
            notified.await;
        }
    }
}

/// Whether a shutdown has begun.
pub fn draining() -> bool {
    PROCESS.draining.load(Ordering::Acquire)
}

/// Says that a shutdown has begun: readiness turns, work goes on.
pub fn begin_drain() {
    PROCESS.begin_drain();
}

/// Ends every wait of a policy (backoff, queue, rate limit) with [`crate::Rejected::ShuttingDown`].
pub fn stop_waiting() {
    PROCESS.stop_waiting();
}

/// Takes both back, for processes that start another service afterwards, such as tests.
pub fn resume() {
    PROCESS.draining.store(false, Ordering::Release);
    PROCESS.stopped.store(false, Ordering::Release);
}

/// Completes once [`stop_waiting`] was called.
pub(crate) async fn stopped() {
    PROCESS.stopped().await;
}
