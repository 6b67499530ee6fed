//! Log lines: one JSON object each in production, text on a terminal.

mod json;
mod line;
mod names;
mod queue;
mod stamp;
mod writer;

use std::io::IsTerminal;
use std::sync::Arc;

use tracing::{Dispatch, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::format::FormatFields;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt as lines, registry};

use self::json::Json;
pub(crate) use self::stamp::civil;
use self::writer::ByWeight;
pub(crate) use self::writer::{LAST_WORDS, complain, flush, render};
use super::traces::Traces;
use super::{escape, redact};
use crate::service::panics;
use crate::settings::{Log, LogFormat};

/// Lines of libraries that a stranger can have written as often as it sends a frame, unless the level names them: h2 warns of each
/// PING that acknowledges none of ours.
const WHAT_STRANGERS_WRITE: &str = "h2::proto::ping_pong=error";

/// A subscriber that logs to standard output and records spans for `traces`. `RUST_LOG` wins over the settings' level.
pub(crate) fn prepared(log: &Log, traces: Option<&Arc<Traces>>) -> Dispatch {
    log.redact.iter().for_each(|name| redact::add_name(name));
    let level =
        std::env::var("RUST_LOG").ok().filter(|level| !level.is_empty()).unwrap_or_else(|| log.level.clone());
    let filter = EnvFilter::builder().parse_lossy(format!("{WHAT_STRANGERS_WRITE},{level}"));
    writer::begin(log.queue);
    panics::tell();
    match traces {
        // One filter for all is the cheapest.
        None => registry().with(filter).with(layer(log)).into(),
        Some(traces) => recording(layer(log).with_filter(filter).boxed(), traces).into(),
    }
}

#[cfg(feature = "otlp")]
fn recording(log: Box<dyn Layer<Registry> + Send + Sync>, traces: &Arc<Traces>) -> impl Into<Dispatch> {
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
        lines::layer().with_ansi(ansi).with_target(false).with_writer(ByWeight).fmt_fields(plain()).boxed()
    } else {
        Json::new(writer::line).boxed()
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

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::sync::Mutex;

    use tracing::Metadata;

    use super::*;
    use crate::context;

    fn logged(run: impl FnOnce()) -> Vec<serde_json::Value> {
        let sink = Arc::new(Mutex::new(Vec::new()));
        let written = Arc::clone(&sink);
        let layer =
            Json::new(move |_: &Metadata<'_>, line: &[u8]| written.lock().unwrap().extend_from_slice(line));
        tracing::subscriber::with_default(registry().with(layer), run);
        let text = String::from_utf8(sink.lock().unwrap().clone()).unwrap();
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
    fn values_that_log_or_panic_while_they_are_shown_hold_nothing_up() {
        struct Logs;
        impl fmt::Debug for Logs {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::info!("from inside");
                f.write_str("shown")
            }
        }
        struct Panics;
        impl fmt::Debug for Panics {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                tracing::info!("before the panic");
                panic!("on purpose");
            }
        }
        let lines = logged(|| {
            let span = tracing::info_span!("call", a = 1, b = tracing::field::Empty);
            let _entered = span.enter();
            span.record("b", tracing::field::debug(Logs));
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                span.record("b", tracing::field::debug(Panics));
            }));
            assert!(caught.is_err());
            tracing::info!(value = ?Logs, "an event");
            let caught = std::panic::catch_unwind(|| tracing::info!(value = ?Panics, "never said"));
            assert!(caught.is_err());
            tracing::info!("after");
        });
        let said: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
        // What is said while an event is being told, tracing itself lets fall.
        assert_eq!(said, ["from inside", "before the panic", "an event", "after"]);
        assert_eq!(lines[3]["spans"][0]["fields"], serde_json::json!({ "a": 1, "b": "shown" }));
    }

    #[test]
    fn odd_names_are_json_too() {
        let lines = logged(|| {
            let span = tracing::info_span!("a \"span\"");
            let _entered = span.enter();
            tracing::info!(target: "a \"target\"", { "a\"name" = 1 }, "said");
        });
        assert_eq!(
            (&lines[0]["target"], &lines[0]["spans"][0]["name"], &lines[0]["a\"name"]),
            (&"a \"target\"".into(), &"a \"span\"".into(), &1.into())
        );
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
            let error = axum::Error::new(std::io::Error::other("the disk is gone"));
            let error: &(dyn std::error::Error + 'static) = &error;
            tracing::error!(error, "failed");
        });
        assert_eq!(lines[1]["error"], "the disk is gone");
        assert_eq!(lines[1].get("error.causes"), None, "it says the same");
        assert_eq!(lines[0]["error"], "outer");
        assert_eq!(lines[0]["error.causes"][0], "invalid digit found in string");
        assert_eq!(
            (&lines[0]["password"], &lines[0]["authorization"]),
            (&"[redacted]".into(), &"[redacted]".into())
        );
    }
}
