//! Credentials that begin like no other text: `ghp_…`, `xoxb-…`, `sk_live_…`.

use std::ops::Range;

use super::steps;

/// What they begin with, and how many letters, digits and signs follow at least.
const PREFIXES: [(&str, usize); 29] = [
    ("ghp_", 20),
    ("gho_", 20),
    ("ghu_", 20),
    ("ghs_", 20),
    ("ghr_", 20),
    ("github_pat_", 20),
    ("sk_live_", 16),
    ("sk_test_", 16),
    ("rk_live_", 16),
    ("rk_test_", 16),
    ("whsec_", 16),
    ("npm_", 30),
    ("hf_", 30),
    ("shpat_", 24),
    ("shpss_", 24),
    ("glsa_", 24),
    ("dop_v1_", 32),
    ("dckr_pat_", 20),
    ("lin_api_", 24),
    ("glpat-", 16),
    ("glptt-", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xoxs-", 16),
    ("xapp-", 16),
    ("pypi-", 32),
    ("sk-ant-", 24),
    ("sk-proj-", 24),
];

/// Which of them have a letter before their sign, a bit for each: nearly every sign has another one before it.
const BEFORE_SIGN: [u32; 256] = {
    let mut before = [0; 256];
    let mut at = 0;
    while at < PREFIXES.len() {
        let prefix = PREFIXES[at].0.as_bytes();
        before[prefix[prefix.len() - 2] as usize] |= 1 << at;
        at += 1;
    }
    before
};

/// How much of one tells whether it is one. Bounded, since what is none is looked at again from the next sign on.
const ENOUGH: usize = 64;

/// Whether a text begins as a credential does.
pub(super) fn begins(text: &str) -> bool {
    PREFIXES.iter().any(|(prefix, _)| text.starts_with(prefix))
}

/// The credential whose prefix ends with the sign at `at`.
pub(super) fn credential(text: &str, at: usize) -> Option<Range<usize>> {
    let head = &text.as_bytes()[..=at];
    let mut may = BEFORE_SIGN[usize::from(*head.get(at.checked_sub(1)?)?)];
    let (prefix, least) = loop {
        let (prefix, least) = PREFIXES.get(may.trailing_zeros() as usize)?;
        if head.ends_with(prefix.as_bytes()) {
            break (prefix, *least);
        }
        may &= may - 1;
    };
    let start = at + 1 - prefix.len();
    if start > 0 && head[start - 1].is_ascii_alphanumeric() {
        return None;
    }
    let of = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let bytes = &text.as_bytes()[at + 1..];
    let begin = &bytes[..bytes.iter().take(ENOUGH).take_while(|byte| of(byte)).count()];
    steps::look(begin.len());
    // `npm_config_…` is a name.
    let odd = begin.iter().any(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    if begin.len() < least || !odd {
        return None;
    }
    Some(start..at + 1 + steps::run(&text[at + 1..], |c| c.is_ascii() && of(&(c as u8))))
}
