//! Sentences in quotes that say something of a secret: `"password": "is required"`.

use super::spared::is_saying;
use super::steps;

/// What such a sentence begins with.
const VERBS: [&str; 15] = [
    "is", "are", "must", "has", "have", "should", "can", "cannot", "can't", "may", "was", "does", "needs",
    "too", "not",
];

/// What follows it besides the words that say something of a value.
const FOLLOWING: [&str; 8] = ["short", "long", "weak", "common", "blank", "been", "already", "match"];

/// The longest that is looked at.
const LONGEST: usize = 160;

/// Whether a text is such a sentence, or a list of some: a verb, a word that goes with it, and nothing but words.
pub(super) fn is_one(text: &str) -> bool {
    if text.len() > LONGEST {
        return false;
    }
    steps::look(text.len());
    text.split("\",").all(|one| says(one.trim_matches(['[', ']', '"', '\'', ' ', '\\'])))
}

fn says(text: &str) -> bool {
    let mut words = text.split(' ').map(|word| word.trim_end_matches(['.', ',', ';', ':', '!']));
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    let first = first.to_ascii_lowercase();
    let plain = |word: &str| {
        let letters = word.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'\'' | b'-'));
        letters || word.len() <= 3 && word.bytes().all(|byte| byte.is_ascii_digit())
    };
    VERBS.contains(&&*first) && (is_saying(second) || FOLLOWING.contains(&second)) && words.all(plain)
}
