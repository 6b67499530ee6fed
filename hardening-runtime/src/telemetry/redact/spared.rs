//! What stands after the name of a secret and may be told: references, words for no value, and sentences.

use std::ops::Range;

use super::value::{Extent, ends_value};
use super::{sentence, steps, words};

/// Words that say something of a secret and are none: where a value is not quoted, only its first word would be replaced, and
/// that would be one of these. In their order.
const SAYING: &[&str] = &[
    "a",
    "absent",
    "accepted",
    "allowed",
    "an",
    "and",
    "are",
    "at",
    "be",
    "but",
    "can",
    "cannot",
    "changed",
    "correct",
    "could",
    "denied",
    "does",
    "each",
    "empty",
    "everybody",
    "expected",
    "expired",
    "failed",
    "for",
    "found",
    "from",
    "given",
    "has",
    "in",
    "incorrect",
    "invalid",
    "is",
    "it",
    "its",
    "length",
    "malformed",
    "may",
    "missing",
    "must",
    "needs",
    "neither",
    "no",
    "not",
    "of",
    "on",
    "only",
    "optional",
    "or",
    "present",
    "provided",
    "put",
    "reads",
    "refused",
    "rejected",
    "required",
    "requires",
    "set",
    "should",
    "takes",
    "the",
    "there",
    "to",
    "too",
    "two",
    "unexpected",
    "unknown",
    "unset",
    "unsupported",
    "valid",
    "value",
    "was",
    "with",
    "without",
    "wrong",
    "your",
];

/// More than any of these and of the next.
const LONGEST: usize = 20;

/// What stands for a value that is not there, and types.
const NOTHING: &[&str] = &[
    "null",
    "none",
    "nil",
    "true",
    "false",
    "undefined",
    "&str",
    "str",
    "string",
    "bool",
    "usize",
    "u8",
    "u16",
    "u32",
    "u64",
    "i32",
    "i64",
];

/// What parsers say at the place of a value, behind the path to it.
const PARSING: [&str; 7] = [
    "EOF while parsing ",
    "trailing comma at ",
    "trailing characters at ",
    "key must be a string at ",
    "control character (",
    "lone leading surrogate in ",
    "number out of range at ",
];

/// Names of secrets that a sentence about them begins with.
const NOUNS: [&str; 8] =
    ["certificate", "credentials", "key", "passphrase", "password", "secret", "signature", "token"];

/// What is written in place of a secret.
const MASKS: &[&str] = &["hidden", "redacted", "masked", "filtered", "sensitive"];

/// `value` where it may not be told. It is what stands at or after `from`, and goes as far as `extent` says. `about` says
/// that a sentence follows a name in backticks, where any two plain words are one.
pub(super) fn unless(
    text: &str,
    from: usize,
    value: Range<usize>,
    extent: Extent,
    about: bool,
) -> Option<Range<usize>> {
    let written = &text[value.clone()];
    let told = is_reference(written)
        || is_variable(written)
        || is_mask(written)
        || is_placeholder(written)
        || sentence::is_one(written)
        || says(text, from, written, extent, about);
    (!told).then_some(value)
}

/// What a value is put into: `$1`, `?`, `%s`, `{}`, `{password}`, `<token>`, `$DB_PASSWORD`, `{{ .Values.password }}`.
fn is_placeholder(value: &str) -> bool {
    // `authorization: Bearer <token>`.
    let value = ["Bearer ", "Basic "].iter().find_map(|scheme| value.strip_prefix(scheme)).unwrap_or(value);
    if ["?", "%s", "%v", "{}", "{:?}", "…"].contains(&value) {
        return true;
    }
    let (variable, name) = match value.strip_prefix('$') {
        Some(name) => (true, name),
        None => (false, value.trim_matches(['{', '}', '<', '>', ' '])),
    };
    let number = matches!(name.len(), 1 | 2) && name.bytes().all(|byte| byte.is_ascii_digit());
    let of_name = name.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b'.'));
    name.len() < value.len() && (variable && number || of_name && words::is_secret(name))
}

/// `secret://env/NAME`, `secret://file/PATH` or `secret://provider/path`, and nothing else.
fn is_reference(value: &str) -> bool {
    let Some((scheme, path)) = value.strip_prefix("secret://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let of_name = |text: &str, of: &[u8]| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || of.contains(&byte))
    };
    of_name(scheme, b"_-") && of_name(path, if scheme == "env" { b"_" } else { b"_-./" })
}

/// `${NAME}`, and nothing else.
fn is_variable(value: &str) -> bool {
    let name = value.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    name.is_some_and(|name| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    })
}

/// Whether a word says something of a secret, or that there is none.
pub(super) fn is_saying(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', ',']);
    SAYING.binary_search(&word).is_ok() || NOTHING.iter().any(|known| word.eq_ignore_ascii_case(known))
}

fn is_mask(value: &str) -> bool {
    let word = value.trim_matches(['[', ']', '(', ')', '{', '}']);
    MASKS.iter().any(|mask| word.eq_ignore_ascii_case(mask)) || value.bytes().all(|byte| byte == b'*')
}

/// Whether a sentence stands there, or a word for no value.
fn says(text: &str, from: usize, value: &str, extent: Extent, about: bool) -> bool {
    let blanks = steps::blanks(&text[from..]);
    let rest = &text[from + blanks..];
    // Bounded, since the value itself may end earlier than its first word.
    let length: usize = rest.chars().take(LONGEST).take_while(|c| !ends_value(*c)).map(char::len_utf8).sum();
    steps::look(length);
    let (word, after) = rest.split_at(length);
    let is = |list: &[&str]| list.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(NOTHING) && !after.starts_with(['"', '\'', '(', '{']) {
        return true;
    }
    // `Option<String>`
    let is_type = word.starts_with(|c: char| c.is_ascii_uppercase())
        && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let mut inside = after.chars();
    if is_type
        && inside.next() == Some('<')
        && inside.next().is_some_and(|c| c.is_ascii_uppercase() || c == '&')
    {
        return true;
    }
    if PARSING.iter().any(|message| rest.starts_with(message)) {
        return true;
    }
    if blanks == 0 || !matches!(extent, Extent::Word) && value.contains('=') {
        return false;
    }
    let word = word.trim_end_matches(['.', ':']);
    let saying = SAYING.binary_search(&word).is_ok()
        && (after.is_empty() || after.starts_with([' ', ',', ';', ')', '\n']));
    let next = after.strip_prefix(' ').and_then(|after| after.bytes().next());
    // "key: key material is too short"
    let noun = NOUNS.contains(&word) && next.is_some_and(|next| next.is_ascii_lowercase());
    let plain = (1..=12).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_lowercase());
    let sentence = plain && next.is_some_and(|next| next.is_ascii_lowercase() || next == b'`');
    // "credentials: send a header field"
    let article = plain
        && ["a ", "an ", "the "]
            .iter()
            .any(|article| after.strip_prefix(' ').is_some_and(|after| after.starts_with(article)));
    saying || noun || article || about && sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_their_order() {
        assert!(SAYING.is_sorted());
        assert!(SAYING.iter().chain(NOTHING).all(|word| word.len() < LONGEST));
    }

    #[test]
    fn references_have_their_form() {
        for reference in [
            "secret://env/ADMIN_TOKEN",
            "secret://file/run/a-b.pem",
            "secret://file//run/x",
            "secret://vault/db/password",
        ] {
            assert!(is_reference(reference), "{reference}");
        }
        for other in [
            "secret://hunter2",
            "secret://",
            "secret:///x",
            "secret://env/",
            "secret://env/a-b",
            "secret://env/A b",
            "secret://a b/c",
            "secret://file/a?b",
            "x secret://env/A",
        ] {
            assert!(!is_reference(other), "{other}");
        }
    }
}
