//! Log lines: one JSON object each in production, text on a terminal.

use std::fmt;
use std::io::IsTerminal;
use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt as lines, registry};

use super::fields::Fields;
use super::traces::Traces;
use super::{escape, redact};
use crate::context;
use crate::service::panics;
use crate::settings::{Log, LogFormat};

/// Starts logging to standard output, and recording spans for `traces`, unless the program has a subscriber already.
/// `RUST_LOG` wins over the settings' level.
pub(crate) fn install(log: &Log, traces: Option<&Arc<Traces>>) {
    log.redact.iter().for_each(|name| redact::add_name(name));
    let level =
        std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty()).unwrap_or_else(|| log.level.clone());
    let filter = EnvFilter::builder().parse_lossy(level);
    let installed = match traces {
        // One filter for all is the cheapest.
        None => registry().with(filter).with(layer(log)).try_init(),
        Some(traces) => recording(layer(log).with_filter(filter).boxed(), traces).try_init(),
    };
    if installed.is_ok() {
        panics::tell();
    }
}

#[cfg(feature = "otlp")]
fn recording(log: Box<dyn Layer<Registry> + Send + Sync>, traces: &Arc<Traces>) -> impl SubscriberInitExt {
    registry().with(log).with(super::traces::layer(traces))
}

#[cfg(not(feature = "otlp"))]
fn recording(_: Box<dyn Layer<Registry> + Send + Sync>, traces: &Arc<Traces>) -> Registry {
    match **traces {}
}

/// Writes lines in the form that settings ask for.
fn layer<S>(log: &Log) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let pretty = match log.format {
        LogFormat::Auto => std::io::stdout().is_terminal(),
        LogFormat::Json => false,
        LogFormat::Pretty => true,
    };
    if pretty {
        let ansi = std::io::stdout().is_terminal();
        lines::layer().with_ansi(ansi).with_target(false).fmt_fields(plain()).boxed()
    } else {
        lines::layer().fmt_fields(Json).event_format(Json).boxed()
    }
}

/// Fields for people: the message, then `name=value` each, without what must not be told.
fn plain() -> impl for<'w> FormatFields<'w> + 'static {
    lines::format::debug_fn(|out, field, value| match field.name() {
        "message" => out.write_str(&escape::plain(&redact::text(&format!("{value:?}")))),
        name => write!(out, "{name}={}", escape::plain(&redact::field(name, &format!("{value:?}")))),
    })
    .delimited(" ")
}

/// Writes each event as one JSON object: time, level, target, the event's fields, the ids of the request around
/// it and of its trace, and the spans around it with theirs.
#[derive(Clone, Copy, Debug)]
struct Json;

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        out.write_str("{\"time\":\"")?;
        SystemTime.format_time(&mut out)?;
        write!(out, "\",\"level\":\"{}\",\"target\":\"{}\"", meta.level(), meta.target())?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        out.write_str(fields.written())?;
        if let Some(request) = context::current() {
            let mut own = Fields::default();
            if !fields.has("request_id") {
                own.text("request_id", &request.id);
            }
            if let Some(trace) = request.trace.as_ref().filter(|_| !fields.has("trace_id")) {
                own.text("trace_id", &trace.id());
            }
            out.write_str(own.written())?;
        }
        if let Some(scope) = ctx.event_scope() {
            out.write_str(",\"spans\":[")?;
            for (at, span) in scope.from_root().enumerate() {
                write!(out, "{}{{\"name\":\"{}\"", if at > 0 { "," } else { "" }, span.name())?;
                if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                    write!(out, ",\"fields\":{{{}}}", fields.fields.trim_start_matches(','))?;
                }
                out.write_str("}")?;
            }
            out.write_str("]")?;
        }
        out.write_str("}\n")
    }
}

impl<'w> FormatFields<'w> for Json {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut out: Writer<'w>,
        record: R,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        record.record(&mut fields);
        out.write_str(fields.written())
    }

    /// The default puts a space between what was there and what is added. What is recorded again replaces the old.
    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        added: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        added.record(&mut fields);
        current.fields = fields.after(&current.fields);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::Mutex;

    use super::*;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(run: impl FnOnce()) -> Vec<serde_json::Value> {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = lines::layer().fmt_fields(Json).event_format(Json).with_writer(move || writer.clone());
        tracing::subscriber::with_default(registry().with(layer), run);
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    #[test]
    fn a_line_is_one_json_object_with_typed_fields_and_spans() {
        let lines = logged(|| {
            let span = tracing::info_span!("call", name = "orders::price", late = tracing::field::Empty);
            let _entered = span.enter();
            span.record("late", true);
            tracing::warn!(target: "t", count = 3, level = 9, ratio = 0.5, quoted = "a\"b\nc", shown = %"x", "hello {}", "you");
        });
        let line = &lines[0];
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["target"], "t");
        assert_eq!(line["message"], "hello you");
        assert_eq!((&line["count"], &line["ratio"]), (&3.into(), &0.5.into()));
        assert_eq!(line["quoted"], "a\"b\nc");
        assert_eq!(line["shown"], "x");
        assert_eq!(line["spans"][0]["name"], "call");
        assert_eq!(line["spans"][0]["fields"]["late"], true);
        assert_eq!(line["field.level"], 9);
        assert!(line["time"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn every_line_of_a_request_carries_its_id_and_that_of_its_trace() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let mut trace_id = None;
        let lines = logged(|| {
            let trace = Some(context::Trace::new(false));
            trace_id = trace.as_ref().map(context::Trace::id);
            let request =
                Arc::new(context::Request { id: "r-7".to_owned(), trace, ..context::Request::default() });
            runtime.block_on(context::scope(request, None, async { tracing::info!("inside") }));
            tracing::info!("outside");
        });
        assert_eq!(lines[0]["request_id"], "r-7");
        assert_eq!(lines[0]["trace_id"].as_str(), trace_id.as_deref());
        assert_eq!((lines[1].get("request_id"), lines[1].get("trace_id")), (None, None));
    }

    #[test]
    fn no_member_stands_twice() {
        let lines = logged(|| {
            let span = tracing::info_span!("call", late = false, name = "a");
            let _entered = span.enter();
            span.record("late", true);
            span.record("late", false);
            tracing::info!(message = "a field", level = 1, field.level = 2, "said");
        });
        let line = &lines[0];
        assert_eq!((&line["message"], &line["field.message"]), (&"said".into(), &"a field".into()), "{line}");
        assert_eq!((&line["field.level"], &line["field.field.level"]), (&1.into(), &2.into()), "{line}");
        assert_eq!(line["spans"][0]["fields"], serde_json::json!({ "late": false, "name": "a" }));
    }

    #[test]
    fn secrets_are_redacted_and_errors_tell_their_causes() {
        #[derive(Debug)]
        struct Outer(std::num::ParseIntError);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("outer")
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.0)
            }
        }
        let lines = logged(|| {
            let error = Outer("x".parse::<u8>().unwrap_err());
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::error!(error, password = "hunter2", authorization = "Bearer x", "failed");
        });
        assert_eq!(lines[0]["error"], "outer");
        assert_eq!(lines[0]["error.causes"][0], "invalid digit found in string");
        assert_eq!(
            (&lines[0]["password"], &lines[0]["authorization"]),
            (&"[redacted]".into(), &"[redacted]".into())
        );
    }
}
