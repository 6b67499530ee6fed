//! A binary that was built without authentication.

use http::HeaderMap;

use super::problem::Problem;
use crate::context::Principal;
use crate::settings::Settings;

/// Nobody is asked.
#[derive(Debug)]
pub(crate) enum Auth {}

/// Somebody who is known.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) tenant: Option<String>,
}

/// Nobody is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {}

/// Of no file.
pub(super) type Version = ();

impl Auth {
    /// Nothing, as long as settings ask for nothing.
    ///
    /// # Errors
    /// When they ask for it.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Self>, Vec<String>> {
        if settings.auth.is_off() {
            return Ok(None);
        }
        Err(vec![
            "[auth]: this binary was built without authentication; write `hardening = { …, features = [\"auth\"] }` in \
             Cargo.toml"
                .to_owned(),
        ])
    }

    pub(crate) const fn is_shown(_: &HeaderMap) -> bool {
        false
    }

    #[allow(clippy::unused_async, reason = "the signature of the one that is there")]
    pub(crate) async fn judge(
        &self,
        _: &HeaderMap,
        _: Option<&Principal>,
    ) -> Result<Option<Caller>, Refusal> {
        match *self {}
    }

    pub(crate) fn admits(&self, _: Option<&Principal>, _: Option<&str>) -> bool {
        match *self {}
    }

    pub(crate) fn challenge(&self, _: &mut HeaderMap) {
        match *self {}
    }

    pub(super) fn watch(&self) -> impl Future<Output = ()> + Send + 'static {
        match *self {}
        #[allow(unreachable_code, reason = "the type of the one that is there")]
        async {}
    }

    pub(super) fn began_with(&self) -> Version {
        match *self {}
    }

    pub(super) fn version(&self) -> Version {
        match *self {}
    }

    pub(super) fn reload(&self, _: &'static str, (): Version) {
        match *self {}
    }

    pub(super) fn render(&self, _: &mut String) {
        match *self {}
    }
}

impl Refusal {
    pub(crate) fn is_the_callers(self) -> bool {
        match self {}
    }

    pub(crate) fn problem(self) -> Problem {
        match self {}
    }
}
