//! One span for each call and one for each attempt, at the cost of a comparison while nobody listens.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Once};

use tracing::callsite::{self, Callsite, Identifier};
use tracing::field::{Field, FieldSet, Value, debug};
use tracing::level_filters::LevelFilter;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Span};

use super::Site;
use super::nested::Nested;
use crate::context::Attempt;
use crate::policy::bulkhead::Bulkhead;
use crate::policy::cache::Mark;
use crate::policy::circuit_breaker::CircuitBreaker;
use crate::policy::rate_limit::Reservation;

/// How a call or an attempt ended.
const OUTCOME: &str = "hardening.outcome";

const NEVER: u8 = 0;
const SOMETIMES: u8 = 1;
const ALWAYS: u8 = 2;

/// What makes the spans of one site: a tracing callsite of its own, so that filters see the user's crate and
/// function.
pub(crate) struct Spans {
    level: Level,
    site: &'static Site,
    metadata: Metadata<'static>,
    registered: Once,
    interest: AtomicU8,
}

impl Callsite for Site {
    fn set_interest(&self, interest: Interest) {
        let interest = match interest {
            _ if interest.is_never() => NEVER,
            _ if interest.is_always() => ALWAYS,
            _ => SOMETIMES,
        };
        if let Some(state) = self.state.get() {
            state.spans.interest.store(interest, Ordering::Relaxed);
        }
    }

    fn metadata(&self) -> &Metadata<'_> {
        // Tracing knows a site only after `Spans::open` registered it, which is reached through its state.
        &self.state.get_or_init(|| unreachable!("a site is registered by its state")).spans.metadata
    }
}

impl Spans {
    pub(crate) fn new(site: &'static Site) -> Self {
        let (name, place) = (site.name(), &site.place);
        let level = place.level.as_tracing();
        Self {
            level,
            site,
            metadata: Metadata::new(
                name,
                place.krate,
                level,
                Some(place.file),
                Some(place.line),
                Some(name),
                FieldSet::new(place.fields, Identifier(site)),
                Kind::SPAN,
            ),
            registered: Once::new(),
            interest: AtomicU8::new(NEVER),
        }
    }

    /// The span of a new call, if anybody listens.
    #[inline(always)]
    pub(crate) fn open(&'static self) -> Option<Box<Attached>> {
        if self.level > LevelFilter::current() { None } else { self.open_heard() }
    }

    #[cold]
    fn open_heard(&'static self) -> Option<Box<Attached>> {
        self.registered.call_once(|| callsite::register(self.site));
        let heard = match self.interest.load(Ordering::Relaxed) {
            NEVER => false,
            ALWAYS => true,
            _ => tracing::dispatcher::get_default(|dispatch| dispatch.enabled(&self.metadata)),
        };
        heard.then(|| {
            let nothing: [(&Field, Option<&dyn Value>); 0] = [];
            let call = Span::new(&self.metadata, &self.metadata.fields().value_set(&nothing));
            let spans = CallSpans::new(call, self.level);
            Box::new(Attached { spans: Some(spans), ..Attached::default() })
        })
    }
}

/// What few calls carry: kept apart, so that the others pay one comparison for it.
#[derive(Debug, Default)]
pub(crate) struct Attached {
    /// Of a call that somebody listens to.
    pub(crate) spans: Option<CallSpans>,
    /// The circuit of its key that the attempt in hand was admitted by.
    pub(crate) breaker: Option<&'static CircuitBreaker>,
    /// The bulkhead of its key that the attempt in hand waits for or is in.
    pub(crate) bulkhead: Option<&'static Bulkhead>,
    /// The turn in the limits that the call waits for.
    pub(crate) turn: Option<Reservation>,
    /// The permits that calls inside may use, and those of calls around that this one uses.
    pub(crate) nested: Nested,
    /// What the body sees of the attempt in hand, from the second one on.
    pub(crate) attempt: Option<&'static Attempt>,
    /// An attempt before the one in hand may have done something; kept where that matters.
    pub(crate) ran: bool,
    /// The load whose leader this call is.
    pub(crate) load: Option<Arc<Mark>>,
    /// The deadline left no time for another attempt of the load.
    pub(crate) out_of_time: bool,
    /// The call ended as the load that it waited for.
    pub(crate) joined: bool,
    /// Why the load that it waited for failed.
    pub(crate) cause: Option<Arc<str>>,
    /// The fault that happens in place of the body.
    #[cfg(feature = "testing")]
    pub(crate) fault: Option<crate::testing::Pending>,
}

/// The spans of one call.
#[derive(Debug)]
pub(crate) struct CallSpans {
    call: Span,
    attempt: Span,
    level: Level,
    /// The last attempt whose span was opened, and the last whose span was closed; the first attempt is 1.
    opened: u32,
    closed: u32,
}

impl CallSpans {
    fn new(call: Span, level: Level) -> Self {
        Self { call, attempt: Span::none(), level, opened: 0, closed: 0 }
    }

    /// The span of attempt `number`, which the body runs in.
    pub(crate) fn attempt(&mut self, number: u32) -> &Span {
        macro_rules! at {
            ($level:ident) => {
                tracing::span!(
                    parent: &self.call,
                    Level::$level,
                    "attempt",
                    hardening.attempt = number,
                    hardening.outcome = tracing::field::Empty
                )
            };
        }
        if self.opened < number {
            self.opened = number;
            self.attempt = match self.level {
                Level::ERROR => at!(ERROR),
                Level::WARN => at!(WARN),
                Level::INFO => at!(INFO),
                Level::DEBUG => at!(DEBUG),
                Level::TRACE => at!(TRACE),
            };
        }
        &self.attempt
    }

    /// Closes the span of attempt `number`; one that was refused gets its span here.
    pub(crate) fn end_attempt(&mut self, number: u32, outcome: &'static str) {
        if self.closed < number {
            self.attempt(number).record(OUTCOME, outcome);
            self.closed = number;
            self.attempt = Span::none();
        }
    }

    /// The span of the whole call, for what runs outside its attempts.
    pub(crate) fn call(&self) -> &Span {
        &self.call
    }

    /// Ends the call's span.
    pub(crate) fn end(&mut self, outcome: &'static str, attempts: u32) {
        self.call.record(OUTCOME, outcome).record("hardening.attempts", attempts);
    }

    /// Records an argument.
    pub(crate) fn record(&self, field: &'static str, value: &dyn Debug) {
        self.call.record(field, debug(value));
    }
}
