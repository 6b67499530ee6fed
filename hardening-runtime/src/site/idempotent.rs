//! A call whose request may have been answered already.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::admit::Wait;
use super::call::Phase;
use super::held::Held;
use super::refusal::{Reason, Refusal};
use super::verdict::Cut;
use super::{Call, Outcome};
use crate::clock;
use crate::events::{self, Kind};
use crate::policy::circuit_breaker;
use crate::policy::idempotency::{Begin, Claim, Done, Fate, Idempotency, NoContent, Replay, Stored, Ticket};
use crate::telemetry::calls::CallOutcome;

/// When a request whose answer cannot be given again may be sent again, unless its deadline comes before.
const SOON: clock::Nanos = 1_000_000_000;

/// What a request with a key gets.
enum Asked {
    /// The right to run.
    Run(Claim, &'static Idempotency),
    /// What was kept of the first answer.
    Again(Arc<Stored>),
    Refused,
}

impl Call<'_> {
    /// Asks for the right to run a request; `Break` with its answer when it has one, or is refused.
    pub async fn begin_idempotent<T, E, A, B>(
        &mut self,
        ticket: Option<Ticket>,
    ) -> ControlFlow<Outcome<Result<T, E>>, Held<T, (A, B)>>
    where
        T: Replay<A>,
        E: Replay<B>,
    {
        match self.ask(ticket.map(Ticket::answered_by::<Result<T, E>>)).await {
            Asked::Run(claim, kept) => ControlFlow::Continue(Held::new(claim, kept, None)),
            Asked::Again(stored) => ControlFlow::Break(self.answer_again(&stored, || None)),
            Asked::Refused => ControlFlow::Break(self.turned_away()),
        }
    }

    /// The same for a function whose successes are not given again: a 204 stands in their place.
    pub async fn begin_idempotent_without_content<T, E, A, B>(
        &mut self,
        ticket: Option<Ticket>,
    ) -> ControlFlow<Outcome<Result<T, E>>, Held<T, (A, B)>>
    where
        T: Replay<A> + NoContent,
        E: Replay<B>,
    {
        let is_success = Some(T::is_success as fn(&T) -> bool);
        match self.ask(ticket.map(Ticket::answered_by::<Result<T, E>>)).await {
            Asked::Run(claim, kept) => ControlFlow::Continue(Held::new(claim, kept, is_success)),
            Asked::Again(stored) => ControlFlow::Break(self.answer_again(&stored, || Some(T::no_content()))),
            Asked::Refused => ControlFlow::Break(self.turned_away()),
        }
    }

    async fn ask(&mut self, ticket: Option<Ticket>) -> Asked {
        if !self.come_in().await {
            return Asked::Refused;
        }
        happened!(self, KeyLookedAt);
        let Some(kept) = &self.state.idempotency else { return Asked::Refused };
        let Some(ticket) = ticket else {
            return self.refuse_request(Fate::KeyMissing, Reason::IdempotencyKeyMissing, 0);
        };
        match kept.store.begin(ticket, self.now, self.deadline) {
            Begin::Run(claim) => {
                self.count_fate(kept, Fate::New);
                Asked::Run(claim, kept)
            }
            Begin::TakeOver(claim) => {
                self.count_fate(kept, Fate::TakenOver);
                tracing::warn!(
                    call = self.state.name,
                    "a request is run again, since its first run went away unfinished: what that one did is not known"
                );
                Asked::Run(claim, kept)
            }
            Begin::Replay(stored) => Asked::Again(stored),
            Begin::Conflict(left) | Begin::Unkept(left) => {
                self.refuse_request(Fate::Conflict, Reason::IdempotencyConflict, left)
            }
            Begin::Unknown(left) => {
                tracing::warn!(
                    call = self.state.name,
                    "a request is refused, since its first run went away unfinished: what that one did is not known"
                );
                self.refuse_request(Fate::Unknown, Reason::IdempotencyConflict, left)
            }
            Begin::Mismatch => self.refuse_request(Fate::Mismatch, Reason::IdempotencyMismatch, 0),
            Begin::Foreign => self.refuse_request(Fate::Mismatch, Reason::IdempotencyForeign, 0),
            Begin::Full => {
                if kept.warns(self.now) {
                    tracing::warn!(
                        call = self.state.name,
                        "new requests are refused: the keys that are held have reached `max_keys` or `max_bytes`, or those of one \
                         owner its share"
                    );
                }
                self.refuse_request(Fate::Full, Reason::StoreFull, 0)
            }
        }
    }

    fn answer_again<T, E, A, B>(
        &mut self,
        stored: &Stored,
        done: impl FnOnce() -> Option<T>,
    ) -> Outcome<Result<T, E>>
    where
        T: Replay<A>,
        E: Replay<B>,
    {
        let again = match stored {
            Stored::Success(success) => T::give_again(success).map(Ok),
            Stored::Done => done().map(Ok),
            Stored::Error(error) => E::give_again(error).map(Err),
            Stored::Unkept => None,
        };
        let Some(again) = again else {
            let soon = self.deadline.saturating_sub(self.now).min(SOON);
            self.refuse_request(Fate::Conflict, Reason::IdempotencyConflict, soon);
            return self.turned_away();
        };
        if let Some(kept) = &self.state.idempotency {
            self.count_fate(kept, Fate::Replayed);
        }
        self.ended = if again.is_ok() { CallOutcome::Success } else { CallOutcome::Failure };
        Outcome::Returned(again)
    }

    /// Keeps the answer of a request that was run.
    pub async fn keep_answer<T, E, A, B>(
        &mut self,
        mut held: Held<T, (A, B)>,
        settled: Outcome<Result<T, E>>,
    ) -> Outcome<Result<T, E>>
    where
        T: Replay<A>,
        E: Replay<B>,
    {
        if self.has_lost_key() {
            return self.lose(&held);
        }
        let store = &held.kept.store;
        let settled = match settled {
            // A body that was cut may have done anything: its request is left to be taken over.
            Outcome::Refused(cut) if self.may_have_run() => return Outcome::Refused(cut),
            Outcome::Refused(cut) => {
                store.release(&held.claim);
                return Outcome::Refused(cut);
            }
            Outcome::Returned(settled) => settled,
        };
        let done = match &settled {
            Ok(success) => success.done(),
            Err(error) => error.done(),
        };
        match done {
            Done::All => {}
            Done::Nothing => {
                store.release(&held.claim);
                return Outcome::Returned(settled);
            }
            Done::Unknown => return Outcome::Returned(settled),
        }
        // Being dropped while the answer is collected is no panic.
        let phase = std::mem::replace(&mut self.phase, Phase::Between);
        // In a box, beside the stored bytes: half a dozen futures deep, it would take that much of the compiler's
        // recursion limit from every chain of calls.
        let collected = Box::pin(self.collect(&mut held, settled)).await;
        self.now = clock::now();
        let kept = match collected {
            Some(kept) => kept,
            None if !self.refusal.is_none() => return self.turned_away(),
            None => return self.lose(&held),
        };
        self.phase = phase;
        let (settled, stored) = kept;
        match stored {
            // Of an error that cannot be given again nobody knows what it has done.
            Stored::Unkept if settled.is_err() => return Outcome::Returned(settled),
            Stored::Unkept => tracing::warn!(
                call = self.state.name,
                "an answer could not be kept: if its request is sent again, it is refused"
            ),
            _ if !store.has_room(&held.claim, &stored, self.now) && held.kept.warns(self.now) => {
                tracing::warn!(
                    call = self.state.name,
                    "the answers that are kept have reached `max_bytes`, or those of one owner its share: if a request is sent again \
                     whose answer had no room, it is refused"
                );
            }
            _ => {}
        }
        if !store.complete(&held.claim, stored, self.now) {
            return self.lose(&held);
        }
        Outcome::Returned(settled)
    }

    /// The answer with what is kept of it; `None` when the key was lost meanwhile, or with a refusal when the time is over.
    async fn collect<T, E, A, B>(
        &mut self,
        held: &mut Held<T, (A, B)>,
        settled: Result<T, E>,
    ) -> Option<(Result<T, E>, Stored)>
    where
        T: Replay<A>,
        E: Replay<B>,
    {
        let is_success = held.is_success;
        let keep = async {
            match settled {
                Ok(success) if is_success.is_some_and(|is_success| is_success(&success)) => {
                    (Ok(success), Stored::Done)
                }
                Ok(success) => {
                    let (success, bytes) = success.keep().await;
                    (Ok(success), bytes.map_or(Stored::Unkept, Stored::Success))
                }
                Err(error) => {
                    let (error, bytes) = error.keep().await;
                    (Err(error), bytes.map_or(Stored::Unkept, Stored::Error))
                }
            }
        };
        let mut collected = None;
        let waited = Self::until(self.deadline, async { collected = held.while_alive(keep).await }).await;
        match waited {
            Wait::Done => {}
            Wait::TooLong => self.refuse(Reason::DeadlineExceeded),
            Wait::Stopped => self.refuse(Reason::ShuttingDown),
        }
        collected
    }

    fn count_fate(&self, kept: &Idempotency, fate: Fate) {
        kept.count(fate);
        events::publish(self.state.name, || Kind::Idempotency(fate));
    }

    /// Whether any attempt may have done something.
    fn may_have_run(&self) -> bool {
        self.refusal.ran || self.attached.as_ref().is_some_and(|attached| attached.ran)
    }

    /// Ends an attempt whose key another has taken over: nothing of it counts, and none follows.
    #[cold]
    pub(super) fn lose_key(&mut self) {
        self.refusal = Refusal::because(Reason::IdempotencyConflict);
        // A body in hand is dropped next, and its destructors are the user's code.
        if self.phase == Phase::InHand {
            self.phase = Phase::Polling;
        }
    }

    /// Whether [`Call::lose_key`] ended the attempt. A request that is refused for another's sake has none.
    pub(super) fn has_lost_key(&self) -> bool {
        self.refusal.reason == Reason::IdempotencyConflict
    }

    /// Gives everything back that an attempt without an outcome holds.
    #[cold]
    pub(super) fn abandon_attempt(&mut self) {
        self.give_up(CallOutcome::Cancelled, circuit_breaker::Verdict::Neither);
        self.end_attempt_span(CallOutcome::Cancelled);
        self.phase = Phase::Between;
    }

    /// Ends a run whose key another has taken over. Its answer is not the one that will be given again, so its caller
    /// is told to ask for that one.
    #[cold]
    fn lose<T, K, R>(&mut self, held: &Held<T, K>) -> Outcome<R> {
        tracing::warn!(
            call = self.state.name,
            "a run was held up for longer than its lease, and its request was taken over: what it did is not known"
        );
        self.abandon_attempt();
        let left = held.kept.store.left(&held.claim, self.now);
        self.refuse_request(Fate::Lost, Reason::IdempotencyConflict, left);
        self.turned_away()
    }

    #[cold]
    fn refuse_request(&mut self, fate: Fate, reason: Reason, retry_after: clock::Nanos) -> Asked {
        if let Some(kept) = &self.state.idempotency {
            self.count_fate(kept, fate);
        }
        self.refuse(reason);
        self.refusal.retry_after = retry_after;
        Asked::Refused
    }

    #[cold]
    fn turned_away<R>(&mut self) -> Outcome<R> {
        self.ended = self.refusal.reason.outcome();
        Outcome::Refused(Cut(()))
    }
}
