//! How deep annotated functions may call each other at the compiler's default recursion limit.

use hardening_shape_tests::attributes::{Combination, single, stacks};
use hardening_shape_tests::depth::{attributes, longest, too_long};

/// Levels that every attribute, and all of them together, must allow.
const LEVELS: usize = 14;

fn combinations() -> Vec<Combination> {
    single().into_iter().chain(stacks()).collect()
}

#[test]
fn chains_of_annotated_functions_compile() {
    let chains: Vec<_> = combinations()
        .iter()
        .map(|combination| (combination.name.clone(), attributes(combination), LEVELS))
        .collect();
    let too_long = too_long("depth", &chains).expect("cargo runs");
    let names: Vec<&str> = too_long.iter().map(String::as_str).collect();
    assert!(too_long.is_empty(), "too long at the default `recursion_limit`: {}", names.join(", "));
}

/// Prints the figures of the documentation:
/// `cargo test -p hardening-shape-tests --test depth -- --ignored --nocapture`.
#[test]
#[ignore = "prints figures"]
fn longest_chains() {
    let mut all = vec![
        ("plain".to_owned(), String::new()),
        ("tracing_instrument".to_owned(), "#[tracing::instrument]".to_owned()),
    ];
    all.extend(combinations().iter().map(|combination| (combination.name.clone(), attributes(combination))));
    println!("| attribute | levels |\n|---|---|");
    for (name, levels) in longest("depth_figures", &all, 48).expect("cargo runs") {
        println!("| `{name}` | {levels} |");
    }
}
