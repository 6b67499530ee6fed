//! What the name of a principal or a tenant may be, whoever gives it: a key, a certificate or a token.

use crate::telemetry::escape;

/// The longest name, in bytes.
const LONGEST: usize = 512;

/// What a name must be, for messages.
pub(super) const FORM: &str =
    "a name of at most 512 bytes: visible characters, none at its ends that is a blank, and not `-` alone";

/// Whether nobody takes this name for that of another: `-` stands for nobody in keys of limits and in the log, and characters that
/// are not seen, or that turn the direction of writing, make two names look the same.
pub(super) fn is_name(name: &str) -> bool {
    let unseen = |c: char| escape::acts(c) || matches!(c, '\u{fe0e}' | '\u{fe0f}');
    !name.is_empty()
        && name != "-"
        && name.len() <= LONGEST
        && name.trim().len() == name.len()
        && !name.contains(unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_as_it_is() {
        let longest = "x".repeat(LONGEST);
        for name in [
            "a",
            "till-1",
            "--",
            "spiffe://shop.example/till",
            "Zoë Müller",
            "山田 太郎",
            "a@b.example",
            &longest,
        ] {
            assert!(is_name(name), "{name:?}");
        }
        let too_long = "x".repeat(LONGEST + 1);
        for name in [
            "",
            "-",
            " ",
            " a",
            "a ",
            "a\u{a0}",
            "\u{3000}a",
            "a\nb",
            "a\u{1b}[31m",
            "a\0",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{ad}b",
            "a\u{200b}",
            "\u{202e}nna",
            "a\u{2066}b",
            "\u{feff}a",
            "a\u{fe0f}",
            "a\u{e0061}",
            "a\u{2028}b",
            &too_long,
        ] {
            assert!(!is_name(name), "{name:?}");
        }
    }
}
