//! Names of secrets.

/// The words that end with this letter. Lower case, with `_` for `-`; a name counts when it is one of these, or ends with one
/// as a word of its own.
const fn ending_with(last: u8) -> &'static [&'static str] {
    match last {
        b'n' => &["authorization", "token"],
        b'e' => &["cookie", "passphrase", "passcode", "signature"],
        b'd' => &["password", "passwd", "pwd", "session_id", "sessionid"],
        b't' => &["secret", "jwt"],
        b'y' => &[
            "api_key",
            "apikey",
            "access_key",
            "account_key",
            "private_key",
            "secret_key",
            "signing_key",
            "encryption_key",
            "master_key",
        ],
        b'l' => &["credential"],
        b's' => &["credentials"],
        b'p' => &["otp"],
        b'g' => &["sig"],
        _ => &[],
    }
}

pub(super) fn is_secret(name: &str) -> bool {
    let last = name.bytes().next_back().unwrap_or_default().to_ascii_lowercase();
    ending_with(last).iter().any(|word| ends_with(name, word))
}

/// Every word.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static str> {
    (0..=u8::MAX).flat_map(ending_with).copied().collect()
}

/// Whether `name` is `word` or ends with it, after a sign or as a part of `camelCase`. `word` is lower case with `_`
/// for `-` and for nothing: `apiKey` is `api_key`.
pub(super) fn ends_with(name: &str, word: &str) -> bool {
    let (name, word) = (name.as_bytes(), word.as_bytes());
    let (mut at, mut left) = (name.len(), word.len());
    // Each field of each line is asked about, and two letters tell most of them from a secret.
    if let (Some(of_name), Some(of_word)) = (name.len().checked_sub(2), word.len().checked_sub(2))
        && word[of_word] != b'_'
        && !name[of_name].eq_ignore_ascii_case(&word[of_word])
    {
        return false;
    }
    while left > 0 {
        if word[left - 1] == b'_' {
            match at.checked_sub(1).map(|before| name[before]) {
                Some(b'_' | b'-' | b'.' | b' ') => at -= 1,
                // `apiKey`: the sign is the change of case.
                Some(_) if name.get(at).is_some_and(u8::is_ascii_uppercase) => {}
                _ => return false,
            }
            left -= 1;
            continue;
        }
        match at.checked_sub(1).map(|before| name[before]) {
            Some(byte) if byte.eq_ignore_ascii_case(&word[left - 1]) => at -= 1,
            _ => return false,
        }
        left -= 1;
    }
    match at.checked_sub(1).map(|before| name[before]) {
        None => true,
        Some(before) if !before.is_ascii_alphanumeric() => true,
        Some(before) => !before.is_ascii_uppercase() && name[at].is_ascii_uppercase(),
    }
}
