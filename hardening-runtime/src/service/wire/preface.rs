//! What tells HTTP/2 from HTTP/1: its first bytes.

/// What a client that knows HTTP/2 begins with.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// In place of a count: what came is not the preface.
pub(super) const OLD_HTTP: u8 = u8::MAX;

/// How much of the preface has come, `seen` before and `bytes` now.
pub(super) fn more_of_preface(seen: u8, bytes: &[u8]) -> u8 {
    let rest = &PREFACE[usize::from(seen)..];
    let common = rest.len().min(bytes.len());
    // The preface is 24 bytes long.
    if rest[..common] == bytes[..common] { seen + common as u8 } else { OLD_HTTP }
}
