//! How a call ends, and what it gives back when it is dropped before.

use super::Call;
use super::call::Phase;
use crate::clock;
use crate::policy::circuit_breaker;
use crate::telemetry::calls::CallOutcome;

impl Call<'_> {
    /// Counts the call's outcome, once.
    #[inline(always)]
    pub(super) fn end(&mut self, outcome: CallOutcome) {
        self.phase = Phase::Finished;
        happened!(self, Ended(outcome.name()));
        self.state.metrics.finish(outcome, clock::between(self.started, self.now));
        if self.attached.is_some() {
            self.end_attached(outcome);
        }
    }

    #[cold]
    fn end_attached(&mut self, outcome: CallOutcome) {
        if let Some(mut spans) = self.attached.take().and_then(|attached| attached.spans) {
            spans.end_attempt(self.attempts, outcome.name());
            spans.end(outcome.name(), self.attempts);
        }
    }

    #[cold]
    fn abandon(&mut self) {
        let (outcome, verdict) = match self.phase {
            Phase::Polling | Phase::Answering => (CallOutcome::Panicked, circuit_breaker::Verdict::Failure),
            _ => {
                let left = circuit_breaker::Verdict::Unfinished;
                let times = (self.now, clock::now());
                (CallOutcome::Cancelled, Self::unless_of_the_client(left, times, self.state.timeout.get()))
            }
        };
        self.leave_between();
        self.give_up(outcome, verdict);
        self.end(outcome);
    }

    /// Gives back what a call holds whose wait or attempt was dropped.
    #[cold]
    pub(super) fn give_up(&mut self, outcome: CallOutcome, verdict: circuit_breaker::Verdict) {
        let now = clock::now();
        let took = now.saturating_sub(self.now);
        self.give_up_turn();
        self.now += took;
        if matches!(self.phase, Phase::InHand | Phase::Polling) {
            self.state.metrics.attempted(outcome);
            self.leave_nested();
            self.release(verdict, took);
            self.end_nested();
        }
    }
}

impl Drop for Call<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.phase != Phase::Finished {
            self.abandon();
        }
    }
}
