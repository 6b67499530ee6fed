//! Passwords after options of one letter: `mysql -pX`, `redis-cli -a X`.

use std::ops::Range;

use super::prose::is_odd;
use super::steps;
use super::value::{self, Extent};

/// How a command takes its password.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// In the same word.
    Glued,
    /// In the same word or the next one.
    Both,
}

/// The option, what the command's name begins with, and how it takes its password.
const COMMANDS: [(&str, &[&str], Takes); 5] = [
    ("-p", &["mysql", "mariadb", "7z", "7za", "rar", "unrar"], Takes::Glued),
    ("-p", &["sshpass"], Takes::Both),
    ("-a", &["redis-cli", "valkey-cli"], Takes::Both),
    ("-w", &["ldapsearch", "ldapmodify", "ldapadd", "ldapdelete", "ldapwhoami"], Takes::Both),
    ("-P", &["zip", "unzip", "sqlcmd", "bcp"], Takes::Both),
];

/// How far before its option a command is looked for.
const FAR: usize = 160;

/// The password of a command whose option begins at `at`.
pub(super) fn option(text: &str, at: usize) -> Option<Range<usize>> {
    let letter = text.as_bytes().get(at + 1)?;
    if !matches!(letter, b'p' | b'a' | b'w' | b'P') || at > 0 && !text[..at].ends_with([' ', '\t']) {
        return None;
    }
    let from = at + 2;
    let glued = text[from..].starts_with(|c: char| !steps::is_blank(c) && !c.is_control());
    // A line of a log may have more than one command before it.
    let before = &text[steps::window(text, at, FAR)];
    let line = before.rsplit(['\n', '|', ';', '`']).next().unwrap_or_default();
    let (_, _, takes) =
        COMMANDS.iter().filter(|(option, ..)| text[at..].starts_with(option)).find(|(_, names, _)| {
            line.split([' ', '\t', '/', '"', '\'', '(', '='])
                .any(|word| names.iter().any(|name| is_command(word, name)))
        })?;
    if !glued && *takes == Takes::Glued {
        return None;
    }
    let value = value::after(text, from, Extent::Word)?;
    let written = &text[value.clone()];
    // `docker run mysql -p3306:3306` and `-a 1` are no passwords, and neither is `mysql -project`, if there were one.
    let number = written.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let word = !glued && written.bytes().all(|byte| byte.is_ascii_lowercase()) && !is_odd(written);
    let option = written.starts_with('-') || written.starts_with('$') && written.len() < 40;
    (!number && !word && !option).then_some(value)
}

/// Whether a word is a command of this name or of its family: `mysqldump`, but not `mysql.example`.
fn is_command(word: &str, name: &str) -> bool {
    let rest = word.strip_prefix(name);
    rest.is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
}
