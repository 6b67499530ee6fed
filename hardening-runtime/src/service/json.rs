//! JSON bodies whose every refusal says what is wrong, and where.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::Track;

use super::objects::Objects;
use super::problem::{Media, Problem};
use super::words::{field, in_plain_terms, unfit};

/// A JSON body, read or answered.
///
/// As an argument of a handler it refuses with problem+json: 415 for another content type, 400 for what is
/// not JSON, 422 naming the field for JSON of another shape, 413 and 408 for bodies beyond the limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        read(&body(request, state).await?).map(Self)
    }
}

/// The bytes of a JSON body.
pub(super) async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    if !is_json(request.headers()) {
        return Err(Problem::other_media(Media::Json));
    }
    bytes(request, state).await
}

/// The bytes of any body.
pub(super) async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    // Beyond the limits the service answers 413 or 408 in place of this refusal.
    let unread = |rejected: BytesRejection| match rejected.status() {
        // A body that was packed and is larger once it is unpacked.
        StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE).detail("The body is larger than it may be.")
        }
        _ => Problem::new(StatusCode::BAD_REQUEST).detail("The body could not be read."),
    };
    Bytes::from_request(request, state).await.map_err(unread)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let mut track = Track::new();
    let tracked = serde_path_to_error::Deserializer::new(&mut reader, &mut track);
    let value = T::deserialize(Objects(tracked)).map_err(|error| {
        let place = field(&track.path());
        if matches!(error.classify(), Category::Data) {
            return unfit(&place, &in_plain_terms(&without_position(&error)));
        }
        // A number where a variant stands is bad syntax to the reader, but not to JSON.
        // What is passed over is not looked at for UTF-8.
        match (std::str::from_utf8(body), serde_json::from_slice::<IgnoredAny>(body)) {
            (Ok(_), Ok(_)) => out_of_grammar(&place, &without_position(&error)),
            _ => malformed(&error),
        }
    })?;
    reader.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

fn malformed(error: &serde_json::Error) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST)
        .title("Malformed JSON")
        .kind("urn:hardening:problem:malformed-json")
        .detail(format!("The body is not JSON: line {}, column {}.", error.line(), error.column()))
}

/// What the reader refuses although it is JSON.
fn out_of_grammar(place: &str, message: &str) -> Problem {
    let (place, message) = match message {
        // The path to it is as long as it is deep.
        "recursion limit exceeded" => ("", "nested too deeply"),
        "number out of range" => (place, "the number is out of range"),
        "trailing characters" => (place, "too many elements"),
        _ if message.contains("surrogate") || message.contains("hex escape") => {
            (place, "an escape stands for no character")
        }
        // The key could not be read, so that it stands as `?`.
        _ if place.ends_with('?') => {
            (place.trim_end_matches('?').trim_end_matches('.'), "a key does not fit")
        }
        _ => (place, "this kind of value does not fit here"),
    };
    unfit(place, message)
}

/// serde ends a message with the place in the text, which the field says better.
fn without_position(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message,
    }
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

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Order {
        sku: String,
        quantity: u32,
        #[serde(default)]
        to: Option<Address>,
        #[serde(default)]
        parts: Vec<Address>,
        #[serde(default)]
        speed: Speed,
        #[serde(default)]
        size: (u8, u8),
    }

    #[derive(Debug, serde::Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Address {
        town: String,
    }

    #[derive(Debug, Default, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "only read")]
    enum Speed {
        #[default]
        Slow,
        Fast {
            by: u8,
        },
    }

    #[test]
    fn an_object_is_what_an_object_is_sent_for_and_nothing_tells_of_rust() {
        read::<Order>(br#"{"sku":"a","quantity":1,"to":{"town":"x"},"parts":[{"town":"y"}],"speed":{"fast":{"by":1}},"size":[1,2]}"#)
            .unwrap();
        for (text, field, message) in [
            (r#"["a",1]"#, "", "invalid type: sequence, expected an object"),
            (r#""a""#, "", "invalid type: string \"a\", expected an object"),
            (r#"{"sku":"a","quantity":1,"to":["x"]}"#, "to", "invalid type: sequence, expected an object"),
            (
                r#"{"sku":"a","quantity":1,"parts":[["x"]]}"#,
                "parts[0]",
                "invalid type: sequence, expected an object",
            ),
            (r#"{"sku":"a","quantity":1,"parts":7}"#, "parts", "invalid type: integer `7`, expected a list"),
            (
                r#"{"sku":"a","quantity":5000000000}"#,
                "quantity",
                "invalid value: integer `5000000000`, expected a whole number from 0 to 4294967295",
            ),
            (
                r#"{"sku":"a","quantity":"1"}"#,
                "quantity",
                "invalid type: string \"1\", expected a whole number from 0 to 4294967295",
            ),
            (r#"{"sku":1,"quantity":1}"#, "sku", "invalid type: integer `1`, expected a string"),
            (r#"{"sku":"a","sku":"b","quantity":1}"#, "sku", "duplicate field `sku`"),
            (r#"{"sku":"a","quantity":1,"to":{"town":"x","town":"y"}}"#, "to.town", "duplicate field `town`"),
            (r#"{"sku":"a"}"#, "quantity", "missing field `quantity`"),
            (
                r#"{"sku":"a","quantity":1,"speed":"fats"}"#,
                "speed",
                "unknown variant `fats`, expected `slow` or `fast`; did you mean `fast`?",
            ),
            (
                r#"{"sku":"a","quantity":1,"speed":{"fast":[1]}}"#,
                "speed.fast",
                "invalid type: sequence, expected an object",
            ),
            (r#"{"sku":"a","quantity":1,"speed":7}"#, "speed", "this kind of value does not fit here"),
        ] {
            let problem = read::<Order>(text.as_bytes()).unwrap_err();
            assert_eq!(problem.status(), 422, "{text}");
            let told: serde_json::Value = serde_json::from_slice(&problem.body(None)).unwrap();
            if field.is_empty() {
                assert_eq!(told["detail"], message, "{text}");
            } else {
                assert_eq!(told["errors"][0]["field"], field, "{text}: {told}");
                assert_eq!(told["errors"][0]["message"], message, "{text}");
            }
        }
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
}
