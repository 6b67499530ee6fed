//! Names of secrets.

/// The words that end with these two letters. Lower case, with `_` for `-`; a name counts when it is one of these, or ends with
/// one as a word of its own. Each field of each line is asked about, and its last letters tell most of them from a secret.
const fn ending_with(last: [u8; 2]) -> &'static [&'static str] {
    match &last {
        b"on" => &["authorization"],
        b"en" => &["token"],
        b"ie" => &["cookie"],
        b"se" => &["passphrase"],
        b"de" => &["passcode"],
        b"re" => &["signature"],
        b"rd" => &["password"],
        b"wd" => &["passwd", "pwd"],
        b"id" => &["session_id", "sessionid"],
        b"et" => &["secret"],
        b"wt" => &["jwt"],
        b"ey" => &[
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
        b"al" => &["credential"],
        b"ls" => &["credentials"],
        b"tp" => &["otp"],
        b"ig" => &["sig"],
        _ => &[],
    }
}

pub(super) fn is_secret(name: &str) -> bool {
    let [.., before, last] = name.as_bytes() else { return false };
    let last = [before.to_ascii_lowercase(), last.to_ascii_lowercase()];
    ending_with(last).iter().any(|word| ends_with(name, word))
}

/// Every word.
#[cfg(test)]
pub(super) fn all() -> Vec<&'static str> {
    let letters = || b'a'..=b'z';
    letters()
        .flat_map(|before| letters().flat_map(move |last| ending_with([before, last])))
        .copied()
        .collect()
}

/// Whether `name` is `word` or ends with it, after a sign or as a part of `camelCase`. `word` is lower case with `_`
/// for `-` and for nothing: `apiKey` is `api_key`.
pub(super) fn ends_with(name: &str, word: &str) -> bool {
    let (name, word) = (name.as_bytes(), word.as_bytes());
    let (mut at, mut left) = (name.len(), word.len());
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
