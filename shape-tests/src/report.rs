//! Compiles shapes under combinations, and finds out which of them fail.

use std::collections::{BTreeMap, BTreeSet};
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
#[expect(clippy::disallowed_methods, reason = "how long the compiler took is no policy's time")]
pub fn compile(package: &str, cases: &[Case]) -> io::Result<Failures> {
    let mut failures = Failures::default();
    let programs = programs(cases);
    let mut incomplete: BTreeSet<&str> = programs.values().map(String::as_str).collect();
    for round in 1..=ROUNDS {
        let began = Instant::now();
        let open = |case: &&Case| {
            incomplete.contains(programs[&case.combination.name].as_str())
                && !failures.refused.contains_key(&case.key())
        };
        let left: Vec<Case> = cases.iter().filter(open).copied().collect();
        let (package, places) = write(package, &left, &programs)?;
        let messages = package.run(&["check", "--bins"])?;
        failures.elsewhere.retain(|message| !incomplete.contains(message.target.as_str()));
        let before = failures.refused.len();
        incomplete.clear();
        for message in messages.into_iter().filter(|message| message.level == "error") {
            match message.place.as_ref().and_then(|(file, line, _)| places.get(file)?.get(line - 1)) {
                None => failures.elsewhere.push(message),
                Some((key, None)) => {
                    incomplete.insert(&programs[&key.1]);
                    failures.refused.entry(key.clone()).or_insert(message);
                }
                Some((key, Some(auto))) => {
                    let failed = failures.autos.entry(auto.clone()).or_default();
                    failed.entry(key.clone()).or_insert(message);
                }
            }
        }
        let refused = failures.refused.len() - before;
        let took = began.elapsed();
        println!("round {round}: {} functions, {refused} do not compile, {took:.0?}", left.len());
        if incomplete.is_empty() {
            break;
        }
    }
    Ok(failures)
}

/// For each combination, the crate in which it is compiled.
fn programs(cases: &[Case]) -> BTreeMap<String, String> {
    let mut programs = BTreeMap::new();
    for case in cases {
        let next = programs.len() % PROGRAMS;
        programs.entry(case.combination.name.clone()).or_insert_with(|| format!("part_{next}"));
    }
    programs
}

/// For each file, what each of its lines belongs to: a case, and the auto trait that it checks.
type Places = BTreeMap<String, Vec<(Key, Option<String>)>>;

fn write(name: &str, cases: &[Case], programs: &BTreeMap<String, String>) -> io::Result<(Package, Places)> {
    let mut combinations: BTreeMap<&str, Vec<Case>> = BTreeMap::new();
    for case in cases {
        combinations.entry(&case.combination.name).or_default().push(*case);
    }
    let mut mains: BTreeMap<&str, String> = BTreeMap::new();
    for combination in combinations.keys() {
        let main =
            mains.entry(&programs[*combination]).or_insert("#![allow(warnings, clippy::all)]\n".into());
        let _ = writeln!(main, "mod {combination};");
    }
    let names: Vec<String> = mains.keys().map(|&name| name.to_owned()).collect();
    let package = Package::new(name, "shapes_support", &names)?;
    package.write("lib.rs", include_str!("../support/lib.rs"))?;
    for (program, main) in mains {
        package.write(&format!("{program}/main.rs"), &(main + "fn main() {}\n"))?;
    }
    let mut places = Places::new();
    for (combination, cases) in combinations {
        let path = format!("{}/{combination}.rs", programs[combination]);
        let mut text = String::new();
        let mut lines = Vec::new();
        let mut file = "";
        for case in cases {
            let mut module = String::new();
            if case.shape.file != file {
                module.push_str(if file.is_empty() { "" } else { "}\n" });
                file = &case.shape.file;
                let _ = writeln!(module, "pub mod {file} {{");
            }
            module.push_str(&case.shape.module(case.combination));
            let auto = |line: &str| line.split_once(PROBE).map(|(_, auto)| auto.to_owned());
            lines.extend(module.lines().map(|line| (case.key(), auto(line))));
            text.push_str(&module);
        }
        package.write(&path, &(text + "}\n"))?;
        places.insert(path, lines);
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
