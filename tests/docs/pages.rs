//! Pages are complete, and what they name exists.

use std::fs;
use std::path::Path;

use hardening_spec::keys;

use super::blocks::{pages, root};

fn page(name: &str) -> String {
    let path = root().join(format!("docs/{name}.md"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_attribute_has_a_page_with_every_key_and_an_example() {
    for attribute in keys::ATTRIBUTES {
        let text = page(attribute.name);
        let begins = format!("# `#[{}]`: ", attribute.name);
        assert!(text.starts_with(&begins), "docs/{}.md begins with {begins:?}", attribute.name);
        assert!(text.contains("```rust"), "docs/{}.md has an example", attribute.name);
        for part in ["## Keys", "## What it does", "## Defaults, and why", "## Errors"] {
            // `hardened` only observes: what it does is its introduction.
            assert!(
                text.contains(part) || attribute.name == "hardened",
                "docs/{}.md has no {part:?}",
                attribute.name
            );
        }
        for key in attribute.keys {
            let row = format!("\n| `{}` | ", key.name);
            assert!(text.contains(&row), "docs/{}.md has no row for `{}`", attribute.name, key.name);
        }
    }
}

#[test]
fn the_first_page_lists_every_attribute() {
    let text = fs::read_to_string(root().join("README.md")).expect("README.md");
    for attribute in keys::ATTRIBUTES {
        let row = format!("\n| [`{0}`](docs/{0}.md) | ", attribute.name);
        assert!(text.contains(&row), "no row for `{}`", attribute.name);
    }
}

/// Targets of `[text](target)` and `[name]: target` outside code.
fn links(text: &str) -> Vec<String> {
    let mut links = Vec::new();
    let mut code = false;
    for line in text.lines() {
        code ^= line.trim_start().starts_with("```");
        if code {
            continue;
        }
        let inline = line.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
        links.extend(inline.map(|(target, _)| target.to_owned()));
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            links.push(target.to_owned());
        }
    }
    links
}

#[test]
fn every_link_leads_to_a_file() {
    let mut checked = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).expect("a page");
        let folder = page.parent().expect("a folder");
        for link in links(&text).into_iter().filter(|link| !link.contains("://")) {
            let file = link.split('#').next().unwrap_or_default();
            assert!(folder.join(file).exists(), "{}: no {link}", page.display());
            checked += 1;
        }
    }
    assert!(checked > 100, "only {checked} links were found");
}

/// A page that the crate's documentation leaves out is one that many readers never see.
#[test]
fn every_page_is_part_of_the_crates_documentation() {
    let library = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    for page in pages() {
        let name = page.file_name().and_then(|name| name.to_str()).expect("a name");
        if page.parent() == Some(&root().join("docs")) {
            assert!(
                library.contains(&format!("../docs/{name}\"")),
                "src/lib.rs does not include docs/{name}"
            );
        }
    }
    assert!(Path::new(&root().join("src/links.md")).exists());
}
