//! A binary that was built without alerts.

use std::sync::Arc;
use std::time::Duration;

use super::http::HttpStats;
use crate::settings::Settings;

const MISSING: &str = "[alerts]: this binary was built without alerts; write `hardening = { …, features = [\"alerts\"] }` in \
                       Cargo.toml";

/// There are none.
#[derive(Debug)]
pub(crate) enum Alerts {}

/// There are none.
#[derive(Debug)]
pub(crate) enum Senders {}

impl Alerts {
    /// Nothing, as long as settings ask for nothing.
    ///
    /// # Errors
    /// When they ask for it.
    pub(crate) fn new(settings: &Settings) -> Result<Option<(Arc<Self>, Senders)>, Vec<String>> {
        if settings.alerts.is_off() {
            return Ok(None);
        }
        Err(vec![MISSING.to_owned()])
    }

    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(crate) async fn watch(&self, _: &HttpStats) {
        match *self {}
    }

    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(crate) async fn flush(&self, _: &HttpStats, _: Duration) {
        match *self {}
    }

    pub(crate) fn render(&self, _: &HttpStats, _: &mut String) {
        match *self {}
    }

    pub(crate) fn most_series(&self, _: &HttpStats) -> usize {
        match *self {}
    }

    /// None, whatever settings ask for.
    ///
    /// # Errors
    /// Always.
    pub(crate) fn rules(_: &Settings) -> Result<String, String> {
        Err(MISSING.to_owned())
    }
}

impl Senders {
    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(crate) async fn run(self) {
        match self {}
    }
}
