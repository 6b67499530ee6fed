//! A call whose request may have been answered already.

use std::ops::ControlFlow;

use super::refusal::Reason;
use super::verdict::Cut;
use super::{Call, Outcome};
use crate::clock;
use crate::policy::idempotency::{Begin, Claim, Fate, Idempotency, Replay, Stored, Ticket};
use crate::telemetry::calls::CallOutcome;

/// When a request that is being worked on may be sent again, unless its deadline comes before.
const SOON: clock::Nanos = 1_000_000_000;

impl Call<'_> {
    /// Asks for the right to run a request; `Break` with its answer when it has one, or is refused.
    pub async fn idempotent<T, E, A, B>(
        &mut self,
        ticket: Option<Ticket>,
    ) -> ControlFlow<Outcome<Result<T, E>>, Claim>
    where
        T: Replay<A>,
        E: Replay<B>,
    {
        if !self.come_in().await {
            return self.turned_away();
        }
        happened!(self, KeyLookedAt);
        let Some(kept) = &self.state.idempotency else { return self.turned_away() };
        let Some(ticket) = ticket else {
            return self.refuse_request(kept, Fate::KeyMissing, Reason::IdempotencyKeyMissing);
        };
        match kept.store.begin(ticket, self.now) {
            Begin::Run(claim) => {
                kept.count(Fate::New);
                ControlFlow::Continue(claim)
            }
            Begin::TakeOver(claim) => {
                kept.count(Fate::TakenOver);
                tracing::warn!(
                    call = self.state.name,
                    "a request is run again, since its first run went away unfinished: what that one did is not known"
                );
                ControlFlow::Continue(claim)
            }
            Begin::Conflict => self.refuse_request(kept, Fate::Conflict, Reason::IdempotencyConflict),
            Begin::Mismatch => self.refuse_request(kept, Fate::Mismatch, Reason::IdempotencyMismatch),
            Begin::Full => self.refuse_request(kept, Fate::Full, Reason::StoreFull),
            Begin::Replay(stored) => {
                let again = match &*stored {
                    Stored::Success(success) => T::give_again(success).map(Ok),
                    Stored::Error(error) => E::give_again(error).map(Err),
                    Stored::Unkept => None,
                };
                let Some(again) = again else {
                    return self.refuse_request(kept, Fate::Conflict, Reason::IdempotencyConflict);
                };
                kept.count(Fate::Replayed);
                self.ended = if again.is_ok() { CallOutcome::Success } else { CallOutcome::Failure };
                ControlFlow::Break(Outcome::Returned(again))
            }
        }
    }

    /// Keeps the answer of a request that was run.
    pub async fn keep<T, E, A, B>(
        &mut self,
        claim: Claim,
        settled: Outcome<Result<T, E>>,
    ) -> Outcome<Result<T, E>>
    where
        T: Replay<A>,
        E: Replay<B>,
    {
        let Some(kept) = &self.state.idempotency else { return settled };
        let (settled, stored) = match settled {
            // A body that was cut may have done anything: its request is left to be taken over.
            Outcome::Refused(cut) if self.refusal.ran => return Outcome::Refused(cut),
            Outcome::Refused(cut) => {
                kept.store.release(&claim);
                return Outcome::Refused(cut);
            }
            Outcome::Returned(Ok(success)) if success.is_final() => {
                let (success, bytes) = success.keep().await;
                (Ok(success), bytes.map_or(Stored::Unkept, Stored::Success))
            }
            Outcome::Returned(Err(error)) if error.is_final() => {
                let (error, bytes) = error.keep().await;
                (Err(error), bytes.map_or(Stored::Unkept, Stored::Error))
            }
            nothing_done @ Outcome::Returned(_) => {
                kept.store.release(&claim);
                return nothing_done;
            }
        };
        if matches!(stored, Stored::Unkept) {
            tracing::warn!(
                call = self.state.name,
                "an answer could not be kept: if its request is sent again, it is refused"
            );
        }
        if !kept.store.complete(&claim, stored, self.now) {
            kept.count(Fate::Lost);
        }
        Outcome::Returned(settled)
    }

    #[cold]
    fn refuse_request<R, C>(
        &mut self,
        kept: &Idempotency,
        fate: Fate,
        reason: Reason,
    ) -> ControlFlow<Outcome<R>, C> {
        kept.count(fate);
        self.refuse(reason);
        self.refusal.retry_after = self.deadline.saturating_sub(self.now).min(SOON);
        self.turned_away()
    }

    #[cold]
    fn turned_away<R, C>(&mut self) -> ControlFlow<Outcome<R>, C> {
        self.ended = self.refusal.reason.outcome();
        ControlFlow::Break(Outcome::Refused(Cut(())))
    }
}
