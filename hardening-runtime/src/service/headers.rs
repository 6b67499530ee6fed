//! Header fields of every answer: security, and cross-origin calls from browsers.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method};

use super::field_text::lasting;
use super::limit::FIELDS as OF_LIMITS;
use super::request_id::REQUEST_ID;
use crate::policy::idempotency::REPLAYED;
use crate::settings;

/// What every answer carries, made once.
#[derive(Debug)]
pub(crate) struct Headers {
    csp: HeaderValue,
    hsts: Option<HeaderValue>,
    origins: Vec<String>,
    /// The methods that pages of these origins may use and the fields that they may send; `None` for any.
    methods: Option<HeaderValue>,
    sent: Option<HeaderValue>,
    /// The fields that they may read.
    exposed: HeaderValue,
    /// Whether those pages may send what the browser knows of their visitor.
    credentials: bool,
    /// For how many seconds a browser may keep the answer to a preflight.
    max_age: HeaderValue,
}

/// The fields of the service that a page of another origin needs to behave; browsers hide all but a few unless they are named.
fn exposed(more: &[HeaderName]) -> HeaderValue {
    let mut names = vec![header::RETRY_AFTER];
    names.extend(OF_LIMITS.iter().cloned());
    names.extend([REQUEST_ID, header::LOCATION, header::ALLOW, REPLAYED, header::WWW_AUTHENTICATE]);
    for name in more {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    listed(&names).unwrap_or_else(|| HeaderValue::from_static(""))
}

/// A list of names, which are header text; `None` for none.
fn listed(names: &[impl AsRef<str>]) -> Option<HeaderValue> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    (!names.is_empty()).then(|| lasting(names.join(", ")).ok()).flatten()
}

impl Headers {
    /// `hsts` is what a listener under TLS says of it.
    pub(crate) fn new(http: &settings::Http, hsts: Option<&str>) -> Self {
        // A test of the settings keeps what is no header text out.
        let csp =
            lasting(http.csp.clone()).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        let hsts = hsts.filter(|hsts| !hsts.is_empty());
        let hsts = hsts.and_then(|hsts| lasting(hsts.to_owned()).ok());
        let max_age = lasting(http.cors_max_age.as_secs().to_string());
        Self {
            csp,
            hsts,
            origins: http.cors_origins.clone(),
            methods: listed(&http.cors_methods),
            sent: listed(&http.cors_headers),
            exposed: exposed(&http.cors_expose),
            credentials: http.cors_credentials,
            max_age: max_age.unwrap_or_else(|_| HeaderValue::from_static("0")),
        }
    }

    /// Adds what the answer does not set itself, and takes out what tells of the server.
    pub(crate) fn secure(&self, headers: &mut HeaderMap) {
        set(headers, header::CONTENT_SECURITY_POLICY, || self.csp.clone());
        set(headers, header::X_FRAME_OPTIONS, || HeaderValue::from_static("DENY"));
        set(headers, header::X_CONTENT_TYPE_OPTIONS, || HeaderValue::from_static("nosniff"));
        set(headers, header::REFERRER_POLICY, || HeaderValue::from_static("no-referrer"));
        if let Some(hsts) = &self.hsts {
            set(headers, header::STRICT_TRANSPORT_SECURITY, || hsts.clone());
        }
        headers.remove(header::SERVER);
    }

    /// Whether browsers may call at all; without named origins they may not.
    pub(crate) fn cors(&self) -> bool {
        !self.origins.is_empty()
    }

    /// Whether this is a browser asking before it calls, from an origin that may.
    pub(crate) fn is_preflight(&self, method: &Method, headers: &HeaderMap) -> bool {
        self.cors()
            && method == Method::OPTIONS
            && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
            && self.allowed(headers).is_some()
    }

    /// The answer to a browser that asks before it calls.
    pub(crate) fn preflight(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        let methods = self.methods.as_ref().or_else(|| request.get(header::ACCESS_CONTROL_REQUEST_METHOD));
        let methods = methods.cloned().unwrap_or_else(|| HeaderValue::from_static("GET"));
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            let sent = self.sent.as_ref().unwrap_or(asked);
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, sent.clone());
        }
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
    }

    /// The origin to name in the answer, when the request's is one of ours.
    pub(crate) fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = self.cors().then(|| request.get(header::ORIGIN))??;
        let known = self.origins.iter().any(|known| known == "*" || known.as_bytes() == origin.as_bytes());
        known.then(|| origin.clone())
    }

    /// Names the allowed origin and what its pages may read, and tells caches that the answer depends on it.
    pub(crate) fn share(&self, origin: Option<HeaderValue>, answer: &mut HeaderMap) {
        if self.cors() {
            answer.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = origin {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if self.credentials {
                answer.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
            // No page reads the answer to a preflight. What the handler exposes stays: lists add up.
            if !answer.contains_key(header::ACCESS_CONTROL_ALLOW_METHODS) {
                answer.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, self.exposed.clone());
            }
        }
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: impl FnOnce() -> HeaderValue) {
    headers.entry(name).or_insert_with(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn headers(origins: &[&str]) -> Headers {
        let mut http = Settings::default().http;
        http.cors_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        Headers::new(&http, None)
    }

    fn from(origin: &'static str) -> HeaderMap {
        let mut map = HeaderMap::new();
        map.insert(header::ORIGIN, HeaderValue::from_static(origin));
        map.insert(header::ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("PUT"));
        map
    }

    #[test]
    fn what_the_answer_sets_itself_stays() {
        let mut map = HeaderMap::new();
        map.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'self'"));
        map.insert(header::SERVER, HeaderValue::from_static("x/1"));
        headers(&[]).secure(&mut map);
        assert_eq!(map[header::CONTENT_SECURITY_POLICY], "default-src 'self'");
        assert_eq!(map[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(map[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(map[header::REFERRER_POLICY], "no-referrer");
        assert!(!map.contains_key(header::SERVER));
    }

    #[test]
    fn browsers_are_let_in_from_named_origins_alone() {
        let closed = headers(&[]);
        assert!(!closed.is_preflight(&Method::OPTIONS, &from("https://a.example")));
        assert_eq!(closed.allowed(&from("https://a.example")), None);
        let open = headers(&["https://a.example"]);
        assert!(open.is_preflight(&Method::OPTIONS, &from("https://a.example")));
        assert!(!open.is_preflight(&Method::OPTIONS, &from("https://b.example")));
        assert!(!open.is_preflight(&Method::GET, &from("https://a.example")));
        assert!(headers(&["*"]).allowed(&from("https://b.example")).is_some());
    }
}
