//! Tokens of an issuer: JSON Web Tokens (RFC 7519, RFC 8725) under keys that the issuer publishes (RFC 7517).

mod cache;
mod claims;
mod edwards;
mod keys;
mod source;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Header, Validation};
use serde_json::{Map, Value};
use tokio::sync::watch;

use self::cache::{Cache, Cause, Times};
use self::claims::Rules;
use self::keys::Keys;
use self::source::Source;
use super::Caller;
use super::counts::Outcome;
use crate::clock::{self, Nanos, nanos, wall_clock};
use crate::settings;
use crate::telemetry::text::Family;

/// The least time between two fetches: an issuer is not asked without a pause, whatever settings say.
const SHORTEST: Duration = Duration::from_millis(100);

/// What tokens are judged by.
#[derive(Debug)]
pub(super) struct Tokens {
    source: Source,
    algorithms: Vec<Algorithm>,
    rules: Rules,
    cache: Mutex<Cache<Arc<Keys>>>,
    /// When the service started.
    began: Nanos,
    /// Changes whenever a fetch has ended.
    ended: watch::Sender<u64>,
    fetched: AtomicU64,
    failed: AtomicU64,
}

impl Tokens {
    /// The judge that settings ask for, `None` for none.
    ///
    /// # Errors
    /// What is wrong with which setting, a sentence each.
    pub(super) fn new(auth: &settings::Auth) -> Result<Option<Self>, Vec<String>> {
        if !auth.wants_tokens() {
            return Ok(None);
        }
        let missing = |key: &str, what: &str| format!("[auth] {key} is missing: tokens need {what}");
        let mut problems = Vec::new();
        if auth.issuer.is_empty() {
            problems.push(missing("issuer", "the `iss` that they must have"));
        }
        if auth.audience.is_empty() {
            problems.push(missing(
                "audience",
                "the `aud` that means this service, or tokens for others would do",
            ));
        }
        if auth.jwks.is_empty() {
            problems.push(missing("jwks", "the URL or the file of the issuer's keys"));
        }
        if auth.principal_claim.is_empty() {
            problems.push(missing("principal_claim", "a claim that names the caller"));
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        // The settings know which names there are.
        let algorithms: Vec<Algorithm> =
            auth.algorithms.iter().filter_map(|name| name.parse().ok()).collect();
        let source = Source::new(auth).map_err(|problem| vec![problem])?;
        let refresh = source.refresh(auth.jwks_refresh);
        let times = Times {
            refresh: nanos(refresh.max(SHORTEST)),
            stale: nanos(auth.jwks_stale),
            cooldown: nanos(auth.jwks_cooldown.max(SHORTEST)),
        };
        let mut cache = Cache::new(times);
        // A file is there at the start; an issuer may come later than we do.
        if let Some(text) = source.at_once().map_err(|problem| vec![problem])? {
            let wrong = |why: String| vec![format!("[auth] jwks = {:?}: {why}", auth.jwks)];
            let keys = usable(&text, &algorithms).map_err(wrong)?;
            tell(&keys);
            cache.landed(Arc::new(keys), clock::now());
        }
        Ok(Some(Self {
            source,
            algorithms,
            rules: Rules::new(auth),
            cache: Mutex::new(cache),
            began: clock::now(),
            ended: watch::Sender::new(0),
            fetched: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }))
    }

    /// Whom this token names.
    pub(super) async fn judge(self: &Arc<Self>, token: &str) -> Result<Caller, Outcome> {
        let header = self.header(token)?;
        let keys = self.keys_for(&header).await?;
        let key = keys.find(header.kid.as_deref(), header.alg).ok_or(Outcome::Unknown)?;
        let claims = verified(token, key, header.alg)?;
        self.rules.judge(&claims, wall_clock())
    }

    /// What a token says of itself, as far as that may be so.
    fn header(&self, token: &str) -> Result<Header, Outcome> {
        if token.split('.').count() != 3 {
            return Err(Outcome::Malformed);
        }
        // `none` is no algorithm to the reader.
        let header = jsonwebtoken::decode_header(token).map_err(|_| Outcome::Malformed)?;
        if !self.algorithms.contains(&header.alg) {
            return Err(Outcome::Algorithm);
        }
        let kind = header.typ.as_deref().map(str::to_ascii_lowercase);
        let kind = kind.as_deref().map(|kind| kind.strip_prefix("application/").unwrap_or(kind));
        // Tokens that say so are for something else: to log somebody out, say.
        if !matches!(kind, None | Some("jwt" | "at+jwt")) {
            return Err(Outcome::Claims);
        }
        // What must be understood and is not, is refused (RFC 7515, section 4.1.11).
        if header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
            return Err(Outcome::Malformed);
        }
        Ok(header)
    }

    /// The keys among which that of this token is, after a fetch if need be and if it is time for one.
    async fn keys_for(self: &Arc<Self>, header: &Header) -> Result<Arc<Keys>, Outcome> {
        let has = |keys: &Arc<Keys>| keys.find(header.kid.as_deref(), header.alg).is_some();
        // Before the look, so that an end in between is not missed.
        let mut ended = self.ended.subscribe();
        if let Some(keys) = self.keys().filter(has) {
            return Ok(keys);
        }
        let begun = self.fetch(Cause::UnknownKey);
        if begun || self.cache().fetching() {
            // The sender lives as long as `self`.
            let _ = ended.changed().await;
        }
        match self.keys() {
            Some(keys) if has(&keys) => Ok(keys),
            Some(_) => Err(Outcome::Unknown),
            None => Err(Outcome::Unavailable),
        }
    }

    fn cache(&self) -> MutexGuard<'_, Cache<Arc<Keys>>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keys(&self) -> Option<Arc<Keys>> {
        self.cache().keys(clock::now()).cloned()
    }

    /// Begins a fetch if it is time for one. It goes on when the request that asked for it does not.
    fn fetch(self: &Arc<Self>, cause: Cause) -> bool {
        let begun = self.cache().begin(cause, clock::now());
        if begun {
            let mut flight = Flight { tokens: Arc::clone(self), brought: None };
            tokio::spawn(async move {
                let text = flight.tokens.source.fetch().await;
                match text.and_then(|text| usable(&text, &flight.tokens.algorithms)) {
                    Ok(keys) => flight.brings(keys),
                    Err(why) => tracing::warn!(
                        why,
                        "there are no new keys from `[auth] jwks`: those before stay in force until `[auth] jwks_stale` has \
                         passed, and it is asked again"
                    ),
                }
            });
        }
        begun
    }

    /// Fetches keys whenever that is due.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut ended = self.ended.subscribe();
        loop {
            self.fetch(Cause::Due);
            let (fetching, due) = {
                let cache = self.cache();
                (cache.fetching(), cache.due())
            };
            if fetching {
                let _ = ended.changed().await;
            } else {
                let wait = Duration::from_nanos(due.saturating_sub(clock::now()));
                tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    // What a token asked for moves what is due.
                    _ = ended.changed() => {}
                }
            }
        }
    }

    pub(super) fn render(&self, out: &mut String) {
        let mut family =
            Family::counter(out, "auth_jwks_fetches_total", "Fetches of the issuer's keys by their result.");
        for (result, count) in [("fetched", &self.fetched), ("failed", &self.failed)] {
            family.sample(&[("result", result)], count.load(Ordering::Relaxed));
        }
        let now = clock::now();
        let (count, fetched) = {
            let cache = self.cache();
            (cache.keys(now).map_or(0, |keys| keys.len()), cache.fetched())
        };
        Family::gauge(out, "auth_jwks_keys", "Keys of the issuer that tokens are checked with.")
            .sample(&[], count);
        // Before the first fetch the time since the start: a limit on the age holds for an issuer that was never reached.
        let age = Duration::from_nanos(now.saturating_sub(fetched.unwrap_or(self.began))).as_secs();
        Family::gauge(
            out,
            "auth_jwks_age_seconds",
            "Seconds since the issuer's keys were fetched, or since the start.",
        )
        .sample(&[], age);
    }
}

/// A fetch under way; whatever ends it, the cache learns of it.
struct Flight {
    tokens: Arc<Tokens>,
    brought: Option<Keys>,
}

impl Flight {
    fn brings(&mut self, keys: Keys) {
        self.brought = Some(keys);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let (tokens, now) = (&self.tokens, clock::now());
        if let Some(keys) = self.brought.take() {
            tell(&keys);
            tokens.cache().landed(Arc::new(keys), now);
            tokens.fetched.fetch_add(1, Ordering::Relaxed);
        } else {
            tokens.cache().failed(now);
            tokens.failed.fetch_add(1, Ordering::Relaxed);
        }
        tokens.ended.send_modify(|ended| *ended = ended.wrapping_add(1));
    }
}

/// Reads a key set. One without a key that could check a token is none: it may be half of an exchange, or a mistake of the
/// issuer's, and with it no token would be taken any more.
fn usable(text: &[u8], algorithms: &[Algorithm]) -> Result<Keys, String> {
    let keys = Keys::read(text, algorithms)?;
    keys.lack().map_or(Ok(keys), Err)
}

fn tell(keys: &Keys) {
    for why in keys.weak() {
        tracing::warn!(why, "a key from `[auth] jwks` is refused, and tokens that it signs as well");
    }
}

/// The claims of a token whose signature holds.
fn verified(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Map<String, Value>, Outcome> {
    let mut validation = Validation::new(algorithm);
    // What the claims must say is judged by our own rules.
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_aud) = (false, false);
    match jsonwebtoken::decode::<Map<String, Value>>(token, key, &validation) {
        Ok(token) => Ok(token.claims),
        Err(error) => Err(match error.kind() {
            ErrorKind::InvalidSignature => Outcome::Signature,
            ErrorKind::InvalidAlgorithm => Outcome::Algorithm,
            _ => Outcome::Malformed,
        }),
    }
}
