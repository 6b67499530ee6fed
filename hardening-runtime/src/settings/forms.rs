//! Values into types, one function for each [`super::keys::Form`].

use std::net::SocketAddr;
use std::time::Duration;

use hardening_spec::keys::list;
use hardening_spec::{Rate, Ratio, units};
use ipnet::IpNet;

use super::hidden::Hidden;
use super::keys::Form;
use super::value::Value;
use crate::service::PROBE_PATHS;
use crate::service::address::unix_path;

type Read<T> = Result<T, String>;

fn wrong<T>(form: Form) -> Read<T> {
    Err(format!("write {}", form.describe()))
}

pub(super) fn text(value: &Value) -> Read<String> {
    match value {
        Value::Text(text) => Ok(text.clone()),
        _ => wrong(Form::Text),
    }
}

/// A text that may stand in a header field.
pub(super) fn header_text(value: &Value) -> Read<String> {
    let text = text(value)?;
    match http::HeaderValue::from_str(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err("write a text of visible characters, it becomes a header field".to_owned()),
    }
}

/// One of several words.
pub(super) fn choice<T: Copy>(value: &Value, words: &[(&str, T)]) -> Read<T> {
    let chosen = words.iter().find(|(word, _)| matches!(value, Value::Text(text) if text == word));
    let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    chosen.map(|(_, choice)| *choice).ok_or_else(|| format!("write one of {}", list(&all)))
}

/// The word of a choice.
pub(super) fn show_choice<T: PartialEq>(choice: &T, words: &[(&str, T)]) -> String {
    words.iter().find(|(_, other)| other == choice).map_or_else(String::new, |(word, _)| (*word).to_owned())
}

/// What `RUST_LOG` takes.
pub(super) fn log_filter(value: &Value) -> Read<String> {
    let text = text(value)?;
    // Alone, a word that is no level would be taken for a target.
    let level =
        |part: &str| part.contains('=') || part.parse::<tracing_subscriber::filter::LevelFilter>().is_ok();
    match text.parse::<tracing_subscriber::filter::Targets>() {
        Ok(_) if text.split(',').all(level) => Ok(text),
        _ => {
            Err("write a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or `target=level,…`"
                .to_owned())
        }
    }
}

pub(super) fn address(value: &Value) -> Read<String> {
    let Value::Text(text) = value else { return wrong(Form::Address) };
    if let Some(path) = unix_path(text) {
        #[cfg(unix)]
        return crate::service::unix::fits(path).map(|()| text.clone());
        #[cfg(not(unix))]
        return Err(format!(
            "this system has no Unix sockets such as {}; write an address and a port",
            path.display()
        ));
    }
    let named_host = || {
        let (host, port) = text.rsplit_once(':')?;
        let plain =
            !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
        (plain && !host.chars().all(|c| c.is_ascii_digit() || c == '.')).then_some(())?;
        port.parse::<u16>().ok()
    };
    if text.parse::<SocketAddr>().is_ok() || named_host().is_some() {
        return Ok(text.clone());
    }
    wrong(Form::Address)
}

/// The permissions of a file, in octal. A number of TOML is decimal, so it is none.
pub(super) fn mode(value: &Value) -> Read<u32> {
    let Value::Text(text) = value else { return wrong(Form::Mode) };
    let digits = text.strip_prefix("0o").unwrap_or(text);
    match u32::from_str_radix(digits, 8) {
        Ok(mode) if mode <= 0o777 && digits.len() >= 3 => Ok(mode),
        _ => wrong(Form::Mode),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the table's functions take references")]
pub(super) fn show_mode(value: &u32) -> String {
    format!("{value:03o}")
}

pub(super) fn duration(value: &Value) -> Read<Duration> {
    let Value::Text(text) = value else { return wrong(Form::Duration) };
    units::duration(text).map_err(|why| format!("{why}; write {}", Form::Duration.describe()))
}

pub(super) fn some_duration(value: &Value) -> Read<Option<Duration>> {
    duration(value).map(Some)
}

pub(super) fn flag(value: &Value) -> Read<bool> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::Text(text) if text == "true" => Ok(true),
        Value::Text(text) if text == "false" => Ok(false),
        _ => wrong(Form::Flag),
    }
}

pub(super) fn count(value: &Value) -> Read<u32> {
    let count = match value {
        Value::Int(value) => u32::try_from(*value).ok(),
        Value::Text(text) => text.replace('_', "").parse().ok(),
        _ => None,
    };
    match count {
        Some(count) if count > 0 => Ok(count),
        _ => wrong(Form::Count),
    }
}

pub(super) fn some_count(value: &Value) -> Read<Option<u32>> {
    count(value).map(Some)
}

#[expect(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "the table's functions take references"
)]
pub(super) fn show_some(value: &Option<u32>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

pub(super) fn bytes(value: &Value) -> Read<u64> {
    let text = match value {
        Value::Int(value) => value.to_string(),
        Value::Text(text) => text.clone(),
        _ => return wrong(Form::Bytes),
    };
    units::bytes(&text).or_else(|_| wrong(Form::Bytes))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the table's functions take references")]
pub(super) fn show_bytes(value: &u64) -> String {
    units::show_bytes(*value)
}

pub(super) fn rate_or_none(value: &Value) -> Read<Option<Rate>> {
    match value {
        Value::Text(text) if text == "none" => Ok(None),
        Value::Text(text) => {
            units::rate(text).map(Some).map_err(|why| format!("{why}; write {}", Form::RateOrNone.describe()))
        }
        _ => wrong(Form::RateOrNone),
    }
}

#[expect(clippy::ref_option, reason = "the table's functions take references")]
pub(super) fn show_rate(value: &Option<Rate>) -> String {
    value.map_or_else(|| "none".to_owned(), rate)
}

/// Writes a rate as settings write it.
pub(crate) fn rate(rate: Rate) -> String {
    let period = match units::show(rate.per).as_str() {
        "1s" => "s".to_owned(),
        "1m" => "min".to_owned(),
        "1h" => "h".to_owned(),
        "1d" => "d".to_owned(),
        other => other.to_owned(),
    };
    format!("{}/{period}", rate.count)
}

pub(super) fn share(value: &Value) -> Read<Ratio> {
    let text = match value {
        Value::Text(text) => text.clone(),
        Value::Int(value) => value.to_string(),
        Value::Float(value) => value.to_string(),
        _ => return wrong(Form::Share),
    };
    units::ratio(&text).map_err(|why| format!("{why}; write {}", Form::Share.describe()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the table's functions take references")]
pub(super) fn show_share(share: &Ratio) -> String {
    format!("{}%", f64::from(share.millionths) / 10_000.0)
}

/// An address of the HTTP client, or nothing. What is wrong is said without the text, which may hold a secret.
pub(super) fn url(value: &Value) -> Read<String> {
    let text = text(value)?;
    let uri = text.parse::<http::Uri>().ok();
    let host = uri.as_ref().and_then(http::Uri::authority).map(http::uri::Authority::as_str);
    let known =
        uri.as_ref().and_then(http::Uri::scheme_str).is_some_and(|scheme| matches!(scheme, "http" | "https"));
    match host {
        _ if text.is_empty() => Ok(text),
        Some(host) if known && !host.contains('@') => Ok(text),
        Some(host) if host.contains('@') => Err("a URL carries no credentials".to_owned()),
        _ => Err("a URL begins with `http://` or `https://` and names a host".to_owned()),
    }
}

/// Addresses of the HTTP client that nobody is shown.
pub(super) fn urls(value: &Value) -> Read<Vec<Hidden>> {
    texts(value)?.into_iter().map(|text| url(&Value::Text(text)).map(Hidden::new)).collect()
}

/// A text that nobody is shown, of visible characters: a newline or the like is there by mistake.
pub(super) fn hidden(value: &Value) -> Read<Hidden> {
    let text = text(value)?;
    if text.chars().any(char::is_control) {
        return Err("a secret has no control characters, such as a newline".to_owned());
    }
    Ok(Hidden::new(text))
}

/// `name=value,name=value` as header fields take it.
pub(super) fn fields(value: &Value) -> Read<Hidden> {
    let text = text(value)?;
    match fields_of(&text) {
        Some(_) => Ok(Hidden::new(text)),
        None => Err("header fields have the form `name=value,name=value`".to_owned()),
    }
}

/// Names and values of `name=value,name=value`, with what stands in per cent; the form of `OTEL_EXPORTER_OTLP_HEADERS`.
pub(crate) fn fields_of(text: &str) -> Option<Vec<(http::HeaderName, http::HeaderValue)>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let field = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let mut value = http::HeaderValue::from_bytes(&from_per_cent(value.trim())?).ok()?;
        value.set_sensitive(true);
        Some((name.trim().parse().ok()?, value))
    };
    parts.map(field).collect()
}

fn from_per_cent(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            out.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            out.push(*byte);
        }
    }
    Some(out)
}

pub(super) fn texts(value: &Value) -> Read<Vec<String>> {
    match value {
        Value::List(texts) => Ok(texts.clone()),
        // The environment writes a list with commas.
        Value::Text(text) => {
            Ok(text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect())
        }
        _ => wrong(Form::Texts),
    }
}

/// Paths of probes.
pub(super) fn probes(value: &Value) -> Read<Vec<String>> {
    let paths = texts(value)?;
    match paths.iter().find(|path| !PROBE_PATHS.contains(&path.as_str())) {
        Some(path) => {
            let near = hardening_spec::suggest::nearest(path, PROBE_PATHS);
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            Err(format!("`{path}` is no path of a probe; write some of {}{near}", list(&PROBE_PATHS)))
        }
        None => Ok(paths),
    }
}

/// Patterns of routes, as the router has them.
pub(super) fn routes(value: &Value) -> Read<Vec<String>> {
    let Ok(texts) = texts(value) else { return wrong(Form::Routes) };
    match texts.iter().find(|text| !text.starts_with('/')) {
        Some(text) => Err(format!("`{text}` is no pattern of a route; write {}", Form::Routes.describe())),
        None => Ok(texts),
    }
}

/// Names of fields, headers and parameters.
pub(super) fn names(value: &Value) -> Read<Vec<String>> {
    let Ok(texts) = texts(value) else { return wrong(Form::Names) };
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let all = texts.iter().all(|text| !text.is_empty() && text.chars().all(of_name));
    if all { Ok(texts) } else { wrong(Form::Names) }
}

pub(super) fn networks(value: &Value) -> Read<Vec<IpNet>> {
    let Ok(texts) = texts(value) else { return wrong(Form::Networks) };
    texts
        .iter()
        .map(|text| {
            text.parse::<IpNet>().or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from)).map_err(
                |_| {
                    format!("`{text}` is neither an address nor a range; write {}", Form::Networks.describe())
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
