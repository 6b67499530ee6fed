//! A binary that was built without tokens.

use std::sync::Arc;

use super::Caller;
use super::counts::Outcome;
use crate::settings;

/// Nobody has one.
#[derive(Debug)]
pub(super) enum Tokens {}

impl Tokens {
    pub(super) fn new(auth: &settings::Auth) -> Result<Option<Self>, Vec<String>> {
        if auth.wants_tokens() {
            return Err(vec![
                "[auth] issuer: this binary was built without tokens; write `hardening = { …, features = [\"jwt\"] }` \
                 in Cargo.toml"
                    .to_owned(),
            ]);
        }
        Ok(None)
    }

    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(super) async fn judge(&self, _: &str) -> Result<Caller, Outcome> {
        match *self {}
    }

    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(super) async fn watch(self: Arc<Self>) {
        match *self {}
    }

    pub(super) fn render(&self, _: &mut String) {
        match *self {}
    }
}
