//! Chains of functions that call each other: how long they may be at the default recursion limit.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;

use crate::attributes::Combination;
use crate::package::{Message, Package};

/// Whether a chain is too long for the compiler: for a future's layout, or for the proof that it is `Send`.
fn is_too_deep(error: &Message) -> bool {
    error.text.contains("overflow the depth limit") || error.code == "E0275"
}

/// A chain of `length` functions, each of which awaits the next; the last one waits for something, and the first one
/// is spawned, so that the future must be `Send`.
pub fn chain(attributes: &str, length: usize) -> String {
    let mut source = String::from("#![allow(warnings)]\n");
    for number in 0..length {
        let body = if number + 1 == length {
            "tokio::task::yield_now().await; Ok(number)".to_owned()
        } else {
            format!("f{}(number).await", number + 1)
        };
        let _ = writeln!(
            source,
            "{attributes}\nasync fn f{number}(number: u32) -> Result<u32, hardening::Rejected> {{ {body} }}"
        );
    }
    source.push_str("fn main() { tokio::spawn(f0(1)); }\n");
    source
}

/// The attributes of a combination as the chain's functions have them.
pub fn attributes(combination: &Combination) -> String {
    combination.source("number", "Ok(number)", "")
}

/// Compiles chains of these attributes and lengths, and says which of them are too long.
///
/// # Errors
/// When a file cannot be written, or cargo does not start.
///
/// # Panics
/// When a chain does not compile for another reason.
pub fn too_long(package: &str, chains: &[(String, String, usize)]) -> io::Result<BTreeSet<String>> {
    let name = |(name, _, length): &(String, String, usize)| format!("{name}_{length}");
    let programs: Vec<String> = chains.iter().map(name).collect();
    let package = Package::new(package, "unused", &programs)?;
    package.write("lib.rs", "")?;
    for (program, (_, attributes, length)) in programs.iter().zip(chains) {
        package.write(&format!("{program}/main.rs"), &chain(attributes, *length))?;
    }
    let messages = package.run(&["check", "--bins"])?;
    let errors = messages.into_iter().filter(|message| message.level == "error");
    let too_long = errors.map(|error| {
        let shown: Vec<&str> = error.rendered.lines().take(20).collect();
        assert!(is_too_deep(&error), "{}:\n{}", error.target, shown.join("\n"));
        error.target
    });
    Ok(too_long.collect())
}

/// The longest chain of each of these attributes that compiles, up to `most`.
///
/// # Errors
/// When a file cannot be written, or cargo does not start.
pub fn longest(
    package: &str,
    attributes: &[(String, String)],
    most: usize,
) -> io::Result<Vec<(String, usize)>> {
    let mut bounds = vec![(0, most); attributes.len()];
    loop {
        let middle = |(low, high): (usize, usize)| (low + high).div_ceil(2);
        let open = bounds.iter().zip(attributes).filter(|((low, high), _)| low < high);
        let chains: Vec<_> =
            open.map(|(bound, (name, source))| (name.clone(), source.clone(), middle(*bound))).collect();
        if chains.is_empty() {
            let found = attributes.iter().zip(&bounds);
            return Ok(found.map(|((name, _), (low, _))| (name.clone(), *low)).collect());
        }
        let too_long = too_long(package, &chains)?;
        for (bound, (name, _)) in bounds.iter_mut().zip(attributes).filter(|((low, high), _)| low < high) {
            let tried = middle(*bound);
            if too_long.contains(&format!("{name}_{tried}")) {
                bound.1 = tried - 1;
            } else {
                bound.0 = tried;
            }
        }
    }
}
