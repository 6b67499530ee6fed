//! What a request tells the services that it asks.

use std::time::Duration;

use super::Trace;
use super::trace::new_span;

/// What is left of the deadline, and whose request it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outgoing {
    /// What is left until everything must be done; `None` without a deadline.
    pub remaining: Option<Duration>,
    /// The request's id.
    pub request_id: Option<String>,
    /// The place in the trace, as a `traceparent`.
    pub traceparent: Option<String>,
    /// What else travels with the trace, as a `tracestate`.
    pub tracestate: Option<String>,
}

/// What one request that is sent now should carry. Ask for each: what is left gets less, and each has a place of its own in the
/// trace. Where the trace is recorded, that place is a span named `outgoing`.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use hardening_runtime::context;
///
/// for (name, value) in context::outgoing().headers() {
///     println!("{name}: {value}"); // request.header(name, value)
/// }
/// # }
/// ```
pub fn outgoing() -> Outgoing {
    told(false)
}

/// What one HTTP request that is sent now should carry, as the header fields that clients such as `reqwest` take:
/// `client.get(url).headers(context::outgoing_headers())`.
///
/// ```
/// use hardening_runtime::context;
///
/// let mut request = http::Request::get("https://stock.example/items").body(()).expect("a request");
/// request.headers_mut().extend(context::outgoing_headers());
/// ```
#[cfg(feature = "tower")]
pub fn outgoing_headers() -> http::HeaderMap {
    let named = outgoing().headers().into_iter();
    // Ids come in header fields, or are made for them; a caller's that does not fit is none.
    let valid = |(name, value): (&'static str, String)| {
        Some((http::HeaderName::from_static(name), http::HeaderValue::try_from(value).ok()?))
    };
    named.filter_map(valid).collect()
}

/// The same; `spanned` where the span around this is that of the request to be sent.
pub(crate) fn told(spanned: bool) -> Outgoing {
    let request = super::current();
    let trace = request.as_ref().and_then(|request| request.trace.clone());
    let (traceparent, tracestate) = traced(trace, spanned).unzip();
    Outgoing {
        remaining: super::remaining(),
        request_id: request.as_ref().map(|request| request.id.clone()),
        traceparent,
        tracestate: tracestate.flatten(),
    }
}

/// The `traceparent` and `tracestate` of one request: its parent is a span of its own, which is recorded if the trace is.
fn traced(of_request: Option<Trace>, spanned: bool) -> Option<(String, Option<String>)> {
    #[cfg(feature = "otlp")]
    let recorded = recorded(of_request.as_ref(), spanned);
    #[cfg(not(feature = "otlp"))]
    let recorded: Option<(u64, Trace)> = {
        let _ = spanned;
        None
    };
    // Nobody looks for a span of a trace that is not recorded here, but whoever receives two requests tells them apart by it.
    let (span, trace) = recorded.or_else(|| Some((new_span(), of_request?)))?;
    Some((trace.parent_of(span), trace.state.as_deref().map(str::to_owned)))
}

/// The span of one request that is sent, and its trace; `None` where none is recorded.
#[cfg(feature = "otlp")]
fn recorded(of_request: Option<&Trace>, spanned: bool) -> Option<(u64, Trace)> {
    use crate::telemetry::traces::{Place, current};
    let around = current();
    let flags = around.as_ref().map(|place| place.flags).or(of_request.map(|trace| trace.flags));
    let own = if spanned || !flags.is_some_and(|flags| flags.sampled) {
        None
    } else {
        // Whoever sends it has no span for it, and two requests below one span would be one to their receiver.
        tracing::info_span!("outgoing", otel.kind = "client").in_scope(current)
    };
    let Place { trace, span, flags, state } = own.or(around)?;
    Some((span, Trace { id: trace, span, parent: 0, flags, state }))
}

impl Outgoing {
    /// The headers of an HTTP request: `x-request-timeout-ms`, whole milliseconds rounded down, `x-request-id`, `traceparent`
    /// and `tracestate`.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        self.with_timeout("x-request-timeout-ms", |left| left.as_millis().to_string())
    }

    /// The same of a gRPC request, with `grpc-timeout`.
    pub fn grpc_headers(&self) -> Vec<(&'static str, String)> {
        self.with_timeout("grpc-timeout", grpc)
    }

    fn with_timeout(
        &self,
        name: &'static str,
        show: impl Fn(Duration) -> String,
    ) -> Vec<(&'static str, String)> {
        let timeout = self.remaining.map(|left| (name, show(left)));
        let texts = [
            ("x-request-id", &self.request_id),
            ("traceparent", &self.traceparent),
            ("tracestate", &self.tracestate),
        ];
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name, text.clone()?)));
        timeout.into_iter().chain(texts.filter(|(_, text)| !text.is_empty())).collect()
    }
}

/// At most eight digits and a unit, rounded down.
fn grpc(left: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let units = [("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000)];
    let fits = units.into_iter().find(|(_, length)| left.as_nanos() / length <= MOST);
    match fits {
        Some((unit, length)) => format!("{}{unit}", left.as_nanos() / length),
        None => format!("{}H", (left.as_secs() / 3600).min(99_999_999)),
    }
}

/// Whether a timeout that a request carries is longer than another in the same form; one that cannot be read is.
#[cfg(feature = "tower")]
pub(crate) fn is_longer(given: &[u8], other: &[u8]) -> bool {
    let read = |text: &[u8]| {
        let text = std::str::from_utf8(text).ok()?;
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let value: u128 = digits.parse().ok()?;
        let unit: u128 = match &text[digits.len()..] {
            "n" => 1,
            "u" => 1_000,
            "" | "m" => 1_000_000,
            "S" => 1_000_000_000,
            "M" => 60_000_000_000,
            "H" => 3_600_000_000_000,
            _ => return None,
        };
        value.checked_mul(unit)
    };
    match (read(given), read(other)) {
        (Some(given), Some(other)) => given > other,
        (None, _) => true,
        (_, None) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_has_eight_digits_and_rounds_down() {
        for (left, shown) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_millis(100), "100000u"),
            (Duration::from_millis(1500), "1500000u"),
            (Duration::from_secs(200), "200000m"),
            (Duration::from_hours(30_000), "1800000M"),
        ] {
            assert_eq!(grpc(left), shown, "{left:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_left_is_told_and_nothing_where_there_is_nothing() {
        assert_eq!(outgoing().headers(), []);
        let request =
            std::sync::Arc::new(super::super::Request { id: "r-1".to_owned(), ..Default::default() });
        let deadline = tokio::time::Instant::now() + Duration::from_secs(2);
        super::super::scope(request, Some(deadline), async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let id = || ("x-request-id", "r-1".to_owned());
            assert_eq!(outgoing().headers(), [("x-request-timeout-ms", "1500".to_owned()), id()]);
            assert_eq!(outgoing().grpc_headers(), [("grpc-timeout", "1500000u".to_owned()), id()]);
        })
        .await;
    }

    #[tokio::test]
    async fn the_place_in_the_trace_goes_on() {
        let trace = Trace { state: Some("a=1".into()), ..Trace::new(true) };
        let (id, own) = (trace.id(), trace.span_id());
        let request = super::super::Request { trace: Some(trace), ..Default::default() };
        super::super::scope(std::sync::Arc::new(request), None, async {
            let mut parents = vec![own];
            for told in [outgoing().headers(), outgoing().grpc_headers(), outgoing().headers()] {
                let [("traceparent", parent), ("tracestate", state)] = &told[..] else { panic!("{told:?}") };
                let parts: Vec<&str> = parent.split('-').collect();
                let [version, trace, span, flags] = parts[..] else { panic!("{parent}") };
                assert_eq!((version, trace, flags, state.as_str()), ("00", id.as_str(), "03", "a=1"));
                parents.push(span.to_owned());
            }
            parents.sort();
            parents.dedup();
            assert_eq!(parents.len(), 4, "each request has a parent of its own");
        })
        .await;
    }

    #[cfg(feature = "tower")]
    #[test]
    fn timeouts_are_compared_across_units() {
        assert!(is_longer(b"2S", b"1500m") && !is_longer(b"1S", b"1500m"));
        assert!(is_longer(b"5000", b"4999") && is_longer(b"soon", b"1") && !is_longer(b"1", b"1"));
    }
}
