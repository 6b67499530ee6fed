//! Why a load that brought no result ended: for a reason of its own, or of the caller of the call that leads it.

use super::Call;
use super::loading;
use super::refusal::Reason;
use crate::clock::Nanos;
use crate::context;
use crate::policy::cache::Mark;

/// Why a load that brought no result ended.
pub(super) enum Blame {
    /// For a reason of its leader's caller: another call, with a time of its own, may bring one.
    Caller,
    /// With an error of a body that knew of its caller's deadline, this one: perhaps it kept that, or told it to a dependency that did.
    Doubtful(Nanos),
    /// For a reason of its own.
    Load,
}

impl Call<'_> {
    /// Why a load that brought no result ended.
    pub(super) fn blame(&self, load: &Mark) -> Blame {
        if self.has_lost_key() {
            return Blame::Caller;
        }
        let Some(callers) = self.callers_deadline() else { return Blame::Load };
        let hurried = match self.refusal.reason {
            Reason::DeadlineExceeded => true,
            Reason::RateLimited => self.turn_comes_too_late(),
            Reason::Timeout | Reason::BulkheadFull => false,
            _ => {
                let out_of_time = self.attached.as_ref().is_some_and(|attached| attached.out_of_time);
                out_of_time || load.gave_up_for(callers)
            }
        };
        if hurried || self.now >= callers {
            Blame::Caller
        } else if self.refusal.is_none() && load.knows_of(callers) {
            Blame::Doubtful(callers)
        } else {
            Blame::Load
        }
    }

    /// The deadline of the caller, where it is earlier than the function's own.
    fn callers_deadline(&self) -> Option<Nanos> {
        let callers = context::ambient().deadline;
        (callers < self.started.saturating_add(self.state.deadline.get())).then_some(callers)
    }

    /// Whether the turn would have come within the time that the limit gives, and too late for the caller.
    fn turn_comes_too_late(&self) -> bool {
        let limiter = self.state.limits().find(|charged| charged.position == self.refusal.limiter);
        limiter.is_some_and(|charged| self.refusal.retry_after <= charged.limiter.patience())
    }

    /// This call gives up for want of time. Where it is its caller who has none left, the loads around it end for that reason.
    #[cold]
    pub(super) fn give_up_for_time(&self) {
        if let Some(callers) = self.callers_deadline() {
            loading::give_up_for(callers);
        }
    }

    /// The same for a call that a limit has refused.
    #[cold]
    pub(super) fn give_up_for_turn(&self) {
        if self.turn_comes_too_late() {
            self.give_up_for_time();
        }
    }
}
