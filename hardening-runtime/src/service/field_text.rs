//! The text of a header field, written without formatting.

use std::ops::Range;

use bytes::Bytes;
use http::HeaderValue;
use http::header::InvalidHeaderValue;

/// A value that every answer has. Its text is kept for as long as the process lives, so that a copy counts nobody: a service has
/// a handful of them, once.
///
/// # Errors
/// When it is no header text.
pub(super) fn lasting(text: String) -> Result<HeaderValue, InvalidHeaderValue> {
    HeaderValue::from_str(&text)?;
    HeaderValue::from_maybe_shared(Bytes::from_static(text.leak().as_bytes()))
}

/// A field's value while it is written. Every answer has some of them, so they are written in place and by hand.
pub(super) struct Text {
    bytes: [u8; LONGEST],
    used: usize,
}

/// The values that need no memory: most waits are short.
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// Three limits with their names and the longest numbers need less.
const LONGEST: usize = 192;

impl Default for Text {
    fn default() -> Self {
        Self { bytes: [0; LONGEST], used: 0 }
    }
}

impl Text {
    pub(super) fn is_empty(&self) -> bool {
        self.used == 0
    }

    /// Writes more of it, if there is room.
    pub(super) fn push(&mut self, more: &[u8]) {
        let end = self.used + more.len();
        if let Some(room) = self.bytes.get_mut(self.used..end) {
            room.copy_from_slice(more);
            self.used = end;
        }
    }

    /// Writes a number; answers where it stands.
    pub(super) fn decimal(&mut self, mut number: u64) -> Range<usize> {
        let (mut digits, mut at) = ([0; 20], 20);
        loop {
            at -= 1;
            digits[at] = b'0' + (number % 10) as u8;
            number /= 10;
            if number == 0 {
                break;
            }
        }
        let begin = self.used;
        self.push(&digits[at..]);
        begin..self.used
    }

    pub(super) fn whole(&self) -> HeaderValue {
        self.value(0..self.used)
    }

    /// A part of it.
    pub(super) fn value(&self, part: Range<usize>) -> HeaderValue {
        if let [digit @ b'0'..=b'9'] = self.bytes[part.clone()] {
            return HeaderValue::from_static(DIGITS[usize::from(digit - b'0')]);
        }
        // Digits and our own names are always header text.
        HeaderValue::from_bytes(&self.bytes[part]).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_any_header_text() {
        for text in ["default-src 'none'", "report-uri /\u{e9}", ""] {
            assert_eq!(lasting(text.to_owned()).unwrap().as_bytes(), text.as_bytes());
        }
        assert!(lasting("two\nlines".to_owned()).is_err());
    }
}
