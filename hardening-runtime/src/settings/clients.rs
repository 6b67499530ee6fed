//! How the service learns whom a proxy asks for.

use http::HeaderName;

use super::value::Value;

/// `http.client_header`: the one header field in which trusted proxies name their clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientHeader(HeaderName);

impl Default for ClientHeader {
    fn default() -> Self {
        Self(HeaderName::from_static("x-forwarded-for"))
    }
}

impl ClientHeader {
    #[cfg(test)]
    pub(crate) const fn new(name: HeaderName) -> Self {
        Self(name)
    }

    /// Its name.
    pub const fn name(&self) -> &HeaderName {
        &self.0
    }

    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let name = if let Value::Text(text) = value { text.parse().ok() } else { None };
        let example = "write the name of the header field that the proxy writes, such as `x-forwarded-for`, \
                       `forwarded` or `x-real-ip`";
        name.map(Self).ok_or_else(|| example.to_owned())
    }

    pub(super) fn show(&self) -> String {
        self.0.to_string()
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
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "off" => Ok(Self::Off),
            Value::Text(text) if text == "required" => Ok(Self::Required),
            _ => Err("write one of `off` or `required`".to_owned()),
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // the table's signature
    pub(super) fn show(&self) -> String {
        match self {
            Self::Off => "off",
            Self::Required => "required",
        }
        .to_owned()
    }
}
