//! `cargo xtask …`: the repository's chores.

mod docs;
mod expand;
mod fuzz;
mod libtest;
mod lint;
mod mutants;
mod needs;
mod packages;
mod repeat;
mod run;
mod search;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
cargo xtask test [--fast | --full] [FILTER]
                                     install what the tests need, then run all of them;
                                     --fast: without what needs tools, without the
                                     compiler's messages and documentation examples;
                                     --full: with suites that others wrote
cargo xtask test --repeat N [NAME]   build once, then run the tests with NAME in their name
                                     (all without it) N times in shuffled order, and say
                                     which of them failed how often
cargo xtask lint                     formatting, clippy, documentation, dependencies
cargo xtask mutants [GLOB [TESTS …]] change the policies' cores in every small way: each
                                     change fails a test, or is explained; tests with one
                                     of TESTS in their name alone take less time
cargo xtask fuzz [NAME] [--inputs N] every parser of what strangers send (those with NAME in
                                     their name) under N inputs each, ten million without N
cargo xtask docs [--check]           rewrite the generated tables in docs/ and README.md
cargo xtask expand NAME [FILE]       print what an annotated function expands to";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test", rest @ ..] => test::run(rest),
        ["lint"] => lint::run(),
        ["mutants"] => mutants::run("*", &[]),
        ["mutants", glob, tests @ ..] => mutants::run(glob, tests),
        ["fuzz", rest @ ..] => fuzz::run(rest),
        ["docs"] => docs::run(docs::Mode::Write),
        ["docs", "--check"] => docs::run(docs::Mode::Check),
        ["expand", name] => expand::run(name, None),
        ["expand", name, file] => expand::run(name, Some(file)),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(format!("unknown task; known:\n{USAGE}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
