//! Commands: printed before they run, so that each can be repeated by hand.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// What a task says of itself when it fails.
pub(crate) type Done<T = ()> = Result<T, String>;

/// The workspace's folder.
pub(crate) fn root() -> &'static Path {
    // The folder above this package exists wherever the package was built.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// One command, run in the workspace's folder unless it names another.
#[derive(Debug)]
pub(crate) struct Step {
    program: OsString,
    arguments: Vec<String>,
    variables: Vec<(&'static str, OsString)>,
    folder: PathBuf,
}

impl Step {
    /// `program` with the words of `arguments`.
    pub(crate) fn new(program: impl Into<OsString>, arguments: &str) -> Self {
        let arguments = arguments.split_whitespace().map(str::to_owned).collect();
        Self { program: program.into(), arguments, variables: Vec::new(), folder: root().to_owned() }
    }

    /// The cargo that runs this.
    pub(crate) fn cargo(arguments: &str) -> Self {
        Self::new("cargo", arguments)
    }

    /// One more argument, as it is.
    pub(crate) fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// More arguments, as they are.
    pub(crate) fn arguments(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// Sets a variable of the environment.
    pub(crate) fn variable(mut self, name: &'static str, value: impl Into<OsString>) -> Self {
        self.variables.push((name, value.into()));
        self
    }

    /// Runs it in this folder.
    pub(crate) fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// As it would be typed; a search path is too long to read.
    pub(crate) fn shown(&self) -> String {
        let variables = self.variables.iter().filter(|(name, _)| *name != "PATH");
        let variables =
            variables.map(|(name, value)| format!("{name}={} ", quoted(&value.to_string_lossy())));
        let arguments = self.arguments.iter().map(|argument| format!(" {}", quoted(argument)));
        let folder = if self.folder == root() {
            String::new()
        } else {
            format!("cd {} && ", quoted(&self.folder.to_string_lossy()))
        };
        format!(
            "{folder}{}{}{}",
            variables.collect::<String>(),
            self.program.display(),
            arguments.collect::<String>()
        )
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).current_dir(&self.folder);
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        command
    }

    /// Prints and runs it.
    pub(crate) fn run(&self) -> Done {
        if self.code()? == 0 { Ok(()) } else { Err(format!("`{}` failed", self.shown())) }
    }

    /// Prints and runs it: the code that it ends with.
    pub(crate) fn code(&self) -> Done<i32> {
        eprintln!("+ {}", self.shown());
        let status =
            self.command().status().map_err(|error| format!("`{}` cannot run: {error}", self.shown()))?;
        status.code().ok_or_else(|| format!("`{}` was killed", self.shown()))
    }

    /// Prints and runs it: what it wrote to its standard output, if it succeeded.
    pub(crate) fn written(&self) -> Done<String> {
        eprintln!("+ {}", self.shown());
        let output = self.command().stderr(Stdio::inherit()).output();
        let output = output.map_err(|error| format!("`{}` cannot run: {error}", self.shown()))?;
        if !output.status.success() {
            return Err(format!("`{}` failed", self.shown()));
        }
        String::from_utf8(output.stdout).map_err(|error| format!("`{}`: {error}", self.shown()))
    }

    /// Runs it quietly: how it ended, and all that it wrote.
    pub(crate) fn ended(&self) -> Done<Output> {
        self.command().output().map_err(|error| format!("`{}` cannot run: {error}", self.shown()))
    }

    /// Runs it quietly: whether it ran and succeeded.
    pub(crate) fn succeeds(&self) -> bool {
        self.command().output().is_ok_and(|output| output.status.success())
    }

    /// Runs it quietly; what it wrote, if it succeeded.
    pub(crate) fn output(&self) -> Option<String> {
        let output = self.command().output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

/// Runs every step, and then says which ones failed.
pub(crate) fn all(steps: impl IntoIterator<Item = Step>) -> Done {
    let failed: Vec<String> = steps.into_iter().filter_map(|step| step.run().err()).collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\nerror: ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_shown_as_it_would_be_typed() {
        let step = Step::cargo("test --workspace")
            .argument("a b")
            .variable("RUSTDOCFLAGS", "-D warnings")
            .variable("PATH", "x");
        assert_eq!(step.shown(), "RUSTDOCFLAGS='-D warnings' cargo test --workspace 'a b'");
    }

    #[test]
    fn every_step_runs_and_every_failure_is_named() {
        let why = all([Step::new("false", "one"), Step::new("true", ""), Step::new("no-such-program", "")])
            .unwrap_err();
        assert!(why.contains("`false one` failed") && why.contains("`no-such-program` cannot run"), "{why}");
        assert_eq!(all([Step::new("true", "")]), Ok(()));
    }

    #[test]
    fn the_root_holds_the_workspace() {
        assert!(root().join("Cargo.toml").is_file() && root().join("hardening-spec").is_dir());
    }
}
