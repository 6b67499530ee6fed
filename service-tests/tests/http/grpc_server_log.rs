//! The access log of gRPC: a line for each call, when it has ended.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use hardening_service_tests::client::{ask, request};
use hardening_service_tests::prices::text;
use hardening_service_tests::service::until;
use tonic::Request;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::grpc_app::{client, quote, start};

/// The fields of a line, and its level.
type Line = BTreeMap<String, String>;

/// The lines of the access log.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<Line>>>);

impl Lines {
    fn of(&self, status: &str) -> Option<Line> {
        let lines = self.0.lock().unwrap();
        lines.iter().find(|line| line.get("grpc_status").is_some_and(|it| it == status)).cloned()
    }
}

struct Fields<'a>(&'a mut Line);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}

impl Subscriber for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        if metadata.target() == "hardening::access" {
            let mut line = Line::from([("level".to_owned(), metadata.level().to_string())]);
            event.record(&mut Fields(&mut line));
            self.0.lock().unwrap().push(line);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn a_line_says_what_the_call_ended_with_and_only_a_fault_is_an_error() {
    let lines = Lines::default();
    // While there is one subscriber alone, a thread without it decides for all threads that a line is never written.
    let _second = tracing::Dispatch::new(Lines::default());
    let _listening = tracing::subscriber::set_default(lines.clone());
    let (running, _) = start("").await;
    let mut client = client(&running);
    quote(&mut client, "fine").await.unwrap();
    quote(&mut client, "missing").await.unwrap_err();
    quote(&mut client, "refused bulkhead_full").await.unwrap_err();
    quote(&mut client, "panic").await.unwrap_err();
    let mut stream = client.feed(Request::new(text("fails"))).await.unwrap().into_inner();
    while let Ok(Some(_)) = stream.message().await {}
    let mut gone = client.feed(Request::new(text("stuck"))).await.unwrap().into_inner();
    gone.message().await.unwrap();
    drop(gone);
    hardening_service_tests::client::get(running.addr, "/hello").await;
    for (status, route, level, aborted) in [
        ("OK", "Quote", Level::INFO, "false"),
        ("NOT_FOUND", "Quote", Level::INFO, "false"),
        ("UNAVAILABLE", "Quote", Level::INFO, "false"),
        ("INTERNAL", "Quote", Level::ERROR, "false"),
        ("DATA_LOSS", "Feed", Level::ERROR, "false"),
        ("CANCELLED", "Feed", Level::INFO, "true"),
    ] {
        until(status, || async { lines.of(status).is_some() }).await;
        let line = lines.of(status).unwrap();
        assert_eq!(line["route"], format!("/shop.v1.Prices/{route}"), "{line:?}");
        assert_eq!((line["level"].as_str(), line["aborted"].as_str()), (level.as_str(), aborted), "{line:?}");
        assert_eq!(line["status"], "200");
    }
    let http = || lines.0.lock().unwrap().iter().find(|line| line["route"] == "/hello").cloned();
    until("the line of HTTP", || async { http().is_some() }).await;
    assert!(!http().unwrap().contains_key("grpc_status"));
    // Nobody's fault but the client's.
    let old = request("POST", "/shop.v1.Prices/Quote", &[("content-type", "application/grpc")], "x");
    ask(running.addr, old).await;
    let http = || lines.0.lock().unwrap().iter().find(|line| line["status"] == "505").cloned();
    until("the line of HTTP/1", || async { http().is_some() }).await;
    assert_eq!(http().unwrap()["level"], Level::INFO.as_str());
}
