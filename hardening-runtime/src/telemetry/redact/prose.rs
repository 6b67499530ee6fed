//! Credentials in sentences and commands: `the password is …`, `IDENTIFIED BY '…'`, `AUTH …`, `-u user:…`, `user:…@host`.

use std::ops::Range;

use super::scan::starts_word;
use super::steps;
use super::value::{self, Extent, ends_value};

const PASSWORDS: [&str; 4] = ["password", "passphrase", "passwd", "passcode"];

/// Words that may stand between `password` and the password.
const BETWEEN: [&str; 8] = ["is", "was", "to", "set", "changed", "now", "as", "for"];

/// Names that are written as a password would be.
const NAMES: [&str; 9] = ["sha", "md5", "argon2", "pbkdf2", "base64", "utf", "bcrypt", "scrypt", "rfc"];

fn begins(text: &str, with: &str) -> bool {
    text.as_bytes().get(..with.len()).is_some_and(|head| head.eq_ignore_ascii_case(with.as_bytes()))
}

/// The word at `start`, with what it is followed by.
pub(super) fn word(text: &str, start: usize) -> &str {
    let length = text[start..].chars().take(64).take_while(|c| !ends_value(*c)).map(char::len_utf8).sum();
    steps::look(length);
    &text[start..start + length]
}

/// Whether a word is none of a language: it has letters and digits, and is the name of nothing known.
pub(super) fn is_odd(word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':']);
    let digits = word.bytes().any(|byte| byte.is_ascii_digit());
    let letters = word.bytes().any(|byte| byte.is_ascii_lowercase());
    word.len() >= 6
        && digits
        && letters
        && !word.contains('/')
        && !NAMES.iter().any(|name| begins(word, name))
}

fn blanks(text: &str, from: usize) -> usize {
    from + steps::run(&text[from..], steps::is_blank)
}

/// A text in quotes that opens at `start`.
fn quotation(text: &str, start: usize) -> Option<Range<usize>> {
    let quoted = steps::unescaped(&text[start..]).starts_with(['\'', '"']);
    if quoted { value::after(text, start, Extent::Word) } else { None }
}

/// `the password is hunter2`, `PASSWORD 'hunter2'` and `password hunter2`; the word may begin at `at`.
pub(super) fn password(text: &str, at: usize) -> Option<Range<usize>> {
    let name = PASSWORDS.iter().find(|name| begins(&text[at..], name))?;
    let mut start = at + name.len();
    for _ in 0..4 {
        let from = blanks(text, start);
        if from == start {
            return None;
        }
        if let Some(value) = quotation(text, from) {
            return Some(value);
        }
        let word = word(text, from);
        let word_itself = word.trim_end_matches(['.', ':']);
        // `the passcode is 493021`.
        let number = start > at + name.len()
            && word_itself.len() >= 6
            && word_itself.bytes().all(|byte| byte.is_ascii_digit());
        if number || is_odd(word) {
            return Some(from..from + word_itself.len());
        }
        if !BETWEEN.contains(&word) {
            return None;
        }
        start = from + word.len();
    }
    None
}

/// `IDENTIFIED BY '…'` of SQL; `BY` stands at `at`.
pub(super) fn identified_by(text: &str, at: usize) -> Option<Range<usize>> {
    let start = blanks(text, at + 2);
    if start == at + 2 || !text[start..].starts_with(['\'', '"']) {
        return None;
    }
    let before = text[steps::window(text, at, 64)].to_ascii_lowercase();
    if before.contains("identified ") { quotation(text, start) } else { None }
}

/// `AUTH hunter2` and `AUTH user hunter2` of Redis, `AUTH PLAIN …` of SMTP.
pub(super) fn auth(text: &str, at: usize) -> Option<Range<usize>> {
    if !text[at..].starts_with("AUTH ") {
        return None;
    }
    let first = blanks(text, at + 5);
    let one = word(text, first);
    if is_odd(one) {
        return Some(first..first + one.len());
    }
    let second = blanks(text, first + one.len());
    let two = word(text, second);
    (second > first + one.len() && is_odd(two)).then(|| second..second + two.len())
}

/// The password of `-u user:password` and `--user user:password`; the first dash stands at `at`.
pub(super) fn user_option(text: &str, at: usize) -> Option<Range<usize>> {
    let option = ["-u", "-U", "--user", "--proxy-user"].iter().find(|option| {
        let after = text[at..].strip_prefix(**option);
        after.is_some_and(|after| after.starts_with([' ', '=', '\'', '"']))
    })?;
    if at > 0 && !text[..at].ends_with([' ', '\t', '\n', '"', '\'', '`']) {
        return None;
    }
    let end = at + option.len();
    let start = end + steps::run(&text[end..], |c| matches!(c, ' ' | '=' | '\'' | '"' | '\\'));
    let quote = text[..start].chars().next_back().filter(|c| matches!(c, '\'' | '"'));
    let written = match quote {
        Some(quote) => &text[start..start + steps::run(&text[start..], |c| c != quote && c != '\n')],
        None => &text[start..start + steps::run(&text[start..], |c| !c.is_whitespace())],
    };
    let (user, password) = written.split_once(':')?;
    // `docker run -u 1000:1000`.
    let number = password.bytes().all(|byte| byte.is_ascii_digit());
    let from = start + user.len() + 1;
    (!number && !user.contains('/')).then(|| from..start + written.trim_end_matches('\\').len())
}

/// How long `user:password` may be.
const LONGEST: usize = 128;

/// The password of `user:password@host:5432`, where no `://` stands before it; `@` stands at `at`, and nothing before `least` counts.
pub(super) fn before_host(text: &str, at: usize, least: usize) -> Option<Range<usize>> {
    let host = &text[at + 1..];
    let named = host
        .bytes()
        .take(64)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
        .count();
    steps::look(named);
    let after = &host[named..];
    let port = after.strip_prefix(':').is_some_and(|port| port.starts_with(|c: char| c.is_ascii_digit()));
    let connects = named == 0 && after.starts_with("//");
    // `nginx:1.25@sha256:…` is an image.
    if host.starts_with("sha") || !(connects || named > 0) {
        return None;
    }
    let window = steps::window(text, at, LONGEST);
    let window = window.start.max(least)..window.end;
    let parts = |c: char| {
        c.is_whitespace() || matches!(c, '"' | '\'' | '`' | ',' | ';' | '(' | '=' | '<' | '>' | '[' | ']')
    };
    let word = text[window.clone()].rfind(parts).map_or(window.start, |before| window.start + before);
    let begin = word + text[word..at].chars().next().filter(|c| parts(*c)).map_or(0, char::len_utf8);
    // `//user:password@host/`, of a URL without its scheme.
    let slashes = text[begin..at].starts_with("//");
    let begin = if slashes { begin + 2 } else { begin };
    if !(connects || slashes || port || after.starts_with(['/', '('])) {
        return None;
    }
    // `sqlplus app/password@//db`.
    let (user, password) = text[begin..at].split_once(if connects { '/' } else { ':' })?;
    let is_user =
        !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    // `npm:left-pad@1.0.0` is a package, and `mailto:a@b` an address.
    let scheme = ["mailto", "npm", "jsr", "sip", "acct"].contains(&user) || password.starts_with('/');
    (is_user && !scheme && !password.is_empty()).then(|| begin + user.len() + 1..at)
}

/// What follows `Negotiate` or `NTLM`.
pub(super) fn negotiated(text: &str, at: usize) -> Option<Range<usize>> {
    let scheme = ["Negotiate", "NTLM"].iter().find(|scheme| text[at..].starts_with(**scheme))?;
    let end = at + scheme.len();
    let start = blanks(text, end);
    let length = steps::run(&text[start..], |c| c.is_ascii_alphanumeric() || "+/=".contains(c));
    (start > end && length >= 16 && starts_word(text.as_bytes(), at)).then_some(start..start + length)
}
