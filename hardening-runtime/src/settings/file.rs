//! `hardening.toml`: every key with its line.

use std::path::PathBuf;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::value::{Entry, Origin, Value, resolve, secret_file};
use crate::lines::Lines;

/// Reads a file's text into entries. `file` is its name in messages.
pub(super) fn entries(
    file: &str,
    text: &str,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Vec<Entry> {
    let lines = Lines::of(text);
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let line = error.span().map_or(1, |span| lines.line(span.start));
            let why = error.message().trim().replace('\n', "; ");
            problems.push(format!("{file}:{line}: this is not TOML: {why}"));
            return Vec::new();
        }
    };
    let mut reader = Reader { file, lines, env, problems, entries: Vec::new() };
    reader.table(&mut Vec::new(), table.get_ref());
    reader.entries
}

struct Reader<'a> {
    file: &'a str,
    lines: Lines,
    env: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a mut Vec<String>,
    entries: Vec<Entry>,
}

impl Reader<'_> {
    fn table(&mut self, path: &mut Vec<String>, table: &DeTable<'_>) {
        for (key, value) in table {
            path.push(key.get_ref().to_string());
            match value.get_ref() {
                DeValue::Table(inner) if inner.is_empty() => {
                    self.push(path, key.span().start, Value::Table, false, Vec::new());
                }
                DeValue::Table(inner) => self.table(path, inner),
                _ => self.value(path, key.span().start, value),
            }
            path.pop();
        }
    }

    fn value(&mut self, path: &[String], at: usize, value: &Spanned<DeValue<'_>>) {
        let line = self.lines.line(at);
        let read = match value.get_ref() {
            // References to secrets are followed, not resolved once.
            DeValue::String(text) if path.first().is_some_and(|section| section == "secrets") => {
                Ok((Value::Text(text.to_string()), false))
            }
            value => self.read(value),
        };
        match read {
            Ok((read, secret)) => {
                let files = if secret { files(value.get_ref()) } else { Vec::new() };
                self.push(path, at, read, secret, files);
            }
            Err(why) => self.problems.push(format!("{}:{line}: `{}`: {why}", self.file, path.join("."))),
        }
    }

    fn push(&mut self, path: &[String], at: usize, value: Value, secret: bool, files: Vec<PathBuf>) {
        let origin = Origin::File { file: self.file.to_owned(), line: self.lines.line(at) };
        self.entries.push(Entry { path: path.to_vec(), value, origin, secret, files });
    }

    fn read(&self, value: &DeValue<'_>) -> Result<(Value, bool), String> {
        match value {
            DeValue::String(text) => {
                resolve(text, self.env).map(|(text, secret)| (Value::Text(text), secret))
            }
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Ok((Value::Int(number), false)),
                Err(_) => Err("this number is too large".to_owned()),
            },
            DeValue::Float(number) => match number.as_str().parse() {
                Ok(number) => Ok((Value::Float(number), false)),
                Err(_) => Err("this is not a number".to_owned()),
            },
            DeValue::Boolean(flag) => Ok((Value::Bool(*flag), false)),
            DeValue::Array(items) => {
                let mut texts = Vec::new();
                let mut secret = false;
                for item in items {
                    let DeValue::String(text) = item.get_ref() else {
                        return Err("a list holds strings".to_owned());
                    };
                    let (text, replaced) = resolve(text, self.env)?;
                    secret |= replaced;
                    texts.push(text);
                }
                Ok((Value::List(texts), secret))
            }
            DeValue::Datetime(_) => Err("no setting is a date".to_owned()),
            DeValue::Table(_) => Err("a value, not a table, stands here".to_owned()),
        }
    }
}

/// The files that a value, or the members of a list, refer to.
fn files(value: &DeValue<'_>) -> Vec<PathBuf> {
    match value {
        DeValue::String(text) => secret_file(text).into_iter().collect(),
        DeValue::Array(items) => items.iter().flat_map(|item| files(item.get_ref())).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Entry>, Vec<String>) {
        let mut problems = Vec::new();
        let entries = entries("hardening.toml", text, &|_| None, &mut problems);
        (entries, problems)
    }

    #[test]
    fn every_key_has_its_line() {
        let (entries, problems) = read(
            "[http]\nlisten = \"0.0.0.0:80\"\n\n[call.\"a::b\".retry]\nattempts = 5\n[call.\"a::b\"]\ntimeout = \"1s\"\n",
        );
        assert_eq!(problems, Vec::<String>::new());
        let mut seen: Vec<(String, String)> =
            entries.iter().map(|entry| (entry.path.join(">"), entry.origin.to_string())).collect();
        seen.sort();
        assert_eq!(
            seen,
            [
                ("call>a::b>retry>attempts".to_owned(), "hardening.toml:5".to_owned()),
                ("call>a::b>timeout".to_owned(), "hardening.toml:7".to_owned()),
                ("http>listen".to_owned(), "hardening.toml:2".to_owned()),
            ]
        );
    }

    #[test]
    fn each_of_many_keys_has_its_line() {
        let keys: Vec<String> = (0..50_000).map(|at| format!("key_{at} = 1")).collect();
        let text = keys.join("\n");
        let (entries, problems) = read(&text);
        assert_eq!((entries.len(), problems.len()), (50_000, 0));
        assert!(entries.iter().any(|entry| entry.origin.to_string() == "hardening.toml:50000"));
    }

    #[test]
    fn what_is_not_toml_is_named_with_its_line() {
        for (text, line) in
            [("[http\nlisten = 1", 1), ("[http]\nlisten = \n", 2), ("[http]\na = 1\na = 2\n", 3)]
        {
            let (_, problems) = read(text);
            assert_eq!(problems.len(), 1, "{text:?}: {problems:?}");
            assert!(problems[0].starts_with(&format!("hardening.toml:{line}: ")), "{problems:?}");
        }
    }

    #[test]
    fn an_unresolved_reference_is_named_with_its_line() {
        let (_, problems) = read("[http]\nlisten = \"${ADDRESS}\"\n");
        assert!(
            problems[0].contains("hardening.toml:2") && problems[0].contains("`ADDRESS`"),
            "{problems:?}"
        );
    }
}
