//! How the service learns whom a proxy asks for.

use http::HeaderName;

use super::forms;
use super::value::Value;

/// `http.client_header`: the one header field in which trusted proxies name their clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHeader {
    name: HeaderName,
    is_usual: bool,
}

impl Default for ClientHeader {
    fn default() -> Self {
        Self::new(HeaderName::from_static("x-forwarded-for"))
    }
}

impl ClientHeader {
    pub(crate) fn new(name: HeaderName) -> Self {
        let is_usual = matches!(name.as_str(), "x-forwarded-for" | "forwarded");
        Self { name, is_usual }
    }

    /// Its name.
    pub const fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Whether it is one of the two usual ones.
    pub(crate) const fn is_usual(&self) -> bool {
        self.is_usual
    }

    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let name = if let Value::Text(text) = value { text.parse().ok() } else { None };
        let example = "write the name of the header field that the proxy writes, such as `x-forwarded-for`, \
                       `forwarded` or `x-real-ip`";
        name.map(Self::new).ok_or_else(|| example.to_owned())
    }

    pub(super) fn show(&self) -> String {
        self.name.to_string()
    }
}

/// `http.rate_limit_headers`: the fields in which an answer that no limit has refused tells of limits. A refusal has all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateLimitHeaders {
    /// `ratelimit` and `ratelimit-policy`.
    #[default]
    Standard,
    /// `x-ratelimit-limit`, `x-ratelimit-remaining` and `x-ratelimit-reset`.
    Legacy,
    /// Those and these.
    Both,
}

impl RateLimitHeaders {
    const WORDS: &[(&str, Self)] =
        &[("standard", Self::Standard), ("legacy", Self::Legacy), ("both", Self::Both)];

    pub(super) fn read(value: &Value) -> Result<Self, String> {
        forms::choice(value, Self::WORDS)
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // the table's signature
    pub(super) fn show(&self) -> String {
        forms::show_choice(self, Self::WORDS)
    }
}

/// `http.proxy_protocol`: whether every connection begins with a header of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None does.
    #[default]
    Off,
    /// Each does, of version 1 or 2, and only trusted proxies connect.
    Required,
}

impl ProxyProtocol {
    const WORDS: &[(&str, Self)] = &[("off", Self::Off), ("required", Self::Required)];

    pub(super) fn read(value: &Value) -> Result<Self, String> {
        forms::choice(value, Self::WORDS)
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // the table's signature
    pub(super) fn show(&self) -> String {
        forms::show_choice(self, Self::WORDS)
    }
}
