//! Both error rates of the filter over the texts of `corpus.txt`.

use super::{scan, words};

/// Texts with a secret that stays, and texts without one that are changed. `docs/security.md` names them.
const MISSED: usize = 16;
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
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md"));
    let page = page.expect("the page on threats");
    for rate in rates {
        assert!(page.contains(&rate), "docs/security.md does not say: {rate}");
    }
}
