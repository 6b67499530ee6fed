//! From spans of `tracing` to records.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record as Values};
use tracing::subscriber::Interest;
use tracing::{Event as Happening, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::Traces;
use super::record::{Attribute, Event, Kind, Record, Status};
use crate::clock::{nanos, since_1970};
use crate::context::{self, trace};
use crate::telemetry::recorded::{Field, Recorded};
use crate::telemetry::redact;

/// What makes connections of the exporter itself; its spans would be exported, and make more.
const MACHINERY: [&str; 6] = ["h2", "hyper", "hyper_util", "rustls", "tokio_util", "tower"];

/// A span's place in its trace.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) trace: u128,
    pub(crate) span: u64,
    pub(crate) flags: trace::Flags,
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
            Some(Place { trace: trace.id, span: trace.span, flags: trace.flags, state })
        });
        let (place, parent) = if let Some(around) = around {
            let parent = around.span;
            (Place { span: trace::new_span(), ..around }, parent)
        } else {
            let mut begun = trace::Trace::new(false);
            begun.flags.sampled = self.traces.samples(begun.id);
            (Place { trace: begun.id, span: begun.span, flags: begun.flags, state: None }, 0)
        };
        if place.flags.sampled {
            let mut record = Record {
                trace: place.trace,
                span: place.span,
                parent,
                random: place.flags.random,
                state: place.state.clone(),
                name: Cow::Borrowed(attributes.metadata().name()),
                began: nanos(since_1970()),
                ..Record::default()
            };
            let mut recorded = Recorded::default();
            attributes.record(&mut recorded);
            apply(&mut record, &recorded);
            span.extensions_mut().insert(Open { record, began: Instant::now() });
        }
        span.extensions_mut().insert(place);
    }

    fn on_record(&self, id: &Id, values: &Values<'_>, ctx: Context<'_, S>) {
        let mut recorded = Recorded::default();
        values.record(&mut recorded);
        if let Some(span) = ctx.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            apply(&mut open.record, &recorded);
        }
    }

    fn on_event(&self, event: &Happening<'_>, ctx: Context<'_, S>) {
        // Errors and warnings alone: what else is said is in the log, which names the trace.
        if *event.metadata().level() > tracing::Level::WARN {
            return;
        }
        let Some(span) = ctx.event_span(event) else { return };
        let mut recorded = Recorded::default();
        event.record(&mut recorded);
        if let Some(open) = span.extensions_mut().get_mut::<Open>() {
            let mut of_event = Record::default();
            apply(&mut of_event, &recorded);
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

/// Makes attributes of fields. A secret's value is left out, and those that name, class and judge the span do that.
fn apply(record: &mut Record, recorded: &Recorded) {
    for (name, field) in recorded.fields() {
        match field {
            Field::Bool(value) => add(record, name, Attribute::Bool(*value)),
            Field::I64(value) => add(record, name, Attribute::Int(*value)),
            Field::U64(value) => {
                let number = i64::try_from(*value).map(Attribute::Int);
                add(record, name, number.unwrap_or_else(|_| value.to_string().as_str().into()));
            }
            Field::F64(value) => add(record, name, Attribute::Double(*value)),
            Field::Text(value) => text(record, name, value),
            Field::Error { text: error, causes } => {
                let told: Vec<&str> = std::iter::once(error).chain(causes).map(String::as_str).collect();
                text(record, name, &told.join(": "));
            }
        }
    }
}

fn add(record: &mut Record, name: &'static str, value: Attribute) {
    let value = if redact::is_secret(name) { Attribute::from(redact::REDACTED) } else { value };
    record.set(name, value);
}

fn text(record: &mut Record, name: &'static str, text: &str) {
    let text = &*redact::text(text);
    match (name, text) {
        ("otel.name", name) => record.name = Cow::Owned(name.to_owned()),
        ("otel.kind", kind) => {
            record.kind = match kind {
                "server" => Kind::Server,
                "client" => Kind::Client,
                "producer" => Kind::Producer,
                "consumer" => Kind::Consumer,
                _ => Kind::Internal,
            }
        }
        ("otel.status_code", "OK" | "ok") => record.status = Status::Ok,
        ("otel.status_code", "ERROR" | "error") => fail(record, ""),
        ("otel.status_message", message) => fail(record, message),
        ("hardening.outcome", outcome) => {
            if FAILED.contains(&outcome) {
                fail(record, outcome);
                record.set("error.type", outcome);
            }
            add(record, name, outcome.into());
        }
        (_, text) => add(record, name, text.into()),
    }
}

fn fail(record: &mut Record, message: &str) {
    match &mut record.status {
        Status::Error(old) if message.is_empty() || !old.is_empty() => {}
        status => *status = Status::Error(message.to_owned()),
    }
}
