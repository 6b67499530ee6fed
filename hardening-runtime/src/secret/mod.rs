//! Secrets: values that never print, the references that stand for them, and handles that follow their rotation.

mod follow;
mod handle;
mod provider;
mod value;

use std::path::{Path, PathBuf};

pub(crate) use follow::Secrets;
pub(crate) use handle::{Known, render};
pub use handle::{SecretError, SecretHandle};
pub use provider::SecretProvider;
pub use value::Secret;

use crate::files;

/// The largest secret, in bytes.
pub const LARGEST: usize = 64 * 1024;

/// What is read as a secret: UTF-8 without its last line's end, which is neither empty nor blank. `what` names it in errors.
pub(crate) fn trimmed(bytes: Vec<u8>, what: &str) -> Result<String, String> {
    if bytes.len() > LARGEST {
        return Err(format!("{what} is larger than 64 KiB, which no secret is"));
    }
    let Ok(mut text) = String::from_utf8(bytes) else {
        return Err(format!("{what} is no UTF-8; encode a binary secret, in base64 say"));
    };
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    if text.is_empty() {
        return Err(format!("{what} is empty"));
    }
    if text.chars().all(is_blank) {
        return Err(format!(
            "{what} holds nothing but blanks and control characters; write the secret into it"
        ));
    }
    crate::telemetry::redact::remember(&text);
    Ok(text)
}

/// Nothing that a person would see: blanks, NULs and other control characters, and what takes no room, such as the mark at the
/// beginning of a file.
fn is_blank(letter: char) -> bool {
    let takes_no_room = matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}');
    letter.is_whitespace() || letter.is_control() || takes_no_room
}

/// The secret in a file. At most one byte more than the largest is read.
pub(crate) fn read(path: &Path) -> Result<String, String> {
    match files::read(path, LARGEST as u64) {
        Ok(bytes) => trimmed(bytes, &format!("the secret file `{}`", path.display())),
        Err(error) => Err(format!("the secret file `{}` cannot be read: {error}", path.display())),
    }
}

/// Scheme and path of `secret://scheme/path`.
pub(crate) fn parts(reference: &str) -> Option<(&str, &str)> {
    let (scheme, path) = reference.strip_prefix("secret://")?.split_once('/')?;
    (!scheme.is_empty() && !path.is_empty()).then_some((scheme, path))
}

/// Whether what the reference stands for is there, as far as that can be told without a provider.
pub(crate) fn look(scheme: &str, path: &str) -> Result<(), String> {
    match scheme {
        "env" => variable(path).map(drop),
        "file" => read(&file(path)).map(drop),
        _ => Ok(()),
    }
}

/// `secret://file//run/secrets/key` and `secret://file/run/secrets/key` both name an absolute path.
fn file(path: &str) -> PathBuf {
    Path::new("/").join(path.trim_start_matches('/'))
}

fn variable(name: &str) -> Result<String, String> {
    match std::env::var_os(name) {
        Some(value) => trimmed(value.into_encoded_bytes(), &format!("the variable `{name}`")),
        None => Err(format!("the environment has no `{name}`, which `secret://env/{name}` refers to")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_secret_is_refused_without_being_told() {
        let large = [b'x'].repeat(LARGEST + 1);
        let of = |bytes: &[u8]| trimmed(bytes.to_vec(), "the secret file `/x`");
        assert_eq!(of(b" hunter2 \r\n\n"), Ok(" hunter2 ".to_owned()));
        for (bytes, part) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b" \t\n", "nothing but blanks"),
            (b"\0", "nothing but blanks and control characters"),
            (b"\0\0\0\n\0", "nothing but blanks"),
            (b"\xef\xbb\xbf \x7f\xe2\x80\x8b", "nothing but blanks"),
            (b"hunter2\xff", "no UTF-8"),
            (&large, "larger than 64 KiB"),
        ] {
            let error = of(bytes).unwrap_err();
            assert!(error.starts_with("the secret file `/x`") && error.contains(part), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(of(&large[1..]).is_ok());
    }

    #[test]
    fn references_have_a_scheme_and_a_path() {
        assert_eq!(parts("secret://file/run/key"), Some(("file", "run/key")));
        for text in ["secret://file/", "secret:///x", "secret://file", "file/x", "hunter2", ""] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
