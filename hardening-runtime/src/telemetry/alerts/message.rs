//! What a message says, in the form of who reads it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::burn::Counts;
use super::rules::{rounded, window};
use super::slo::News;
use super::state::Told;

/// What errs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Key {
    /// A route, by its pattern.
    Route(String),
    /// A call, by its name.
    Call(&'static str),
}

impl Key {
    fn kind(&self) -> &'static str {
        match self {
            Self::Route(_) => "route",
            Self::Call(_) => "call",
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Route(name) => name,
            Self::Call(name) => name,
        }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) id: String,
    /// Seconds since 1970.
    pub(super) at: u64,
    pub(super) service: String,
    pub(super) about: About,
}

/// What it is about.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// Errors of one route or call.
    Errors(Erring),
    /// The error budget of a route.
    Budget(News),
}

/// Errors of one route or call.
#[derive(Clone, Debug)]
pub(super) struct Erring {
    pub(super) key: Key,
    pub(super) told: Told,
    pub(super) window_seconds: u64,
    /// Errors by outcome, of a call; by status, of a route.
    pub(super) kinds: Vec<(String, u64)>,
    /// The last request that was answered with an error, and its trace.
    pub(super) example: Option<(String, String)>,
}

impl Erring {
    fn line(&self) -> String {
        let Told { errors, suppressed } = self.told;
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let mut line = format!("{errors} errors of the {} {}", self.key.kind(), self.key.name());
        if !kinds.is_empty() {
            let _ = write!(line, " ({})", kinds.join(", "));
        }
        if suppressed > 0 {
            let _ = write!(line, "; nobody was told of {suppressed} of them since the last message");
        }
        if let Some((request, trace)) = &self.example {
            let _ = write!(line, "; the last: request {request}, trace {trace}");
        }
        line
    }

    fn data(&self, service: &str) -> Value {
        let Told { errors, suppressed } = self.told;
        let kinds: serde_json::Map<_, _> =
            self.kinds.iter().map(|(kind, count)| (kind.clone(), json!(count))).collect();
        json!({
            "service": service,
            "kind": self.key.kind(),
            "name": self.key.name(),
            "errors": errors,
            "suppressed": suppressed,
            "window_seconds": self.window_seconds,
            "by": kinds,
            "request_id": self.example.as_ref().map(|(request, _)| request),
            "trace_id": self.example.as_ref().map(|(_, trace)| trace),
        })
    }
}

impl News {
    fn line(&self) -> String {
        let Self { route, pair, burn, budget, turn } = self;
        let in_window = |counts: Counts, minutes| match counts {
            Counts { requests: 0, .. } => format!("no requests in {}", window(minutes)),
            Counts { requests, errors } => {
                let rate = rounded(counts.rate() * 100.0);
                format!("{rate}% failed in {} ({errors} of {requests})", window(minutes))
            }
        };
        let speed = if turn.on {
            let times = rounded(burn.long.rate() * 1e6 / f64::from(*budget));
            format!("spends its error budget {times} times too fast")
        } else {
            "no longer spends its error budget too fast".to_owned()
        };
        let mut line = format!(
            "the route {route} {speed}: {}, {}; more than {} times is too fast for an objective of {}%",
            in_window(burn.long, pair.long),
            in_window(burn.short, pair.short),
            pair.factor(),
            f64::from(1_000_000 - budget) / 1e4,
        );
        if turn.suppressed > 0 {
            let times = if turn.suppressed == 1 { "time" } else { "times" };
            let _ = write!(line, "; it came back {} {times} since the last message", turn.suppressed);
        }
        line
    }

    fn data(&self, service: &str) -> Value {
        let Self { route, pair, burn, budget, turn } = self;
        let in_window = |counts: Counts, minutes: usize| {
            let Counts { requests, errors } = counts;
            // No number is written as null.
            json!({
                "window": window(minutes), "window_seconds": minutes * 60,
                "requests": requests, "errors": errors, "rate": counts.rate(),
            })
        };
        json!({
            "service": service,
            "route": route,
            "state": if turn.on { "firing" } else { "over" },
            "window": window(pair.long),
            "factor": pair.factor(),
            "threshold": pair.threshold(*budget),
            "objective": f64::from(1_000_000 - budget) / 1e6,
            "budget": f64::from(*budget) / 1e6,
            "long": in_window(burn.long, pair.long),
            "short": in_window(burn.short, pair.short),
            "suppressed": turn.suppressed,
        })
    }
}

impl Message {
    /// One line for people.
    fn line(&self) -> String {
        let line = match &self.about {
            About::Errors(erring) => erring.line(),
            About::Budget(news) => news.line(),
        };
        format!("{}: {line}", self.service)
    }

    /// The body that Slack takes.
    pub(super) fn slack(&self) -> Value {
        // What else would be a link or a mention.
        let line = self.line().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        json!({ "text": line })
    }

    /// The body that Discord takes; nobody is mentioned, and 2 000 characters are the most it takes.
    pub(super) fn discord(&self) -> Value {
        let line: String = self.line().chars().take(2000).collect();
        json!({ "content": line, "allowed_mentions": { "parse": [] } })
    }

    /// The body for programs.
    pub(super) fn json(&self) -> Value {
        let (kind, data) = match &self.about {
            About::Errors(erring) => ("hardening.errors", erring.data(&self.service)),
            About::Budget(news) => ("hardening.burn", news.data(&self.service)),
        };
        json!({ "type": kind, "id": self.id, "timestamp": self.at, "data": data })
    }
}

/// The key that a secret stands for: what is in base 64 behind `whsec_`, else its bytes.
pub(super) fn key_of(secret: &str) -> Result<Vec<u8>, String> {
    match secret.strip_prefix("whsec_") {
        Some(encoded) => BASE64_STANDARD
            .decode(encoded)
            .map_err(|_| "what stands behind `whsec_` is no base 64".to_owned()),
        None => Ok(secret.as_bytes().to_vec()),
    }
}

/// The signature of a body by the Standard Webhooks specification: HMAC-SHA256 of id, time and body.
pub(super) fn signature(key: &[u8], id: &str, at: u64, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { unreachable!("a key has any length") };
    mac.update(format!("{id}.{at}.").as_bytes());
    mac.update(body);
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::burn::{Burn, PAIRS};
    use super::super::turns::Turn;
    use super::*;

    fn of(about: About) -> Message {
        Message { id: "m-1".to_owned(), at: 1, service: "orders".to_owned(), about }
    }

    fn news(on: bool, suppressed: u64, short: Counts) -> Message {
        let (long, fires) = (Counts { requests: 3000, errors: 60 }, on);
        of(About::Budget(News {
            route: "/a/{id}".to_owned(),
            pair: PAIRS[0],
            burn: Burn { long, short, fires },
            budget: 1000,
            turn: Turn { on, suppressed },
        }))
    }

    #[test]
    fn a_budget_is_told_of_with_its_windows() {
        let message = news(true, 0, Counts { requests: 40, errors: 1 });
        assert_eq!(
            message.line(),
            "orders: the route /a/{id} spends its error budget 20 times too fast: 2% failed in 1h (60 of 3000), \
             2.5% failed in 5m (1 of 40); more than 14.4 times is too fast for an objective of 99.9%"
        );
        assert_eq!(
            message.json(),
            json!({
                "type": "hardening.burn", "id": "m-1", "timestamp": 1,
                "data": {
                    "service": "orders", "route": "/a/{id}", "state": "firing", "window": "1h", "factor": 14.4,
                    "threshold": 0.0144, "objective": 0.999, "budget": 0.001, "suppressed": 0,
                    "long": { "window": "1h", "window_seconds": 3600, "requests": 3000, "errors": 60, "rate": 0.02 },
                    "short": { "window": "5m", "window_seconds": 300, "requests": 40, "errors": 1, "rate": 0.025 },
                },
            })
        );
        let over = news(false, 3, Counts::default());
        assert_eq!(
            over.line(),
            "orders: the route /a/{id} no longer spends its error budget too fast: 2% failed in 1h (60 of 3000), \
             no requests in 5m; more than 14.4 times is too fast for an objective of 99.9%; it came back 3 times since \
             the last message"
        );
        let data = &over.json()["data"];
        assert_eq!((&data["state"], &data["short"]["rate"]), (&"over".into(), &Value::Null));
    }

    #[test]
    fn a_signature_is_that_of_the_specification() {
        // The example of the Standard Webhooks specification's libraries.
        let key = key_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed =
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        assert_eq!(key_of("plain").unwrap(), b"plain");
        assert!(key_of("whsec_!").is_err());
    }

    #[test]
    fn people_are_not_mentioned_and_nothing_is_a_link() {
        let message = |route: &str| {
            let erring = Erring {
                key: Key::Route(route.to_owned()),
                told: Told { errors: 9, suppressed: 4 },
                window_seconds: 300,
                kinds: vec![("500".to_owned(), 9)],
                example: Some(("r-1".to_owned(), "t-1".to_owned())),
            };
            of(About::Errors(erring))
        };
        let (message, long) = (message("/a/<!channel>&{x}"), message(&"é".repeat(3000)));
        assert_eq!(
            message.slack()["text"],
            "orders: 9 errors of the route /a/&lt;!channel&gt;&amp;{x} (500 9); nobody was told of 4 of them since the last \
             message; the last: request r-1, trace t-1"
        );
        assert_eq!(message.discord()["allowed_mentions"], json!({ "parse": [] }));
        assert_eq!(long.discord()["content"].as_str().unwrap().chars().count(), 2000);
    }
}
