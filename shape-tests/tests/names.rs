//! What is not about one function, services, checks, tasks and shared policies, in modules whose names are also ours,
//! the language's or the library's. For functions these are shapes: `shapes/hygiene.rs`.

use std::fmt::Write as _;

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
