//! What the workspace is made of: no unsafe code of its own, and dependencies from one place.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::blocks::root;

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The manifest of every package of the repository.
fn manifests() -> Vec<PathBuf> {
    let below = |folder: &Path| -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let folders = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_dir());
        folders.filter(|path| !path.ends_with("target") && !path.ends_with(".git")).collect()
    };
    let first = below(root());
    let second: Vec<PathBuf> = first.iter().flat_map(|folder| below(folder)).collect();
    let folders = [root().to_owned()].into_iter().chain(first).chain(second);
    folders.map(|folder| folder.join("Cargo.toml")).filter(|file| file.exists()).collect()
}

/// The blocks of `Cargo.lock`, one for each package.
fn packages() -> Vec<String> {
    let lock = read(&root().join("Cargo.lock"));
    lock.split("[[package]]").skip(1).map(str::to_owned).collect()
}

fn of<'p>(package: &'p str, key: &str) -> Option<&'p str> {
    package.lines().find_map(|line| line.strip_prefix(&format!("{key} = \""))?.strip_suffix('"'))
}

#[test]
fn every_package_forbids_unsafe_code() {
    let workspace = read(&root().join("Cargo.toml"));
    let (_, lints) = workspace.split_once("[workspace.lints.rust]").expect("lints of the workspace");
    let lints = lints.split("\n[").next().unwrap_or(lints);
    assert!(lints.lines().any(|line| line == "unsafe_code = \"forbid\""), "{lints}");
    let manifests = manifests();
    assert!(manifests.len() >= 12, "{manifests:?}");
    for manifest in manifests {
        let text = read(&manifest);
        // A workspace of its own, for what is measured beside ours, is no part of this one.
        if text.contains("\n[workspace]\n") && !manifest.starts_with(root().join("Cargo.toml")) {
            continue;
        }
        let inherits =
            text.split_once("\n[lints]\n").is_some_and(|(_, rest)| rest.starts_with("workspace = true"));
        assert!(inherits, "{} does not take the workspace's lints", manifest.display());
    }
}

#[test]
fn every_dependency_comes_from_the_registry_with_its_checksum() {
    let ours: BTreeSet<String> = manifests()
        .iter()
        .filter_map(|manifest| {
            let text = read(manifest);
            let (_, package) = text.split_once("[package]")?;
            package
                .lines()
                .find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
                .map(str::to_owned)
        })
        .collect();
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in &packages {
        let name = of(package, "name").expect("a name");
        match of(package, "source") {
            None => assert!(ours.contains(name), "{name} is of no known place"),
            Some(source) => {
                assert!(source.starts_with("registry+"), "{name} comes from {source}");
                assert_eq!(of(package, "checksum").map(str::len), Some(64), "{name}");
            }
        }
    }
}

/// The bans of `deny.toml`, read where they stand, so that they hold without the tool too.
#[test]
fn what_cargo_deny_refuses_is_in_no_tree() {
    let deny = read(&root().join("deny.toml"));
    let banned: Vec<&str> = deny
        .lines()
        .filter(|line| line.contains("use-instead"))
        .filter_map(|line| line.split_once("crate = \"")?.1.split('"').next())
        .collect();
    assert!(banned.contains(&"openssl") && banned.contains(&"ring"), "{banned:?}");
    for setting in
        ["unknown-registry = \"deny\"", "unknown-git = \"deny\"", "wildcards = \"deny\"", "yanked = \"deny\""]
    {
        assert!(deny.lines().any(|line| line == setting), "deny.toml has no {setting}");
    }
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--workspace",
            "--all-features",
            "--offline",
            "--locked",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let (tree, error) = (String::from_utf8_lossy(&tree.stdout), String::from_utf8_lossy(&tree.stderr));
    let names: BTreeSet<&str> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(names.contains("rustls") && names.contains("aws-lc-rs"), "{error}");
    let found: Vec<&&str> = names.iter().filter(|name| banned.contains(name)).collect();
    assert!(found.is_empty(), "{found:?}");
}
