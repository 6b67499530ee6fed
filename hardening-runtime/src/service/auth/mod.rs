//! Who is calling: by an API key, a token of an issuer, or a certificate.
//!
//! What a request shows is judged before any route sees it: nothing makes it anonymous, something wrong ends it with 401.
//! The answer never says what is wrong, and nothing of a credential is logged.

mod callers;
mod counts;
mod credential;
#[cfg(feature = "jwt")]
mod tokens;
#[cfg(not(feature = "jwt"))]
#[path = "no_tokens.rs"]
mod tokens;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode, header};

use self::callers::{Callers, NoKey};
use self::counts::{Counts, Method, Outcome};
use self::credential::Shown;
use self::tokens::Tokens;
use super::problem::{INSUFFICIENT_SCOPE, INVALID_TOKEN, Problem};
use crate::clock::wall_clock;
use crate::context::Principal;
pub(super) use crate::files::Version;
use crate::files::{LARGEST, read_text, read_unchanged, version};
use crate::settings::{self, Settings};

/// Somebody who is known.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) tenant: Option<String>,
}

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It shows something wrong.
    Wrong,
    /// It shows a token that is not valid.
    #[cfg(feature = "jwt")]
    InvalidToken,
    /// What it shows cannot be checked now.
    #[cfg_attr(not(feature = "jwt"), expect(dead_code, reason = "only tokens need what can be missing"))]
    Unavailable(Duration),
}

/// The gate of one service.
#[derive(Debug)]
pub(crate) struct Auth {
    settings: settings::Auth,
    /// The file of callers as it was before it was read at the start.
    began_with: Version,
    callers: RwLock<Arc<Callers>>,
    tokens: Option<Arc<Tokens>>,
    /// The `www-authenticate` of who shows nothing.
    challenge: HeaderValue,
    counts: Counts,
}

impl Auth {
    /// The gate that settings ask for, `None` for none.
    ///
    /// # Errors
    /// What is wrong with which setting or file, a sentence each.
    pub(crate) fn new(settings: &Settings) -> Result<Option<Self>, Vec<String>> {
        let auth = &settings.auth;
        if auth.is_off() {
            return Ok(None);
        }
        let began_with = version(&auth.api_keys);
        let callers = load(&auth.api_keys);
        let tokens = Tokens::new(auth);
        let (callers, tokens) = match (callers, tokens) {
            (Ok(callers), Ok(tokens)) => (callers, tokens),
            (callers, tokens) => {
                let problems = [callers.err(), tokens.err()];
                return Err(problems.into_iter().flatten().flatten().collect());
            }
        };
        let keys = !auth.api_keys.is_empty();
        if auth.required && !keys && tokens.is_none() && settings.tls.client_ca.is_empty() {
            return Err(vec![
                "[auth] required = true, but nobody can be known: set `[auth] api_keys` or `[auth] issuer`, or \
                 `[tls] client_ca`"
                    .to_owned(),
            ]);
        }
        let challenge = match (tokens.is_some(), keys) {
            (true, true) => "Bearer, ApiKey",
            (false, true) => "ApiKey",
            _ => "Bearer",
        };
        Ok(Some(Self {
            settings: auth.clone(),
            began_with,
            callers: RwLock::new(Arc::new(callers)),
            tokens: tokens.map(Arc::new),
            challenge: HeaderValue::from_static(challenge),
            counts: Counts::default(),
        }))
    }

    /// Whether a request shows anything of its caller, right or wrong.
    pub(crate) fn is_shown(headers: &HeaderMap) -> bool {
        !matches!(credential::shown(headers), Shown::Nothing)
    }

    /// Who is calling; `None` for nobody known. What a request shows in its head counts before the certificate of its
    /// connection, which may be a proxy's.
    pub(crate) async fn judge(
        &self,
        headers: &HeaderMap,
        certificate: Option<&Principal>,
    ) -> Result<Option<Caller>, Refusal> {
        let (method, judged) = match credential::shown(headers) {
            Shown::Nothing => match certificate {
                None => return Ok(None),
                Some(principal) => (Method::Certificate, Ok(self.callers().by_certificate(principal))),
            },
            Shown::ApiKey(key) if !self.settings.api_keys.is_empty() => (Method::ApiKey, self.key(key)),
            Shown::Token(token) => match &self.tokens {
                Some(tokens) => (Method::Jwt, self.token(tokens, token).await),
                None => (Method::Other, Err(Outcome::Malformed)),
            },
            Shown::ApiKey(_) | Shown::Unfit => (Method::Other, Err(Outcome::Malformed)),
        };
        self.counts.count(method, judged.as_ref().err().copied().unwrap_or(Outcome::Accepted));
        match judged {
            Ok(caller) => Ok(Some(caller)),
            #[cfg(feature = "jwt")]
            Err(Outcome::Unavailable) => Err(Refusal::Unavailable(self.settings.jwks_cooldown)),
            Err(outcome) => {
                tracing::debug!(?method, ?outcome, "a credential was refused");
                #[cfg(feature = "jwt")]
                if method == Method::Jwt {
                    return Err(Refusal::InvalidToken);
                }
                Err(Refusal::Wrong)
            }
        }
    }

    fn key(&self, key: &str) -> Result<Caller, Outcome> {
        self.callers().by_key(key, wall_clock()).map_err(|why| match why {
            NoKey::Unknown => Outcome::Unknown,
            NoKey::Expired => Outcome::Expired,
            NoKey::Short => {
                tracing::warn!(
                    "an API key of the file is shorter than 24 characters, and refused: it could be guessed"
                );
                Outcome::Malformed
            }
        })
    }

    async fn token(&self, tokens: &Arc<Tokens>, token: &str) -> Result<Caller, Outcome> {
        let caller = tokens.judge(token).await?;
        // Else whoever may choose a name at the issuer could choose that of a key.
        #[cfg(feature = "jwt")]
        if self.callers().names(&caller.principal.id) {
            return Err(Outcome::Claims);
        }
        Ok(caller)
    }

    fn callers(&self) -> Arc<Callers> {
        Arc::clone(&self.callers.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether somebody may call this route; `None` is what no route matches.
    pub(crate) fn admits(&self, caller: Option<&Principal>, route: Option<&str>) -> bool {
        if caller.is_some() || !self.settings.required {
            return true;
        }
        let fits = |pattern: &String| {
            route.is_some_and(|route| match pattern.strip_suffix('*') {
                Some(begin) => route.starts_with(begin),
                None => route == pattern,
            })
        };
        let admitted = self.settings.public.iter().any(fits);
        if !admitted {
            self.counts.count(Method::None, Outcome::Missing);
        }
        admitted
    }

    /// Says in a 401 of ours which credentials are taken, and in a 403 under the scheme of one that the caller lacks a scope.
    pub(crate) fn challenge(&self, headers: &mut HeaderMap) {
        let Some(value) = headers.get(header::WWW_AUTHENTICATE) else { return };
        if value == "Bearer" {
            headers.insert(header::WWW_AUTHENTICATE, self.challenge.clone());
        } else if value == INVALID_TOKEN && self.challenge == "Bearer, ApiKey" {
            let both = HeaderValue::from_static("Bearer error=\"invalid_token\", ApiKey");
            headers.insert(header::WWW_AUTHENTICATE, both);
        } else if value == INSUFFICIENT_SCOPE && self.challenge == "ApiKey" {
            let scheme = HeaderValue::from_static("ApiKey error=\"insufficient_scope\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
    }

    /// Keeps the issuer's keys fresh until it is dropped.
    pub(super) fn watch(&self) -> impl Future<Output = ()> + Send + 'static {
        let tokens = self.tokens.clone();
        async move {
            if let Some(tokens) = tokens {
                tokens.watch().await;
            }
        }
    }

    /// The file as it was when the start read it.
    pub(super) fn began_with(&self) -> Version {
        self.began_with
    }

    /// The file as it is now.
    pub(super) fn version(&self) -> Version {
        version(&self.settings.api_keys)
    }

    /// Reads the file again as it was `looked` at: all of it comes into force, or none.
    pub(super) fn reload(&self, cause: &'static str, looked: Version) {
        if self.settings.api_keys.is_empty() {
            return;
        }
        let read = read_unchanged(&looked, || self.version(), || load(&self.settings.api_keys));
        let Some(loaded) = read else { return };
        match loaded {
            Ok(callers) => {
                *self.callers.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(callers);
                self.counts.reloaded(true);
                tracing::info!(cause, "API keys reloaded");
            }
            Err(problems) => {
                self.counts.reloaded(false);
                for problem in problems {
                    tracing::error!(cause, "API keys refused, those before stay in force: {problem}");
                }
            }
        }
    }

    /// Writes its metrics.
    pub(super) fn render(&self, out: &mut String) {
        self.counts.render(out);
        if let Some(tokens) = &self.tokens {
            tokens.render(out);
        }
    }
}

fn load(path: &str) -> Result<Callers, Vec<String>> {
    if path.is_empty() {
        return Ok(Callers::default());
    }
    let text =
        read_text(path, LARGEST).map_err(|error| vec![format!("[auth] api_keys = {path:?}: {error}")])?;
    let callers = Callers::read(path, &text)?;
    for id in callers.expired(wall_clock()) {
        tracing::warn!(id, "an API key has expired");
    }
    Ok(callers)
}

impl Refusal {
    /// Whether it is the caller's fault.
    pub(crate) fn is_the_callers(self) -> bool {
        !matches!(self, Self::Unavailable(_))
    }

    /// What the client is told.
    pub(crate) fn problem(self) -> Problem {
        let wrong = Problem::new(StatusCode::UNAUTHORIZED)
            .kind("urn:hardening:problem:unauthenticated")
            .detail("The credential is not valid.");
        match self {
            Self::Wrong => wrong,
            #[cfg(feature = "jwt")]
            Self::InvalidToken => wrong.invalid_token(),
            Self::Unavailable(wait) => Problem::new(StatusCode::SERVICE_UNAVAILABLE)
                .kind("urn:hardening:problem:unavailable")
                .detail("The credential cannot be checked now.")
                .spread_retry_after(wait),
        }
    }
}
