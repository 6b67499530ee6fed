//! A text as it reads without the escapes of other formats: percent-encoding, JSON, Rust, C, HTML, XML and quoted-printable. What one program writes
//! the next one quotes, so that escapes may be escaped again.

use std::ops::Range;

use super::steps;

/// How often a text is read without escapes: programs that quote each other more often are not met.
const DEPTH: usize = 4;

/// What a text says, and where each byte of that stands in the text.
pub(super) struct Reading {
    bytes: Vec<u8>,
    /// One more than there are bytes: the last is where the text ends.
    from: Vec<u32>,
}

impl Reading {
    /// Visits the readings of `text` besides that as it is written. With `blanks`, those in which `+` is a blank, as forms have
    /// it, are among them.
    pub(super) fn each(text: &str, blanks: bool, mut visit: impl FnMut(&Self)) {
        let printable = text.as_bytes().windows(2).any(|two| two[0] == b'=' && is_printable_escape(two[1]));
        if !(printable || text.contains(['%', '\\', '&']) || blanks && text.contains('+')) {
            return;
        }
        // What is longer is no line of a log.
        let Ok(length) = u32::try_from(text.len()) else { return };
        let mut reading = Self { bytes: text.as_bytes().to_vec(), from: (0..=length).collect() };
        if printable {
            // By itself: what follows a name and `=` may look like an escape of it.
            visit(&reading.read_printable());
        }
        for _ in 0..DEPTH {
            if blanks && reading.bytes.contains(&b'+') {
                visit(&reading.read(true));
            }
            let next = reading.read(false);
            // Each escape is longer than what it stands for.
            if next.bytes.len() == reading.bytes.len() {
                break;
            }
            visit(&next);
            reading = next;
        }
    }

    fn read(&self, blanks: bool) -> Self {
        let mut read =
            Self { bytes: Vec::with_capacity(self.bytes.len()), from: Vec::with_capacity(self.from.len()) };
        steps::look(self.bytes.len());
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let from = self.from[at];
            let escape = match byte {
                b'%' => percent(&self.bytes[at..]),
                b'\\' => backslash(&self.bytes[at..]),
                b'&' => entity(&self.bytes[at..]),
                b'+' if blanks => Some((Letter::Byte(b' '), 1)),
                _ => None,
            };
            let (letter, length) = escape.unwrap_or((Letter::Byte(*byte), 1));
            let mut utf8 = [0; 4];
            let letter = match letter {
                Letter::Byte(byte) => {
                    utf8[0] = byte;
                    &utf8[..1]
                }
                Letter::Char(letter) => letter.encode_utf8(&mut utf8).as_bytes(),
            };
            read.bytes.extend_from_slice(letter);
            read.from.extend(letter.iter().map(|_| from));
            at += length;
        }
        read.from.extend(self.from.last());
        read
    }

    /// As mail is written (RFC 2045, section 6.7): `=3D`, and lines that go on after `=`.
    fn read_printable(&self) -> Self {
        let mut read = Self { bytes: Vec::new(), from: Vec::new() };
        steps::look(self.bytes.len());
        let mut at = 0;
        while let Some(byte) = self.bytes.get(at) {
            let (byte, length) = match &self.bytes[at..] {
                [b'=', b'\r', b'\n', ..] => (None, 3),
                [b'=', b'\n', ..] => (None, 2),
                [b'=', high, low, ..] if is_printable_escape(*high) => match hexadecimal(&[*high, *low]) {
                    Some(number) => (u8::try_from(number).ok(), 3),
                    None => (Some(*byte), 1),
                },
                _ => (Some(*byte), 1),
            };
            if let Some(byte) = byte {
                read.bytes.push(byte);
                read.from.push(self.from[at]);
            }
            at += length;
        }
        read.from.extend(self.from.last());
        read
    }

    /// What the text says.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where in the text this part of what it says stands.
    pub(super) fn written(&self, part: Range<usize>) -> Range<usize> {
        self.from[part.start] as usize..self.from[part.end] as usize
    }

    /// Where `value` stands in the text that is read.
    pub(super) fn find<'r>(&'r self, value: &'r str) -> impl Iterator<Item = Range<usize>> + 'r {
        let value = value.as_bytes();
        let mut next = 0;
        std::iter::from_fn(move || {
            let found = position(self.bytes.get(next..)?, value)? + next;
            next = found + value.len();
            Some(self.written(found..next))
        })
    }
}

/// Whether what follows `=` may be an escape of mail.
fn is_printable_escape(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'A'..=b'F' | b'\r' | b'\n')
}

/// Where `value` begins in `bytes`.
fn position(bytes: &[u8], value: &[u8]) -> Option<usize> {
    let first = *value.first()?;
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == first)?;
        if bytes[at..].starts_with(value) {
            return Some(at);
        }
        at += 1;
    }
}

/// What an escape stands for.
#[derive(Clone, Copy)]
enum Letter {
    Byte(u8),
    Char(char),
}

/// `%2F`.
fn percent(bytes: &[u8]) -> Option<(Letter, usize)> {
    Some((Letter::Byte(u8::try_from(hexadecimal(bytes.get(1..3)?)?).ok()?), 3))
}

/// `\n`, `\/`, `\057`, `\x2f`, `\u002f`, `\u{2f}`, and the two halves in which JSON writes what has a larger number.
fn backslash(bytes: &[u8]) -> Option<(Letter, usize)> {
    let byte = match bytes.get(1)? {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => 8,
        b'f' => 12,
        b'0'..=b'3' if octal(bytes).is_some() => return Some((Letter::Byte(octal(bytes)?), 4)),
        b'0' => 0,
        plain @ (b'"' | b'\'' | b'\\' | b'/' | b'`' | b'$' | b' ') => *plain,
        b'x' => u8::try_from(hexadecimal(bytes.get(2..4)?)?).ok()?,
        b'u' => return unicode(bytes),
        b'U' => return Some((Letter::Char(char::from_u32(hexadecimal(bytes.get(2..10)?)?)?), 10)),
        _ => return None,
    };
    Some((Letter::Byte(byte), if bytes[1] == b'x' { 4 } else { 2 }))
}

/// `\057`.
fn octal(bytes: &[u8]) -> Option<u8> {
    let digits = bytes.get(1..4)?;
    let octal = digits.iter().all(|digit| (b'0'..b'8').contains(digit));
    octal.then(|| digits.iter().fold(0, |sum: u8, digit| sum.wrapping_mul(8) + (digit - b'0')))
}

fn unicode(bytes: &[u8]) -> Option<(Letter, usize)> {
    if bytes.get(2) == Some(&b'{') {
        let length = bytes[3..].iter().take(7).position(|byte| *byte == b'}')?;
        return Some((Letter::Char(char::from_u32(hexadecimal(&bytes[3..3 + length])?)?), length + 4));
    }
    let number = hexadecimal(bytes.get(2..6)?)?;
    if let Some(letter) = char::from_u32(number) {
        return Some((Letter::Char(letter), 6));
    }
    let second = bytes.get(6..12).filter(|second| second.starts_with(b"\\u"))?;
    let pair = [number, hexadecimal(&second[2..])?].map(|half| u16::try_from(half).unwrap_or_default());
    let letter = char::decode_utf16(pair).next()?.ok()?;
    Some((Letter::Char(letter), 12))
}

/// `&amp;`, `&#47;`, `&#x2f;`.
fn entity(bytes: &[u8]) -> Option<(Letter, usize)> {
    const NAMED: [(&[u8], char); 12] = [
        (b"amp", '&'),
        (b"lt", '<'),
        (b"gt", '>'),
        (b"quot", '"'),
        (b"apos", '\''),
        (b"sol", '/'),
        (b"plus", '+'),
        (b"equals", '='),
        (b"percnt", '%'),
        (b"num", '#'),
        (b"excl", '!'),
        (b"dollar", '$'),
    ];
    let length = bytes.iter().take(10).position(|byte| *byte == b';')?;
    let letter = match &bytes[1..length] {
        [b'#', b'x' | b'X', digits @ ..] => char::from_u32(hexadecimal(digits)?)?,
        [b'#', digits @ ..] => char::from_u32(
            std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?.parse().ok()?,
        )?,
        name => NAMED.iter().find(|(known, _)| *known == name)?.1,
    };
    Some((Letter::Char(letter), length + 1))
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let add = |sum: u32, digit: &u8| Some(sum << 4 | char::from(*digit).to_digit(16)?);
    (1..9).contains(&digits.len()).then(|| digits.iter().try_fold(0, add)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(text: &str) -> Vec<String> {
        let mut all = Vec::new();
        Reading::each(text, true, |reading| all.push(String::from_utf8_lossy(&reading.bytes).into_owned()));
        all
    }

    #[test]
    fn each_escape_is_read_and_what_is_none_stays() {
        for (written, read) in [
            ("a%2Fb%2fc", "a/b/c"),
            (r"k7\053Qz\0\0578\U0000006b", "k7+Qz\0/8k"),
            (r"\/\n\x2f\u002F\u{2f}\u{1F600}\ud83d\ude00", "/\n///\u{1F600}\u{1F600}"),
            ("&amp;&#47;&#x2F;&#43;&plus;&lt;", "&//++<"),
            ("caf%C3%A9 caf\\u00e9", "café café"),
        ] {
            assert_eq!(readings(written)[0], read, "{written}");
        }
        for none in [
            "100%",
            "%2",
            "%zz",
            "\\q",
            "\\u12",
            "\\u{}",
            "\\u{110000}",
            "\\ud83d!",
            "&;",
            "&#;",
            "&#x;",
            "&#+47;",
            "&what;",
            "&",
            "\\",
            "%+1",
            "\\x",
            "\\u{12345678}",
            "a+b",
        ] {
            assert!(readings(none).iter().all(|reading| reading.replace(' ', "+") == none), "{none}");
        }
    }

    #[test]
    fn escapes_of_escapes_are_read_and_each_byte_is_where_it_was() {
        let written = "x %5C%22%252F&amp;#43; y";
        let all = readings(written);
        assert!(all.iter().any(|reading| reading == "x \"/+ y"), "{all:?}");
        let mut found = Vec::new();
        Reading::each(written, false, |reading| found.extend(reading.find("\"/+")));
        assert_eq!(
            found.iter().map(|range| &written[range.clone()]).collect::<Vec<_>>(),
            ["%5C%22%252F&amp;#43;"]
        );
    }

    #[test]
    fn a_plus_is_a_blank_in_forms_alone() {
        assert_eq!(readings("a+b%2Bc"), ["a b+c", "a+b+c", "a b c"]);
        assert!(readings("nothing here").is_empty());
    }
}
