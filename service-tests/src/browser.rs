//! The browser that scripts drive, and what it needs.

use std::path::{Path, PathBuf};

use tokio::process::Command;

use crate::tool;

fn found(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// A run of one of the scripts in `service-tests/browser`. `None`, said aloud, where the browser, the interpreter or its packages
/// may be missing. `temporary` is `CARGO_TARGET_TMPDIR`.
pub fn script(name: &str, temporary: &str) -> Option<Command> {
    // Where `cargo xtask test` puts them.
    let tools = Path::new(temporary).parent().expect("a target folder").join("tools/browser");
    let packages = ["playwright-core", "axe-core"].map(|name| tools.join("node_modules").join(name));
    let there = packages.iter().all(|package| package.is_dir());
    let Some((chromium, node)) = found("chromium").zip(found("node")).filter(|_| there) else {
        let missing = format!("chromium, node or the packages in {} are missing", tools.display());
        assert!(!tool::required(), "{missing}");
        eprintln!("{missing}, so no browser looks");
        return None;
    };
    let mut command = Command::new(node);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser").join(name);
    command.arg(script).env("TOOLS", tools).env("CHROMIUM", chromium).kill_on_drop(true);
    Some(command)
}
