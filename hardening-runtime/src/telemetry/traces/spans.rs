//! From spans of `tracing` to records.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Debug;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as Recorded};
use tracing::subscriber::Interest;
use tracing::{Event as Happening, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::Traces;
use super::record::{Attribute, Event, Kind, MOST_ATTRIBUTES, Record, Status};
use crate::clock::{nanos, since_1970};
use crate::context::{self, trace};
use crate::telemetry::redact;

/// What makes connections of the exporter itself; its spans would be exported, and make more.
const MACHINERY: [&str; 6] = ["h2", "hyper", "hyper_util", "rustls", "tokio_util", "tower"];

/// A span's place in its trace.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) sampled: bool,
    pub(crate) state: Option<Arc<str>>,
}

/// The place of the innermost span around this that takes part in a trace.
pub(crate) fn current() -> Option<Place> {
    let found = tracing::Span::current().with_subscriber(|(id, dispatch)| {
        let span = dispatch.downcast_ref::<Registry>()?.span(id)?;
        span.scope().find_map(|span| span.extensions().get::<Place>().cloned())
    });
    found.flatten()
}

/// The layer that records the spans of sampled traces.
pub(crate) fn layer<S>(traces: &Arc<Traces>) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    // Checked when settings were read.
    let mut targets: Targets = traces.level.parse().unwrap_or_default();
    targets = targets.with_targets(MACHINERY.map(|target| (target, LevelFilter::OFF)));
    Spans { traces: Arc::clone(traces) }.with_filter(OfSampled { targets })
}

/// Lets through what belongs to a sampled trace, or to none yet.
struct OfSampled {
    targets: Targets,
}

impl<S> Filter<S> for OfSampled {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.targets.would_enable(metadata.target(), metadata.level()) && context::is_sampled() != Some(false)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        let ever = self.targets.would_enable(metadata.target(), metadata.level());
        if ever { Interest::sometimes() } else { Interest::never() }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.targets)
    }
}

struct Spans {
    traces: Arc<Traces>,
}

/// A span that is being recorded.
struct Open {
    record: Record,
    began: Instant,
}

impl<S> Layer<S> for Spans
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let around = span.parent().and_then(|parent| parent.extensions().get::<Place>().cloned());
        let around = around.or_else(|| {
            let request = context::current()?;
            let trace = request.trace.as_ref()?;
            let state = trace.state.clone();
            Some(Place { trace: trace.id, span: trace.span, sampled: trace.sampled, state })
        });
        let (place, parent) = if let Some(around) = around {
            let parent = around.span;
            (Place { span: trace::new_span(), ..around }, parent)
        } else {
            let begun = trace::Trace::new(false);
            let sampled = self.traces.samples(begun.id);
            (Place { trace: begun.id, span: begun.span, sampled, state: None }, 0)
        };
        if place.sampled {
            let mut record = Record {
                trace: place.trace,
                span: place.span,
                parent,
                state: place.state.clone(),
                name: Cow::Borrowed(attributes.metadata().name()),
                began: nanos(since_1970()),
                ..Record::default()
            };
            attributes.record(&mut Visitor(&mut record));
            span.extensions_mut().insert(Open { record, began: Instant::now() });
        }
        span.extensions_mut().insert(place);
    }

    fn on_record(&self, id: &Id, values: &Recorded<'_>, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut Visitor(&mut open.record));
        }
    }

    fn on_event(&self, event: &Happening<'_>, ctx: Context<'_, S>) {
        // Errors and warnings alone: what else is said is in the log, which names the trace.
        if *event.metadata().level() > tracing::Level::WARN {
            return;
        }
        let Some(span) = ctx.event_span(event) else { return };
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let mut of_event = Record::default();
            event.record(&mut Visitor(&mut of_event));
            let mut attributes = of_event.attributes;
            let said = attributes.iter().position(|(name, _)| name == "message");
            let name = match said.map(|at| attributes.remove(at).1) {
                Some(Attribute::Text(text)) => text,
                _ => event.metadata().name().to_owned(),
            };
            open.record.happened(Event { at: nanos(since_1970()), name, attributes });
        }
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(&id) else { return };
        let open = span.extensions_mut().remove::<Open>();
        if let Some(Open { mut record, began }) = open {
            record.ended = record.began.saturating_add(began.elapsed().as_nanos() as u64);
            self.traces.take(record);
        }
    }
}

/// Outcomes of calls and attempts that make a span an error.
const FAILED: [&str; 8] = [
    "failure",
    "timeout",
    "deadline_exceeded",
    "circuit_open",
    "rate_limited",
    "bulkhead_full",
    "panicked",
    "rejected",
];

/// Fields into attributes. A secret's value is left out, and those that name, class and judge the span do that.
struct Visitor<'r>(&'r mut Record);

impl Visitor<'_> {
    fn add(&mut self, field: &Field, value: Attribute) {
        let value = if redact::is_secret(field.name()) { Attribute::from(redact::REDACTED) } else { value };
        self.0.set(field.name(), value);
    }

    fn text(&mut self, field: &Field, text: &str) {
        let text = &*redact::text(text);
        match (field.name(), text) {
            ("otel.name", name) => self.0.name = Cow::Owned(name.to_owned()),
            ("otel.kind", kind) => {
                self.0.kind = match kind {
                    "server" => Kind::Server,
                    "client" => Kind::Client,
                    "producer" => Kind::Producer,
                    "consumer" => Kind::Consumer,
                    _ => Kind::Internal,
                }
            }
            ("otel.status_code", "OK" | "ok") => self.0.status = Status::Ok,
            ("otel.status_code", "ERROR" | "error") => self.fail(""),
            ("otel.status_message", message) => self.fail(message),
            ("outcome", outcome) => {
                if FAILED.contains(&outcome) {
                    self.fail(outcome);
                    self.0.set("error.type", outcome);
                }
                self.add(field, outcome.into());
            }
            (_, text) => self.add(field, text.into()),
        }
    }

    fn fail(&mut self, message: &str) {
        match &mut self.0.status {
            Status::Error(old) if message.is_empty() || !old.is_empty() => {}
            status => *status = Status::Error(message.to_owned()),
        }
    }
}

impl Visit for Visitor<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.add(field, Attribute::Double(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.add(field, Attribute::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = i64::try_from(value).map_or_else(|_| value.to_string().as_str().into(), Attribute::Int);
        self.add(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.add(field, Attribute::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value);
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        let causes = std::iter::successors(Some(value), |error| (*error).source());
        let told: Vec<String> = causes.take(MOST_ATTRIBUTES).map(ToString::to_string).collect();
        self.text(field, &told.join(": "));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, &format!("{value:?}"));
    }
}
