//! What a message says, in the form of who reads it.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

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
    pub(super) key: Key,
    pub(super) told: Told,
    pub(super) window_seconds: u64,
    /// Errors by outcome, of a call; by status, of a route.
    pub(super) kinds: Vec<(String, u64)>,
    /// The last request that was answered with an error, and its trace.
    pub(super) example: Option<(String, String)>,
}

impl Message {
    /// One line for people.
    fn line(&self) -> String {
        let Told { errors, suppressed } = self.told;
        let kinds: Vec<String> = self.kinds.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        let mut line =
            format!("{}: {errors} errors of the {} {}", self.service, self.key.kind(), self.key.name());
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
        let Told { errors, suppressed } = self.told;
        let kinds: serde_json::Map<_, _> =
            self.kinds.iter().map(|(kind, count)| (kind.clone(), json!(count))).collect();
        json!({
            "type": "hardening.errors",
            "id": self.id,
            "timestamp": self.at,
            "data": {
                "service": self.service,
                "kind": self.key.kind(),
                "name": self.key.name(),
                "errors": errors,
                "suppressed": suppressed,
                "window_seconds": self.window_seconds,
                "by": kinds,
                "request_id": self.example.as_ref().map(|(request, _)| request),
                "trace_id": self.example.as_ref().map(|(_, trace)| trace),
            },
        })
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
    use super::*;

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
        let message = Message {
            id: "m-1".to_owned(),
            at: 1,
            service: "orders".to_owned(),
            key: Key::Route("/a/<!channel>&{x}".to_owned()),
            told: Told { errors: 9, suppressed: 4 },
            window_seconds: 300,
            kinds: vec![("500".to_owned(), 9)],
            example: Some(("r-1".to_owned(), "t-1".to_owned())),
        };
        assert_eq!(
            message.slack()["text"],
            "orders: 9 errors of the route /a/&lt;!channel&gt;&amp;{x} (500 9); nobody was told of 4 of them since the last \
             message; the last: request r-1, trace t-1"
        );
        assert_eq!(message.discord()["allowed_mentions"], json!({ "parse": [] }));
        let long = Message { key: Key::Route("é".repeat(3000)), ..message };
        assert_eq!(long.discord()["content"].as_str().unwrap().chars().count(), 2000);
    }
}
