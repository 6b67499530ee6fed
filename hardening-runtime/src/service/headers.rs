//! Header fields of every answer: security, and cross-origin calls from browsers.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method};

use super::field_text::lasting;
use crate::settings;

/// What every answer carries, made once.
#[derive(Debug)]
pub(crate) struct Headers {
    csp: HeaderValue,
    hsts: Option<HeaderValue>,
    origins: Vec<String>,
}

impl Headers {
    /// `hsts` is what a listener under TLS says of it.
    pub(crate) fn new(http: &settings::Http, hsts: Option<&str>) -> Self {
        // A test of the settings keeps what is no header text out.
        let csp =
            lasting(http.csp.clone()).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"));
        let hsts = hsts.filter(|hsts| !hsts.is_empty());
        let hsts = hsts.and_then(|hsts| lasting(hsts.to_owned()).ok());
        Self { csp, hsts, origins: http.cors_origins.clone() }
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
    pub(crate) fn preflight(request: &HeaderMap, answer: &mut HeaderMap) {
        let asked = request.get(header::ACCESS_CONTROL_REQUEST_METHOD).cloned();
        set(answer, header::ACCESS_CONTROL_ALLOW_METHODS, || {
            asked.unwrap_or_else(|| HeaderValue::from_static("GET"))
        });
        if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    }

    /// The origin to name in the answer, when the request's is one of ours.
    pub(crate) fn allowed(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let origin = self.cors().then(|| request.get(header::ORIGIN))??;
        let known = self.origins.iter().any(|known| known == "*" || known.as_bytes() == origin.as_bytes());
        known.then(|| origin.clone())
    }

    /// Names the allowed origin, and tells caches that the answer depends on it.
    pub(crate) fn share(&self, origin: Option<HeaderValue>, answer: &mut HeaderMap) {
        if self.cors() {
            answer.append(header::VARY, HeaderValue::from_static("origin"));
        }
        if let Some(origin) = origin {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
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
