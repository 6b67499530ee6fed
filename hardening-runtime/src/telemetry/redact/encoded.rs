//! Known values as other programs encode them: in base64, of either alphabet and whatever stands before them in what was encoded, and
//! in hex. All of them are looked for at once, by the four letters that they begin with, so that a text is looked through once
//! however many there are.

use std::collections::BTreeMap;
use std::ops::Range;

/// How many letters of an encoded value are compared. Chance does not make as many, and a long value costs no more than a short one.
const COMPARED: usize = 48;
/// The fewest letters that there are of a value: six bytes that begin within a letter.
const FEWEST: usize = 7;
/// Letters by which values are found.
const GRAM: usize = 4;
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FOR_URLS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// How a value begins once it is encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Needle {
    letters: Box<[u8]>,
    hex: bool,
}

/// What is looked for.
pub(super) struct Encoded {
    needles: BTreeMap<u32, Vec<Needle>>,
    /// A bit for each key of `needles`, by its hash: most texts have none of them.
    filter: [u64; 64],
}

impl Encoded {
    pub(super) const fn new() -> Self {
        Self { needles: BTreeMap::new(), filter: [0; 64] }
    }

    /// From now on it looks for `value` as well.
    pub(super) fn add(&mut self, value: &str) {
        for needle in needles(value.as_bytes()) {
            let Some(gram) = gram(&needle.letters) else { continue };
            self.needles.entry(gram).or_default().push(needle);
            let bit = hash(gram);
            self.filter[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// From now on it does no longer.
    pub(super) fn remove(&mut self, value: &str) {
        for needle in needles(value.as_bytes()) {
            let Some(gram) = gram(&needle.letters) else { continue };
            let Some(of_gram) = self.needles.get_mut(&gram) else { continue };
            if let Some(at) = of_gram.iter().position(|known| *known == needle) {
                of_gram.swap_remove(at);
            }
            if of_gram.is_empty() {
                self.needles.remove(&gram);
            }
        }
        self.filter = [0; 64];
        for gram in self.needles.keys() {
            let bit = hash(*gram);
            self.filter[bit / 64] |= 1 << (bit % 64);
        }
    }

    /// Visits where values stand in `text`: of base64 all that is encoded together, since its letters share their bytes.
    pub(super) fn find(&self, text: &[u8], mut visit: impl FnMut(Range<usize>)) {
        let mut from = 0;
        while let Some(begin) = text[from..].iter().position(|byte| is_letter(*byte)) {
            let start = from + begin;
            let length = text[start..].iter().take_while(|byte| is_letter(**byte)).count();
            let run = start..start + length;
            from = run.end;
            let mut at = run.start;
            while at + FEWEST <= run.end {
                match self.begins(&text[at..run.end]) {
                    Some(Needle { hex: true, .. }) => {
                        let digit = |byte: &&u8| byte.is_ascii_hexdigit();
                        let before = text[run.start..at].iter().rev().take_while(digit).count();
                        let end = at + text[at..run.end].iter().take_while(digit).count();
                        visit(at - before..end);
                        at = end;
                    }
                    Some(_) => {
                        visit(
                            run.start
                                ..run.end + text[run.end..].iter().take_while(|byte| **byte == b'=').count(),
                        );
                        break;
                    }
                    None => at += 1,
                }
            }
        }
    }

    /// The value that `text` begins with.
    fn begins(&self, text: &[u8]) -> Option<&Needle> {
        let gram = gram(text)?;
        let bit = hash(gram);
        if self.filter[bit / 64] & 1 << (bit % 64) == 0 {
            return None;
        }
        self.needles.get(&gram)?.iter().find(|needle| {
            text.get(..needle.letters.len()).is_some_and(|text| {
                if needle.hex { text.eq_ignore_ascii_case(&needle.letters) } else { *text == *needle.letters }
            })
        })
    }
}

/// The letters that a text begins with, as they are looked up: in hex either case is meant.
fn gram(text: &[u8]) -> Option<u32> {
    let letters = text.first_chunk::<GRAM>()?;
    Some(u32::from_le_bytes(*letters) | 0x2020_2020)
}

/// A number below 4096.
fn hash(gram: u32) -> usize {
    (gram.wrapping_mul(0x9E37_79B1) >> 20) as usize
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_')
}

/// All that `value` may look like.
fn needles(value: &[u8]) -> Vec<Needle> {
    let digits = value
        .iter()
        .take(COMPARED / 2)
        .flat_map(|byte| [byte >> 4, byte & 15].map(|half| b"0123456789abcdef"[usize::from(half)]));
    let mut all = vec![Needle { letters: digits.collect(), hex: true }];
    for before in 0..3 {
        for alphabet in [STANDARD, FOR_URLS] {
            let needle = Needle { letters: base64(value, before, alphabet), hex: false };
            if all.last() != Some(&needle) {
                all.push(needle);
            }
        }
    }
    all
}

/// The letters that hold bits of `value` alone, where so many bytes stand before it.
fn base64(value: &[u8], before: usize, alphabet: &[u8; 64]) -> Box<[u8]> {
    let bits = |at: usize| {
        let byte =
            |at: usize| at.checked_sub(before).and_then(|at| value.get(at)).copied().unwrap_or_default();
        let two = u16::from_be_bytes([byte(at / 8), byte(at / 8 + 1)]);
        usize::from(two >> (10 - at % 8) & 63)
    };
    let (first, end) = ((before * 8).div_ceil(6), (before + value.len()) * 8 / 6);
    (first..end).take(COMPARED).map(|letter| alphabet[bits(letter * 6)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is left of `text` when what is found is taken out.
    fn without(values: &[&str], text: &str) -> String {
        let mut encoded = Encoded::new();
        for value in values {
            encoded.add(value);
        }
        let (mut out, mut told) = (String::new(), 0);
        encoded.find(text.as_bytes(), |range| {
            out += &text[told..range.start];
            out += "*";
            told = range.end;
        });
        out + &text[told..]
    }

    #[test]
    fn a_value_is_found_in_base64_whatever_stands_around_it_and_in_hex() {
        // `hunter>2?x` alone, after one byte, after two, and with bytes behind it.
        for (written, left) in [
            ("got aHVudGVyPjI/eA== here", "got * here"),
            ("got aHVudGVyPjI_eA here", "got * here"),
            ("Basic dTpodW50ZXI+Mj94", "Basic *"),
            ("x=YWI6aHVudGVyPjI/eDpj;", "x=*;"),
            ("YWh1bnRlcj4yP3g=,", "*,"),
            ("is 68756e7465723e323f78.", "is *."),
            ("is 0168756E7465723E323F7802 z", "is * z"),
            ("0x68756e7465723e323f78", "0x*"),
            // Not all of it.
            ("aHVudGVyPjI", "aHVudGVyPjI"),
            ("68756e7465723e323f", "68756e7465723e323f"),
            ("aHVudGVyPjI/EA==", "aHVudGVyPjI/EA=="),
            ("connection /var/log/hunter2x", "connection /var/log/hunter2x"),
        ] {
            assert_eq!(without(&["hunter>2?x", "another"], written), left, "{written}");
        }
    }

    #[test]
    fn a_value_of_any_length_is_found_behind_anything() {
        let mut random = fastrand::Rng::with_seed(4);
        for _ in 0..2_000 {
            let mut bytes =
                |most: usize| (0..random.usize(0..most)).map(|_| random.u8(32..127)).collect::<Vec<u8>>();
            let (before, value, after) = (bytes(20), [bytes(100), b"secret".to_vec()].concat(), bytes(20));
            let whole = [&before[..], &value, &after].concat();
            let value = String::from_utf8(value).unwrap();
            for alphabet in [STANDARD, FOR_URLS] {
                let letters = String::from_utf8(base64(&whole, 0, alphabet).into_vec()).unwrap();
                // What is compared of a longer one may not be all of it.
                if whole.len() * 8 / 6 <= COMPARED {
                    assert_eq!(without(&[&value], &letters), "*", "{value:?} in {whole:?}");
                }
            }
            let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
            let hex: String = whole.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
            assert_eq!(without(&[&value], &hex), "*");
        }
    }

    #[test]
    fn what_is_forgotten_is_looked_for_no_longer() {
        let mut encoded = Encoded::new();
        for value in ["hunter>2?x", "swordfish", "hunter>2?x"] {
            encoded.add(value);
        }
        let found = |encoded: &Encoded, text: &str| {
            let mut found = 0;
            encoded.find(text.as_bytes(), |_| found += 1);
            found
        };
        encoded.remove("hunter>2?x");
        assert_eq!(found(&encoded, "aHVudGVyPjI/eA== c3dvcmRmaXNo"), 2, "it was told twice");
        encoded.remove("hunter>2?x");
        assert_eq!(found(&encoded, "aHVudGVyPjI/eA== c3dvcmRmaXNo"), 1);
        encoded.remove("swordfish");
        assert!(encoded.needles.is_empty() && encoded.filter == [0; 64]);
    }

    #[test]
    fn a_text_of_beginnings_costs_no_more_than_its_length() {
        let mut encoded = Encoded::new();
        encoded.add(&"a".repeat(10_000));
        // Each position begins like the value, and none ends like it.
        let text = ("61".repeat(20) + "-").repeat(20_000);
        let mut found = 0;
        encoded.find(text.as_bytes(), |_| found += 1);
        assert_eq!(found, 0);
    }
}
