//! `cargo xtask fuzz [NAME] [--inputs N]`: parsers of what strangers send, each under very many inputs.

use crate::run::{Done, Step};

/// Inputs of each parser where nobody says how many.
const USUAL: u64 = 10_000_000;

/// Runs the targets with `NAME` in their name, all without it.
pub(crate) fn run(words: &[&str]) -> Done {
    let (name, inputs) = asked(words)?;
    // Optimised, and with the checks of arithmetic that tests have.
    Step::cargo("test --release --package hardening-runtime --all-features --lib -- --nocapture")
        .argument(format!("::fuzz::{}", name.unwrap_or_default()))
        .variable("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
        .variable("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
        .variable("HARDENING_FUZZ_INPUTS", inputs.to_string())
        .run()
}

fn asked<'w>(words: &[&'w str]) -> Done<(Option<&'w str>, u64)> {
    let (mut name, mut inputs) = (None, USUAL);
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        match word {
            "--inputs" => {
                let number = words.next().map(|number| number.replace('_', ""));
                let number = number.and_then(|number| number.parse().ok()).filter(|number| *number > 0);
                inputs = number.ok_or("write a number after `--inputs`, such as `--inputs 1_000_000`")?;
            }
            flag if flag.starts_with('-') => {
                return Err(format!("unknown flag `{flag}`; known: `--inputs N`"));
            }
            word if name.is_none() => name = Some(word),
            word => return Err(format!("`{word}` is a second name; write one, or none for all")),
        }
    }
    Ok((name, inputs))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_a_number_in_any_order() {
        assert_eq!(asked(&[]), Ok((None, USUAL)));
        assert_eq!(asked(&["proxy"]), Ok((Some("proxy"), USUAL)));
        assert_eq!(asked(&["--inputs", "1_000"]), Ok((None, 1000)));
        assert_eq!(asked(&["--inputs", "7", "proxy"]), Ok((Some("proxy"), 7)));
        for wrong in
            [&["--inputs"][..], &["--inputs", "0"], &["--inputs", "many"], &["--input", "7"], &["a", "b"]]
        {
            assert!(asked(wrong).is_err(), "{wrong:?}");
        }
    }
}
