//! The name under which the package that is being compiled depends on `hardening`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use proc_macro_crate::{Error, FoundCrate, crate_name};

/// What the manifest says of the dependency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Dependency {
    /// It has its own name, or there is no manifest to ask.
    Default,
    /// It has another name.
    Renamed(String),
    /// There is a manifest, and it has no such dependency.
    Missing,
}

/// Reads the manifest of the package that is being compiled. `rustc` compiles one package per process, so the answer is
/// kept; rust-analyzer expands many, so it is kept together with the manifest's path and text.
pub(crate) fn dependency() -> Dependency {
    static LAST: Last<Dependency> = Mutex::new(None);
    let find =
        |_: &Path, text: &str| if has_plain_dependency(text) { Dependency::Default } else { found(text) };
    asked(&LAST, find).unwrap_or(Dependency::Default)
}

/// Whether the package is known to be of edition 2024 or later.
///
/// In older ones a temporary of a block's last expression outlives the block's variables; those of a function's do not
/// outlive its arguments, which are variables of the body's block in an expansion.
pub(crate) fn is_edition_2024() -> bool {
    static LAST: Last<bool> = Mutex::new(None);
    if !proc_macro::is_available() {
        return true;
    }
    let find = |path: &Path, text: &str| {
        match edition(text, "[package]") {
        Some(Edition::Written(edition)) => edition >= 2024,
        Some(Edition::Inherited) => path.ancestors().skip(2).any(|folder| {
            let root = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap_or_default();
            matches!(edition(&root, "[workspace.package]"), Some(Edition::Written(edition)) if edition >= 2024)
        }),
        None => false,
    }
    };
    asked(&LAST, find).unwrap_or(false)
}

/// Whether the crate is linked as a program or a test: cargo sets the first for programs and examples, the second for
/// integration tests and benchmarks. Unit tests have `cfg(test)`.
pub(crate) fn is_program() -> bool {
    let set = |name| std::env::var_os(name).is_some();
    proc_macro::is_available() && (set("CARGO_BIN_NAME") || set("CARGO_TARGET_TMPDIR"))
}

/// An answer, with the manifest's path and text that gave it.
type Last<T> = Mutex<Option<(PathBuf, String, T)>>;

/// The answer of `find` for the package that is being compiled; nothing where there is no manifest.
fn asked<T: Clone>(last: &Last<T>, find: impl FnOnce(&Path, &str) -> T) -> Option<T> {
    // Outside a compiler, as in this crate's tests, there is no package to ask for.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").filter(|_| proc_macro::is_available())?;
    let path = PathBuf::from(folder).join("Cargo.toml");
    let text = std::fs::read_to_string(&path).ok()?;
    let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((known, read, answer)) = &*last
        && *known == path
        && *read == text
    {
        return Some(answer.clone());
    }
    let answer = find(&path, &text);
    *last = Some((path, text, answer.clone()));
    Some(answer)
}

/// What a manifest says of its edition.
#[derive(Debug, PartialEq, Eq)]
enum Edition {
    Written(u32),
    /// It is the workspace's.
    Inherited,
}

/// The edition in a section of a manifest.
fn edition(manifest: &str, section: &str) -> Option<Edition> {
    let mut lines = manifest.lines().map(str::trim).skip_while(|line| *line != section).skip(1);
    let line = lines
        .by_ref()
        .take_while(|line| !line.starts_with('['))
        .find_map(|line| line.strip_prefix("edition"))?;
    if line.contains("workspace") {
        return Some(Edition::Inherited);
    }
    let digits: String = line.chars().filter(char::is_ascii_digit).collect();
    digits.parse().ok().map(Edition::Written)
}

fn found(manifest: &str) -> Dependency {
    match crate_name("hardening") {
        Ok(FoundCrate::Name(name)) if name != "hardening" => Dependency::Renamed(name),
        // Another package under this name, such as one that re-exports it, stands for it.
        Err(Error::CrateNotFound { .. }) if !has_dependency_of_this_name(manifest) => Dependency::Missing,
        // The package of the same name uses its attributes in tests and examples, where it is a dependency.
        Ok(_) | Err(_) => Dependency::Default,
    }
}

/// Whether a manifest depends on `hardening` under its own name, as nearly all do; found without parsing the whole and
/// without asking cargo for the workspace.
fn has_plain_dependency(manifest: &str) -> bool {
    // `workspace = true` may stand for another package, and so does `package = …`; a dotted key says it on another line.
    let plain = |rest: &str| !rest.contains("package") && !rest.contains("workspace");
    dependencies_of_this_name(manifest).all(plain) && dependencies_of_this_name(manifest).next().is_some()
}

/// Whether a manifest depends on anything under the name `hardening`.
fn has_dependency_of_this_name(manifest: &str) -> bool {
    dependencies_of_this_name(manifest).next().is_some()
        || headers(manifest).any(|header| {
            let table = header.strip_suffix(".hardening").or_else(|| header.strip_suffix(".\"hardening\""));
            table.is_some_and(is_dependencies)
        })
}

/// What stands behind `hardening` in each line of a table of dependencies that begins with it.
fn dependencies_of_this_name(manifest: &str) -> impl Iterator<Item = &str> {
    let mut dependencies = false;
    manifest.lines().map(str::trim).filter_map(move |line| {
        if let Some(header) = header(line) {
            dependencies = is_dependencies(header);
            return None;
        }
        let rest = line.strip_prefix("hardening").or_else(|| line.strip_prefix("\"hardening\""))?;
        let is_key = rest.trim_start().starts_with('=') || rest.starts_with('.');
        (dependencies && is_key).then_some(rest)
    })
}

fn headers(manifest: &str) -> impl Iterator<Item = &str> {
    manifest.lines().map(str::trim).filter_map(header)
}

/// `a.b` of `[a.b] # comment`.
fn header(line: &str) -> Option<&str> {
    let header = line.strip_prefix('[')?;
    Some(header.rsplit_once(']').map_or(header, |(header, _)| header).trim())
}

/// Whether a table lists what the package itself depends on; that of a workspace only offers it.
fn is_dependencies(header: &str) -> bool {
    let known = ["dependencies", "dev-dependencies"];
    known.contains(&header)
        || (header.starts_with("target.")
            && known.iter().any(|table| header.strip_suffix(table).is_some_and(|rest| rest.ends_with('.'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_under_its_own_name_is_found_without_help() {
        for manifest in [
            "[dependencies]\nhardening = \"0.1\"\n",
            "[target.'cfg(unix)'.dev-dependencies]\n  hardening = { version = \"0.1\", features = [\"tls\"] }",
            "[dependencies]\nhardening.version = \"0.1\"",
            "[dependencies] # ours\n\"hardening\" = \"0.1\"",
        ] {
            assert!(has_plain_dependency(manifest), "{manifest}");
        }
    }

    #[test]
    fn an_edition_is_written_or_inherited() {
        let package =
            |text: &str| edition(&format!("[package]\nname = \"a\"\n{text}\n[dependencies]\n"), "[package]");
        assert_eq!(package("edition = \"2024\""), Some(Edition::Written(2024)));
        assert_eq!(package("edition=\"2021\" # old"), Some(Edition::Written(2021)));
        assert_eq!(package("edition.workspace = true"), Some(Edition::Inherited));
        assert_eq!(package("edition = { workspace = true }"), Some(Edition::Inherited));
        assert_eq!(package(""), None);
        assert_eq!(
            edition("[workspace.package]\nedition = \"2024\"", "[workspace.package]"),
            Some(Edition::Written(2024))
        );
    }

    #[test]
    fn other_dependencies_are_left_to_the_parser() {
        for manifest in [
            "[dependencies]\nhard = { package = \"hardening\", version = \"0.1\" }",
            "[dependencies]\nhardening = { package = \"other\", version = \"0.1\" }",
            "[dependencies]\nhardening.workspace = true",
            "[dependencies]\nhardening.path = \"a\"\nhardening.package = \"other\"",
            "[workspace.dependencies]\nhardening = \"0.1\"\n[dependencies]\nhard = { package = \"hardening\" }",
            "[package.metadata.dependencies]\nhardening = \"0.1\"",
            "[dependencies]\nhardening-runtime = \"0.1\"",
            "[features]\nhardening = []",
            "",
        ] {
            assert!(!has_plain_dependency(manifest), "{manifest}");
        }
    }

    #[test]
    fn another_package_may_have_the_name() {
        for (manifest, has) in [
            ("[dependencies]\nhardening = { package = \"company-hardening\" }", true),
            ("[dependencies]\nhardening.workspace = true", true),
            ("[target.'cfg(unix)'.dependencies.hardening] # ours\npackage = \"company-hardening\"", true),
            ("[workspace.dependencies.hardening]\nversion = \"0.1\"", false),
            ("[dependencies]\ncompany-hardening = \"0.1\"", false),
        ] {
            assert_eq!(has_dependency_of_this_name(manifest), has, "{manifest}");
        }
    }
}
