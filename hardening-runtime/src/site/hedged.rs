//! Executions side by side: the first success wins, and the others are gone before the call goes on.

use std::pin::Pin;
use std::task::{Context, Poll};

use hardening_spec::Per;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use super::Call;
use super::Outcome;
use super::attempt::Part;
use super::execution::{End, Failed, MayFail, Other, Place, Race};
use super::held::OfCall;
use super::refusal::Refusal;
use super::verdict::Cut;
use crate::clock::{self, NEVER, Nanos};
use crate::context::permits;
use crate::events::{self, Kind};
use crate::policy::bulkhead::Entry;
use crate::policy::hedge::{Extra, Hedge};

pin_project! {
    /// The body of a hedged call, and others of it beside, for as long as the first execution runs.
    ///
    /// It stays where its caller pinned it, as that of an attempt does, and is dropped there when this is over: what it held
    /// may be what others wait for.
    #[must_use = "a future does nothing unless it is awaited"]
    pub struct Hedging<'a, 'c, B, F, E> {
        call: &'a mut Call<'c>,
        begin: Option<B>,
        first: Option<MayFail<Pin<&'a mut F>>>,
        #[pin]
        limit: Option<Sleep>,
        race: Race<F, E>,
    }
}

/// What goes on once the first execution is gone. It knows no success, so that one that cannot be sent does not matter
/// while others run, and is one type, not two in each other: the compiler has a limit on those.
pub enum Rest<B, F, E> {
    /// Nothing: the call has its outcome.
    Over,
    /// What makes other executions, and those that run.
    Open(B, Race<F, E>),
}

impl<B, F, E> Rest<B, F, E> {
    /// Whether there is nothing left of the race.
    pub const fn is_over(&self) -> bool {
        matches!(self, Self::Over)
    }
}

/// The executions beside a first one that is gone.
#[must_use = "a future does nothing unless it is awaited"]
pub struct Others<'a, 'c, B, F, E> {
    call: &'a mut Call<'c>,
    rest: Rest<B, F, E>,
}

/// What is pinned is in boxes.
impl<B, F, E> Unpin for Others<'_, '_, B, F, E> {}

/// The first success, if there is one.
type Winner<R> = Option<Success<R>>;

/// A success, and when its execution began and had to end, unless it is the first one.
type Success<R> = (R, Option<(Nanos, Nanos)>);

impl<'c> Call<'c> {
    /// Runs the body, and more of it side by side when it takes long, unless the attempt was refused.
    ///
    /// `first` is the first execution, `begin` makes the others. [`Call::run_others`] goes on where this ends.
    pub fn run_hedged<'a, B, F, T, E>(
        &'a mut self,
        first: Pin<&'a mut F>,
        begin: B,
    ) -> Hedging<'a, 'c, B, F, E>
    where
        B: Fn() -> F,
        F: Future<Output = Result<T, E>>,
    {
        let admitted = self.refusal.is_none();
        let hedge = self.state.hedge.as_ref().filter(|_| admitted);
        #[cfg(feature = "testing")]
        if admitted && hedge.is_none() {
            happened!(self, BodyBegun(self.attempts));
        }
        if let Some(hedge) = hedge {
            hedge.budget().deposit(self.now);
        }
        let first = admitted.then(|| MayFail::new(self.state.name, first));
        let limit = if admitted { clock::timer(self.limit, self.state.name) } else { None };
        let alarm = hedge.and_then(|hedge| self.alarm(hedge, self.now));
        let race = Race { alarm, ..Race::new() };
        Hedging { call: self, begin: Some(begin), first, limit, race }
    }

    /// Runs what is left of a race, once the first execution is gone; that one had no outcome.
    pub fn run_others<B, F, T, E>(
        &mut self,
        rest: Rest<B, F, E>,
        _: Outcome<Result<T, E>>,
    ) -> Others<'_, 'c, B, F, E>
    where
        B: Fn() -> F,
        F: Future<Output = Result<T, E>>,
    {
        Others { call: self, rest }
    }

    /// Makes the outcome of the race: that of the winner, or of the first execution.
    fn settle_race<T, E>(
        &mut self,
        winner: Winner<Result<T, E>>,
        first_end: Option<Failed<E>>,
    ) -> Outcome<Result<T, E>> {
        match (winner, first_end) {
            (Some((result, Some((began, limit)))), _) => {
                if let Some(hedge) = &self.state.hedge {
                    let now = clock::now();
                    hedge.count(Extra::Won);
                    hedge.learn(now.saturating_sub(began), now);
                }
                self.limit = limit;
                Outcome::Returned(result)
            }
            (Some((result, None)), _) => Outcome::Returned(result),
            (None, Some(Failed::Returned(error))) => Outcome::Returned(Err(error)),
            #[cfg(feature = "testing")]
            (None, Some(Failed::Injected)) => {
                self.refuse(super::refusal::Reason::Injected);
                self.refusal.ran = true;
                Outcome::Refused(Cut(()))
            }
            (None, _) => {
                self.refuse(self.cut());
                self.refusal.ran = true;
                Outcome::Refused(Cut(()))
            }
        }
    }

    /// When the next execution is due.
    fn alarm(&self, hedge: &Hedge, now: Nanos) -> Option<Pin<Box<Sleep>>> {
        let left = self.limit.min(self.deadline).saturating_sub(now);
        let due = now.saturating_add(hedge.delay(now, left)?);
        clock::timer(due, self.state.name).map(Box::pin)
    }

    /// Begins another execution, if the budget, the limits and the bulkhead have room for it.
    fn begin_other<F>(
        &mut self,
        hedge: &Hedge,
        begin: &impl Fn() -> F,
        now: Nanos,
        number: u32,
    ) -> Option<Other<MayFail<F>>> {
        let limit = now.saturating_add(self.state.timeout.get()).min(self.deadline);
        if now >= limit {
            return None;
        }
        // What refuses comes before what is spent, and the budget is given back where a limit refuses.
        let Some(place) = self.place_for_other() else {
            hedge.count(Extra::Refused);
            return None;
        };
        let Some(reserved) = hedge.budget().reserve(now) else {
            hedge.count(Extra::OverBudget);
            return None;
        };
        if !self.charge_other(now) {
            hedge.count(Extra::Refused);
            return None;
        }
        reserved.spend();
        hedge.count(Extra::Sent);
        happened!(self, Hedged);
        events::publish(self.state.name, || Kind::Hedged { execution: number });
        let body = Box::pin(MayFail::new(self.state.name, begin()));
        let attempt = self.state.attempts.of(number);
        Some(Other { body, timer: None, began: now, limit, attempt, place })
    }

    /// Charges the limits per attempt, without waiting for them.
    fn charge_other(&mut self, now: Nanos) -> bool {
        let state = self.state;
        if !state.attempt_limits.any {
            return true;
        }
        let began = std::mem::replace(&mut self.now, now);
        self.charge_limits(&state.attempt_limits, Per::Attempt, now);
        self.now = began;
        std::mem::replace(&mut self.refusal, Refusal::NONE).is_none()
    }

    /// Takes a place in the bulkhead, without waiting for it.
    fn place_for_other(&self) -> Option<Place> {
        let Some(bulkhead) = self.bulkhead() else { return Some(Place::default()) };
        match bulkhead.enter() {
            Entry::Entered => Some(Place { bulkhead: Some(bulkhead), permit: self.permit_beside(bulkhead) }),
            Entry::Queue => {
                // Dropped before its first poll, it leaves the queue.
                drop(bulkhead.queue());
                None
            }
            Entry::Full => None,
        }
    }

    fn poll_other<F: Future>(&mut self, other: &mut Other<F>, cx: &mut Context<'_>) -> Poll<End<F::Output>> {
        let body = other.body.as_mut();
        self.attach().attempt = other.attempt;
        let _shown = permits::show(&other.place.permit);
        let polled = self.poll_inside(other.limit, Part::Beside, cx, |cx| body.poll(cx));
        self.attach().attempt = None;
        if let Poll::Ready(result) = polled {
            return Poll::Ready(End::Returned(result));
        }
        if other.limit == NEVER {
            return Poll::Pending;
        }
        if other.timer.is_none() {
            other.timer = clock::timer(other.limit, self.state.name).map(Box::pin);
        }
        other.timer.as_mut().map_or(Poll::Pending, |timer| timer.as_mut().poll(cx)).map(|()| {
            self.drops_body(cx);
            End::Cut
        })
    }
}

impl<B, F, T, E> Future for Hedging<'_, '_, B, F, E>
where
    B: Fn() -> F,
    F: Future<Output = Result<T, E>>,
{
    type Output = (Outcome<Result<T, E>>, Rest<B, F, E>);

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (call, race) = (&mut **this.call, this.race);
        if this.first.is_none() {
            return Poll::Ready((Outcome::Refused(Cut(())), Rest::Over));
        }
        let hedge = call.state.hedge.as_ref();
        if let Poll::Ready(winner) = poll_first(call, hedge, this.first, this.limit, race, cx) {
            race.others.clear();
            return Poll::Ready((call.settle_race(Some((winner, None)), None), Rest::Over));
        }
        let Some(begin) = this.begin else { return Poll::Pending };
        if this.first.is_none() {
            // Its caller drops it before another is begun.
            call.drops_body(cx);
            let race = std::mem::replace(race, Race::new());
            let rest = this.begin.take().map_or(Rest::Over, |begin| Rest::Open(begin, race));
            return Poll::Ready((Outcome::Refused(Cut(())), rest));
        }
        let Some(hedge) = hedge else {
            call.suspend();
            return Poll::Pending;
        };
        let Poll::Ready(won) = poll_others(call, hedge, begin, race, cx) else {
            // Being dropped from here on is no panic.
            call.suspend();
            return Poll::Pending;
        };
        // It ran at least so long; leaving it out would make the percentile ever shorter.
        let now = clock::now();
        hedge.learn(now.saturating_sub(call.now), now);
        // Losers are gone before the call goes on.
        *this.first = None;
        race.others.clear();
        Poll::Ready((call.settle_race(Some(won), None), Rest::Over))
    }
}

impl<B, F, T, E> OfCall for Hedging<'_, '_, B, F, E>
where
    B: Fn() -> F,
    F: Future<Output = Result<T, E>>,
{
    fn lose(self: Pin<&mut Self>) -> Self::Output {
        self.project().call.lose_key();
        (Outcome::Refused(Cut(())), Rest::Over)
    }
}

impl<B, F, T, E> Future for Others<'_, '_, B, F, E>
where
    B: Fn() -> F,
    F: Future<Output = Result<T, E>>,
{
    type Output = Outcome<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let call = &mut *this.call;
        let Rest::Open(begin, mut race) = std::mem::replace(&mut this.rest, Rest::Over) else {
            return Poll::Pending;
        };
        let won = match &call.state.hedge {
            None => Poll::Pending,
            Some(hedge) => poll_others(call, hedge, &begin, &mut race, cx),
        };
        let winner = match won {
            Poll::Ready(won) => Some(won),
            Poll::Pending if race.others.is_empty() => None,
            Poll::Pending => {
                call.suspend();
                this.rest = Rest::Open(begin, race);
                return Poll::Pending;
            }
        };
        race.others.clear();
        Poll::Ready(call.settle_race(winner, race.first_end))
    }
}

impl<B, F, T, E> OfCall for Others<'_, '_, B, F, E>
where
    B: Fn() -> F,
    F: Future<Output = Result<T, E>>,
{
    fn lose(self: Pin<&mut Self>) -> Self::Output {
        let this = self.get_mut();
        this.rest = Rest::Over;
        this.call.lose_key();
        Outcome::Refused(Cut(()))
    }
}

/// Polls the first execution, if it runs still: ready with its success.
fn poll_first<F, T, E>(
    call: &mut Call<'_>,
    hedge: Option<&Hedge>,
    first: &mut Option<MayFail<Pin<&mut F>>>,
    limit: Pin<&mut Option<Sleep>>,
    race: &mut Race<F, E>,
    cx: &mut Context<'_>,
) -> Poll<F::Output>
where
    F: Future<Output = Result<T, E>>,
{
    let Some(running) = first else { return Poll::Pending };
    let until = call.limit;
    let end = match call.poll_inside(until, Part::Attempt, cx, |cx| Pin::new(running).poll(cx)) {
        Poll::Ready(result) => End::Returned(result),
        Poll::Pending => {
            if limit.as_pin_mut().is_none_or(|limit| limit.poll(cx).is_pending()) {
                return Poll::Pending;
            }
            End::Cut
        }
    };
    *first = None;
    if let Some(hedge) = hedge {
        let now = clock::now();
        hedge.learn(now.saturating_sub(call.now), now);
    }
    race.first_end = Some(match end {
        End::Returned(Some(Err(error))) => Failed::Returned(error),
        End::Returned(Some(result)) => return Poll::Ready(result),
        #[cfg(feature = "testing")]
        End::Returned(None) => Failed::Injected,
        #[cfg(not(feature = "testing"))]
        End::Returned(None) => Failed::Cut,
        End::Cut => Failed::Cut,
    });
    race.failed = true;
    Poll::Pending
}

/// Polls the executions beside the first, and begins the next one when it is due: ready with a success.
fn poll_others<B, F, T, E>(
    call: &mut Call<'_>,
    hedge: &Hedge,
    begin: &B,
    race: &mut Race<F, E>,
    cx: &mut Context<'_>,
) -> Poll<Success<F::Output>>
where
    B: Fn() -> F,
    F: Future<Output = Result<T, E>>,
{
    loop {
        let mut at = 0;
        while at < race.others.len() {
            match call.poll_other(&mut race.others[at], cx) {
                Poll::Pending => at += 1,
                Poll::Ready(End::Returned(Some(result @ Ok(_)))) => {
                    let won = race.others.swap_remove(at);
                    return Poll::Ready((result, Some((won.began, won.limit))));
                }
                Poll::Ready(_) => {
                    race.failed = true;
                    drop(race.others.swap_remove(at));
                }
            }
        }
        let rang = race.alarm.as_mut().is_some_and(|alarm| alarm.as_mut().poll(cx).is_ready());
        if race.begun == hedge.max() || !(rang || race.failed) {
            return Poll::Pending;
        }
        // A failure begins the next execution at once.
        race.failed = false;
        let now = clock::now();
        let Some(other) = call.begin_other(hedge, begin, now, race.begun + 2) else {
            race.begun = hedge.max();
            return Poll::Pending;
        };
        race.others.push(other);
        race.begun += 1;
        race.alarm = if race.begun < hedge.max() { call.alarm(hedge, now) } else { None };
    }
}
