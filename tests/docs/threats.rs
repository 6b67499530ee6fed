//! The page on threats names a test for each defence, and each of them exists.

use std::collections::BTreeSet;
use std::fs;

use super::blocks::root;

/// A row of a table of threats: the threat, the defence, its settings, its tests.
fn rows(text: &str) -> Vec<[&str; 4]> {
    let mut rows = Vec::new();
    let mut within = false;
    for line in text.lines() {
        match line.strip_prefix('|').and_then(|line| line.strip_suffix('|')) {
            Some(" threat | defence | settings | test ") => within = true,
            Some(row) if within && !row.starts_with("---") => {
                let cells: Vec<&str> = row.split('|').map(str::trim).collect();
                rows.push(cells.try_into().unwrap_or_else(|_| panic!("not four cells: {row}")));
            }
            Some(_) => {}
            None => within = false,
        }
    }
    rows
}

/// `` `path` `name` `` pairs: a path counts for every name that follows it.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let (mut file, mut named) = (None, Vec::new());
    for word in cell.split('`').skip(1).step_by(2) {
        if word.contains('/') || word.contains('.') {
            file = Some(word);
        } else {
            named.push((file.unwrap_or_else(|| panic!("{word} stands in no file: {cell}")), word));
        }
    }
    named
}

/// What is missing for this to be a test: nothing, or a sentence.
fn missing(file: &str, name: &str) -> Option<String> {
    let Ok(source) = fs::read_to_string(root().join(file)) else {
        return Some(format!("there is no {file}"));
    };
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let functions = [format!("fn {name}("), format!("async fn {name}(")];
    let Some(at) = lines.iter().position(|line| functions.iter().any(|begin| line.starts_with(begin))) else {
        return Some(format!("{file} has no `fn {name}`"));
    };
    let attributes = lines[..at].iter().rev().take_while(|line| line.starts_with("#["));
    let test =
        attributes.clone().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    let runs = !attributes.clone().any(|line| line.starts_with("#[ignore"));
    (!test || !runs).then(|| format!("`{name}` in {file} is no test that runs"))
}

#[test]
fn every_threat_has_a_defence_and_a_test_that_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let rows = rows(&page);
    let mut problems = Vec::new();
    let mut tests = BTreeSet::new();
    for [threat, defence, _, proofs] in &rows {
        let named = named(proofs);
        if threat.is_empty() || defence.is_empty() || named.is_empty() {
            problems.push(format!("no defence or no test: {threat}"));
        }
        problems.extend(named.iter().filter_map(|(file, name)| missing(file, name)));
        tests.extend(named);
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(rows.len() >= 60, "only {} threats were found", rows.len());
    assert!(tests.len() >= 90, "only {} tests were found", tests.len());
}

#[test]
fn every_setting_that_the_page_names_exists() {
    let page = fs::read_to_string(root().join("docs/security.md")).expect("docs/security.md");
    let mut named = 0;
    for [threat, _, settings, _] in rows(&page) {
        for word in settings.split('`').skip(1).step_by(2) {
            let key = word.split_once(" = ").map_or(word, |(key, _)| key);
            let known = key.split_once('.').is_some_and(|(section, key)| {
                section == "secrets" || hardening::settings::keys::find(section, key).is_some()
            });
            assert!(known, "{threat}: no setting `{key}`");
            named += 1;
        }
    }
    assert!(named > 40, "only {named} settings were found");
}

#[test]
fn what_is_no_test_is_found_out() {
    let here = "tests/docs/threats.rs";
    assert_eq!(missing(here, "what_is_no_test_is_found_out"), None);
    assert!(missing(here, "rows").is_some(), "a function that is no test");
    assert!(missing(here, "what_is_no").is_some(), "the beginning of a name");
    assert!(missing("tests/docs/nowhere.rs", "rows").is_some());
}
