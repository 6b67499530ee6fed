//! Each event as one JSON object: time, level, target, the event's fields, the ids of the request around it and of its trace,
//! and the spans around it with theirs.

use std::cell::RefCell;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::line::Line;
use super::stamp::Stamp;
use crate::clock::since_1970;
use crate::context;
use crate::telemetry::recorded::Recorded;

/// The layer that hands each line, its end included, to `write`.
pub(super) struct Json<W> {
    write: W,
}

impl<W: Fn(&Metadata<'_>, &[u8])> Json<W> {
    pub(super) fn new(write: W) -> Self {
        Self { write }
    }
}

thread_local! {
    /// The room of the last line.
    static LINE: RefCell<(Stamp, Line)> = RefCell::default();
}

impl<S, W> Layer<S> for Json<W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: Fn(&Metadata<'_>, &[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if attributes.is_empty() {
            return;
        }
        let Some(span) = ctx.span(id) else { return };
        let mut recorded = Recorded::default();
        attributes.record(&mut recorded);
        span.extensions_mut().insert(recorded);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let mut recorded = Recorded::default();
        values.record(&mut recorded);
        let mut extensions = span.extensions_mut();
        match extensions.get_mut::<Recorded>() {
            Some(before) => before.add(recorded),
            None => extensions.insert(recorded),
        }
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let write = |stamp: &mut Stamp, line: &mut Line| {
            line.clear();
            line.json(b"{\"time\":\"");
            line.json(stamp.at(since_1970()));
            compose(line, event, &ctx);
            (self.write)(event.metadata(), line.written());
        };
        LINE.with(|room| match room.try_borrow_mut() {
            Ok(mut room) => {
                let (stamp, line) = &mut *room;
                write(stamp, line);
            }
            // What is being logged logs itself.
            Err(_) => write(&mut Stamp::default(), &mut Line::default()),
        });
    }
}

fn compose<S>(line: &mut Line, event: &Event<'_>, ctx: &Context<'_, S>)
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let meta = event.metadata();
    let level: &[u8] = match *meta.level() {
        Level::ERROR => b"\",\"level\":\"ERROR\",\"target\":",
        Level::WARN => b"\",\"level\":\"WARN\",\"target\":",
        Level::INFO => b"\",\"level\":\"INFO\",\"target\":",
        Level::DEBUG => b"\",\"level\":\"DEBUG\",\"target\":",
        Level::TRACE => b"\",\"level\":\"TRACE\",\"target\":",
    };
    line.json(level);
    line.quoted(meta.target());
    event.record(line);
    context::with(|request| {
        if !line.has("request_id") {
            line.text("request_id", &request.id);
        }
        if let Some(trace) = request.trace.as_ref().filter(|_| !line.has("trace_id")) {
            line.text("trace_id", &trace.id());
        }
    });
    if let Some(scope) = ctx.event_scope(event) {
        line.json(b",\"spans\":[");
        for (at, span) in scope.from_root().enumerate() {
            line.json(if at > 0 { b",{\"name\":" } else { b"{\"name\":" });
            line.quoted(span.name());
            line.json(b",\"fields\":");
            line.object(span.extensions().get::<Recorded>());
            line.json(b"}");
        }
        line.json(b"]");
    }
    line.json(b"}\n");
}
