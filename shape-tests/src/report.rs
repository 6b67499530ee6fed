//! Compiles shapes under combinations, and finds out which of them fail.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::time::Instant;

use crate::attributes::Combination;
use crate::package::{Message, Package};
use crate::shapes::{PROBE, Shape};

/// The crates over which the combinations are spread, so that every processor has something to do.
const PROGRAMS: usize = 8;

/// Errors of one phase of the compiler hide those of the next: what failed is left out, and the rest compiled again.
const ROUNDS: usize = 6;

/// One function under one combination.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// The function.
    pub shape: &'a Shape,
    /// Its attributes.
    pub combination: &'a Combination,
}

/// A shape's path and a combination's name.
type Key = (String, String);

impl Case<'_> {
    fn key(&self) -> Key {
        (self.shape.path(), self.combination.name.clone())
    }
}

/// What failed.
#[derive(Debug, Default)]
pub struct Failures {
    /// The first error of each function that does not compile.
    pub refused: BTreeMap<Key, Message>,
    /// For each auto trait that a future lost or gained, the first error of each function.
    pub autos: BTreeMap<String, BTreeMap<Key, Message>>,
    /// Errors that point to no shape.
    pub elsewhere: Vec<Message>,
}

/// Compiles every case.
///
/// # Errors
/// When a file cannot be written, or cargo does not start.
pub fn compile(package: &str, cases: &[Case]) -> io::Result<Failures> {
    let mut failures = Failures::default();
    for round in 1..=ROUNDS {
        let began = Instant::now();
        let left: Vec<Case> =
            cases.iter().filter(|case| !failures.refused.contains_key(&case.key())).copied().collect();
        let (package, places) = write(package, &left)?;
        let messages = package.run(&["check", "--bins"])?;
        let before = failures.refused.len();
        failures.elsewhere.clear();
        for message in messages.into_iter().filter(|message| message.level == "error") {
            match message.place.as_ref().and_then(|(file, line, _)| places.get(file)?.get(line - 1)) {
                None => failures.elsewhere.push(message),
                Some((key, None)) => {
                    failures.refused.entry(key.clone()).or_insert(message);
                }
                Some((key, Some(auto))) => {
                    let failed = failures.autos.entry(auto.clone()).or_default();
                    failed.entry(key.clone()).or_insert(message);
                }
            }
        }
        let refused = failures.refused.len() - before;
        println!(
            "round {round}: {} functions, {refused} do not compile, {:.0?}",
            left.len(),
            began.elapsed()
        );
        if refused == 0 {
            break;
        }
    }
    Ok(failures)
}

/// For each file, what each of its lines belongs to: a case, and the auto trait that it checks.
type Places = BTreeMap<String, Vec<(Key, Option<String>)>>;

fn write(name: &str, cases: &[Case]) -> io::Result<(Package, Places)> {
    let mut combinations: Vec<&Combination> = Vec::new();
    for case in cases {
        if !combinations.iter().any(|known| known.name == case.combination.name) {
            combinations.push(case.combination);
        }
    }
    let programs: Vec<String> =
        (0..PROGRAMS.min(combinations.len())).map(|number| format!("part_{number}")).collect();
    let package = Package::new(name, "shapes_support", &programs)?;
    package.write("lib.rs", include_str!("../support/lib.rs"))?;
    let mut mains = vec![String::from("#![allow(warnings, clippy::all)]\n"); programs.len()];
    let mut places = Places::new();
    for (at, combination) in combinations.iter().enumerate() {
        let at = at % programs.len();
        let _ = writeln!(mains[at], "mod {};", combination.name);
        let path = format!("{}/{}.rs", programs[at], combination.name);
        let mut text = String::new();
        let mut lines = Vec::new();
        let mut file = "";
        for case in cases.iter().filter(|case| case.combination.name == combination.name) {
            let mut module = String::new();
            if case.shape.file != file {
                module.push_str(if file.is_empty() { "" } else { "}\n" });
                file = &case.shape.file;
                let _ = writeln!(module, "pub mod {file} {{");
            }
            // The case's own list of attributes may be shorter than that of its module.
            module.push_str(&case.shape.module(case.combination));
            let auto = |line: &str| line.split_once(PROBE).map(|(_, auto)| auto.to_owned());
            lines.extend(module.lines().map(|line| (case.key(), auto(line))));
            text.push_str(&module);
        }
        package.write(&path, &(text + "}\n"))?;
        places.insert(path, lines);
    }
    for (program, main) in programs.iter().zip(mains) {
        package.write(&format!("{program}/main.rs"), &(main + "fn main() {}\n"))?;
    }
    Ok((package, places))
}

impl Failures {
    /// A report: what does not compile, by shape; then what lost an auto trait, by error.
    pub fn shown(&self) -> String {
        let mut report = String::new();
        let mut shapes: BTreeMap<(&str, &str), Vec<(&Key, &Message)>> = BTreeMap::new();
        for (key, message) in &self.refused {
            shapes.entry((&key.0, &message.text)).or_default().push((key, message));
        }
        for ((shape, _), failed) in shapes {
            let names: Vec<&str> = failed.iter().map(|(key, _)| key.1.as_str()).collect();
            let _ = writeln!(report, "{shape} does not compile under {}", listed(&names, 6));
            example(&mut report, failed[0].1);
        }
        for (auto, failed) in &self.autos {
            let mut errors: BTreeMap<&str, Vec<(&Key, &Message)>> = BTreeMap::new();
            for (key, message) in failed {
                errors.entry(&message.text).or_default().push((key, message));
            }
            for failed in errors.values() {
                let mut names: Vec<&str> = failed.iter().map(|(key, _)| key.0.as_str()).collect();
                names.dedup();
                let _ = writeln!(
                    report,
                    "a future is not {auto} any more, {} times, of {}",
                    failed.len(),
                    listed(&names, 60)
                );
                let ((shape, combination), message) = failed[0];
                let _ = writeln!(report, "  such as {shape} under {combination}");
                example(&mut report, message);
            }
        }
        for message in &self.elsewhere {
            let _ = writeln!(report, "in {}, at no shape:\n{}", message.target, message.rendered);
        }
        let _ = writeln!(report, "{} functions do not compile", self.refused.len());
        for (auto, failed) in &self.autos {
            let _ = writeln!(report, "{} futures are not {auto} any more", failed.len());
        }
        report
    }

    /// Whether nothing failed.
    pub fn is_empty(&self) -> bool {
        self.refused.is_empty() && self.autos.is_empty() && self.elsewhere.is_empty()
    }
}

fn example(report: &mut String, message: &Message) {
    for line in message.rendered.lines().take(16).filter(|line| line.trim() != "|") {
        let _ = writeln!(report, "    {line}");
    }
}

/// The first few names, and how many more.
fn listed(names: &[&str], most: usize) -> String {
    let shown = names.iter().take(most).copied().collect::<Vec<_>>().join(", ");
    if names.len() > most { format!("{shown} and {} more", names.len() - most) } else { shown }
}
