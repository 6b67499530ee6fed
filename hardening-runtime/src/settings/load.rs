//! All sources into one set of settings, or every problem at once.

use std::fmt;
use std::time::Duration;

use hardening_spec::CallSpec;

use super::value::{Entry, Origin};
use super::{Loaded, Settings, apply, cautions, env, file, problems};
use crate::files::{self, Version, version};

/// The largest file of settings, in bytes: what it costs to read one is bounded by it.
const LARGEST: u64 = 1 << 20;

/// One call site, or one policy that calls share, as far as settings need it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
    pub(crate) declared: CallSpec,
    /// Its policies that are shared, as settings name them, each with its own name.
    pub(crate) shares: Vec<(&'static str, &'static str)>,
    /// Of a shared policy: its attribute.
    pub(crate) policy: Option<&'static str>,
}

impl Call {
    /// The section of its tables.
    pub(crate) const fn section(&self) -> &'static str {
        match self.policy {
            None => "call",
            Some(_) => "policy",
        }
    }
}

/// Everything that settings come from, later ones over earlier ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sources {
    /// What the attribute says.
    pub(crate) name: String,
    pub(crate) listen: String,
    pub(crate) admin: String,
    pub(crate) grace: Duration,
    /// Settings given in code, below the file.
    pub(crate) defaults: Option<String>,
    /// The file to read, and whether it must exist.
    pub(crate) file: Option<(String, bool)>,
    /// The environment.
    pub(crate) variables: Vec<(String, String)>,
    /// Settings given in code, above everything.
    pub(crate) overrides: Option<String>,
}

impl Sources {
    /// The file as it is now.
    pub(crate) fn version(&self) -> Version {
        version(&self.file.as_ref()?.0)
    }

    /// The environment of the process, and the file that it or the attribute names.
    pub(crate) fn read_process(&mut self, config: Option<&str>) {
        // Names and values that are no Unicode cannot be ours.
        self.variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let named = self
            .variables
            .iter()
            .find(|(name, path)| name == "HARDENING_CONFIG" && !path.is_empty())
            .map(|(_, path)| path.clone());
        self.file = Some(match named.or_else(|| config.map(str::to_owned)) {
            Some(path) => (path, true),
            None => ("hardening.toml".to_owned(), false),
        });
    }
}

impl Sources {
    /// The file that said something is gone, or says nothing any more.
    pub(crate) fn says_nothing(&self) -> String {
        let path = self.file.as_ref().map_or("the settings file", |(path, _)| path);
        format!("{path} is gone or empty: restore it, or restart the service to run without it")
    }
}

/// What is wrong with the settings, one sentence each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Reads every source.
///
/// # Errors
/// With everything that is wrong in any of them.
pub(crate) fn load(sources: &Sources, calls: &[Call]) -> Result<Loaded, Problems> {
    load_with(sources, calls, &[])
}

/// Reads every source, with what was set in the console over all of them.
///
/// # Errors
/// With everything that is wrong in any of them.
pub(crate) fn load_with(sources: &Sources, calls: &[Call], console: &[Entry]) -> Result<Loaded, Problems> {
    let mut problems = Vec::new();
    let version = sources.version();
    unique_names(calls, &mut problems);
    let (mut entries, file_says) = gather(sources, calls, &mut problems);
    entries.extend_from_slice(console);
    let mut loaded = applied(sources, calls, entries, version, problems)?;
    loaded.file_says = file_says;
    let cautions = cautions::of(&loaded);
    loaded.warnings.extend(problems::first(cautions));
    Ok(loaded)
}

/// The settings in force with something else set in the console: no source is read again, so that one that is broken
/// by now stands in nobody's way.
///
/// # Errors
/// With everything that is wrong.
pub(crate) fn reload_with(
    sources: &Sources,
    calls: &[Call],
    in_force: &Loaded,
    console: &[Entry],
) -> Result<Loaded, Problems> {
    let others = in_force.entries.iter().filter(|entry| entry.origin != Origin::Console);
    let entries = others.chain(console).cloned().collect();
    let loaded = applied(sources, calls, entries, in_force.version, Vec::new())?;
    Ok(Loaded { file_says: in_force.file_says, ..loaded })
}

fn applied(
    sources: &Sources,
    calls: &[Call],
    entries: Vec<Entry>,
    version: Version,
    mut problems: Vec<String>,
) -> Result<Loaded, Problems> {
    let mut settings = Settings::default();
    settings.service.name.clone_from(&sources.name);
    settings.http.listen.clone_from(&sources.listen);
    settings.http.admin.clone_from(&sources.admin);
    settings.shutdown.grace = sources.grace;
    let mut loaded = apply::apply(settings, entries, calls, &mut problems);
    loaded.version = version;
    if problems.is_empty() { Ok(loaded) } else { Err(Problems(problems::first(problems))) }
}

/// What every source says, and whether the file says anything.
fn gather(sources: &Sources, calls: &[Call], problems: &mut Vec<String>) -> (Vec<Entry>, bool) {
    let lookup = |name: &str| {
        sources.variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    };
    let (mut entries, mut file_says) = (Vec::new(), false);
    if let Some(text) = &sources.defaults {
        entries.extend(file::entries("the defaults given in code", text, &lookup, problems));
    }
    if let Some((path, required)) = &sources.file {
        match files::read_text(path, LARGEST) {
            Ok(text) => {
                let says = |line: &str| !line.trim_start().is_empty() && !line.trim_start().starts_with('#');
                file_says = text.lines().any(says);
                entries.extend(file::entries(path, &text, &lookup, problems));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {}
            Err(error) => problems.push(format!("{path}: the settings file cannot be read: {error}")),
        }
    }
    entries.extend(env::entries(&sources.variables, calls, problems));
    if let Some(text) = &sources.overrides {
        entries.extend(file::entries("the settings given in code", text, &lookup, problems));
    }
    (entries, file_says)
}

/// Settings, metrics and logs know a call by its name alone, and variables by what their names leave of it.
fn unique_names(calls: &[Call], problems: &mut Vec<String>) {
    for (at, call) in calls.iter().enumerate() {
        let variable = env::env_name(call.name);
        let before = || calls[..at].iter().filter(|other| other.section() == call.section());
        let (section, kind) = (call.section(), if call.policy.is_none() { "calls" } else { "policies" });
        let (other, what) = if let Some(other) = before().find(|other| other.name == call.name) {
            (other, format!("two {kind} are named `{}`", call.name))
        } else if let Some(other) = before().find(|other| env::env_name(other.name) == variable) {
            let both = format!("the {kind} `{}` and `{}` are both", other.name, call.name);
            let section = section.to_ascii_uppercase();
            (other, format!("{both} `HARDENING_{section}__{variable}__…` in the environment"))
        } else {
            continue;
        };
        if call.policy.is_some() {
            problems.push(format!(
                "{what}, at {}:{} and {}:{}: give one another name",
                other.file, other.line, call.file, call.line
            ));
            continue;
        }
        problems.push(format!(
            "{what}, at {}:{} and {}:{}: write `name = \"…\"` in the attributes of one",
            other.file, other.line, call.file, call.line
        ));
    }
}
