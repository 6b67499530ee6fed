//! `cargo xtask mutants [GLOB [TESTS …]]`: whatever is changed in the core of a policy, a test notices it, or it is explained why none can.

use std::collections::BTreeMap;
use std::path::Path;

use crate::run::{Done, Step, root, target};

/// What is changed, below [`POLICIES`]. `handle.rs`, an operator's view of a static, is tested by whole calls.
const SCOPE: [&str; 35] = [
    "budget.rs",
    "bulkhead/adaptive.rs",
    "bulkhead/keyed.rs",
    "bulkhead/line.rs",
    "bulkhead/mod.rs",
    "bulkhead/queue.rs",
    "circuit_breaker/admission.rs",
    "circuit_breaker/flights.rs",
    "circuit_breaker/keyed.rs",
    "circuit_breaker/mod.rs",
    "circuit_breaker/rules.rs",
    "circuit_breaker/window.rs",
    "circuit_breaker/window/calls.rs",
    "circuit_breaker/word.rs",
    "hedge/latency.rs",
    "hedge/mod.rs",
    "keyed/accounts.rs",
    "keyed/hash.rs",
    "keyed/owner.rs",
    "keyed/states.rs",
    "keyed/table.rs",
    "rate_limit/book.rs",
    "rate_limit/books.rs",
    "rate_limit/calendar.rs",
    "rate_limit/charge.rs",
    "rate_limit/gcra.rs",
    "rate_limit/joint.rs",
    "rate_limit/keyed.rs",
    "rate_limit/line.rs",
    "rate_limit/mod.rs",
    "rate_limit/order.rs",
    "rate_limit/reservation.rs",
    "retry/backoff.rs",
    "retry/mod.rs",
    "throttle.rs",
];
const POLICIES: &str = "hardening-runtime/src/policy/";
/// What is compiled with the feature `testing` alone, which the cores do not have.
const NOT_COMPILED: &str = "(replace|in) ((Budget|Hedge|Latencies|Limiter|Throttle|CircuitBreaker|KeyedBreakers|KeyedBulkheads)::reset|Window::restart|Keyed::clear|Table<V>::clear|Book::clear|KeyedBulkheads::places)";
/// The survivors that are explained.
const EXPLAINED: &str = "models/cores/survivors.txt";

/// Mutants, by their file and what was changed; lines move, so they are left out, and the same change may be there twice.
type Mutants = BTreeMap<String, usize>;

/// Runs the mutants of the files in scope that `glob` finds, against the tests whose names hold one of `tests`, or against all.
pub(crate) fn run(glob: &str, tests: &[&str]) -> Done {
    if !Step::cargo("mutants --version").succeeds() {
        return Err(String::from("install what changes the code: cargo install cargo-mutants --locked"));
    }
    let found = Step::cargo("mutants --package hardening-cores --list-files --file").argument(glob).output();
    let found = found.ok_or("the files cannot be listed")?;
    let files: Vec<&str> =
        found.lines().filter_map(below_policies).filter(|file| SCOPE.contains(file)).collect();
    if files.is_empty() {
        return Err(format!("`{glob}` finds none of: {}", SCOPE.join(", ")));
    }
    let listed = read(&root().join(EXPLAINED))?;
    let explained = explained(&listed)?;
    let folder = target().join("mutants");
    let mut step = Step::cargo("mutants --package hardening-cores --minimum-test-timeout 10 --no-shuffle")
        // Unit tests and invariants are one program.
        .argument("--cargo-arg=--lib")
        .argument("--exclude-re")
        .argument(NOT_COMPILED)
        .argument("--output")
        .argument(folder.display().to_string())
        // Nobody debugs a mutant.
        .variable("CARGO_PROFILE_DEV_DEBUG", "0");
    for file in &files {
        step = step.argument("--file").argument(format!("**/policy/{file}"));
    }
    if !tests.is_empty() {
        step = tests.iter().fold(step.argument("--").argument("--"), |step, test| step.argument(*test));
    }
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let code = step.code()?;
    // 2: a mutant was missed, 3: one ran into the time limit; anything else is no answer.
    if ![0, 2, 3].contains(&code) {
        return Err(format!("cargo-mutants ended with {code}"));
    }
    let outcome = |name: &str| read(&folder.join("mutants.out").join(name).with_extension("txt"));
    let count = |name: &str| outcome(name).map(|lines| lines.lines().count());
    let missed = counted(outcome("missed")?.lines().filter_map(mutant));
    let caught = count("caught")? + count("timeout")?;
    let survived: usize = missed.values().sum();
    eprintln!(
        "{} mutants: {caught} caught, {survived} survived, {} do not compile",
        caught + survived,
        count("unviable")?
    );
    compare(&missed, &explained, &files)
}

fn read(file: &Path) -> Done<String> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

/// A path as the list of files says it, without what leads to the policies.
fn below_policies(path: &str) -> Option<&str> {
    path.split_once(POLICIES).map(|(_, file)| file)
}

/// What cargo-mutants says of a mutant, without its line and column.
fn mutant(line: &str) -> Option<String> {
    let (place, change) = below_policies(line)?.split_once(": ")?;
    let (file, _) = place.split_once(':')?;
    Some(format!("{file}: {change}"))
}

fn counted(mutants: impl Iterator<Item = String>) -> Mutants {
    let mut counts = Mutants::new();
    mutants.for_each(|mutant| *counts.entry(mutant).or_default() += 1);
    counts
}

/// The mutants that a list explains; the same one is there as often as it survives.
fn explained(list: &str) -> Done<Mutants> {
    let lines = list.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mutants: Done<Vec<String>> = lines
        .map(|line| match line.split_once(" # ") {
            Some((mutant, reason)) if !reason.trim().is_empty() && SCOPE.contains(&file_of(mutant)) => {
                Ok(mutant.trim().to_owned())
            }
            _ => Err(format!("{EXPLAINED}: not `FILE: CHANGE # REASON`: {line}")),
        })
        .collect();
    Ok(counted(mutants?.into_iter()))
}

fn file_of(mutant: &str) -> &str {
    mutant.split_once(':').map_or("", |(file, _)| file)
}

/// Whether what survived is what is explained, of the `files` that were changed.
fn compare(missed: &Mutants, explained: &Mutants, files: &[&str]) -> Done {
    let beyond = |more: &Mutants, less: &Mutants, what: &str| -> Vec<String> {
        let more = more.iter().filter(|(mutant, _)| files.contains(&file_of(mutant)));
        let beyond = more.filter_map(|(mutant, count)| {
            let extra = count.saturating_sub(less.get(mutant).copied().unwrap_or(0));
            (extra > 0).then(|| format!("{extra} × {mutant}: {what}"))
        });
        beyond.collect()
    };
    let mut wrong = beyond(missed, explained, "survived, and is not explained");
    wrong.extend(beyond(explained, missed, "explained, and survives no longer"));
    if wrong.is_empty() { Ok(()) } else { Err(format!("{EXPLAINED}:\n{}", wrong.join("\n"))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "models/cores/src/../../../hardening-runtime/src/policy/circuit_breaker/word.rs:86:13: replace | with ^ in Word::pack";
    const NAME: &str = "circuit_breaker/word.rs: replace | with ^ in Word::pack";

    #[test]
    fn a_mutant_is_known_without_its_line() {
        assert_eq!(mutant(LINE).as_deref(), Some(NAME));
        assert_eq!(mutant("elsewhere.rs:1:2: replace f with ()"), None);
    }

    #[test]
    fn a_list_says_why_of_each() {
        let list = format!("# The list.\n\n{NAME} # the bits are apart\n{NAME} # here as well\n");
        assert_eq!(explained(&list), Ok(Mutants::from([(NAME.to_owned(), 2)])));
        for wrong in [NAME.to_owned(), format!("{NAME} # "), String::from("no/such.rs: a change # why")] {
            assert!(explained(&wrong).unwrap_err().contains(&wrong), "{wrong}");
        }
    }

    #[test]
    fn what_survives_is_what_is_explained() {
        let mutants = |list: &[&str]| counted(list.iter().map(|mutant| (*mutant).to_owned()));
        let files = ["word.rs", "mod.rs"];
        let listed = mutants(&["word.rs: a", "word.rs: a", "mod.rs: b"]);
        assert_eq!(compare(&listed, &listed, &files), Ok(()));
        let wrong = |missed: &[&str], files: &[&str]| compare(&mutants(missed), &listed, files);
        let more = wrong(&["word.rs: a", "word.rs: a", "word.rs: a", "mod.rs: b", "mod.rs: c"], &files);
        let more = more.unwrap_err();
        assert!(
            more.contains("1 × word.rs: a: survived") && more.contains("1 × mod.rs: c: survived"),
            "{more}"
        );
        assert!(!more.contains("mod.rs: b"), "{more}");
        let fewer = wrong(&["word.rs: a"], &files).unwrap_err();
        assert!(
            fewer.contains("1 × word.rs: a: explained") && fewer.contains("1 × mod.rs: b: explained"),
            "{fewer}"
        );
        assert_eq!(wrong(&["word.rs: a", "word.rs: a"], &["word.rs"]), Ok(()), "nobody asked about mod.rs");
    }

    #[test]
    fn every_file_in_scope_is_there_and_the_list_can_be_read() {
        for file in SCOPE {
            assert!(root().join(POLICIES).join(file).is_file(), "{file}");
        }
        assert!(explained(&read(&root().join(EXPLAINED)).unwrap()).is_ok());
    }
}
