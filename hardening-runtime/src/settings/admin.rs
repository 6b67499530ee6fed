//! `[admin]`: who may read the console, and who may act in it.

use std::fmt;

use subtle::ConstantTimeEq as _;

use super::forms;
use super::keys::Form;
use super::value::Value;

/// `[admin]`.
#[derive(Clone, Debug, Default)]
pub struct Admin {
    /// What whoever acts in the console must send; none unless set.
    pub token: Token,
    /// Who may read the console without it.
    pub open: Open,
    /// The names, besides addresses and `localhost`, under which browsers may reach the admin listener.
    pub hosts: Vec<String>,
}

/// The shortest token that is taken, in characters.
pub const SHORTEST_TOKEN: usize = 16;

/// A secret that is compared and never shown.
#[derive(Clone, Default)]
pub struct Token(String);

impl Token {
    pub(super) fn read(value: &Value) -> Result<Self, String> {
        let text = forms::text(value).map_err(|_| format!("write {}", Form::Token.describe()))?;
        let fits = text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || fits {
            Ok(Self(text))
        } else {
            Err(format!("write {}", Form::Token.describe()))
        }
    }

    /// Whether there is one.
    pub const fn is_set(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether `given` is the token, in a time that tells nothing but whether their lengths differ. Without a token nothing is.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        self.is_set() && self.0.as_bytes().ct_eq(given).into()
    }

    pub(super) fn show(&self) -> String {
        if self.is_set() { "[redacted]".to_owned() } else { String::new() }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_set() { "[redacted]" } else { "none" })
    }
}

/// Names as a `Host` header has them, without what else an address of a page has.
pub(super) fn read_hosts(value: &Value) -> Result<Vec<String>, String> {
    let wrong = || format!("write {}", Form::Hosts.describe());
    let hosts = forms::texts(value).map_err(|_| wrong())?;
    let is_name = |host: &String| {
        !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    if hosts.iter().all(is_name) { Ok(hosts) } else { Err(wrong()) }
}

/// Who may read the console without the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Open {
    /// Everybody, where the admin listener is bound to a loopback address; nobody elsewhere.
    #[default]
    Loopback,
    /// Everybody who reaches the admin listener.
    Always,
    /// Nobody.
    Never,
}

impl Open {
    /// Its words.
    pub(super) const WORDS: &'static [&'static str] = &["loopback", "always", "never"];

    pub(super) fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Text(text) if text == "loopback" => Ok(Self::Loopback),
            Value::Text(text) if text == "always" => Ok(Self::Always),
            Value::Text(text) if text == "never" => Ok(Self::Never),
            _ => Err("write one of `loopback`, `always` or `never`".to_owned()),
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the table's signature")]
    pub(super) fn show(&self) -> String {
        match self {
            Self::Loopback => "loopback",
            Self::Always => "always",
            Self::Never => "never",
        }
        .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Token, String> {
        Token::read(&Value::Text(text.to_owned()))
    }

    #[test]
    fn a_token_is_long_enough_to_be_one_and_can_be_sent() {
        assert!(read("0123456789abcdef").unwrap().is_set());
        assert!(!read("").unwrap().is_set());
        for wrong in ["0123456789abcde", "0123456789 abcdef", "0123456789abcdef\n", "0123456789abcdéf"] {
            let why = read(wrong).unwrap_err();
            assert!(why.contains("at least 16") && !why.contains(wrong), "{why}");
        }
        assert!(Token::read(&Value::Int(1_234_567_890_123_456)).unwrap_err().contains("at least 16"));
    }

    #[test]
    fn hosts_are_names_alone() {
        let read = |host: &str| read_hosts(&Value::List(vec![host.to_owned()])).is_ok();
        assert!(read("console.example.org") && read("console"));
        for wrong in ["https://console.example.org", "console.example.org:9090", "*", "", "a b"] {
            assert!(!read(wrong), "{wrong}");
        }
    }

    #[test]
    fn only_the_token_is_the_token() {
        let token = read("0123456789abcdef").unwrap();
        assert!(token.is(b"0123456789abcdef"));
        for wrong in
            [&b""[..], b"0123456789abcdeF", b"0123456789abcde", b"0123456789abcdef0", b"x123456789abcdef"]
        {
            assert!(!token.is(wrong), "{wrong:?}");
        }
        assert!(!Token::default().is(b""), "no token lets nobody in");
    }

    #[test]
    fn a_token_is_never_shown() {
        let token = read("0123456789abcdef").unwrap();
        assert_eq!((format!("{token:?}"), token.show()), ("[redacted]".to_owned(), "[redacted]".to_owned()));
        assert_eq!(Token::default().show(), "");
    }
}
