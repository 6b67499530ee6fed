//! Two versions of `hardening` in one program: the start says which, and who uses the other.
//!
//! The other version is a copy of this one with another number, in a workspace that the test writes. What both depend on is
//! taken from this workspace's target directory, so that only the crates of `hardening` are compiled anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const OTHER: &str = "99.0.0";

const CLIENT: &str = r"
#[hardening::timeout(1s)]
pub async fn fetch() -> Result<u32, hardening::Rejected> {
    Ok(7)
}
";

/// Warnings are logged before set-up, which ends the program here.
const PROGRAM: &str = r#"
#[hardening::timeout(1s)]
async fn fetch() -> Result<u32, hardening::Rejected> {
    Ok(7)
}

#[hardening::hardened_service]
async fn main() -> hardening::Result<axum::Router> {
    let both = fetch().await.unwrap_or(0) + price_client::fetch().await.unwrap_or(0);
    Err(format!("both answered: {both}").into())
}
"#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let from = entry.unwrap().path();
        let to = to.join(from.file_name().unwrap());
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).unwrap();
        }
    }
}

fn manifest(name: &str, dependencies: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\n{dependencies}"
    )
}

/// A workspace of the other version, a library that uses it, and a program that uses this one.
fn written(folder: &Path) {
    for part in ["src", "docs", "hardening-macros", "hardening-runtime", "hardening-spec"] {
        copy(&repository().join(part), &folder.join(part));
    }
    for file in ["README.md", "Cargo.lock"] {
        fs::copy(repository().join(file), folder.join(file)).unwrap();
    }
    // The dependencies of tests and what follows are no part of the copy.
    let root = read(&repository().join("Cargo.toml"));
    let (root, _) = root.split_once("\n[dev-dependencies]\n").unwrap();
    let members =
        r#"members = ["hardening-macros", "hardening-runtime", "hardening-spec", "price-client", "program"]"#;
    let root: String = root
        .lines()
        .map(|line| match line {
            line if line.starts_with("members = ") => members,
            line if line.starts_with("exclude = ") => "",
            line => line,
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let link = repository().join("hardening-link");
    let root = root
        .replace(&format!("\"{}\"", env!("CARGO_PKG_VERSION")), &format!("\"{OTHER}\""))
        .replace(&format!("\"={}\"", env!("CARGO_PKG_VERSION")), &format!("\"={OTHER}\""))
        .replace("path = \"hardening-link\"", &format!("path = \"{}\"", link.display()));
    write(&folder.join("Cargo.toml"), &root);
    let client = "hardening = { path = \"..\", default-features = false }\n";
    write(&folder.join("price-client/Cargo.toml"), &manifest("price-client", client));
    write(&folder.join("price-client/src/lib.rs"), CLIENT);
    let program = format!(
        "hardening = {{ path = \"{}\", default-features = false, features = [\"service\"] }}\n\
         axum = {{ version = \"0.8.9\", default-features = false }}\n\
         price-client = {{ path = \"../price-client\" }}\n",
        repository().display()
    );
    write(&folder.join("program/Cargo.toml"), &manifest("program", &program));
    write(&folder.join("program/src/main.rs"), PROGRAM);
}

#[test]
fn the_start_names_the_other_version_and_who_uses_it() {
    let temporary = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = temporary.join("two-versions");
    drop(fs::remove_dir_all(&folder));
    written(&folder);
    let output = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--package", "program"])
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", temporary.parent().unwrap())
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .env("HARDENING_HTTP__LISTEN", "127.0.0.1:0")
        .env("HARDENING_HTTP__ADMIN", "127.0.0.1:0")
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert!(told.contains("both answered: 14"), "{told}");
    let this = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "hardening {OTHER} is in this program beside {this}: the calls, policies, checks and tasks of `price-client` use it"
    );
    assert_eq!(told.matches(&expected).count(), 1, "{told}");
    fs::remove_dir_all(&folder).unwrap();
}
