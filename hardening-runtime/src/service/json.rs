//! JSON bodies whose every refusal says what is wrong, and where.

use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Path;

use super::problem::Problem;

/// A JSON body, read or answered.
///
/// As an argument of a handler it refuses with problem+json: 415 for another content type, 400 for what is
/// not JSON, 422 naming the field for JSON of another shape, 413 and 408 for bodies beyond the limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE)
                .detail("Send `content-type: application/json`."));
        }
        // Beyond the limits the service answers 413 or 408 in place of this refusal.
        let unread = |_| Problem::new(StatusCode::BAD_REQUEST).detail("The body could not be read.");
        let body = Bytes::from_request(request, state).await.map_err(unread)?;
        read(&body).map(Self)
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let place = field(error.path());
        refuse(&place, error.inner())
    })?;
    reader.end().map_err(|error| refuse("", &error))?;
    Ok(value)
}

fn refuse(place: &str, error: &serde_json::Error) -> Problem {
    use serde_json::error::Category;
    if matches!(error.classify(), Category::Data) {
        let message = without_position(error);
        let field = blamed(place, &message);
        let problem = Problem::validation();
        return if field.is_empty() { problem.detail(message) } else { problem.field(field, message) };
    }
    Problem::new(StatusCode::BAD_REQUEST)
        .title("Malformed JSON")
        .kind("urn:hardening:problem:malformed-json")
        .detail(format!("The body is not JSON: line {}, column {}.", error.line(), error.column()))
}

/// The path as JavaScript would write it, empty for the whole.
fn field(path: &Path) -> String {
    let path = path.to_string();
    if path == "." { String::new() } else { path }
}

/// serde ends a message with the place in the text, which the field says better.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message,
    }
}

/// The path of the field that a message is about. A missing field is reported at the object that lacks it, an
/// unknown one at itself, or at its object where serde has buffered that.
fn blamed(place: &str, message: &str) -> String {
    let Some(name) = named_field(message) else { return place.to_owned() };
    let own = message.starts_with("unknown") && place.rsplit('.').next() == Some(name);
    match place {
        "" => name.to_owned(),
        _ if own => place.to_owned(),
        _ => format!("{place}.{name}"),
    }
}

/// "missing field `quantity`" and "unknown field `quantity`, expected …".
fn named_field(message: &str) -> Option<&str> {
    let rest = message.strip_prefix("missing field `").or_else(|| message.strip_prefix("unknown field `"))?;
    rest.split('`').next()
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer could not be written as JSON");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR).into_response()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    type Lines = BTreeMap<String, Vec<u8>>;

    fn body_of(text: &str) -> (u16, String) {
        let problem = read::<Lines>(text.as_bytes()).unwrap_err();
        (problem.status().as_u16(), String::from_utf8(problem.body(None)).unwrap())
    }

    #[test]
    fn the_field_that_does_not_fit_is_named() {
        let (status, body) = body_of(r#"{"lines":[1,2,"three"]}"#);
        assert_eq!(status, 422);
        assert!(body.contains(r#""field":"lines[2]""#) && !body.contains("at line"), "{body}");
    }

    #[test]
    fn what_is_no_json_is_400_with_its_place() {
        for text in ["{", "", "{\"a\":[1,]}", "{} {}", "nul"] {
            let (status, body) = body_of(text);
            assert_eq!(status, 400, "{text}");
            assert!(body.contains("line 1"), "{body}");
        }
    }

    #[test]
    fn content_types() {
        for (value, json) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("text/json", false),
            ("application/x-www-form-urlencoded", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(value));
            assert_eq!(is_json(&headers), json, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn missing_and_unknown_fields_are_named() {
        for (place, message, field) in [
            ("", "missing field `a`", "a"),
            ("lines[1]", "missing field `a`", "lines[1].a"),
            ("a", "missing field `a`", "a.a"),
            ("a", "unknown field `a`, expected `b`", "a"),
            ("lines[1].a", "unknown field `a`, there are no fields", "lines[1].a"),
            ("lines[1]", "unknown field `a`, expected `b`", "lines[1].a"),
            ("lines[1].b", "invalid value", "lines[1].b"),
        ] {
            assert_eq!(blamed(place, message), field, "{place} {message}");
        }
        assert_eq!(named_field("missing field `quantity`"), Some("quantity"));
        assert_eq!(named_field("unknown field `qty`, expected `sku` or `quantity`"), Some("qty"));
        assert_eq!(named_field("invalid type: string, expected u32"), None);
    }
}
