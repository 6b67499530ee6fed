//! Answers that are kept: of a cache, and of requests that are sent again.

use std::cell::Cell;
use std::ops::ControlFlow::{Break, Continue};
use std::pin::Pin;
use std::pin::pin;

use hardening_spec::{CacheSpec, IdempotentSpec, OnTakeover};
use tokio::time::advance;

use super::super::drill::{allowed, begin, charges};
use super::{Drill, Kept, TICK, poll_once, that};
use crate::Rejected;
use crate::policy::idempotency::{Never, Replay, Ticket};
use crate::site::{Cached, Fails, HandsOut as _, Site};

/// A key that no function has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key(u64);

/// What a drilled body answers: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answer(u64);

/// Kept as its number.
struct Own;

impl Replay<Own> for Answer {
    async fn keep(self) -> (Self, Option<Vec<u8>>) {
        (self, Some(self.0.to_le_bytes().to_vec()))
    }

    fn give_again(kept: &[u8]) -> Option<Self> {
        kept.try_into().ok().map(|bytes| Self(u64::from_le_bytes(bytes)))
    }
}

type End = Result<Answer, Rejected>;
type Calling<'c> = Pin<Box<dyn Future<Output = End> + 'c>>;

/// A body that counts how often it runs.
struct Source {
    runs: Cell<u64>,
    does: Cell<Does>,
}

#[derive(Clone, Copy)]
enum Does {
    Answer,
    /// The same, once somebody else had a turn.
    AnswerLater,
    Fail,
    Hang,
}

impl Source {
    const fn new() -> Self {
        Self { runs: Cell::new(0), does: Cell::new(Does::Answer) }
    }

    async fn run(&self) -> End {
        let run = self.runs.get() + 1;
        self.runs.set(run);
        match self.does.get() {
            Does::Answer => {}
            Does::AnswerLater => tokio::task::yield_now().await,
            Does::Fail => return Err(Rejected::LoadFailed { call: "drill", cause: None }),
            Does::Hang => std::future::pending().await,
        }
        Ok(Answer(run))
    }
}

/// Calls `site` once, as the expansion of `#[cached]` would; a load in the background is over before it returns.
async fn cached(site: &'static Site, key: u64, source: &Source) -> End {
    let charges = charges(site.declared(), key);
    let mut call = begin(site, &charges);
    let handed = &(&&&&Fails::<End>::new()).handed();
    let settled = match call.find_cached::<Key, Answer>(Key(key)).await {
        Cached::Settled(found) => found.success(handed),
        Cached::Stale(found, load) => {
            let mut refresh = site.begin_refresh_call(&charges, &load);
            if refresh.must_wait_within_call() {
                refresh.wait_for_turn().await;
            }
            let outcome = refresh.run_attempt(pin!(source.run())).await;
            let settled = refresh.settle_only_attempt(outcome);
            let settled = refresh.keep_loaded(load, settled, handed);
            refresh.close_refresh(settled);
            found.success(handed)
        }
        Cached::Load(load) => {
            if call.must_wait_within_call() {
                call.wait_for_turn().await;
            }
            let outcome = call.run_attempt(pin!(source.run())).await;
            let settled = call.settle_only_attempt(outcome);
            call.keep_loaded(load, settled, handed)
        }
    };
    call.finish_call(settled)
}

/// Calls `site` once, as the expansion of `#[idempotent]` would.
async fn sent(site: &'static Site, key: u64, fingerprint: Option<u64>, source: &Source) -> End {
    let charges = charges(site.declared(), key);
    let ticket = fingerprint.and_then(|fingerprint| Ticket::of(&("drill", key), &fingerprint));
    let mut call = begin(site, &charges);
    let settled = match call.begin_idempotent::<Answer, Rejected, Own, Never>(ticket).await {
        Break(settled) => settled,
        Continue(mut held) => {
            if call.must_wait_within_call() {
                held.while_held(call.wait_for_turn()).await;
            }
            let outcome = held.while_held(call.run_attempt(pin!(source.run()))).await;
            let settled = call.settle_only_attempt(outcome);
            call.keep_answer::<Answer, Rejected, Own, Never>(held, settled).await
        }
    };
    call.finish_call(settled)
}

impl Drill<'_> {
    /// Every limit full and the circuit closed, so that the store alone decides.
    fn clear_the_way(&self) {
        self.site.state().reset_limits();
        self.site.state().reset_circuits();
    }

    fn cached_call<'s>(&self, source: &'s Source) -> Calling<'s> {
        self.clear_the_way();
        Box::pin(allowed(self.site, cached(self.site, self.key, source)))
    }

    fn sent_call<'s>(&self, fingerprint: Option<u64>, source: &'s Source) -> Calling<'s> {
        self.clear_the_way();
        Box::pin(allowed(self.site, sent(self.site, self.key, fingerprint, source)))
    }

    pub(super) async fn cached(&mut self, cache: &CacheSpec) -> Kept {
        const CALLERS: usize = 10;
        self.key += 1;
        let source = Source::new();
        source.does.set(Does::AnswerLater);
        let mut asking = Vec::new();
        for _ in 0..CALLERS {
            let mut call = self.cached_call(&source);
            if let Some(end) = poll_once(&mut call).await {
                return Err(format!("one of those who miss together ended at once with {end:?}"));
            }
            asking.push(call);
        }
        for call in asking {
            let end = call.await;
            that(end == Ok(Answer(1)), || format!("of {CALLERS} who missed together one got {end:?}"))?;
        }
        source.does.set(Does::Answer);
        // `ttl` is spread downwards.
        let spread = cache.ttl.mul_f64(f64::from(cache.jitter.millionths) / 1_000_000.0);
        advance(cache.ttl.saturating_sub(spread).saturating_sub(TICK)).await;
        let end = self.cached_call(&source).await;
        that(end == Ok(Answer(1)) && source.runs.get() == 1, || {
            format!("a call within its `ttl` got {end:?}, and the body had run {} times", source.runs.get())
        })?;
        advance(spread + TICK).await;
        let (revalidated, stands_in) = (cache.stale_while_revalidate, cache.stale_if_error);
        if revalidated > spread + TICK {
            let end = self.cached_call(&source).await;
            that(end == Ok(Answer(1)), || format!("a stale result was to be served, not {end:?}"))?;
            let end = self.cached_call(&source).await;
            that(end == Ok(Answer(2)), || format!("after the load in the background it was {end:?}"))?;
            that(source.runs.get() == 2, || format!("the body ran {} times, not twice", source.runs.get()))?;
            advance(cache.ttl).await;
        }
        let kept = source.runs.get();
        source.does.set(Does::Fail);
        if stands_in > spread + TICK {
            let end = self.cached_call(&source).await;
            that(end == Ok(Answer(kept)), || {
                format!("when loading fails the old result serves, not {end:?}")
            })?;
        }
        advance(revalidated.max(stands_in)).await;
        let end = self.cached_call(&source).await;
        that(end.is_err(), || format!("a result that is too old was served: {end:?}"))
    }

    pub(super) async fn idempotent(&mut self, idempotent: &IdempotentSpec) -> Kept {
        self.key += 1;
        let source = Source::new();
        let ran = |times| {
            let runs = source.runs.get();
            that(runs == times, || format!("the body ran {runs} times, not {times}"))
        };
        let end = self.sent_call(None, &source).await;
        that(matches!(end, Err(Rejected::IdempotencyKeyMissing)), || {
            format!("without a key it got {end:?}")
        })?;
        source.does.set(Does::Hang);
        let mut first = self.sent_call(Some(7), &source);
        let begun = poll_once(&mut first).await;
        that(begun.is_none(), || format!("a request that is new ended with {begun:?}"))?;
        let end = self.sent_call(Some(7), &source).await;
        that(matches!(end, Err(Rejected::IdempotencyConflict { .. })), || {
            format!("sent again while it runs it got {end:?}")
        })?;
        ran(1)?;
        drop(first);
        source.does.set(Does::Answer);
        let mut end = self.sent_call(Some(7), &source).await;
        if idempotent.on_takeover == OnTakeover::Conflict {
            let Err(Rejected::IdempotencyConflict { retry_after }) = end else {
                return Err(format!("after the first went away unfinished it got {end:?}"));
            };
            ran(1)?;
            advance(retry_after).await;
            end = self.sent_call(Some(7), &source).await;
        }
        that(end == Ok(Answer(2)), || format!("after the first went away it got {end:?}"))?;
        advance(idempotent.ttl.saturating_sub(TICK)).await;
        let end = self.sent_call(Some(7), &source).await;
        that(end == Ok(Answer(2)), || format!("sent again it got {end:?}"))?;
        let end = self.sent_call(Some(8), &source).await;
        that(matches!(end, Err(Rejected::IdempotencyMismatch)), || {
            format!("another request under the same key got {end:?}")
        })?;
        ran(2)?;
        advance(TICK).await;
        let end = self.sent_call(Some(8), &source).await;
        that(end == Ok(Answer(3)), || format!("once its answer is forgotten the key got {end:?}"))
    }
}
