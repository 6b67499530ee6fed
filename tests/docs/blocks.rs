//! Generated blocks: between `<!-- begin … -->` and `<!-- end … -->` stands what [`super::tables`] makes.

use std::fs;
use std::path::{Path, PathBuf};

use super::tables;

/// The repository's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The first page and every page of the guide.
pub(crate) fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> = fs::read_dir(root().join("docs"))
        .expect("docs")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.extend([root().join("README.md"), root().join("CONTRIBUTING.md")]);
    pages.sort();
    pages
}

/// The page with every block made anew, and the names of the blocks.
fn regenerated(text: &str, make: &dyn Fn(&str) -> Option<String>) -> (String, Vec<String>) {
    let (mut out, mut names) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("<!-- begin ") {
        let (name, after) = after.split_once(" -->\n").expect("the end of a marker");
        let end = format!("<!-- end {name} -->");
        let (_, after) = after.split_once(&end).unwrap_or_else(|| panic!("no `{end}`"));
        let made = make(name).unwrap_or_else(|| panic!("nothing generates `{name}`"));
        out.push_str(before);
        out.extend(["<!-- begin ", name, " -->\n", made.trim_end(), "\n", &end]);
        names.push(name.to_owned());
        rest = after;
    }
    out.push_str(rest);
    (out, names)
}

#[tokio::test]
async fn generated_blocks_are_what_the_tables_say() {
    let write = std::env::var("HARDENING_DOCS").is_ok_and(|mode| mode == "write");
    let metrics = tables::metrics().await;
    let make = |name: &str| if name == "metrics" { Some(metrics.clone()) } else { tables::made(name) };
    let mut seen = Vec::new();
    for page in pages() {
        // Attributes of ours are Rust in a page, and only its own markers are generated.
        let text = fs::read_to_string(&page).expect("a page");
        if page.ends_with("CONTRIBUTING.md") {
            continue;
        }
        let (new, names) = regenerated(&text, &make);
        seen.extend(names);
        if write {
            fs::write(&page, &new).expect("a page is written");
        } else {
            assert!(new == text, "{} is out of date: run `cargo xtask docs`", page.display());
        }
    }
    for expected in ["attributes", "settings", "metrics", "snapshot full_stack", "keys retry"] {
        assert!(seen.iter().any(|name| name == expected), "no page shows {expected}");
    }
}

#[test]
fn what_stands_around_a_block_is_left_alone() {
    let text = "a\n<!-- begin keys x -->\nold\n<!-- end keys x -->\nb\n";
    let (new, names) = regenerated(text, &|name| Some(format!("new {name}\n")));
    assert_eq!(new, "a\n<!-- begin keys x -->\nnew keys x\n<!-- end keys x -->\nb\n");
    assert_eq!(names, ["keys x"]);
}
