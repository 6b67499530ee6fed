//! Addresses of webhooks: whoever knows one may post to it, so that the path is the secret.

use std::ops::Range;

use super::coded::begins;
use super::urls::ends_url;
use super::{REDACTED, steps};

/// Paths, with what stands before them in the URL. What follows is the secret.
const WEBHOOKS: [(&str, &str); 10] = [
    ("/services/", "hooks.slack"),
    ("/workflows/", "hooks.slack"),
    ("/triggers/", "hooks.slack"),
    // Also `discord.com/api/v10/webhooks/`.
    ("/webhooks/", "discord"),
    ("/webhookb2/", "webhook.office"),
    ("/webhook/", "outlook.office"),
    ("/hooks/catch/", "zapier"),
    ("/trigger/", "ifttt"),
    ("/hooks/", "mattermost"),
    ("/bot", "api.telegram"),
];

/// A slash as other formats write it.
const SLASHES: [&str; 4] = ["/", "\\/", "%2F", "%252F"];

/// What ends a URL that went through another format, besides what ends every one.
const ENDS: [&str; 5] = ["%22", "%26", "%20", "%3F", "%0A"];

/// The longest host that is looked at, with what stands between it and the path.
const LONGEST_HOST: usize = 96;

/// What follows the path of a webhook, whose first slash stands at `at`.
pub(super) fn address(text: &str, at: usize) -> Option<Range<usize>> {
    let slash = SLASHES.iter().find(|slash| begins(&text[at..], slash))?;
    let (path, start) = WEBHOOKS.iter().find_map(|(path, known)| {
        let start = after(text, at, path, slash)?;
        let before = &text[steps::window(text, at, LONGEST_HOST)];
        let host = before.rsplit(|c| c != '\\' && ends_url(c)).next().unwrap_or_default();
        host.contains(known).then_some((*path, start))
    })?;
    if text[start..].starts_with(REDACTED) {
        return Some(start..start + REDACTED.len());
    }
    // `api.telegram.org/bottom` is a page.
    let digits = text[start..].bytes().take(20).take_while(u8::is_ascii_digit).count();
    let rest = &text[start + digits..];
    if path == "/bot" && (digits == 0 || !rest.starts_with(':') && !begins(rest, "%3A")) {
        return None;
    }
    let end = text[start..].char_indices().find(|(at, c)| {
        let rest = &text[start + at..];
        match c {
            '\\' => !rest.starts_with("\\/"),
            '%' => ENDS.iter().any(|end| begins(rest, end)),
            c => ends_url(*c) || matches!(c, '?' | '#' | ',' | ')' | ']'),
        }
    });
    let end = end.map_or(text.len(), |(length, _)| start + length);
    steps::look(end - start);
    let secret = text[start..end].trim_end_matches(['.', ':', ';', '!', '/']);
    (!secret.is_empty()).then(|| start..start + secret.len())
}

/// The end of a path that begins at `at` and whose slashes are written so.
fn after(text: &str, at: usize, path: &str, slash: &str) -> Option<usize> {
    let mut end = at;
    for part in path.split('/').skip(1) {
        if !begins(&text[end..], slash) {
            return None;
        }
        end += slash.len();
        if !text[end..].starts_with(part) {
            return None;
        }
        end += part.len();
    }
    Some(end)
}
