//! Generated packages, and what the compiler says of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, io};

use serde_json::Value;

/// A package below the target directory that depends on `hardening` by its path.
#[derive(Debug)]
pub struct Package {
    folder: PathBuf,
}

/// An error or a warning of the compiler.
#[derive(Clone, Debug)]
pub struct Message {
    /// The crate in which it was found.
    pub target: String,
    /// `error`, `warning`, …
    pub level: String,
    /// The error's number or the lint's name.
    pub code: String,
    /// The first line.
    pub text: String,
    /// All of it, as a terminal shows it.
    pub rendered: String,
    /// Where it points to: the outermost place of the generated source, as file, line and column.
    pub place: Option<(String, usize, usize)>,
}

/// The folder of this repository.
pub fn repository() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().unwrap_or(folder).to_path_buf()
}

/// Where generated packages stand and are built: within the target directory, so that nothing has to be cleaned up.
fn target() -> PathBuf {
    // `target/debug/deps/shapes-…` is this program.
    let program = env::current_exe().unwrap_or_default();
    program
        .ancestors()
        .nth(3)
        .map_or_else(|| repository().join("target"), Path::to_path_buf)
        .join("shape-tests")
}

impl Package {
    /// Writes the manifest, with a library of `library` and a program for each of `programs`.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn new(name: &str, library: &str, programs: &[String]) -> io::Result<Self> {
        let folder = target().join("packages").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let package = Self { folder };
        let path = repository().display().to_string();
        let mut manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.0.0\"\nedition = \"2024\"\npublish = false\nautobins = false\n\
             [workspace]\n[lib]\nname = \"{library}\"\npath = \"lib.rs\"\n\
             [dependencies]\n\
             hardening = {{ path = {path:?}, default-features = false, features = [\"service\"] }}\n\
             axum = {{ version = \"0.8.9\", default-features = false, features = [\"json\", \"query\", \"tokio\"] }}\n\
             async-trait = \"0.1\"\n\
             tracing = {{ version = \"0.1.44\", default-features = false, features = [\"attributes\", \"std\"] }}\n\
             tokio = {{ version = \"1.54\", default-features = false, features = [\"macros\", \"rt\", \"rt-multi-thread\", \"test-util\", \"time\"] }}\n\
             serde = {{ version = \"1\", features = [\"derive\"] }}\n"
        );
        for program in programs {
            let _ = write!(manifest, "[[bin]]\nname = \"{program}\"\npath = \"{program}/main.rs\"\n");
        }
        package.write("Cargo.toml", &manifest)?;
        fs::copy(repository().join("Cargo.lock"), package.folder.join("Cargo.lock"))?;
        Ok(package)
    }

    /// Writes one file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> io::Result<()> {
        let path = self.folder.join(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, text)
    }

    /// Runs `cargo check` or `cargo clippy`, and collects what the compiler says of this package.
    ///
    /// # Errors
    /// When cargo does not start.
    ///
    /// # Panics
    /// When cargo fails without a message of the compiler, such as when a dependency does not compile.
    pub fn run(&self, arguments: &[&str]) -> io::Result<Vec<Message>> {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).args(["--offline", "--keep-going", "--message-format=json"]);
        command.current_dir(&self.folder).stdin(Stdio::null());
        command.env("CARGO_TARGET_DIR", target().join("target"));
        command.env("CARGO_INCREMENTAL", "0");
        command.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let output = command.output()?;
        let mut messages = Vec::new();
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            if line["reason"] == "compiler-message" && self.is_ours(&line) {
                messages.extend(message(&line));
            }
        }
        let explained = output.status.success() || messages.iter().any(|message| message.level == "error");
        assert!(explained, "`{command:?}` failed:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(messages)
    }

    fn is_ours(&self, line: &Value) -> bool {
        line["manifest_path"].as_str().is_some_and(|manifest| Path::new(manifest).starts_with(&self.folder))
    }
}

fn message(line: &Value) -> Option<Message> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let message = &line["message"];
    let first = text(&message["message"]);
    // Summaries: "aborting due to …", "… warnings emitted", "for more information …".
    let spans = message["spans"].as_array()?;
    let summary = first.starts_with("aborting due to") || first.contains(" emitted");
    if spans.is_empty() && (summary || message["level"] == "failure-note") {
        return None;
    }
    let children = message["children"].as_array().into_iter().flatten();
    let primary = spans.iter().filter(|span| span["is_primary"] == true);
    let others =
        spans.iter().chain(children.flat_map(|child| child["spans"].as_array().into_iter().flatten()));
    Some(Message {
        target: text(&line["target"]["name"]),
        level: text(&message["level"]),
        code: text(&message["code"]["code"]),
        text: first,
        rendered: text(&message["rendered"]),
        place: primary.chain(others).find_map(outermost),
    })
}

/// The place in the generated source from which a span was expanded, if it is there at all.
fn outermost(span: &Value) -> Option<(String, usize, usize)> {
    let expansion = &span["expansion"]["span"];
    if !expansion.is_null()
        && let Some(place) = outermost(expansion)
    {
        return Some(place);
    }
    let file = span["file_name"].as_str()?;
    let number = |name: &str| span[name].as_u64().and_then(|number| usize::try_from(number).ok());
    // Files of dependencies are given by absolute paths.
    (!Path::new(file).is_absolute())
        .then(|| Some((file.to_owned(), number("line_start")?, number("column_start")?)))
        .flatten()
}
