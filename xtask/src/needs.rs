//! Programs that tests and lints need, found or installed.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::run::{Done, Step, target};

/// A program that some tests run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    /// The program.
    pub(crate) program: &'static str,
    /// The Debian package that has it.
    pub(crate) package: &'static str,
    /// What for.
    pub(crate) purpose: &'static str,
    source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// Installed.
    Install,
    /// Unpacked below the target folder: installing it would start a daemon on a port of ours.
    Unpack,
}

/// What all tests together need besides cargo.
pub(crate) const TOOLS: [Tool; 5] = [
    Tool {
        program: "valgrind",
        package: "valgrind",
        purpose: "counts instructions in the cost benchmark",
        source: Source::Install,
    },
    Tool {
        program: "promtool",
        package: "prometheus",
        purpose: "judges what /metrics answers",
        source: Source::Unpack,
    },
    Tool {
        program: "chromium",
        package: "chromium",
        purpose: "looks at the console",
        source: Source::Install,
    },
    Tool { program: "node", package: "nodejs", purpose: "drives chromium", source: Source::Install },
    Tool { program: "npm", package: "npm", purpose: "brings what drives chromium", source: Source::Install },
];

/// The search path with the programs that [`provide`] unpacks.
pub(crate) fn search_path() -> OsString {
    let given = env::var_os("PATH").unwrap_or_default();
    let all = TOOLS.iter().map(|tool| unpacked(tool).join("usr/bin")).chain(env::split_paths(&given));
    // No folder of ours holds the separator unless the workspace's does, and then nothing is added.
    env::join_paths(all).unwrap_or(given)
}

fn unpacked(tool: &Tool) -> PathBuf {
    target().join("tools").join(tool.package)
}

/// Finds `program` in the folders of `path`.
fn find(program: &str, path: &OsString) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Makes sure that every tool is there.
pub(crate) fn provide() -> Done {
    let path = search_path();
    let missing: Vec<Tool> = TOOLS.into_iter().filter(|tool| find(tool.program, &path).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        eprintln!("{} is missing: it {}", tool.program, tool.purpose);
    }
    let root = Step::new("id", "-u").output().is_some_and(|id| id.trim() == "0");
    if !root || find("apt-get", &path).is_none() {
        return Err(by_hand(&missing));
    }
    Step::new("apt-get", "update --quiet=2").run()?;
    for tool in &missing {
        match tool.source {
            Source::Install => install(tool)?,
            Source::Unpack => unpack(tool)?,
        }
    }
    let path = search_path();
    match missing.iter().find(|tool| find(tool.program, &path).is_none()) {
        None => Ok(()),
        Some(tool) => Err(format!("the package {} brought no program {}", tool.package, tool.program)),
    }
}

/// The line to type where nothing can be installed from here.
fn by_hand(missing: &[Tool]) -> String {
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    format!(
        "install what is missing, then try again:\n    \
         sudo apt-get update && sudo apt-get install --yes --no-install-recommends {}\n\
         or run the tests that need none of it: cargo xtask test --fast",
        packages.join(" ")
    )
}

fn install(tool: &Tool) -> Done {
    Step::new("apt-get", "install --quiet=2 --yes --no-install-recommends")
        .argument(tool.package)
        .variable("DEBIAN_FRONTEND", "noninteractive")
        .run()
}

fn unpack(tool: &Tool) -> Done {
    let folder = unpacked(tool);
    let text = |path: &Path| path.display().to_string();
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let script = "cd \"$1\" && apt-get download --quiet=2 \"$2\" && dpkg-deb --extract \"$2\"_*.deb . && rm \"$2\"_*.deb";
    Step::new("sh", "-c")
        .argument(script)
        .argument("unpack")
        .argument(text(&folder))
        .argument(tool.package)
        .run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_where_the_path_leads() {
        let path = search_path();
        assert!(find("cargo", &path).is_some(), "cargo runs this test");
        assert_eq!(find("no-such-program", &path), None);
    }

    #[test]
    fn unpacked_programs_come_first() {
        let first = env::split_paths(&search_path()).next().unwrap();
        assert_eq!(first, target().join("tools/valgrind/usr/bin"));
    }

    #[test]
    fn the_line_to_type_names_every_missing_package() {
        let line = by_hand(&TOOLS);
        assert!(
            line.contains(
                "apt-get install --yes --no-install-recommends valgrind prometheus chromium nodejs npm\n"
            ),
            "{line}"
        );
    }
}
