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
    /// The package that has it: Debian's, or Python's with its version.
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
    /// A package of Python with its program, or a Python that can import it, in a folder of its own below the target folder.
    Python,
}

/// What all tests together need besides cargo.
pub(crate) const TOOLS: &[Tool] = &[
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
        program: "python-grpcio-health-checking",
        package: "grpcio-health-checking==1.85.1",
        purpose: "asks for health over gRPC as clients of another language do",
        source: Source::Python,
    },
    Tool {
        program: "rotel-agent",
        package: "rotel==0.0.1a15",
        purpose: "collects traces as others wrote it",
        source: Source::Python,
    },
    Tool {
        program: "slowhttptest",
        package: "slowhttptest",
        purpose: "attacks the service with slow clients",
        source: Source::Install,
    },
    Tool {
        program: "h2load",
        package: "nghttp2-client",
        purpose: "loads the service over both versions of HTTP",
        source: Source::Install,
    },
    Tool {
        program: "sslscan",
        package: "sslscan",
        purpose: "looks for weaknesses of the service's TLS",
        source: Source::Install,
    },
    Tool {
        program: "testssl",
        package: "testssl.sh",
        purpose: "looks for more weaknesses of the service's TLS",
        source: Source::Install,
    },
    Tool {
        program: "schemathesis",
        package: "schemathesis==4.32.5",
        purpose: "makes up requests along a description of the service",
        source: Source::Python,
    },
    Tool {
        program: "haproxy",
        package: "haproxy",
        purpose: "stands between clients and the service",
        source: Source::Install,
    },
    Tool {
        program: "nginx",
        package: "nginx-light",
        purpose: "stands between clients and the service",
        source: Source::Install,
    },
    Tool {
        program: "python-websockets",
        package: "websockets==15.0.1",
        purpose: "opens sockets as clients of another language do",
        source: Source::Python,
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

/// What the suites of `--full` need besides.
pub(crate) const OF_SUITES: &[Tool] = &[
    Tool {
        program: "sslyze",
        package: "sslyze==6.3.1",
        purpose: "looks for known weaknesses of the service's TLS",
        source: Source::Python,
    },
    Tool {
        program: "python-prometheus-client",
        package: "prometheus_client==0.26.0",
        purpose: "reads the metrics as clients of another language do",
        source: Source::Python,
    },
];

/// The search path with the programs that [`provide`] unpacks.
pub(crate) fn search_path() -> OsString {
    let given = env::var_os("PATH").unwrap_or_default();
    let all = TOOLS.iter().chain(OF_SUITES).map(programs).chain(env::split_paths(&given));
    // No folder of ours holds the separator unless the workspace's does, and then nothing is added.
    env::join_paths(all).unwrap_or(given)
}

/// Where a tool's program is, if it is not installed.
fn programs(tool: &Tool) -> PathBuf {
    let below = if tool.source == Source::Python { "bin" } else { "usr/bin" };
    unpacked(tool).join(below)
}

fn unpacked(tool: &Tool) -> PathBuf {
    target().join("tools").join(tool.package)
}

/// Finds `program` in the folders of `path`.
fn find(program: &str, path: &OsString) -> Option<PathBuf> {
    env::split_paths(path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Makes sure that each of these is there.
pub(crate) fn provide(tools: &[Tool]) -> Done {
    let path = search_path();
    let missing: Vec<Tool> =
        tools.iter().copied().filter(|tool| find(tool.program, &path).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for tool in &missing {
        eprintln!("{} is missing: it {}", tool.program, tool.purpose);
    }
    let packaged = missing.iter().any(|tool| tool.source != Source::Python);
    let root = Step::new("id", "-u").output().is_some_and(|id| id.trim() == "0");
    if packaged && (!root || find("apt-get", &path).is_none()) {
        return Err(by_hand(&missing));
    }
    if packaged {
        Step::new("apt-get", "update --quiet=2").run()?;
    }
    for tool in &missing {
        match tool.source {
            Source::Install => install(tool)?,
            Source::Unpack => unpack(tool)?,
            Source::Python => import(tool)?,
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
    let packaged = missing.iter().filter(|tool| tool.source != Source::Python);
    let packages: Vec<&str> = packaged.map(|tool| tool.package).collect();
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

/// Where the package has no such program, it is a name for the Python of the folder, by which that is known to have it. Nothing is
/// compiled: what sslyze is published as is all Python.
fn import(tool: &Tool) -> Done {
    let script = "python3 -m venv --clear \"$1\" \
        && \"$1\"/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-binary sslyze \"$2\" \
        && { test -e \"$1\"/bin/\"$3\" \
        || ln -s \"$(ls \"$1\"/lib/python3*/site-packages/*/\"$3\" 2>/dev/null || echo python3)\" \"$1\"/bin/\"$3\"; }";
    let made = Step::new("sh", "-c")
        .argument(script)
        .argument("import")
        .argument(unpacked(tool).display().to_string())
        .argument(tool.package)
        .argument(tool.program)
        .run();
    made.map_err(|error| {
        format!("{error}\nDebian has what a Python in a folder of its own needs in the package python3-venv")
    })
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
        let line = by_hand(TOOLS);
        assert!(
            line.contains("apt-get install --yes --no-install-recommends valgrind prometheus slowhttptest nghttp2-client sslscan testssl.sh haproxy nginx-light chromium nodejs npm
"),
            "{line}"
        );
    }
}
