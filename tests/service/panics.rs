//! A panic in the log: one line, with its words, its place and its request.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::child::Serving;
use super::support::{raw, send};

/// JSON in which no object has a key twice.
struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut known = BTreeSet::new();
        while let Some((key, Self)) = map.next_entry::<String, Self>()? {
            if let Some(twice) = known.replace(key) {
                return Err(A::Error::custom(format!("`{twice}` stands twice")));
            }
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E: Error>(self) -> Result<Self, E> {
        Ok(self)
    }
}

/// Every line of the log of a service that was asked for these paths, each with an id of its own.
async fn log_of(paths: &[(&str, &str)]) -> Vec<Value> {
    let mut service = Serving::start("tested", &[("HARDENING_SHUTDOWN__PRE_DRAIN", "0s")]).await;
    for (path, id) in paths {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: a\r\nx-request-id: {id}\r\nconnection: close\r\n\r\n");
        raw(service.addr, request.as_bytes()).await;
    }
    send(service.addr, "GET / HTTP/1.1", "").await;
    service.signal("TERM");
    let (code, said, _) = service.wait().await;
    assert_eq!(code, 0, "{said}");
    let lines = said.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| {
            serde_json::from_str::<Unique>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
            serde_json::from_str(line).expect("JSON")
        })
        .collect()
}

#[tokio::test]
async fn a_panic_is_one_line_with_its_words_its_place_and_its_request() {
    let log = log_of(&[("/panic", "panic-1"), ("/panic/late", "panic-2")]).await;
    for (id, words) in [("panic-1", "the secret of the panic"), ("panic-2", "the secret of the body")] {
        let told: Vec<&Value> = log.iter().filter(|line| line.to_string().contains(words)).collect();
        assert_eq!(told.len(), 1, "{told:#?}");
        let line = told[0];
        assert_eq!((&line["level"], &line["panic"]), (&"ERROR".into(), &words.into()), "{line}");
        assert_eq!(line["request_id"], id, "{line}");
        assert!(line["place"].as_str().is_some_and(|place| place.contains("app.rs:")), "{line}");
    }
    let of_panic = |line: &&Value| line["request_id"] == "panic-1";
    assert_eq!(log.iter().filter(of_panic).count(), 2, "the panic and the access: {log:#?}");
}
