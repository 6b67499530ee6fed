//! Names of secrets.

/// The words that end with these two letters. Lower case, with `_` for `-`; a name counts when it is one of these, or ends with
/// one as a word of its own. Each field of each line is asked about, and its last letters tell most of them from a secret.
const fn ending_with(last: [u8; 2]) -> &'static [&'static str] {
    match &last {
        b"on" => &["authorization", "client_assertion", "password_confirmation"],
        b"en" => &["token"],
        b"ie" => &["cookie"],
        b"se" => &["passphrase", "secret_key_base"],
        b"sk" => &["psk"],
        b"th" => &["bearer_auth"],
        b"rm" => &["password_confirm"],
        b"er" => &["bearer"],
        b"rf" => &["csrf", "xsrf"],
        b"ss" => &["db_pass", "smtp_pass", "mail_pass", "ftp_pass", "user_pass"],
        b"de" => &["passcode"],
        b"re" => &["signature"],
        b"rd" => &["password"],
        b"wd" => &["passwd", "pwd"],
        b"id" => &["session_id", "sessionid", "sessid"],
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
        b"56" => &["signature_256"],
        _ => &[],
    }
}

pub(super) fn is_secret(name: &str) -> bool {
    // `password2`.
    let unnumbered = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if unnumbered.len() < name.len() && is_secret(unnumbered.trim_end_matches(['_', '-'])) {
        return true;
    }
    let [.., before, last] = name.as_bytes() else { return false };
    let last = [before.to_ascii_lowercase(), last.to_ascii_lowercase()];
    ending_with(last).iter().any(|word| ends_with(name, word)) || glued(last, name)
}

/// Names whose words are not parted, such as `PGPASSWORD`, `JSESSIONID` and `authtoken`.
fn glued(last: [u8; 2], name: &str) -> bool {
    let words: &[&str] = match &last {
        b"rd" => &["password"],
        b"wd" => &["passwd", "pwd"],
        b"se" => &["passphrase"],
        b"id" => &["sessionid", "sessid"],
        b"en" => &["authtoken", "accesstoken", "refreshtoken", "csrftoken", "sessiontoken", "bearertoken"],
        b"et" => &["clientsecret", "appsecret", "sharedsecret"],
        b"ey" => &["secretkey", "accesskey", "privatekey", "signingkey", "accountkey", "apikey"],
        _ => return false,
    };
    words.iter().any(|word| {
        let Some(start) = name.len().checked_sub(word.len()) else { return false };
        // `NOPASSWD` and `nonpassword` say that there is none.
        let spared =
            ["no", "non"].iter().any(|no| name.as_bytes()[..start].eq_ignore_ascii_case(no.as_bytes()));
        name.as_bytes()[start..].eq_ignore_ascii_case(word.as_bytes()) && !spared
    })
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
