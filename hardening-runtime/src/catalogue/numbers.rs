//! Numbers that a program without a service puts in force: from its arguments, a file of its own form, or the environment.

use hardening_spec::CallSpec;
use hardening_spec::keys::list;
use hardening_spec::rules::{self, Severity};
use hardening_spec::settings::{self, Raw};
use hardening_spec::suggest::nearest;

use super::Target;
use crate::names::env_name;

/// Puts numbers in force for calls and shared policies, all of them or none, at any time; states stay as they are. Answers how many
/// calls and policies changed.
///
/// A number is named as in a settings file, `call.price.retry.attempts`, `call.price.timeout`, `policy.REDIS.open_for`, or as in the
/// environment, `HARDENING_CALL__PRICE__RETRY__ATTEMPTS`; other names that begin with `HARDENING_` are left alone. Values are
/// those of settings: `5`, `250ms`, `20%`, `true`. What `enabled = false` has switched off, `enabled = true` brings back with the
/// numbers of the attribute. A program of `#[hardened_service]` reads its settings by itself.
///
/// ```
/// use hardening_runtime::catalogue;
///
/// // From the environment, and over that what the program was told.
/// let mut numbers: Vec<(String, String)> = std::env::vars().filter(|(name, _)| name.starts_with("HARDENING_")).collect();
/// numbers.extend(std::env::args().skip(1).filter_map(|argument| {
///     let (name, value) = argument.strip_prefix("--set=")?.split_once('=')?;
///     Some((name.to_owned(), value.to_owned()))
/// }));
/// if let Err(problems) = catalogue::configure(&numbers) {
///     eprintln!("{}", problems.join("\n"));
/// }
/// ```
///
/// # Errors
/// With everything that is wrong, a sentence each: an unknown name with the nearest known one, a value of another form, numbers that
/// break a rule between policies, or that cannot change once the call was made.
pub fn configure<N: AsRef<str>, V: AsRef<str>>(numbers: &[(N, V)]) -> Result<usize, Vec<String>> {
    let mut changes = Changes::default();
    let mut problems = Vec::new();
    for (name, value) in numbers {
        let name = name.as_ref();
        if let Err(why) = changes.set(name, value.as_ref()) {
            problems.push(format!("{name}: {why}"));
        }
    }
    for (target, spec) in &changes.0 {
        let shares = target.shares();
        let findings = rules::check(spec, &|_, _| true).into_iter();
        let broken = findings.filter(|finding| {
            let shared = shares.iter().any(|(known, _)| *known == finding.policy);
            finding.severity == Severity::Error && !shared
        });
        let broken = broken.map(|finding| finding.message);
        let place = target.place();
        let refused = target.refuses_to_become(spec).map(str::to_owned);
        problems.extend(
            broken
                .chain(refused)
                .map(|why| format!("`{}` ({}:{}): {why}", target.name(), place.file, place.line)),
        );
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut changed = 0;
    for (target, spec) in changes.0 {
        if target.in_force() != spec {
            target.configure(&spec);
            changed += 1;
        }
    }
    Ok(changed)
}

/// What calls and policies become.
#[derive(Default)]
struct Changes(Vec<(Target, CallSpec)>);

impl Changes {
    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let named: Named<'_> = match name.strip_prefix("HARDENING_") {
            Some(variable) => match Named::of_variable(variable) {
                Some(named) => named,
                None => return Ok(()),
            },
            None => Named::of_path(name).ok_or(FORM)?,
        };
        let target = named.target()?;
        let (policy, key) = named.key(target)?;
        if let Some((_, shared)) = target.shares().iter().find(|(known, _)| *known == policy) {
            return Err(format!(
                "this `{policy}` is shared: write `policy.{shared}` for every call that uses it"
            ));
        }
        let at = self.0.iter().position(|(known, _)| is_same(*known, target)).unwrap_or_else(|| {
            self.0.push((target, target.in_force()));
            self.0.len() - 1
        });
        let spec = &mut self.0[at].1;
        let declared = target.declared();
        if !settings::has(spec, &policy) && settings::has(&declared, &policy) {
            if key != "enabled" {
                return Err(format!(
                    "this `{policy}` is switched off: set its `enabled` to `true` first, which brings back the numbers of the attribute"
                ));
            }
            settings::copy(spec, &policy, &declared);
        }
        settings::set(spec, &policy, &key, Raw::Text(value)).map_err(|why| why.to_string())
    }
}

/// How a number is named.
const FORM: &str = "write `call.<name>.<policy>.<key>` or `policy.<NAME>.<key>`";

fn is_same(one: Target, other: Target) -> bool {
    one.section() == other.section() && one.name() == other.name()
}

/// A number by its name: the section, the call or policy, and what of it.
struct Named<'a> {
    section: &'static str,
    name: &'a str,
    rest: Vec<String>,
    in_environment: bool,
}

impl<'a> Named<'a> {
    fn of_path(path: &'a str) -> Option<Self> {
        let mut parts = path.split('.');
        let section = section(parts.next()?)?;
        let name = parts.next()?;
        Some(Self { section, name, rest: parts.map(str::to_owned).collect(), in_environment: false })
    }

    /// `None` for a variable that is about something else.
    fn of_variable(variable: &'a str) -> Option<Self> {
        let mut parts = variable.split("__");
        let section = section(&parts.next()?.to_ascii_lowercase())?;
        let name = parts.next().unwrap_or_default();
        let rest = parts.map(str::to_ascii_lowercase).collect();
        Some(Self { section, name, rest, in_environment: true })
    }

    fn target(&self) -> Result<Target, String> {
        let known = || Target::all().into_iter().filter(|target| target.section() == self.section);
        let as_written = |target: &Target| {
            let name = target.name();
            if self.in_environment { env_name(name) } else { name.to_owned() }
        };
        known().find(|target| as_written(target) == self.name).ok_or_else(|| {
            let names: Vec<String> = known().map(|target| as_written(&target)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let near = nearest(self.name, names.iter().copied());
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            format!("there is no {} `{}`{near} known: {}", self.section, self.name, list(&names))
        })
    }

    /// The policy and its key; one key alone is that of `timeout = "1s"`, as in the attribute.
    fn key(&self, target: Target) -> Result<(String, String), String> {
        let (policy, key) = match (target.attribute(), self.rest.as_slice()) {
            // A budget is the number of that name of a retry.
            (Some("retry"), [key]) if key == "ratio" => ("retry", "budget"),
            (Some(policy), [key]) => (policy, key.as_str()),
            (None, [policy, key]) => (policy.as_str(), key.as_str()),
            (None, [policy]) => {
                let positional = settings::attribute(policy).and_then(|attribute| attribute.positional);
                (policy.as_str(), positional.ok_or(FORM)?)
            }
            _ => return Err(FORM.to_owned()),
        };
        Ok((policy.to_owned(), key.to_owned()))
    }
}

fn section(name: &str) -> Option<&'static str> {
    ["call", "policy"].into_iter().find(|known| *known == name)
}
