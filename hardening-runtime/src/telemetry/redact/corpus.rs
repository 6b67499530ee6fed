//! Both error rates of the filter over the texts of `corpus.txt`, and what it does to messages of our own.

use std::fs;
use std::path::Path;

use super::{scan, words};

/// Texts with a secret that stays, and texts without one that are changed. `docs/security.md` names them.
const MISSED: usize = 12;
const CHANGED: usize = 6;

#[test]
fn both_error_rates_over_the_corpus_are_held() {
    let (mut secret, mut plain) = (0, 0);
    let (mut missed, mut changed) = (Vec::new(), Vec::new());
    for line in include_str!("corpus.txt").lines().filter(|line| !line.starts_with("# ")) {
        let marked = line.replace('␊', "\n").replace('␍', "\r").replace('␉', "\t");
        let written = marked.replace(['«', '»'], "");
        // Without the names and values that other tests add.
        let told = scan::told(&written, &words::is_secret);
        assert_eq!(scan::told(&told, &words::is_secret), told, "what is replaced once stays");
        let secrets: Vec<&str> =
            marked.split('«').skip(1).filter_map(|rest| Some(rest.split_once('»')?.0)).collect();
        if secrets.is_empty() {
            plain += 1;
            if told != written {
                changed.push(told.into_owned());
            }
        } else {
            secret += 1;
            if secrets.iter().any(|secret| told.contains(secret)) {
                missed.push(told.into_owned());
            }
        }
    }
    let rates = format!(
        "Of the {} texts in `hardening-runtime/src/telemetry/redact/corpus.txt`, {} of {secret} with a secret keep it",
        secret + plain,
        missed.len()
    );
    let rates = [rates, format!("{} of {plain} without one are changed", changed.len())];
    assert!(secret + plain >= 400, "{secret} and {plain}");
    assert_eq!((missed.len(), changed.len()), (MISSED, CHANGED), "{missed:#?} {changed:#?}");
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md"));
    let page = page.expect("the page on threats");
    for rate in rates {
        assert!(page.contains(&rate), "docs/security.md does not say: {rate}");
    }
}

/// Texts in quotes of a source, as far as its tests, with a word for each argument.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = source.lines().filter(|line| !line.trim_start().starts_with("//"));
    let source = lines.map(|line| line.trim_start().to_owned() + "\n").collect::<String>();
    let (mut texts, mut text, mut depth, mut within) = (Vec::new(), String::new(), 0, false);
    let mut signs = source.chars().peekable();
    while let Some(sign) = signs.next() {
        match sign {
            '\'' if !within && signs.peek() == Some(&'"') => drop(signs.next()),
            '"' if within => {
                texts.push(std::mem::take(&mut text));
                within = false;
            }
            '"' => (within, depth) = (true, 0),
            '\\' => {
                let next = signs.next().filter(|next| *next != '\n');
                text.extend(next.filter(|_| within && depth == 0));
            }
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                text.push('X');
            }
            sign if within && depth == 0 => text.push(sign),
            _ => {}
        }
        if !within {
            text.clear();
        }
    }
    texts
}

fn look(directory: &Path, looked_at: &mut usize, changed: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("the sources") {
        let path = entry.expect("a source").path();
        let own = ["redact", "tests", "tests.rs", "fuzz.rs"].iter().any(|name| path.ends_with(name));
        if path.is_dir() && !own {
            look(&path, looked_at, changed);
        } else if !own && path.extension().is_some_and(|extension| extension == "rs") {
            for text in texts(&fs::read_to_string(&path).expect("a source")) {
                *looked_at += usize::from(text.contains(' '));
                let told = scan::told(&text, &words::is_secret);
                // `password={password}` of code is what the filter is for.
                if told != text && text.contains(' ') {
                    changed.push(format!("{}: {told}", path.display()));
                }
            }
        }
    }
}

#[test]
fn messages_of_our_own_keep_their_words() {
    let (mut looked_at, mut changed) = (0, Vec::new());
    for sources in ["src", "../hardening-spec/src", "../hardening-macros/src"] {
        look(&Path::new(env!("CARGO_MANIFEST_DIR")).join(sources), &mut looked_at, &mut changed);
    }
    assert!(looked_at > 800, "{looked_at}");
    assert!(changed.is_empty(), "{changed:#?}");
}
