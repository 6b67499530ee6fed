//! Nothing of a credential is told to anybody.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::gate::{ask, entry, start};
use super::issuer::{Issuer, Signer, claims};
use hardening_service_tests::certificates::Authority;
use hardening_service_tests::service::scrape;

/// Keeps every field of everything that is logged, at every level.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<String>>);

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let _ = writeln!(self.0, "{field}={value:?}");
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut Fields(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn no_credential_is_in_logs_metrics_or_answers() {
    let recorder = Recorder::default();
    // While there is one subscriber alone, a thread without it decides for all threads that a line is never written.
    let _second = tracing::Dispatch::new(Recorder::default());
    let _guard = tracing::subscriber::set_default(recorder.clone());
    let (signer, files) = (Signer::ec("a"), Authority::new());
    let issuer = Issuer::start(&[&signer]).await;
    let (key, wrong) = ("planted-1c9a3e5b7d9f1a2b3c4d", "planted-wrong-9f1a2b3c4d5e6f7a");
    let (short, expired) = ("planted-short", "planted-expired-0a1b2c3d4e5f");
    let callers = [
        entry("till", key, ""),
        entry("short", short, ""),
        entry("expired", expired, "expires = 2020-01-01"),
    ];
    let path = files.file("callers.toml", &callers.concat());
    let running = start(&format!("{}api_keys = {path:?}\n", issuer.settings())).await;
    let good = signer.sign(&claims(&json!({})));
    let late = signer.sign(&claims(&json!({"exp": 1, "planted": "planted-claim"})));
    let mut answers = String::new();
    for field in [
        ("x-api-key", key.to_owned()),
        ("x-api-key", wrong.to_owned()),
        ("x-api-key", short.to_owned()),
        ("x-api-key", expired.to_owned()),
        ("authorization", format!("Basic {wrong}")),
        ("authorization", format!("Bearer {wrong}")),
        ("authorization", format!("Bearer {good}")),
        ("authorization", format!("Bearer {late}")),
    ] {
        let reply = ask(&running, "/orders", &[(field.0, &field.1)]).await;
        let _ = write!(answers, "{reply:?}");
    }
    let logged = recorder.0.lock().unwrap().clone();
    assert!(logged.contains("a credential was refused"), "the log is seen: {logged}");
    let parts: Vec<&str> = good.split('.').chain(late.split('.')).collect();
    for (channel, text) in [("log", &logged), ("metrics", &scrape(&running).await), ("answers", &answers)] {
        assert!(!text.contains("planted-"), "{channel}: {text}");
        for part in &parts {
            assert!(!text.contains(part), "{channel} tells of {part}");
        }
    }
}
