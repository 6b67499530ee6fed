//! A setting as its source gives it, and where it stands.

use std::fmt;
use std::path::PathBuf;

use hardening_spec::settings::Raw;

use crate::secret;

/// A value before its form is known.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// A whole number.
    Int(i64),
    /// A decimal.
    Float(f64),
    /// `true` or `false`.
    Bool(bool),
    /// A string, with references resolved.
    Text(String),
    /// A list of strings.
    List(Vec<String>),
    /// A table that holds nothing.
    Table,
}

impl Value {
    /// The value as calls' settings take it; `None` for what is no single value.
    pub(crate) fn raw(&self) -> Option<Raw<'_>> {
        match self {
            Self::Int(value) => Some(Raw::Int(*value)),
            Self::Float(value) => Some(Raw::Float(*value)),
            Self::Bool(value) => Some(Raw::Bool(*value)),
            Self::Text(value) => Some(Raw::Text(value)),
            Self::List(_) | Self::Table => None,
        }
    }

    /// The value for a message; `None` for what is no single value.
    pub(crate) fn shown(&self) -> Option<String> {
        Some(match self {
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Bool(value) => value.to_string(),
            Self::Text(value) => value.escape_debug().collect(),
            Self::List(_) | Self::Table => return None,
        })
    }
}

/// Where a setting stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A line of a file.
    File {
        /// The file, as it was named.
        file: String,
        /// Its line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// Somebody with the admin token.
    Console,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { file, line } => write!(f, "{file}:{line}"),
            Self::Environment(name) => f.write_str(name),
            Self::Console => f.write_str("the console"),
        }
    }
}

/// One key of one source.
#[derive(Clone)]
pub(crate) struct Entry {
    /// `["http", "listen"]` or `["call", name, policy, key]`; a call's policy alone has three.
    pub(crate) path: Vec<String>,
    /// What stands there.
    pub(crate) value: Value,
    /// Where.
    pub(crate) origin: Origin,
    /// Whether the value came by a reference and must not be shown.
    pub(crate) secret: bool,
    /// The files that it came from.
    pub(crate) files: Vec<PathBuf>,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The value may be what a reference stands for.
        f.debug_struct("Entry")
            .field("path", &self.path)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

/// Replaces `${NAME}` by the environment's value, and a whole text `secret://env/NAME` or
/// `secret://file/path` by what it refers to. The second part says whether anything was replaced.
pub(crate) fn resolve(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<(String, bool), String> {
    if let Some(reference) = text.strip_prefix("secret://") {
        let value = resolve_secret(reference, env)?;
        // A setting may be in force as long as the process runs.
        crate::telemetry::redact::keep(&value);
        return Ok((value, true));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut replaced = false;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let Some(end) = rest[at..].find('}') else {
            return Err("`${` has no end: write `${NAME}`".to_owned());
        };
        let name = &rest[at + 2..at + end];
        let Some(value) = env(name) else {
            return Err(format!("the environment has no `{name}`, which `${{{name}}}` refers to"));
        };
        out.push_str(&value);
        rest = &rest[at + end + 1..];
        replaced = true;
    }
    out.push_str(rest);
    Ok((out, replaced))
}

fn resolve_secret(reference: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    if let Some(name) = reference.strip_prefix("env/") {
        let value = env(name).ok_or_else(|| {
            format!("the environment has no `{name}`, which `secret://env/{name}` refers to")
        })?;
        return secret::trimmed(value.into_bytes(), &format!("the variable `{name}`"));
    }
    if let Some(path) = file_of(reference) {
        return secret::read(&path);
    }
    Err("a secret is `secret://env/NAME` or `secret://file/path`".to_owned())
}

/// The file that a whole text `secret://file/path` refers to.
pub(crate) fn secret_file(text: &str) -> Option<PathBuf> {
    file_of(text.strip_prefix("secret://")?)
}

/// `secret://file//run/secrets/key` and `secret://file/run/secrets/key` both name an absolute path.
fn file_of(reference: &str) -> Option<PathBuf> {
    let path = reference.strip_prefix("file/")?;
    Some(PathBuf::from(format!("/{}", path.trim_start_matches('/'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        (name == "PORT").then(|| "8443".to_owned())
    }

    #[test]
    fn references_are_replaced_or_named() {
        assert_eq!(resolve("0.0.0.0:${PORT}", &env), Ok(("0.0.0.0:8443".to_owned(), true)));
        assert_eq!(resolve("plain $ text", &env), Ok(("plain $ text".to_owned(), false)));
        assert_eq!(resolve("secret://env/PORT", &env), Ok(("8443".to_owned(), true)));
        for (text, part) in [
            ("${HOST}", "`HOST`"),
            ("${PORT", "no end"),
            ("secret://env/HOST", "`HOST`"),
            ("secret://file/does/not/exist", "`/does/not/exist`"),
            ("secret://vault/x", "secret://env/NAME"),
        ] {
            let error = resolve(text, &env).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_secret_file_loses_its_last_newline() {
        let path = std::env::temp_dir().join(format!("hardening-secret-{}", std::process::id()));
        std::fs::write(&path, "s3cret\n").unwrap();
        let resolved = resolve(&format!("secret://file/{}", path.display()), &env);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(resolved, Ok(("s3cret".to_owned(), true)));
    }
}
