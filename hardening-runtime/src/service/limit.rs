//! The rate limit of each client, and the header fields that let a client keep to it.

use std::ops::Range;
use std::time::Duration;

use bytes::BytesMut;
use hardening_spec::RateLimitSpec;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::address::Shown;
use super::client::Client;
use super::problem::{Problem, whole_seconds};
use crate::clock;
use crate::policy::rate_limit::{Decision, Limiter, hash_key};
use crate::settings::{Forwarded, Http};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The name of the limit in header fields and metrics.
const NAME: &str = "client";

/// The limit of each client.
#[derive(Debug)]
pub(crate) struct ClientLimit {
    limiter: Limiter,
    strangers: Forwarded,
    policy: HeaderValue,
    limit: HeaderValue,
}

/// What the limit says to one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    remaining: u32,
    reset: Duration,
    /// How long to wait, for a request that is refused.
    pub(crate) refused: Option<Duration>,
}

impl ClientLimit {
    /// The limit that settings ask for, if they ask for one.
    pub(crate) fn new(http: &Http) -> Option<Self> {
        let rate = http.rate_limit?;
        let burst = http.rate_limit_burst.unwrap_or(rate.count);
        let spec = RateLimitSpec {
            burst: Some(burst),
            keyed: true,
            max_keys: http.rate_limit_max_keys,
            ..RateLimitSpec::new(rate)
        };
        // The time in which a used-up burst comes back.
        let window = rate.per.mul_f64(f64::from(burst) / f64::from(rate.count));
        let policy = format!("\"{NAME}\";q={burst};w={}", whole_seconds(window));
        Some(Self {
            limiter: Limiter::new(NAME, spec),
            limit: HeaderValue::from(burst),
            strangers: http.forwarded_from_strangers,
            policy: HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("\"client\"")),
        })
    }

    /// Charges one request of this client. `None` when the limit does not hold for it: behind a proxy that is
    /// not trusted everyone would share one bucket, so the limit only logs what it would refuse; and of a process at the
    /// Unix socket that names no client there is none to charge.
    pub(crate) fn charge(&self, client: Client) -> Option<Verdict> {
        let verdict = self.decide(hash_key(&client.bucket()?));
        if client.forwarded_by_stranger && self.strangers == Forwarded::Log {
            if verdict.refused.is_some() {
                tracing::warn!(
                    peer = %Shown(client.ip),
                    "the client rate limit would refuse, but forwarding headers come from a peer outside \
                     `http.trusted_proxies`: name the proxy there, or set `http.forwarded_from_strangers = \"limit\"`"
                );
            }
            return None;
        }
        Some(verdict)
    }

    fn decide(&self, key: u64) -> Verdict {
        match self.limiter.check(key, 1, clock::now()) {
            Decision::Allowed { remaining, reset } => Verdict { remaining, reset, refused: None },
            Decision::Refused { retry_after, remaining, .. } => {
                Verdict { remaining, reset: retry_after, refused: Some(retry_after) }
            }
        }
    }

    /// Requests admitted, refused, and those of clients beyond the bound.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        self.limiter.counts()
    }

    /// Tells the client where it stands.
    pub(crate) fn tell(&self, verdict: Verdict, headers: &mut HeaderMap) {
        // One piece of text, of which each field has its part: every answer carries these.
        let mut text = BytesMut::with_capacity(64);
        text.extend_from_slice(b"\"client\";r=");
        let remaining = decimal(verdict.remaining.into(), &mut text);
        text.extend_from_slice(b";t=");
        let reset = decimal(whole_seconds(verdict.reset), &mut text);
        let text = text.freeze();
        let mut tell = |name, part| {
            // Digits and the name are always header text.
            if let Ok(value) = HeaderValue::from_maybe_shared(text.slice(part)) {
                headers.insert(name, value);
            }
        };
        tell(X_REMAINING, remaining);
        tell(X_RESET, reset);
        tell(RATE_LIMIT, 0..text.len());
        headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
        headers.insert(X_LIMIT, self.limit.clone());
    }
}

/// Writes a number; answers where it stands.
fn decimal(mut number: u64, text: &mut BytesMut) -> Range<usize> {
    let (mut digits, mut at) = ([0; 20], 20);
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let begin = text.len();
    text.extend_from_slice(&digits[at..]);
    begin..text.len()
}

/// The answer to a refused request.
pub(crate) fn refusal(retry_after: Duration) -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS)
        .kind("https://iana.org/assignments/http-problem-types#quota-exceeded")
        .title("Quota exceeded")
        .detail(format!("Too many requests; try again in {} s.", whole_seconds(retry_after)))
        .retry_after(retry_after)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn limit(rate: &str, burst: Option<u32>) -> ClientLimit {
        let mut http = Settings::default().http;
        http.rate_limit = Some(hardening_spec::units::rate(rate).unwrap());
        http.rate_limit_burst = burst;
        ClientLimit::new(&http).unwrap()
    }

    fn client(ip: &str, stranger: bool) -> Client {
        Client { ip: ip.parse().ok(), vouched: false, forwarded_by_stranger: stranger }
    }

    fn told(limit: &ClientLimit, verdict: Verdict) -> Vec<String> {
        let mut headers = HeaderMap::new();
        limit.tell(verdict, &mut headers);
        [RATE_LIMIT_POLICY, RATE_LIMIT, X_LIMIT, X_REMAINING, X_RESET]
            .map(|name| headers[name].to_str().unwrap().to_owned())
            .to_vec()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_waits_as_told_is_admitted_again() {
        let limit = limit("100/min", None);
        let who = client("192.0.2.1", false);
        for left in (0..100).rev() {
            let verdict = limit.charge(who).unwrap();
            assert_eq!((verdict.refused, verdict.remaining), (None, left));
        }
        let refused = limit.charge(who).unwrap();
        let wait = refused.refused.unwrap();
        assert_eq!(whole_seconds(wait), 1);
        assert_eq!(told(&limit, refused), ["\"client\";q=100;w=60", "\"client\";r=0;t=1", "100", "0", "1"]);
        assert_eq!(refusal(wait).answer(None).headers()[http::header::RETRY_AFTER], "1");
        assert_eq!(limit.charge(client("192.0.2.2", false)).unwrap().refused, None);
        tokio::time::advance(Duration::from_secs(whole_seconds(wait))).await;
        assert_eq!(limit.charge(who).unwrap().refused, None);
    }

    #[tokio::test(start_paused = true)]
    async fn behind_an_unknown_proxy_it_only_logs_unless_told_otherwise() {
        let mut limit = limit("1/min", Some(1));
        let who = client("192.0.2.1", true);
        for _ in 0..5 {
            assert_eq!(limit.charge(who), None);
        }
        limit.strangers = Forwarded::Limit;
        assert!(limit.charge(who).unwrap().refused.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn who_names_no_client_at_the_unix_socket_is_not_charged() {
        let limit = limit("1/min", Some(1));
        for _ in 0..5 {
            assert_eq!(limit.charge(client("nobody", false)), None);
        }
    }

    #[test]
    fn the_policy_states_the_time_in_which_the_burst_returns() {
        assert_eq!(limit("10/s", Some(50)).policy, "\"client\";q=50;w=5");
        assert_eq!(limit("100/min", Some(10)).policy, "\"client\";q=10;w=6");
    }
}
