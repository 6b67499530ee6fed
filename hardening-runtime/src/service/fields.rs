//! The header fields that the service adds to every answer. Their names are hashed once: each answer begins as a copy of them.

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use super::headers::Headers;
use super::limit::{FIELDS as OF_LIMITS, Limits, Standing, Told};
use super::request_id::REQUEST_ID;

/// What an answer begins as. The first fields are those whose values are of each request.
#[derive(Debug)]
pub(crate) struct Fields {
    /// By the fields of limits, first for others than browsers and then for them.
    maps: [[HeaderMap; Told::EACH.len()]; 2],
}

/// What of one answer's fields is not the same for all.
#[derive(Debug)]
pub(crate) struct Own<'a> {
    /// The request's id.
    pub(crate) id: &'a str,
    /// Where its caller stands with limits.
    pub(crate) standing: &'a Standing,
    /// Whether browsers may read it.
    pub(crate) browsers: bool,
}

impl Fields {
    pub(crate) fn new(headers: &Headers) -> Self {
        let map = |browsers: bool, told: Told| {
            let mut map = HeaderMap::new();
            let limits = told.names().iter().cloned();
            // Nearly every answer has the last two. There is room for them in the copy, which is as large as what it copies.
            for name in limits.chain([REQUEST_ID, header::CONTENT_TYPE, header::CONTENT_LENGTH]) {
                map.insert(name, HeaderValue::from_static(""));
            }
            if browsers {
                headers.secure(&mut map);
            }
            map
        };
        Self { maps: [false, true].map(|browsers| Told::EACH.map(|told| map(browsers, told))) }
    }

    /// Puts them into an answer's head. Fields of security that the answer sets itself stay as it sets them; `server` goes.
    pub(crate) fn add(&self, own: &Own<'_>, limits: &Limits, headers: &mut HeaderMap) {
        let Own { id, standing, browsers } = *own;
        let told = limits.tells(standing);
        let limited = told != Told::Nothing;
        let answer = std::mem::replace(headers, self.maps[usize::from(browsers)][told as usize].clone());
        // An id is header text.
        let id = HeaderValue::from_str(id).unwrap_or_else(|_| HeaderValue::from_static(""));
        let (mut kind, mut length) = (None, None);
        let mut last = None;
        for (name, value) in answer {
            match (name, &last) {
                (Some(name), _) if name == header::CONTENT_TYPE => (kind, last) = (Some(value), None),
                (Some(name), _) if name == header::CONTENT_LENGTH => (length, last) = (Some(value), None),
                (Some(name), _) => {
                    last = Some(name).filter(|name| !is_ours(name, limited));
                    match last.as_ref().map(|name| (headers.get_mut(name), name)) {
                        // To insert would make room for one more field first, and there is no room left.
                        Some((Some(field), _)) => *field = value,
                        Some((None, name)) => drop(headers.insert(name, value)),
                        None => {}
                    }
                }
                (None, Some(name)) => drop(headers.append(name, value)),
                (None, None) => {}
            }
        }
        let missing = (kind.is_none(), length.is_none());
        // A map hands its fields out in the order in which they came.
        let mut fields = headers.values_mut();
        limits.tell(standing, told, fields.by_ref());
        for (field, value) in fields.zip([Some(id), kind, length]) {
            if let Some(value) = value {
                *field = value;
            }
        }
        if missing.0 {
            headers.remove(header::CONTENT_TYPE);
        }
        if missing.1 {
            headers.remove(header::CONTENT_LENGTH);
        }
    }
}

/// Whether what the answer says under this name counts for nothing.
fn is_ours(name: &HeaderName, limited: bool) -> bool {
    name == header::SERVER || name == REQUEST_ID || limited && OF_LIMITS.contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::service::client::{Claim, Client};
    use crate::service::limit::Bucket;
    use crate::settings::Settings;

    fn added(browsers: bool, limited: bool, answer: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in answer {
            map.append(*name, HeaderValue::from_static(value));
        }
        let http = Settings::default().http;
        let (headers, limits) = (Headers::new(&http, Some("max-age=1")), Limits::new(&http));
        let mut standing = Standing::default();
        if limited {
            let client = Client { ip: "192.0.2.1".parse().ok(), vouched: false, key: 1, claim: Claim::None };
            assert_eq!(limits.charge(Bucket::All, client, clock::now(), &mut standing), None);
        }
        let own = Own { id: "r-7", standing: &standing, browsers };
        Fields::new(&headers).add(&own, &limits, &mut map);
        map
    }

    #[test]
    fn each_value_stands_under_its_own_name() {
        let map = added(true, true, &[]);
        assert_eq!(map[REQUEST_ID], "r-7");
        let told = ["\"client\";r=99;t=1", "\"client\";q=100;w=60"];
        assert_eq!(Told::Standard.names().iter().map(|name| &map[name]).collect::<Vec<_>>(), told);
        assert_eq!(map[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(map[header::STRICT_TRANSPORT_SECURITY], "max-age=1");
        assert_eq!(map.len(), 8, "{map:?}");
        let map = added(false, false, &[]);
        assert_eq!((map.len(), &map[REQUEST_ID]), (1, &HeaderValue::from_static("r-7")));
    }

    #[test]
    fn the_answers_own_fields_stay_but_for_those_of_the_service() {
        let map = added(
            true,
            true,
            &[
                ("content-type", "text/plain"),
                ("set-cookie", "a=1"),
                ("set-cookie", "b=2"),
                ("x-frame-options", "SAMEORIGIN"),
                ("server", "x/1"),
                ("x-request-id", "another"),
                ("x-request-id", "and another"),
                ("ratelimit", "\"mine\";r=1"),
            ],
        );
        assert_eq!(map[header::CONTENT_TYPE], "text/plain");
        assert!(!map.contains_key(header::CONTENT_LENGTH) && !map.contains_key(header::SERVER));
        assert_eq!(map.get_all(header::SET_COOKIE).iter().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(map[header::X_FRAME_OPTIONS], "SAMEORIGIN");
        assert_eq!(map.get_all(REQUEST_ID).iter().collect::<Vec<_>>(), ["r-7"]);
        assert_eq!(map.get_all("ratelimit").iter().count(), 1);
        // Where the service has no limit, a handler may tell of its own.
        assert_eq!(added(true, false, &[("ratelimit", "\"mine\";r=1")])["ratelimit"], "\"mine\";r=1");
    }
}
