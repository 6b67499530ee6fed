//! The name under which the package that is being compiled depends on `hardening`.

use std::path::PathBuf;
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
    static LAST: Mutex<Option<(PathBuf, String, Dependency)>> = Mutex::new(None);
    // Outside a compiler, as in this crate's tests, there is no package to ask for.
    let folder = std::env::var_os("CARGO_MANIFEST_DIR").filter(|_| proc_macro::is_available());
    let Some(folder) = folder else { return Dependency::Default };
    let path = PathBuf::from(folder).join("Cargo.toml");
    let Ok(text) = std::fs::read_to_string(&path) else { return Dependency::Default };
    let mut last = LAST.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((known, read, dependency)) = &*last
        && *known == path
        && *read == text
    {
        return dependency.clone();
    }
    let found = if has_plain_dependency(&text) { Dependency::Default } else { found() };
    *last = Some((path, text, found.clone()));
    found
}

fn found() -> Dependency {
    match crate_name("hardening") {
        Ok(FoundCrate::Name(name)) if name != "hardening" => Dependency::Renamed(name),
        Err(Error::CrateNotFound { .. }) => Dependency::Missing,
        // The package of the same name uses its attributes in tests and examples, where it is a dependency.
        Ok(_) | Err(_) => Dependency::Default,
    }
}

/// Whether a manifest depends on `hardening` under its own name, as nearly all do; found without parsing the whole and
/// without asking cargo for the workspace.
fn has_plain_dependency(manifest: &str) -> bool {
    let mut dependencies = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(header) = line.strip_prefix('[') {
            let header = header.trim_end_matches(']');
            dependencies = header.ends_with("dependencies");
            continue;
        }
        if !dependencies {
            continue;
        }
        let Some(rest) = line.strip_prefix("hardening") else { continue };
        let is_key = rest.trim_start().starts_with('=') || rest.starts_with('.');
        // `workspace = true` may stand for another package, and so does `package = …`.
        if is_key && !rest.contains("package") && !rest.contains("workspace") {
            return true;
        }
    }
    false
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
        ] {
            assert!(has_plain_dependency(manifest), "{manifest}");
        }
    }

    #[test]
    fn other_dependencies_are_left_to_the_parser() {
        for manifest in [
            "[dependencies]\nhard = { package = \"hardening\", version = \"0.1\" }",
            "[dependencies]\nhardening = { package = \"other\", version = \"0.1\" }",
            "[dependencies]\nhardening.workspace = true",
            "[dependencies]\nhardening-runtime = \"0.1\"",
            "[features]\nhardening = []",
            "",
        ] {
            assert!(!has_plain_dependency(manifest), "{manifest}");
        }
    }
}
