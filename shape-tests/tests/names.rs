//! What is not about one function, services, checks, tasks and shared policies, in modules whose names are also ours,
//! the language's or the library's. For functions these are shapes: `shapes/hygiene.rs`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use hardening_shape_tests::package::Package;

const ITEMS: &str = include_str!("../lints/services.rs");

/// What stands in the module before the items.
const MODULES: &[(&str, &str)] = &[
    ("plain", ""),
    ("without_a_prelude", "#![no_implicit_prelude]"),
    ("private", "mod __private {}"),
    (
        "crates",
        "mod core {} mod std {} mod alloc {} mod tokio {} mod axum {} mod hardening {} mod hardening_runtime {}",
    ),
    ("statics", "static SITE: u32 = 1; static TASK: u32 = 2; static CHECK: u32 = 3; const SPEC: u32 = 4;"),
    (
        "types",
        "struct Result; struct Option; struct Some; struct Ok; struct Err; struct Box; struct String; struct Vec; \
         struct Duration; struct Service; struct Setup; struct CircuitBreaker; struct RateLimiter; struct Policies;",
    ),
    (
        "traits",
        "trait From {} trait Into {} trait Clone {} trait Send {} trait Sync {} trait Future {} trait ToString {}",
    ),
    (
        "globs",
        "pub mod shadow { pub struct Box; pub struct ExitCode; pub struct Site; pub fn main() {} pub fn new() {} } \
         use shadow::*;",
    ),
    (
        "macros",
        "macro_rules! place { ($d:tt) => { compile_error!(\"the caller's\") }; } \
         macro_rules! register { ($d:tt) => { compile_error!(\"the caller's\") }; } \
         macro_rules! register_check { ($d:tt) => { compile_error!(\"the caller's\") }; } \
         macro_rules! register_task { ($d:tt) => { compile_error!(\"the caller's\") }; } \
         macro_rules! siblings { ($d:tt) => { compile_error!(\"the caller's\") }; } \
         macro_rules! env { ($d:tt) => { compile_error!(\"the caller's\") }; } \
         macro_rules! line { () => { compile_error!(\"the caller's\") }; } \
         macro_rules! file { () => { compile_error!(\"the caller's\") }; }",
    ),
    (
        "methods",
        "pub trait Everything { fn get(&self) {} fn map_err(&self) {} fn into_app(&self) {} fn to_string(&self) {} \
         fn with_window(&self) {} fn begin(&self) {} } impl<T> Everything for T {}",
    ),
];

#[test]
fn names_of_the_caller_are_not_mistaken() {
    let package = Package::new("names", "names", &[]).expect("the package is written");
    let mut library = String::from("#![allow(warnings)]\n");
    for (name, before) in MODULES {
        let _ = writeln!(library, "pub mod {name};");
        package.write(&format!("{name}.rs"), &format!("{before}\n{ITEMS}")).expect("a module is written");
    }
    package.write("lib.rs", &library).expect("the library is written");
    let messages = package.run(&["check", "--lib"]).expect("cargo runs");
    let mut report = String::new();
    for (name, _) in MODULES {
        let file = format!("{name}.rs");
        let here =
            |place: &Option<(String, usize, usize)>| place.as_ref().is_some_and(|place| place.0 == file);
        let failed: Vec<_> = messages.iter().filter(|message| here(&message.place)).collect();
        for message in failed.iter().take(3) {
            let _ = writeln!(report, "{name}, {} errors, such as\n{}", failed.len(), message.rendered);
        }
    }
    assert!(messages.is_empty(), "\n{report}{} errors", messages.len());
}

/// Attributes, each with what its function answers for an argument.
const STACKS: &[(&str, &str)] = &[
    ("hardened", "#[hardening::hardened]"),
    ("result", "#[hardening::retry(attempts = 2, on = Err(E::Io) | Ok(_), idempotent)]"),
    ("hedged", "#[hardening::hedged(after = 5ms, idempotent)]"),
    ("cached", "#[hardening::cached(ttl = 1s, key = number, negative = E::Io for 1s, max_bytes = 1000)]"),
    (
        "idempotent",
        "#[hardening::idempotent(key = number, fingerprint = number)]\n\
         #[hardening::retry(attempts = 2, idempotent)]",
    ),
    (
        "all",
        "#[hardening::fallback(Err(E::Io), on = E::Io)]\n#[hardening::cached(ttl = 1s, key = number)]\n\
         #[hardening::retry(attempts = 2, retry_after = None, idempotent)]\n\
         #[hardening::circuit_breaker(key = number)]\n#[hardening::rate_limited(1/s, key = number, cost = 1)]\n\
         #[hardening::bulkhead(max = 1)]\n#[hardening::timeout(1s)]\n#[hardening::deadline(3s)]",
    ),
];

/// The names that expansions bind, as the snapshots of the macros show them.
fn bound_names() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hardening-macros/src/tests/snapshots");
    let mut names = BTreeSet::new();
    for file in std::fs::read_dir(folder).expect("the snapshots are there") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("a snapshot");
        let (_, expanded) = text.split_once("// expands to").expect("an expansion");
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        for (at, word) in expanded.match_indices(is_letter).filter_map(|(at, _)| {
            let begins = !expanded[..at].ends_with(is_letter);
            begins.then(|| (at, expanded[at..].split(|letter| !is_letter(letter)).next().unwrap_or_default()))
        }) {
            let (before, after) = (expanded[..at].trim_end(), &expanded[at + word.len()..]);
            let in_pattern = before.ends_with(['(', ','])
                && after.strip_prefix(')').is_some_and(|after| after.trim_start().starts_with('='));
            let is_bound =
                [" let", " mut", "(mut", "|"].iter().any(|end| before.ends_with(end)) || in_pattern;
            if is_bound && word.starts_with(|first: char| first.is_ascii_lowercase() || first == '_') {
                names.insert(word.to_owned());
            }
        }
    }
    for keyword in ["_", "mut", "async", "number", "self", "match", "move"] {
        names.remove(keyword);
    }
    names
}

/// An argument of any name that expansions bind is the function's own, whether it is moved, cloned for each attempt, or taken apart.
#[test]
fn arguments_may_have_every_name_that_expansions_bind() {
    let package = Package::new("argument_names", "argument_names", &[]).expect("the package is written");
    let names = bound_names();
    assert!(
        ["call", "outcome", "settled", "key_size", "negative"].iter().all(|name| names.contains(*name)),
        "{names:?}"
    );
    let mut library = String::from(
        "#![allow(warnings)]\n#[derive(Clone, Debug)] pub enum E { Io, Rejected }\n\
         impl From<hardening::Rejected> for E { fn from(_: hardening::Rejected) -> Self { E::Rejected } }\n",
    );
    for (stack, attributes) in STACKS {
        // Answers of an idempotent function are kept as JSON.
        let error = if *stack == "idempotent" { "hardening::Rejected as E" } else { "super::E" };
        let _ = writeln!(library, "pub mod {stack} {{ use {error};");
        for name in names.iter().map(String::as_str).chain(["argument0", "argument1", "argument2"]) {
            // As a field of a pattern too, whose short form is the name of the binding.
            let _ = writeln!(
                library,
                "#[derive(Clone)] pub struct Of_{name} {{ {name}: String, units: u32 }}\n\
                 {attributes}\npub async fn takes_{name}(number: u32, Of_{name} {{ mut {name}, units }}: Of_{name}) \
                 -> Result<String, E> {{ {name}.push('a'); drop(units); Ok({name}) }}",
            );
            let _ = writeln!(
                library,
                "{attributes}\npub async fn moves_{name}(number: u32, {name}: String, (one, _): (String, String)) \
                 -> Result<String, E> {{ let all = {name} + &one; Ok(all) }}\n\
                 {attributes}\npub async fn borrows_{name}(number: u32, mut {name}: Vec<u32>, mut other: String) \
                 -> Result<u32, E> {{ {name}.push(number); other.clear(); Ok({name}[0]) }}",
            );
        }
        library.push_str("}\n");
    }
    package.write("lib.rs", &library).expect("the library is written");
    let messages = package.run(&["check", "--lib"]).expect("cargo runs");
    let report: Vec<_> = messages.iter().take(5).map(|message| message.rendered.clone()).collect();
    assert!(messages.is_empty(), "\n{}{} errors", report.concat(), messages.len());
}
