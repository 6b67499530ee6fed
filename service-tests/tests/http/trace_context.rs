//! W3C Trace Context, level 2: what goes on of what a caller says, and what each request that is sent is called.

use std::collections::BTreeSet;

use axum::extract::Path;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use hardening::http::Client;
use hardening::{Rejected, Setup, context, hardened_service, timeout};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::Value;

use super::app::Dependencies;
use super::receiver::{Receiver, hex};
use super::traces::stock;
use hardening_service_tests::child::{Child, main_of};
use hardening_service_tests::client::get_with;

const NAME: &str = "trace_context::child_main";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

#[test]
fn child_main() {
    main_of(NAME, asks);
}

#[hardened_service(name = "asks")]
async fn asks(setup: &mut Setup) -> Router {
    setup.provide(Dependencies::default());
    Router::new().route("/ask/{port}", get(ask))
}

/// Sends requests in every way that there is; answers what those would have carried that others send.
async fn ask(Path(port): Path<u16>) -> Result<Json<Vec<String>>, Rejected> {
    let mut told = Vec::new();
    for _ in 0..2 {
        told.push(one(port).await);
    }
    told.push(called(port).await?);
    Ok(Json(told))
}

async fn one(port: u16) -> String {
    let _ = Client::new().get(format!("http://127.0.0.1:{port}/stock")).send().await;
    let told = context::outgoing().headers().into_iter().find(|(name, _)| *name == "traceparent");
    told.expect("a trace").1
}

#[timeout(5s)]
async fn called(port: u16) -> Result<String, Rejected> {
    Ok(one(port).await)
}

/// What three requests that were sent carried, and three that would have been.
async fn asked(child: &Child, fields: &[(&str, &str)]) -> (Vec<String>, Vec<HeaderMap>) {
    let (port, seen) = stock().await;
    let reply = get_with(child.addr, &format!("/ask/{port}"), fields).await;
    let Value::Array(told) = reply.json() else { panic!("{reply:#?}") };
    let seen = seen.lock().unwrap().clone();
    let sent = seen.iter().map(|fields| fields["traceparent"].to_str().unwrap().to_owned());
    let told = told.iter().map(|told| told.as_str().unwrap().to_owned());
    (sent.chain(told).collect(), seen)
}

/// Trace, parent and flags.
#[track_caller]
fn parts(traceparent: &str) -> [&str; 3] {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let ["00", trace, parent, flags] = parts[..] else { panic!("{traceparent}") };
    [trace, parent, flags]
}

#[tokio::test]
async fn each_request_has_a_parent_of_its_own_recorded_or_not() {
    let receiver = Receiver::start(&[]).await;
    let url = receiver.url();
    let exports =
        [("HARDENING_TELEMETRY__OTLP_ENDPOINT", url.as_str()), ("HARDENING_TELEMETRY__EXPORT_EVERY", "50ms")];
    for variables in [&[][..], &exports] {
        let child = Child::start(NAME, variables).await;
        // Bits that nobody has defined do not go on.
        for (flags, sent) in
            [("00", "00"), ("01", "01"), ("02", "02"), ("03", "03"), ("ff", "03"), ("fc", "00")]
        {
            let caller = format!("00-{TRACE}-{CALLER}-{flags}");
            let (parents, _) = asked(&child, &[("traceparent", &caller)]).await;
            let mut spans = BTreeSet::from([CALLER.to_owned()]);
            for parent in &parents {
                let [trace, span, flags] = parts(parent);
                assert_eq!((trace, flags), (TRACE, sent), "{parents:?}");
                spans.insert(span.to_owned());
            }
            assert_eq!((parents.len(), spans.len()), (6, 7), "{parents:?}");
        }
    }
    // Those that were recorded are spans below the request's, so that no request stands alone.
    let child = Child::start(NAME, &exports).await;
    let before = receiver.received().spans.len();
    let (parents, _) = asked(&child, &[]).await;
    child.terminate().await;
    assert_eq!(child.ended().await.code, Some(0));
    let spans = receiver.received().spans.split_off(before);
    for parent in &parents {
        let [trace, span, flags] = parts(parent);
        let sent = spans.iter().find(|known| hex(&known.span_id) == span).expect("a span of its own");
        assert_eq!((hex(&sent.trace_id).as_str(), sent.kind(), flags), (trace, SpanKind::Client, "03"));
        assert!(spans.iter().any(|known| known.span_id == sent.parent_span_id), "{spans:#?}");
        assert_eq!(sent.flags & 0xff, 3, "sampled and random");
    }
}

#[tokio::test]
async fn a_trace_that_begins_here_says_that_its_id_is_random() {
    let child = Child::start(NAME, &[]).await;
    let (first, _) = asked(&child, &[]).await;
    let (second, _) = asked(&child, &[]).await;
    for parents in [&first, &second] {
        assert!(parents.iter().all(|parent| parts(parent)[0] == parts(&parents[0])[0]), "{parents:?}");
        assert!(parents.iter().all(|parent| parts(parent)[2] == "02"), "{parents:?}");
    }
    assert_ne!(parts(&first[0])[0], parts(&second[0])[0]);
}

#[tokio::test]
async fn a_state_by_the_grammar_of_level_2_goes_on_and_of_one_key_the_first() {
    let child = Child::start(NAME, &[]).await;
    let caller = format!("00-{TRACE}-{CALLER}-00");
    let tenant = format!("{}@v=1", "t".repeat(250));
    for (states, kept) in [
        (vec!["foo@=1,0foo=1"], Some("foo@=1,0foo=1")),
        (vec![tenant.as_str()], Some(tenant.as_str())),
        (vec!["foo=1,bar=2,foo=3"], Some("foo=1,bar=2")),
        (vec!["foo=1", "foo=3, bar=2"], Some("foo=1,bar=2")),
        (vec!["foo=1,@bar=2"], None),
    ] {
        let mut fields = vec![("traceparent", caller.as_str())];
        fields.extend(states.iter().map(|state| ("tracestate", *state)));
        let (parents, seen) = asked(&child, &fields).await;
        assert!(parents.iter().all(|parent| parts(parent)[0] == TRACE), "the trace goes on: {parents:?}");
        for fields in seen {
            let state = fields.get("tracestate").map(|state| state.to_str().unwrap());
            assert_eq!(state, kept, "{states:?}");
        }
    }
}
