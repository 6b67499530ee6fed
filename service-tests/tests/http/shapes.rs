//! A body with a member of every shape that a client can get wrong.
#![expect(dead_code, reason = "only their shapes count")]

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use axum::http::StatusCode;
use hardening::Json;
use serde::{Deserialize, Deserializer};

pub(crate) async fn shape(Json(_): Json<Secretive>) -> StatusCode {
    StatusCode::NO_CONTENT
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Secretive {
    count: Option<u32>,
    small: i8,
    ratio: f32,
    flag: bool,
    letter: Option<char>,
    text: String,
    port: Option<NonZeroU16>,
    address: Option<IpAddr>,
    pair: Option<(u8, String)>,
    lines: Vec<InnerLine>,
    best: Option<InnerLine>,
    by_name: HashMap<String, InnerLine>,
    by_number: BTreeMap<u32, InnerLine>,
    wrapped: Option<InnerNewtype>,
    point: Option<InnerPoint>,
    kind: Option<InnerKind>,
    event: Option<InnerEvent>,
    command: Option<InnerCommand>,
    either: Option<InnerEither>,
    wait: Option<Duration>,
    even: Option<InnerEven>,
    nothing: (),
    inner: InnerNest,
    free: serde_json::Value,
}

#[derive(Deserialize)]
struct InnerLine {
    sku: String,
    quantity: u8,
}

#[derive(Default, Deserialize)]
struct InnerNest {
    inner: u8,
}

#[derive(Deserialize)]
struct InnerNewtype(InnerLine);

#[derive(Deserialize)]
struct InnerPoint(f64, f64);

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum InnerKind {
    Plain,
    Gift { to: String },
    Split(u8, u8),
    Other(InnerLine),
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum InnerEvent {
    Paid { amount: u32 },
    Moved { route: Vec<String> },
    Sent,
}

#[derive(Deserialize)]
#[serde(tag = "do", content = "with", rename_all = "lowercase")]
enum InnerCommand {
    Add(InnerLine),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum InnerEither {
    Number(u32),
    Text(String),
}

struct InnerEven(u32);

impl<'de> Deserialize<'de> for InnerEven {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u32::deserialize(deserializer)?;
        if number % 2 == 0 {
            return Ok(Self(number));
        }
        Err(serde::de::Error::custom("odd, expected enum Even"))
    }
}
