//! What the browser's test needs from npm: the packages of `service-tests/browser/package.json`, below the target folder.

use std::fs;

use crate::run::{Done, Step, root, target};

/// Makes sure that they are there, in the versions that are asked for.
pub(crate) fn provide() -> Done {
    let told = |path: &std::path::Path, error: &std::io::Error| format!("{}: {error}", path.display());
    let wanted = root().join("service-tests/browser/package.json");
    let folder = target().join("tools/browser");
    let there = folder.join("package.json");
    let text = fs::read(&wanted).map_err(|error| told(&wanted, &error))?;
    // Written last, so that what was broken off is done again.
    if fs::read(&there).is_ok_and(|known| known == text) {
        return Ok(());
    }
    fs::create_dir_all(&folder).map_err(|error| told(&folder, &error))?;
    let specified = root().join("service-tests/browser");
    Step::new("npm", "install --no-audit --no-fund --ignore-scripts --no-package-lock --no-save --prefix")
        .argument(folder.display().to_string())
        .arguments(packages(&String::from_utf8_lossy(&text)))
        .run()
        .map_err(|error| format!("{error}: what {} asks for cannot be had", specified.display()))?;
    fs::write(&there, text).map_err(|error| told(&there, &error))
}

/// `name@version` of each line of `dependencies`.
fn packages(text: &str) -> Vec<String> {
    let dependencies = text.split_once("\"dependencies\"").map_or("", |(_, rest)| rest);
    let pairs =
        dependencies.lines().filter_map(|line| line.trim().trim_end_matches(',').split_once("\": \""));
    pairs.map(|(name, version)| format!("{}@{}", name.trim_matches('"'), version.trim_matches('"'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_dependency_is_asked_for_in_its_version() {
        let text = fs::read_to_string(root().join("service-tests/browser/package.json")).unwrap();
        let names: Vec<String> = packages(&text);
        assert_eq!(names.len(), 2, "{names:?}");
        for (name, start) in names.iter().zip(["axe-core@", "playwright-core@"]) {
            let version = name.strip_prefix(start).unwrap_or_else(|| panic!("{name}"));
            assert!(version.split('.').all(|part| part.parse::<u32>().is_ok()), "{name}: an exact version");
        }
    }
}
