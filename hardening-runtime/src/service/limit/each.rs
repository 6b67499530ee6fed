//! One limit for each of many.

use std::time::Duration;

use hardening_spec::{Rate, RateLimitSpec};
use http::HeaderValue;

use super::CLIENT;
use crate::clock::Nanos;
use crate::policy::rate_limit::{Decision, Limiter};
use crate::service::client::{self, Claim, Client};
use crate::service::field_text::lasting;
use crate::service::lanes::{Counted, lanes};
use crate::service::problem::whole_seconds;

/// One limit for each of many.
#[derive(Debug)]
pub(super) struct Limit {
    /// In header fields.
    pub(super) name: &'static str,
    pub(super) limiter: Limiter,
    max_keys: u32,
    /// What a caller may do at once, as header text.
    pub(super) shown: HeaderValue,
    pub(super) policy: HeaderValue,
}

/// What a limit says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) remaining: u32,
    pub(super) reset: Duration,
    /// How long to wait, for a request that is refused.
    pub(super) refused: Option<Duration>,
}

impl Limit {
    pub(super) fn new(
        name: &'static str,
        rate: Option<Rate>,
        burst: Option<u32>,
        max_keys: u32,
    ) -> Option<Self> {
        let rate = rate?;
        let burst = burst.unwrap_or(rate.count);
        let spec = RateLimitSpec { burst: Some(burst), keyed: true, max_keys, ..RateLimitSpec::new(rate) };
        // The time in which a used-up burst comes back.
        let window = rate.per.as_secs_f64() * f64::from(burst) / f64::from(rate.count);
        let window = Duration::try_from_secs_f64(window).unwrap_or(Duration::MAX);
        let policy = format!("\"{name}\";q={burst};w={}", whole_seconds(window));
        let policy = lasting(policy).unwrap_or_else(|_| HeaderValue::from_static(name));
        let shown = lasting(burst.to_string()).unwrap_or_else(|_| HeaderValue::from(burst));
        Some(Self { name, limiter: Limiter::new(name, spec), max_keys, shown, policy })
    }

    /// Charges one request.
    pub(super) fn charge(&self, who: Counted, now: Nanos) -> Verdict {
        let decision = lanes(who, self.max_keys).find_map(|lane| {
            let decision = self.limiter.check_within(lane.key, lane.most, now)?;
            if lane.is_shared(self.max_keys) {
                self.limiter.count_overflow();
            }
            Some(decision)
        });
        match decision.unwrap_or_else(|| self.limiter.check(who.key, 1, now)) {
            Decision::Allowed { remaining, reset } => Verdict { remaining, reset, refused: None },
            Decision::Refused { retry_after, remaining, .. } => {
                Verdict { remaining, reset: retry_after, refused: Some(retry_after) }
            }
        }
    }

    /// Charges up to `cost` more units, as many as are left.
    pub(super) fn fine(&self, who: Counted, cost: u32, now: Nanos) {
        let _ =
            lanes(who, self.max_keys).find(|lane| self.limiter.fine_within(lane.key, lane.most, cost, now));
    }

    /// How long one more request has to wait, where nothing is left; charges nothing.
    pub(super) fn exhausted(&self, who: Counted, now: Nanos) -> Option<Duration> {
        let lane = lanes(who, self.max_keys).find(|lane| self.limiter.knows(lane.key))?;
        self.limiter.exhausted(lane.key, now)
    }
}

/// One limit for each client.
#[derive(Debug)]
pub(super) struct OfClients {
    pub(super) known: Limit,
    /// Of the clients named by peers that may be unlisted proxies. It has a table of its own, so that invented clients take no
    /// room from real peers.
    pub(super) claimed: Limit,
}

impl OfClients {
    pub(super) fn new(rate: Option<Rate>, burst: Option<u32>, max_keys: u32) -> Option<Self> {
        let limit = || Limit::new(CLIENT, rate, burst, max_keys);
        Some(Self { known: limit()?, claimed: limit()? })
    }

    /// Charges one request of this client, or of the one that it names.
    pub(super) fn charge(&self, client: Client, now: Nanos) -> Verdict {
        let (limit, who) = self.holds(client);
        limit.charge(who, now)
    }

    /// Charges the same one up to `cost` more units, as many as are left.
    pub(super) fn fine(&self, client: Client, cost: u32, now: Nanos) {
        let (limit, who) = self.holds(client);
        limit.fine(who, cost, now);
    }

    fn holds(&self, client: Client) -> (&Limit, Counted) {
        match (client.claim, client.ip) {
            (Claim::Of(claimed), Some(_)) => {
                let key = client::key(Some(claimed));
                (&self.claimed, Counted::claimed(claimed, key, client.key))
            }
            _ => (&self.known, client.counted()),
        }
    }
}
