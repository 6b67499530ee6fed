//! `user:password@` of URLs.

use std::ops::Range;

use super::{prefixed, steps};

/// What is known of the word without a space that URLs stand in, so that it is looked through once.
#[derive(Default)]
pub(super) struct Urls {
    end: usize,
    last_at: Option<usize>,
}

impl Urls {
    /// `user:password@` of what follows a URL's `://`.
    pub(super) fn user_information(&mut self, text: &str, from: usize) -> Option<Range<usize>> {
        if from >= self.end {
            let rest = &text[from..];
            self.end = from + steps::run(rest, |c| !ends_url(c));
            self.last_at = text[from..self.end].rfind('@').map(|at| from + at);
        }
        let last_at = self.last_at.filter(|at| *at >= from)?;
        let url = &text[from..self.end];
        let authority = &url[..steps::run(url, |c| !matches!(c, '/' | '?' | '#'))];
        if let Some(end) = authority.rfind('@') {
            return (!is_user(&authority[..end])).then_some(from..from + end);
        }
        // `user:pass/word@host`, which should have been escaped: what stands for the port is no number.
        let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
        let odd = !authority.starts_with('[') && !port.bytes().all(|byte| byte.is_ascii_digit());
        odd.then_some(from..last_at)
    }
}

pub(super) fn ends_url(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '\\')
}

/// The longest name of a user.
const LONGEST_USER: usize = 24;

/// Whether what stands before a host is a user's name and no more: `git@`, `deploy-2@`. A token in its place is longer, or mixes
/// digits and letters of both cases.
pub(super) fn is_user(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let has = |of: fn(&u8) -> bool| text.bytes().any(|byte| of(&byte));
    let digits = has(u8::is_ascii_digit);
    let mixed = digits && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    (1..=LONGEST_USER).contains(&text.len())
        && text.bytes().all(of_name)
        && !mixed
        && !(digits && text.len() >= 12)
        && !prefixed::begins(text)
}
