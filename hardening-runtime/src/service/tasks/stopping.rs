//! How a task learns that the service ends.

use tokio::sync::watch;

/// How far the end of the service has come, as one task sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// The service serves.
    Running,
    /// It ends, and requests are still being answered.
    Draining,
    /// The last request was answered: the task should end.
    Stopping,
}

/// What a background task learns the end of the service from; clones are the same.
///
/// ```
/// # use hardening_runtime as hardening;
/// use hardening::service::Stopping;
///
/// async fn relay(stop: Stopping) -> Result<(), std::io::Error> {
///     loop {
///         tokio::select! {
///             () = stop.requested() => return Ok(()),
///             () = forward_one() => {}
///         }
///     }
/// }
/// # async fn forward_one() {}
/// ```
#[derive(Clone, Debug)]
pub struct Stopping(watch::Receiver<Phase>);

impl Stopping {
    /// Completes when the task should end: the last request was answered, and tasks that are stopped before this one have
    /// ended. From then on there are `[shutdown] tasks` for all of them.
    pub async fn requested(&self) {
        self.reached(Phase::Stopping).await;
    }

    /// Whether the task should end.
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() >= Phase::Stopping
    }

    /// Completes when the service begins to end, while requests are still answered: a consumer stops taking work in here, and
    /// a task that requests need goes on until [`requested`](Self::requested).
    pub async fn draining(&self) {
        self.reached(Phase::Draining).await;
    }

    /// Whether the service has begun to end.
    pub fn is_draining(&self) -> bool {
        *self.0.borrow() >= Phase::Draining
    }

    async fn reached(&self, phase: Phase) {
        // A service that is gone asks nobody any more.
        let _ = self.0.clone().wait_for(|now| *now >= phase).await;
    }
}

/// The other end.
#[derive(Debug)]
pub(crate) struct Stopper(watch::Sender<Phase>);

impl Default for Stopper {
    fn default() -> Self {
        Self(watch::Sender::new(Phase::Running))
    }
}

impl Stopper {
    /// What the task gets.
    pub(crate) fn stopping(&self) -> Stopping {
        Stopping(self.0.subscribe())
    }

    /// Moves on; never back.
    pub(crate) fn reach(&self, phase: Phase) {
        self.0.send_if_modified(|now| {
            let on = *now < phase;
            *now = (*now).max(phase);
            on
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_only_move_on_and_late_listeners_hear_of_them() {
        let stopper = Stopper::default();
        let stop = stopper.stopping();
        assert!(!stop.is_draining() && !stop.is_requested());
        stopper.reach(Phase::Draining);
        stop.draining().await;
        assert!(stop.is_draining() && !stop.is_requested());
        stopper.reach(Phase::Stopping);
        stopper.reach(Phase::Draining);
        stop.requested().await;
        assert!(stopper.stopping().is_requested());
    }
}
