//! The lints of an annotated function are those of the plain one: an expansion adds none and hides none.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hardening_shape_tests::attributes::{Combination, single, stacks};
use hardening_shape_tests::package::{Message, Package};

const FUNCTIONS: &str = include_str!("../lints/functions.rs");

/// Lints that are missing under an attribute, on lines that hold a text, and why.
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "clippy::unused_async",
        "",
        "a function without an await still has to be asynchronous under an attribute",
    ),
    (
        "clippy::redundant_locals",
        "let number = number;",
        "the body's block captures the argument, and the lint leaves captured values alone",
    ),
    (
        "unused_assignments",
        "overwritten_before_it_is_read",
        "the value with which an argument arrives is moved into the body's block, which counts as a use",
    ),
    (
        "unused_mut",
        "mut self",
        "a repeated body gets a copy of `self` under another name, which takes the `mut`",
    ),
];

/// Every lint that is worth a look; groups first, then what the compiler allows by default.
const LINTS: &str = "\
#![warn(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction)]
#![warn(unused, future_incompatible, nonstandard_style, let_underscore, keyword_idents, rust_2018_idioms)]
#![warn(rust_2021_compatibility, rust_2024_compatibility)]
#![warn(absolute_paths_not_starting_with_crate, ambiguous_negative_literals, elided_lifetimes_in_paths)]
#![warn(explicit_outlives_requirements, impl_trait_redundant_captures, macro_use_extern_crate)]
#![warn(meta_variable_misuse, missing_copy_implementations, missing_debug_implementations, missing_docs)]
#![warn(non_ascii_idents, redundant_imports, redundant_lifetimes, single_use_lifetimes, trivial_casts)]
#![warn(trivial_numeric_casts, unit_bindings, unnameable_types, unreachable_pub, unsafe_code)]
#![warn(unused_extern_crates, unused_import_braces, unused_lifetimes, unused_macro_rules)]
#![warn(unused_qualifications, unused_results, variant_size_differences)]
";

/// A lint's name, line and column, and how often.
type Found = BTreeMap<(String, usize, usize), usize>;

/// Whether the tests may be skipped, because clippy is missing where tools are optional.
fn skipped() -> bool {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let version = std::process::Command::new(cargo).args(["clippy", "--version"]).output();
    if version.is_ok_and(|output| output.status.success()) {
        return false;
    }
    let required = std::env::var("HARDENING_TEST_TOOLS").is_ok_and(|tools| tools == "required");
    assert!(!required, "clippy is missing: `rustup component add clippy`");
    println!("skipped: clippy is missing");
    true
}

#[test]
fn annotated_functions_have_the_lints_of_plain_ones() {
    if skipped() {
        return;
    }
    let mut combinations = vec![Combination::plain()];
    combinations.extend(single().into_iter().chain(stacks()));
    let package = Package::new("lints", "lints", &[]).expect("the package is written");
    let mut library = String::from(LINTS);
    for combination in &combinations {
        let _ = writeln!(library, "pub mod {};", combination.name);
        let source = source(combination);
        package.write(&format!("{}.rs", combination.name), &source).expect("the functions are written");
    }
    package.write("lib.rs", &library).expect("the library is written");
    let messages = package.run(&["clippy", "--lib", "--no-deps"]).expect("cargo runs");

    let mut found: BTreeMap<&str, Found> = BTreeMap::new();
    let mut texts: BTreeMap<(String, usize, usize), String> = BTreeMap::new();
    for message in &messages {
        assert_eq!(message.level, "warning", "{}", message.rendered);
        let Some((module, key)) = place(message, &combinations) else { continue };
        texts.entry(key.clone()).or_insert_with(|| message.text.clone());
        *found.entry(module).or_default().entry(key).or_default() += 1;
    }
    let plain = found.remove("plain").unwrap_or_default();
    println!("{} lints of {} kinds in the plain functions", plain.len(), {
        let mut names: Vec<&str> = plain.keys().map(|(name, ..)| name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.len()
    });
    let mut differences: BTreeMap<(&str, &str), Vec<Difference>> = BTreeMap::new();
    for combination in &combinations[1..] {
        let annotated = found.remove(combination.name.as_str()).unwrap_or_default();
        for key in texts.keys() {
            let (before, after) = (plain.get(key).unwrap_or(&0), annotated.get(key).unwrap_or(&0));
            let line = FUNCTIONS.lines().nth(key.1 - 1).unwrap_or_default();
            let excepted =
                |exception: &&(&str, &str, &str)| exception.0 == key.0 && line.contains(exception.1);
            let excepted = after < before && EXCEPTIONS.iter().any(|exception| excepted(&exception));
            if before == after || excepted {
                continue;
            }
            let change = if before < after { "added" } else { "hidden" };
            differences.entry((change, &key.0)).or_default().push((
                &combination.name,
                key.1,
                key.2,
                &texts[key],
            ));
        }
    }
    assert!(differences.is_empty(), "\n{}", report(&differences));
}

/// A combination, a line, a column, and what the lint says.
type Difference<'a> = (&'a str, usize, usize, &'a str);

/// For each lint the first few differences, and under which attributes there are any.
fn report(differences: &BTreeMap<(&str, &str), Vec<Difference>>) -> String {
    let mut report = String::new();
    for ((change, lint), differences) in differences {
        let mut names: Vec<&str> = Vec::new();
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (name, line, column, _) in differences {
            names.extend((!names.contains(name)).then_some(name));
            places.extend((!places.contains(&(*line, *column))).then_some((*line, *column)));
        }
        let _ = writeln!(report, "{change} {lint}, at {} places under {}", places.len(), names.join(", "));
        for (line, column) in places.into_iter().take(4) {
            let written = FUNCTIONS.lines().nth(line - 1).unwrap_or_default().trim();
            let first = differences.iter().find(|difference| (difference.1, difference.2) == (line, column));
            let text = first.map(|difference| difference.3).unwrap_or_default();
            let _ = writeln!(report, "    {line}:{column} `{written}`\n        {text}");
        }
    }
    let _ = writeln!(report, "{} kinds of differences", differences.len());
    report
}

/// Each lint that is allowed inside of an expansion is an error in a crate that forbids it.
#[test]
fn expansions_compile_where_lints_are_forbidden() {
    if skipped() {
        return;
    }
    let package = Package::new("forbidden", "forbidden", &[]).expect("the package is written");
    package.write("lib.rs", include_str!("../lints/forbidden.rs")).expect("the library is written");
    let messages = package.run(&["clippy", "--lib", "--no-deps"]).expect("cargo runs");
    let mut kinds: BTreeMap<String, Vec<&Message>> = BTreeMap::new();
    for message in &messages {
        kinds
            .entry(format!("{}: {} {}", message.level, message.code, message.text))
            .or_default()
            .push(message);
    }
    let mut report = String::new();
    for (kind, messages) in &kinds {
        let _ = writeln!(report, "{kind}\n    {} times, such as\n{}", messages.len(), messages[0].rendered);
    }
    assert!(messages.is_empty(), "\n{report}{} messages of {} kinds", messages.len(), kinds.len());
}

/// The functions, with the attributes in the line of their marker, so that every other line keeps its number.
fn source(combination: &Combination) -> String {
    if combination.attributes.is_empty() {
        // An attribute without a lint of its own: an empty line after a comment has one.
        let neutral = "#[rustfmt::skip]";
        return FUNCTIONS.replace("#[attributes]", neutral).replace("#[observed]", neutral);
    }
    let instances = ", instances = shared";
    let methods = FUNCTIONS.find("impl Shop").unwrap_or(FUNCTIONS.len());
    let attributes = |instances| combination.source("KEY", "Err(error.clone())", instances);
    let observed = combination.attributes.iter().filter(|attribute| attribute.name == "hardened");
    let observed = Combination { attributes: observed.copied().collect(), ..combination.clone() };
    let (functions, methods) = FUNCTIONS.split_at(methods);
    let functions = functions.replace("#[attributes]", &attributes(""));
    let methods = methods.replacen("#[attributes]", &attributes(instances), 3);
    let methods = methods.replace("#[attributes]", &attributes(""));
    let observed = observed.source("KEY", "", "");
    (functions + &methods)
        .replace("#[observed]", if observed.is_empty() { "#[rustfmt::skip]" } else { &observed })
}

/// The module of a message, and what is compared; nothing for what concerns the library as a whole.
fn place<'a>(
    message: &Message,
    combinations: &'a [Combination],
) -> Option<(&'a str, (String, usize, usize))> {
    let (file, line, column) = message.place.clone()?;
    let module = combinations.iter().find(|combination| file == format!("{}.rs", combination.name))?;
    Some((&module.name, (message.code.clone(), line, column)))
}
