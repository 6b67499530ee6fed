//! What the generated blocks hold, from the tables that the parser, the settings and the exporter use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use hardening::settings::keys::SETTINGS;
use hardening_spec::keys;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::blocks::root;

/// The block of this name; metrics are scraped, see [`metrics`].
pub(crate) fn made(name: &str) -> Option<String> {
    match name.split_once(' ') {
        None if name == "attributes" => Some(attributes()),
        None if name == "settings" => Some(settings()),
        Some(("keys", attribute)) => Some(keys_of(keys::attribute(attribute)?)),
        Some(("snapshot", snapshot)) => Some(expansion(snapshot)),
        _ => None,
    }
}

fn table(heads: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = line(heads.iter().map(|head| (*head).to_owned()).collect());
    out.extend(["|", &"---|".repeat(heads.len()), "\n"]);
    out.extend(
        rows.into_iter().map(|cells| line(cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect())),
    );
    out
}

fn keys_of(attribute: &keys::Attribute) -> String {
    let rows = attribute.keys.iter().map(|key| {
        let words = ["required", "none", "every `Err`"];
        let plain = words.contains(&key.default) || key.default.contains(' ') || key.default.contains('\'');
        let default = if plain { key.default.to_owned() } else { format!("`{}`", key.default) };
        let setting = if key.setting { "yes" } else { "" };
        vec![format!("`{}`", key.name), key.kind.form(), default, setting.to_owned(), key.doc.to_owned()]
    });
    table(&["key", "value", "default", "setting", "what it does"], rows)
}

/// One line for each attribute, from the heading of its page.
fn attributes() -> String {
    let rows = keys::ATTRIBUTES.iter().map(|attribute| {
        let name = attribute.name;
        let page = fs::read_to_string(root().join(format!("docs/{name}.md"))).unwrap_or_default();
        let heading = page.lines().next().and_then(|line| line.split_once(": "));
        let (_, does) =
            heading.unwrap_or_else(|| panic!("docs/{name}.md begins with \"# `#[{name}]`: what it does\""));
        vec![format!("[`{name}`](docs/{name}.md)"), does.to_owned(), format!("`{}`", attribute.example)]
    });
    table(&["attribute", "what it does", "for example"], rows)
}

fn settings() -> String {
    let mut sections: Vec<&str> = SETTINGS.iter().map(|setting| setting.section).collect();
    sections.dedup();
    let mut out = String::new();
    for section in sections {
        let rows = SETTINGS.iter().filter(|setting| setting.section == section).map(|setting| {
            let default =
                if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
            vec![format!("`{}`", setting.key), setting.form.describe(), default, setting.doc.to_owned()]
        });
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "### `[{section}]`\n\n{}",
            table(&["key", "value", "default", "what it does"], rows)
        );
    }
    out
}

/// Source and expansion of a snapshot of the macro's tests.
fn expansion(snapshot: &str) -> String {
    let file = root().join(format!("hardening-macros/src/tests/snapshots/{snapshot}.snap"));
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (_, shown) = text.trim_start_matches("---").split_once("---\n").expect("a snapshot's head");
    let (source, expanded) = shown.split_once("\n// expands to\n").expect("source and expansion");
    format!("```rs\n{}\n```\n\nexpands to\n\n```rs\n{}\n```", source.trim(), expanded.trim())
}

/// A call under every policy, so that every family has a series.
#[hardening::hardened(
    name = "everything", timeout = 1s, deadline = 4s, retry(idempotent), circuit_breaker, rate_limited(10/s),
    bulkhead(max = 1), fallback(Ok(()))
)]
async fn everything() -> hardening::Result<()> {
    Ok(())
}

#[hardening::health_check]
async fn nothing() -> hardening::Result<()> {
    Ok(())
}

#[hardening::hardened_service(name = "documentation")]
async fn service() -> axum::Router {
    axum::Router::new()
}

/// What a service's admin listener shows, without the answer's head.
pub(crate) async fn scraped() -> String {
    everything().await.expect("a success");
    let running = service().with_settings("[log]\naccess = false").start().await.expect("a service");
    let mut stream = TcpStream::connect(running.admin_addr).await.expect("a connection");
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .await
        .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    running.shutdown().await;
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(head.starts_with("HTTP/1.1 200 ") && !head.contains("chunked"), "{head}");
    body.to_owned()
}

/// Every family with its labels.
pub(crate) async fn metrics() -> String {
    families(&scraped().await)
}

fn families(scraped: &str) -> String {
    let mut help = BTreeMap::new();
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let mut kinds = BTreeMap::new();
    for line in scraped.lines() {
        if let Some((name, text)) = line.strip_prefix("# HELP ").and_then(|line| line.split_once(' ')) {
            help.insert(name, text);
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            kinds.insert(name, kind);
        } else if let Some((name, rest)) = line.split_once('{') {
            let family =
                ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
            let names =
                rest.split('"').step_by(2).filter_map(|part| part.trim_start_matches(',').strip_suffix('='));
            labels.entry(family).or_default().extend(names.filter(|name| *name != "le"));
        }
    }
    let ours = help.into_iter().filter(|(name, _)| !name.starts_with("process_"));
    let rows = ours.map(|(name, text)| {
        let labels: Vec<String> =
            labels.get(name).into_iter().flatten().map(|label| format!("`{label}`")).collect();
        vec![format!("`{name}`"), kinds[name].to_owned(), labels.join(" "), text.to_owned()]
    });
    table(&["metric", "kind", "labels", "what it says"], rows)
}

#[test]
fn families_are_listed_with_their_labels() {
    let scraped = "# HELP a_seconds How long.\n# TYPE a_seconds histogram\na_seconds_bucket{call=\"x\",le=\"1\"} 0\n\
                   # HELP process_x Not ours.\n# TYPE process_x gauge\nprocess_x 1\n";
    let expected = "| metric | kind | labels | what it says |\n|---|---|---|---|\n| `a_seconds` | histogram | `call` | How long. |\n";
    assert_eq!(families(scraped), expected);
}
