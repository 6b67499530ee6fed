//! The rate limits of each client, each principal and each tenant, and the header fields that let them keep to it.

mod each;

use std::time::Duration;

use hardening_spec::rules::{self, Severity};
use hardening_spec::{CallSpec, Rate, RateLimitSpec};
use http::{HeaderName, HeaderValue, StatusCode};

use self::each::{Limit, OfClients, Verdict};
use super::client::{Claim, Client};
use super::field_text::Text;
use super::lanes::Counted;
use super::problem::{Problem, whole_seconds};
use super::route_limits::{OfRoute, RouteTable};
use super::unlisted::UnlistedWarning;
use crate::clock::{self, Nanos};
use crate::policy::rate_limit::hash_key;
use crate::retry_after;
use crate::settings::{Http, RateLimitHeaders, RouteLimits};
use crate::telemetry::text::Family;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// What the limits are called in header fields.
const CLIENT: &str = "client";
const PRINCIPAL: &str = "principal";
const TENANT: &str = "tenant";

/// The fields that tell of limits.
pub(crate) static FIELDS: [HeaderName; 5] = [RATE_LIMIT, RATE_LIMIT_POLICY, X_LIMIT, X_REMAINING, X_RESET];

/// Which of them an answer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Nothing,
    Standard,
    Legacy,
    All,
}

impl Told {
    pub(crate) const EACH: [Self; 4] = [Self::Nothing, Self::Standard, Self::Legacy, Self::All];

    /// Their names, in the order of [`FIELDS`].
    pub(crate) fn names(self) -> &'static [HeaderName] {
        match self {
            Self::Nothing => &[],
            Self::Standard => &FIELDS[..2],
            Self::Legacy => &FIELDS[2..],
            Self::All => &FIELDS,
        }
    }
}

/// What a wrong credential costs a client more than another request.
const FINE: u32 = 9;

/// Whether limits of these numbers can be kept.
///
/// # Errors
/// With the setting that is out of bounds, and the bound.
pub(super) fn check(http: &Http) -> Result<(), String> {
    for (setting, rate, burst) in [
        ("rate_limit", http.rate_limit, http.rate_limit_burst),
        ("static_rate_limit", http.static_rate_limit, None),
        ("unlisted_proxy_rate_limit", http.unlisted_proxy_rate_limit, None),
        ("principal_rate_limit", http.principal_rate_limit, None),
        ("tenant_rate_limit", http.tenant_rate_limit, None),
    ] {
        kept(setting, rate, burst).map_err(|(key, why)| format!("`http.{key}`: {why}"))?;
    }
    Ok(())
}

/// The same of single routes.
///
/// # Errors
/// With the route and the key that is out of bounds, and the bound.
pub(super) fn check_routes(routes: &RouteTable) -> Result<(), String> {
    for route in routes.iter() {
        let RouteLimits { rate_limit, rate_limit_burst, .. } = route.limits;
        kept("rate_limit", rate_limit.flatten(), rate_limit_burst)
            .map_err(|(key, why)| format!("the limits of the route `{}`: `{key}`: {why}", route.pattern))?;
    }
    Ok(())
}

/// Whether a limit of these numbers can be kept; the key that is out of bounds where it cannot, and the bound.
fn kept(setting: &'static str, rate: Option<Rate>, burst: Option<u32>) -> Result<(), (&'static str, String)> {
    let Some(rate) = rate else { return Ok(()) };
    let spec = RateLimitSpec { burst: Some(burst.unwrap_or(rate.count)), ..RateLimitSpec::new(rate) };
    let wrong = rules::check(&CallSpec::NONE.with_rate_limited(spec), &|_, _| true);
    match wrong.into_iter().find(|wrong| wrong.severity == Severity::Error) {
        Some(wrong) if wrong.key == "burst" && burst.is_some() => Err(("rate_limit_burst", wrong.message)),
        Some(wrong) => Err((setting, wrong.message)),
        None => Ok(()),
    }
}

/// Every limit of a service.
#[derive(Debug)]
pub(crate) struct Limits {
    client: Option<OfClients>,
    /// Of routes, by their place: of each client, in place of the one above.
    routes: Vec<Option<OfClients>>,
    /// Of what may be files: of each client, in place of the first.
    files: Option<OfClients>,
    /// What a request costs there that asked for no file.
    no_file: u32,
    /// Of wrong credentials at routes with a limit of their own, or none: of each peer.
    guesses: Option<Limit>,
    /// Of each such peer, of all its clients together.
    unlisted: Option<Limit>,
    principal: Option<Limit>,
    tenant: Option<Limit>,
    unlisted_warning: UnlistedWarning,
    /// The fields that tell of them where none refuses.
    told: Told,
}

/// Which of its limits a client is held to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Bucket {
    /// That of all its requests.
    #[default]
    All,
    /// That of a route, by its place.
    Route(usize),
    /// That of what may be files.
    Files,
}

/// What each limit that holds for a request said to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    client: Option<Verdict>,
    /// Whose word that is.
    bucket: Bucket,
    principal: Option<Verdict>,
    tenant: Option<Verdict>,
}

impl Limits {
    /// The limits that settings ask for.
    pub(crate) fn new(http: &Http) -> Self {
        let max = http.rate_limit_max_keys;
        let each = |name, rate| Limit::new(name, rate, None, max);
        // Without a limit for clients, nothing that they ask for has one unless its route says so.
        let beside = |rate: Option<Rate>| http.rate_limit.and(rate);
        Self {
            routes: Vec::new(),
            client: OfClients::new(http.rate_limit, http.rate_limit_burst, max),
            files: OfClients::new(beside(http.static_rate_limit), None, max),
            no_file: http.rate_limit.zip(http.static_rate_limit).map_or(1, |(all, files)| times(files, all)),
            guesses: Limit::new(CLIENT, http.rate_limit, http.rate_limit_burst, max),
            unlisted: each(CLIENT, beside(http.unlisted_proxy_rate_limit)),
            principal: each(PRINCIPAL, http.principal_rate_limit),
            tenant: each(TENANT, http.tenant_rate_limit),
            unlisted_warning: UnlistedWarning::new(http.client_header.name()),
            told: match http.rate_limit_headers {
                RateLimitHeaders::Standard => Told::Standard,
                RateLimitHeaders::Legacy => Told::Legacy,
                RateLimitHeaders::Both => Told::All,
            },
        }
    }

    /// The same with those of routes.
    pub(crate) fn and_of(self, routes: &RouteTable, http: &Http) -> Self {
        let of_route = |route: &OfRoute| {
            let rate = route.limits.rate_limit.unwrap_or_default();
            OfClients::new(rate, route.limits.rate_limit_burst, http.rate_limit_max_keys)
        };
        Self { routes: routes.iter().map(of_route).collect(), ..self }
    }

    fn of(&self, bucket: Bucket) -> Option<&OfClients> {
        match bucket {
            Bucket::All => self.client.as_ref(),
            Bucket::Route(at) => self.routes.get(at)?.as_ref(),
            Bucket::Files => self.files.as_ref(),
        }
    }

    /// Charges one request of this client; answers how long it has to wait, if it has to. Of a process at the Unix socket that
    /// names no client there is none to charge; all those whom a proxy there connects without a name are one. A peer that may be a
    /// proxy which nobody has listed is held to two limits: that of the client it names, and one of all its clients together.
    pub(crate) fn charge(
        &self,
        bucket: Bucket,
        client: Client,
        now: Nanos,
        standing: &mut Standing,
    ) -> Option<Duration> {
        if client.is_free() {
            return None;
        }
        standing.bucket = bucket;
        let verdict = self.of(bucket)?.charge(client, now);
        let all = match (client.claim, client.ip) {
            (Claim::Of(_), Some(peer)) => {
                self.unlisted_warning.is_believed(peer, now);
                let all = self.unlisted.as_ref().filter(|_| verdict.refused.is_none());
                all.and_then(|all| all.charge(client.counted(), now).refused)
            }
            (Claim::Ignored, Some(peer)) if verdict.refused.is_some() => {
                self.unlisted_warning.is_refused(peer, now);
                None
            }
            _ => None,
        };
        let refused = verdict.refused.or(all);
        standing.client = Some(Verdict { refused, ..verdict });
        refused
    }

    /// Notes that a request which was charged as one for a file got none: it is charged to its client as others are, and costs so
    /// much among files that there are no more of its kind than of others.
    pub(crate) fn was_no_file(&self, client: Client, standing: &mut Standing) {
        let now = clock::now();
        if let Some(all) = &self.client {
            all.fine(client, 1, now);
        }
        if let (Some(files), Some(verdict)) = (&self.files, &mut standing.client) {
            let more = self.no_file.saturating_sub(1);
            files.fine(client, more, now);
            verdict.remaining = verdict.remaining.saturating_sub(more);
        }
    }

    /// How long a client that shows a credential has to wait, if wrong ones have used up what its peer may do: the word of a peer
    /// that nobody has listed makes no other client of who guesses, nor does a route whose limit is another.
    pub(crate) fn has_guessed(&self, client: Client, standing: &Standing) -> Option<Duration> {
        let limit = match standing.bucket {
            _ if client.is_free() => None,
            Bucket::All => self
                .client
                .as_ref()
                .filter(|_| matches!(client.claim, Claim::Of(_)))
                .map(|limit| &limit.known),
            Bucket::Route(_) | Bucket::Files => self.guesses.as_ref(),
        };
        limit?.exhausted(client.counted(), clock::now())
    }

    /// Charges a peer for a wrong credential, or the client that a trusted one names: who guesses has few guesses.
    pub(crate) fn fine(&self, client: Client, standing: &mut Standing) {
        let (Some(limit), now) = (&self.client, clock::now()) else { return };
        match (standing.bucket, client.claim, &mut standing.client) {
            _ if client.is_free() => {}
            // The request itself was charged to another limit, or to the client that it claims to be.
            (Bucket::Route(_) | Bucket::Files, ..) => {
                if let Some(guesses) = &self.guesses {
                    guesses.fine(client.counted(), FINE + 1, now);
                }
            }
            (Bucket::All, Claim::Of(_), _) => limit.known.fine(client.counted(), FINE + 1, now),
            (Bucket::All, _, verdict) => {
                limit.known.fine(client.counted(), FINE, now);
                if let Some(verdict) = verdict {
                    verdict.remaining = verdict.remaining.saturating_sub(FINE);
                }
            }
        }
    }

    /// Charges one request of somebody known; answers how long it has to wait, if it has to.
    pub(crate) fn charge_caller(
        &self,
        principal: &str,
        tenant: Option<&str>,
        standing: &mut Standing,
    ) -> Option<Duration> {
        let now = clock::now();
        let charge = |limit: &Limit, name: &str| limit.charge(Counted::known(None, hash_key(name)), now);
        standing.principal = self.principal.as_ref().map(|limit| charge(limit, principal));
        if let Some(wait) = standing.principal.and_then(|verdict| verdict.refused) {
            return Some(wait);
        }
        let tenant = self.tenant.as_ref().zip(tenant);
        standing.tenant = tenant.map(|(limit, tenant)| charge(limit, tenant));
        standing.tenant.and_then(|verdict| verdict.refused)
    }

    fn that_hold<'s>(&'s self, standing: &'s Standing) -> [Option<(&'s Limit, &'s Verdict)>; 3] {
        [
            self.of(standing.bucket).map(|limit| &limit.known).zip(standing.client.as_ref()),
            self.principal.as_ref().zip(standing.principal.as_ref()),
            self.tenant.as_ref().zip(standing.tenant.as_ref()),
        ]
    }

    /// In which fields there is anything to tell.
    pub(crate) fn tells(&self, standing: &Standing) -> Told {
        match self.that_hold(standing).iter().any(Option::is_some) {
            true if standing.is_refused() => Told::All,
            true => self.told,
            false => Told::Nothing,
        }
    }

    /// Tells the caller where they stand with each limit, and in the older fields with the one that is nearest to its end: puts
    /// the values into the next of `fields`, which are those that are `told`.
    pub(crate) fn tell<'h>(
        &self,
        standing: &Standing,
        told: Told,
        mut fields: impl Iterator<Item = &'h mut HeaderValue>,
    ) {
        let hold = self.that_hold(standing);
        let nearest = |(_, verdict): &(&Limit, &Verdict)| (verdict.refused.is_none(), verdict.remaining);
        let Some((limit, verdict)) = hold.iter().flatten().copied().min_by_key(nearest) else { return };
        let mut text = Text::default();
        let (mut policies, mut remaining, mut reset) = (None, 0..0, 0..0);
        for (at, each) in hold.into_iter().flatten() {
            policies = Some(match policies {
                None => at.policy.clone(),
                Some(before) => joined(&before, &at.policy),
            });
            text.push(if text.is_empty() { b"\"" } else { b", \"" });
            text.push(at.name.as_bytes());
            text.push(b"\";r=");
            let left = text.decimal(each.remaining.into());
            text.push(b";t=");
            let back = text.decimal(whole_seconds(each.reset));
            if std::ptr::eq(each, verdict) {
                (remaining, reset) = (left, back);
            }
        }
        let mut tell = |value| {
            if let Some(field) = fields.next() {
                *field = value;
            }
        };
        if matches!(told, Told::Standard | Told::All) {
            tell(text.whole());
            tell(policies.unwrap_or_else(|| limit.policy.clone()));
        }
        if matches!(told, Told::Legacy | Told::All) {
            tell(limit.shown.clone());
            tell(text.value(remaining));
            tell(text.value(reset));
        }
    }

    /// Writes what each decided.
    pub(crate) fn render(&self, out: &mut String) {
        let of_clients = [&self.client, &self.files].into_iter().chain(&self.routes).flatten();
        let of_clients: Vec<&Limit> = of_clients.flat_map(|limit| [&limit.known, &limit.claimed]).collect();
        for (limits, name, help) in [
            (
                of_clients,
                "http_client_rate_limit_decisions_total",
                "What the per-client rate limits decided: that of all requests, of files and of single routes.",
            ),
            (
                self.principal.iter().collect(),
                "http_principal_rate_limit_decisions_total",
                "What the per-principal rate limit decided.",
            ),
            (
                self.tenant.iter().collect(),
                "http_tenant_rate_limit_decisions_total",
                "What the per-tenant rate limit decided.",
            ),
        ] {
            // Those beyond the bound of keys share limits.
            let counts = limits.iter().map(|limit| limit.limiter.counts());
            let sum = counts.reduce(|one, other| (one.0 + other.0, one.1 + other.1, one.2 + other.2));
            let Some((allowed, refused, overflow)) = sum else { continue };
            let mut family = Family::counter(out, name, help);
            for (decision, count) in [("allowed", allowed), ("refused", refused), ("overflow", overflow)] {
                family.sample(&[("decision", decision)], count);
            }
        }
    }
}

/// How many times as fast `one` is as `other`, rounded up.
fn times(one: Rate, other: Rate) -> u32 {
    let wide = |rate: Rate| (u128::from(rate.count), rate.per.as_nanos());
    let ((count, per), (others, others_per)) = (wide(one), wide(other));
    let times = count.saturating_mul(others_per).div_ceil(others.saturating_mul(per).max(1));
    u32::try_from(times).unwrap_or(u32::MAX)
}

/// Two members of a list.
fn joined(before: &HeaderValue, next: &HeaderValue) -> HeaderValue {
    let list = [before.as_bytes(), b", ", next.as_bytes()].concat();
    HeaderValue::from_bytes(&list).unwrap_or_else(|_| before.clone())
}

impl Standing {
    /// Notes that what a client may do is used up, though this request was not charged to it.
    pub(crate) fn is_used_up(&mut self, wait: Duration) {
        self.client = Some(Verdict { remaining: 0, reset: wait, refused: Some(wait) });
    }

    /// Whether it was charged as a request for a file, and admitted.
    pub(crate) fn is_of_files(&self) -> bool {
        self.bucket == Bucket::Files && !self.is_refused()
    }

    /// Whether one of the limits has refused the request.
    pub(crate) fn is_refused(&self) -> bool {
        [self.client, self.principal, self.tenant].iter().flatten().any(|verdict| verdict.refused.is_some())
    }

    /// The answer to the request that one of the limits has refused. Whatever it says of the wait is one number.
    pub(crate) fn refusal(&mut self, wait: Duration) -> Problem {
        let told = Duration::from_secs(whole_seconds(retry_after::by_seconds(wait)));
        let mut violated = None;
        for (name, verdict) in
            [(CLIENT, &mut self.client), (PRINCIPAL, &mut self.principal), (TENANT, &mut self.tenant)]
        {
            if let Some(verdict) = verdict.as_mut().filter(|verdict| verdict.refused.is_some()) {
                (verdict.remaining, verdict.reset, violated) = (0, told, Some(name));
            }
        }
        too_many(told).violates(violated)
    }
}

/// The answer to a request that no limit of these has refused.
pub(crate) fn refusal(wait: Duration) -> Problem {
    too_many(Duration::from_secs(whole_seconds(retry_after::by_seconds(wait))))
}

/// 429, to be sent again after so many seconds.
fn too_many(wait: Duration) -> Problem {
    let seconds = wait.as_secs();
    Problem::new(StatusCode::TOO_MANY_REQUESTS)
        .kind("https://iana.org/assignments/http-problem-types#quota-exceeded")
        .title("Quota exceeded")
        .detail(format!("Too many requests; try again in {seconds} s."))
        .retry_after(wait)
}

#[cfg(test)]
mod tests;
