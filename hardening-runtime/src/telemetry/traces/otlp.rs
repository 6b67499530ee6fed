//! Spans as an `ExportTraceServiceRequest` of OTLP 1.x, in protobuf's wire format.
//!
//! The messages and the numbers of their fields are those of `opentelemetry/proto/{collector/trace,trace,resource,common}/v1`,
//! which are stable: numbers are never used for something else.

use super::record::{Attribute, Event, Record, Status};
use crate::telemetry::conventions::SCHEMA;

/// A protobuf message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            // The low seven bits and the sign that more come.
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn number(&mut self, field: u64, value: u64) -> &mut Self {
        if value != 0 {
            self.tag(field, 0);
            self.varint(value);
        }
        self
    }

    fn fixed64(&mut self, field: u64, value: u64) -> &mut Self {
        self.tag(field, 1);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn fixed32(&mut self, field: u64, value: u32) -> &mut Self {
        self.tag(field, 5);
        self.0.extend(value.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        if !value.is_empty() {
            self.inner(field, value);
        }
        self
    }

    /// A message, which is there even when it is empty.
    fn inner(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn attributes<'a>(
        &mut self,
        field: u64,
        all: impl IntoIterator<Item = (&'a str, &'a Attribute)>,
    ) -> &mut Self {
        for (name, value) in all {
            let mut pair = Self::default();
            pair.bytes(1, name.as_bytes()).inner(2, &any(value));
            self.inner(field, &pair.0);
        }
        self
    }
}

/// `AnyValue`: one of its fields is there, whatever it holds.
fn any(value: &Attribute) -> Vec<u8> {
    let mut message = Message::default();
    match value {
        Attribute::Text(text) => {
            message.inner(1, text.as_bytes());
        }
        Attribute::Bool(value) => {
            message.tag(2, 0);
            message.varint(u64::from(*value));
        }
        Attribute::Int(value) => {
            message.tag(3, 0);
            message.varint(value.cast_unsigned());
        }
        Attribute::Double(value) => {
            message.fixed64(4, value.to_bits());
        }
    }
    message.0
}

/// A `Resource`: which service, and which run of it.
pub(super) fn resource(name: &str, version: &str) -> Vec<u8> {
    let run = crate::service::new_id();
    let texts = [
        ("service.name", name),
        ("service.version", version),
        ("service.instance.id", &run),
        ("telemetry.sdk.name", "hardening"),
        ("telemetry.sdk.language", "rust"),
        ("telemetry.sdk.version", env!("CARGO_PKG_VERSION")),
    ];
    let attributes = texts.map(|(name, value)| (name, Attribute::from(value)));
    let mut message = Message::default();
    message.attributes(1, attributes.iter().map(|(name, value)| (*name, value)));
    message.0
}

/// An `ExportTraceServiceRequest`.
pub(super) fn request(resource: &[u8], records: &[Record]) -> Vec<u8> {
    let mut scope = Message::default();
    scope.bytes(1, b"hardening").bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
    let mut spans = Message::default();
    spans.inner(1, &scope.0);
    for record in records {
        spans.inner(2, &span(record));
    }
    let mut of_resource = Message::default();
    spans.bytes(3, SCHEMA.as_bytes());
    of_resource.inner(1, resource).inner(2, &spans.0).bytes(3, SCHEMA.as_bytes());
    let mut request = Message::default();
    request.inner(1, &of_resource.0);
    request.0
}

fn span(record: &Record) -> Vec<u8> {
    const SAMPLED: u32 = 1;
    const RANDOM: u32 = 1 << 1;
    const KNOWS_WHETHER_REMOTE: u32 = 1 << 8;
    const REMOTE: u32 = 1 << 9;
    let mut message = Message::default();
    message.bytes(1, &record.trace.to_be_bytes()).bytes(2, &record.span.to_be_bytes());
    message.bytes(3, record.state.as_deref().unwrap_or_default().as_bytes());
    if record.parent != 0 {
        message.bytes(4, &record.parent.to_be_bytes());
    }
    message
        .bytes(5, record.name.as_bytes())
        .number(6, record.kind as u64)
        .fixed64(7, record.began)
        .fixed64(8, record.ended)
        .attributes(9, record.attributes.iter().map(|(name, value)| (&**name, value)))
        .number(10, record.dropped.0.into());
    for event in &record.events {
        message.inner(11, &happened(event));
    }
    message.number(12, record.dropped.1.into());
    let mut status = Message::default();
    match &record.status {
        Status::Unset => {}
        Status::Ok => drop(status.number(3, 1)),
        Status::Error(why) => drop(status.bytes(2, why.as_bytes()).number(3, 2)),
    }
    let remote = if record.remote_parent { REMOTE } else { 0 };
    let random = if record.random { RANDOM } else { 0 };
    message.inner(15, &status.0).fixed32(16, SAMPLED | KNOWS_WHETHER_REMOTE | remote | random);
    message.0
}

fn happened(event: &Event) -> Vec<u8> {
    let mut message = Message::default();
    message
        .fixed64(1, event.at)
        .bytes(2, event.name.as_bytes())
        .attributes(3, event.attributes.iter().map(|(name, value)| (&**name, value)));
    message.0
}

/// What a receiver says of spans that it has read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// How many it does not take.
    pub(super) rejected: u64,
    /// Why, or what else it wants to be known; empty for nothing.
    pub(super) said: String,
}

/// What an `ExportTraceServiceResponse` says; nothing for what cannot be read.
pub(super) fn answer(response: &[u8]) -> Answer {
    let Some(partial) = field(response, 1).and_then(Part::bytes) else { return Answer::default() };
    let rejected = field(partial, 1).and_then(Part::number).unwrap_or(0);
    let said = field(partial, 2).and_then(Part::bytes).map(String::from_utf8_lossy).unwrap_or_default();
    // The number has a sign; what is below zero says nothing.
    Answer { rejected: if rejected > i64::MAX as u64 { 0 } else { rejected }, said: said.into_owned() }
}

enum Part<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Part<'a> {
    fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(bytes) = self { Some(bytes) } else { None }
    }

    fn number(self) -> Option<u64> {
        if let Self::Number(number) = self { Some(number) } else { None }
    }
}

/// The first field of this number.
fn field(mut message: &[u8], wanted: u64) -> Option<Part<'_>> {
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        let part = match tag & 7 {
            0 => Part::Number(varint(&mut message)?),
            1 => Part::Bytes(message.split_off(..8)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Part::Bytes(message.split_off(..length)?)
            }
            5 => Part::Bytes(message.split_off(..4)?),
            _ => return None,
        };
        if tag >> 3 == wanted {
            return Some(part);
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *message.split_off_first()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_form_of_protobuf() {
        // The examples of protobuf's description of its encoding.
        let mut message = Message::default();
        message.number(1, 150);
        assert_eq!(message.0, [0x08, 0x96, 0x01]);
        let mut message = Message::default();
        message.bytes(2, b"testing");
        assert_eq!(message.0, [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut message = Message::default();
            message.varint(value);
            assert_eq!(varint(&mut &message.0[..]), Some(value));
        }
    }

    #[test]
    fn what_was_not_taken_is_read_and_garbage_is_nothing() {
        let mut partial = Message::default();
        partial.bytes(2, b"too old").number(1, 300);
        let mut response = Message::default();
        response.inner(1, &partial.0);
        assert_eq!(answer(&response.0), Answer { rejected: 300, said: "too old".to_owned() });
        let mut below = Message::default();
        below.number(1, u64::MAX);
        let mut response = Message::default();
        response.inner(1, &below.0);
        for nothing in [&b""[..], b"\x0a", b"\x0a\x7f", b"<html>", &[0xff; 40], &response.0] {
            assert_eq!(answer(nothing), Answer::default());
        }
    }
}
