//! Whether the process is on its way out, for everything that waits.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

static DRAINING: AtomicBool = AtomicBool::new(false);
static STOPPED: AtomicBool = AtomicBool::new(false);
static STOPPING: LazyLock<Notify> = LazyLock::new(Notify::new);

/// Whether a shutdown has begun.
pub fn draining() -> bool {
    DRAINING.load(Ordering::Acquire)
}

/// Says that a shutdown has begun: readiness turns, work goes on.
pub fn begin_drain() {
    DRAINING.store(true, Ordering::Release);
}

/// Ends every wait of a policy (backoff, queue, rate limit) with [`crate::Rejected::ShuttingDown`].
pub fn stop_waiting() {
    begin_drain();
    STOPPED.store(true, Ordering::Release);
    STOPPING.notify_waiters();
}

/// Takes both back, for processes that start another service afterwards, such as tests.
pub fn resume() {
    DRAINING.store(false, Ordering::Release);
    STOPPED.store(false, Ordering::Release);
}

/// Completes once [`stop_waiting`] was called.
pub(crate) async fn stopped() {
    let notified = STOPPING.notified();
    tokio::pin!(notified);
    notified.as_mut().enable();
    if !STOPPED.load(Ordering::Acquire) {
        notified.await;
    }
}
