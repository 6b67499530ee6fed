//! Names of secrets.

/// Lower case, with `_` for `-`. A name counts when it is one of these, or ends with one as a word of its own.
pub(super) const NAMES: [&str; 27] = [
    "authorization",
    "cookie",
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "pwd",
    "secret",
    "secret_key",
    "token",
    "api_key",
    "apikey",
    "x_api_key",
    "access_key",
    "account_key",
    "private_key",
    "signing_key",
    "encryption_key",
    "master_key",
    "credential",
    "credentials",
    "session_id",
    "sessionid",
    "jwt",
    "otp",
    "sig",
    "signature",
];

pub(super) fn is_secret(name: &str) -> bool {
    // Most names end otherwise.
    let Some(last) = name.bytes().next_back() else { return false };
    if !matches!(last.to_ascii_lowercase(), b'n' | b'e' | b'd' | b't' | b'y' | b'l' | b's' | b'p' | b'g') {
        return false;
    }
    NAMES.iter().any(|word| ends_with(name, word))
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
