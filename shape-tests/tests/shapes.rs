//! What compiles plain compiles annotated, with the same auto traits.

use std::collections::BTreeSet;
use std::path::Path;

use hardening_shape_tests::attributes::{self, ATTRIBUTES, Combination};
use hardening_shape_tests::report::{Case, compile};
use hardening_shape_tests::shapes::{self, Shape};

fn read() -> Vec<Shape> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shapes");
    shapes::read(&folder).expect("the shapes can be read")
}

#[test]
fn annotated_functions_compile_and_keep_their_auto_traits() {
    let shapes = read();
    let mut combinations = vec![Combination::plain()];
    combinations.extend(attributes::single());
    combinations.extend(attributes::pairs());
    combinations.extend(attributes::stacks());
    if let Ok(wanted) = std::env::var("HARDENING_SHAPES") {
        combinations.retain(|combination| combination.name.contains(&wanted));
    }
    let mut allowed = Vec::new();
    for combination in &combinations {
        let pair = combination.attributes.len() == 2;
        for shape in shapes.iter().filter(|shape| shape.in_pairs || !pair) {
            allowed.extend(shape.allowed(combination).map(|combination| (shape, combination)));
        }
    }
    let cases: Vec<Case> = allowed.iter().map(|(shape, combination)| Case { shape, combination }).collect();
    println!("{} shapes, {} combinations, {} functions", shapes.len(), combinations.len(), cases.len());
    let failures = compile("shapes", &cases).expect("cargo runs");
    assert!(failures.is_empty(), "\n{}", failures.shown());
}

/// An exclusion that is no longer needed fails here.
#[test]
fn excluded_attributes_are_refused() {
    let shapes = read();
    let mut excluded: Vec<(&Shape, Combination)> = Vec::new();
    for shape in &shapes {
        for exclusion in &shape.exclusions {
            println!("{} without {}: {}", shape.path(), exclusion.attributes.join(" + "), exclusion.reason);
            let has = |name: &String| ATTRIBUTES.iter().find(|attribute| attribute.name == name);
            let attributes: Vec<_> = exclusion.attributes.iter().filter_map(has).collect();
            let name = format!("refused_{}", exclusion.attributes.join("_"));
            excluded.push((shape, Combination { name, attributes, stack: false }));
        }
    }
    let cases: Vec<Case> = excluded.iter().map(|(shape, combination)| Case { shape, combination }).collect();
    let failures = compile("refused", &cases).expect("cargo runs");
    let refused: BTreeSet<_> = failures.refused.into_keys().collect();
    let accepted: Vec<String> = excluded
        .iter()
        .filter(|(shape, combination)| !refused.contains(&(shape.path(), combination.name.clone())))
        .map(|(shape, combination)| format!("{} with {}", shape.path(), combination.shown()))
        .collect();
    assert!(accepted.is_empty(), "excluded, and yet it compiles:\n{}", accepted.join("\n"));
}
