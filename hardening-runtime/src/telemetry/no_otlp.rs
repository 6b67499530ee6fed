//! A binary that was built without the export of traces.

use std::sync::Arc;
use std::time::Duration;

use crate::settings::Settings;

/// There are none.
#[derive(Debug)]
pub(crate) enum Traces {}

/// There is none.
#[derive(Debug)]
pub(crate) enum Exporter {}

impl Traces {
    /// Nothing, as long as settings ask for nothing.
    ///
    /// # Errors
    /// When they ask for it.
    pub(crate) fn new(settings: &Settings, _: &str) -> Result<Option<(Arc<Self>, Exporter)>, Vec<String>> {
        if settings.telemetry.otlp_endpoint.is_empty() {
            return Ok(None);
        }
        Err(vec![
            "[telemetry] otlp_endpoint: this binary was built without the export of traces; write `hardening = { …, \
             features = [\"otlp\"] }` in Cargo.toml"
                .to_owned(),
        ])
    }

    pub(crate) fn samples(&self, _: u128) -> bool {
        match *self {}
    }

    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(crate) async fn flush(&self, _: Duration) {
        match *self {}
    }

    pub(crate) fn render(&self, _: &mut String) {
        match *self {}
    }
}

impl Exporter {
    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(crate) async fn run(self) {
        match self {}
    }
}
