//! Whatever stands in a query, a form or a path.

use std::fmt::Write as _;

use super::tests::Search;
use super::*;
use crate::fuzzing::run;

#[test]
fn forms() {
    let seeds: &[&[u8]] = &[
        b"text=a+b%20%26%C3%A9%zz&page=7&small=-3&ratio=1.5&exact=true&tags=x&order=down&tags=y&numbers=1&letter=%C3%A9&sku=s",
        b"a=1&b=2&&=&c",
    ];
    let words: &[&[u8]] = &[
        b"&",
        b"=",
        b"+",
        b"%",
        b"%00",
        b"%C3",
        b"%FF",
        b"tags=",
        b"page=",
        b"-1",
        b"1e999",
        b"true",
        b"order=down",
        b"letter=",
    ];
    run("forms", seeds, words, |text| {
        let Ok(pairs) = Pairs::of_form(text) else {
            let many = text.split(|byte| *byte == b'&').count() > MOST;
            assert!(
                many || text.contains(&b'%') || std::str::from_utf8(text).is_err(),
                "only what is no UTF-8, or too many, is refused"
            );
            return;
        };
        let values: usize = pairs.pairs.iter().map(|(_, values)| values.len()).sum();
        assert_eq!(
            values,
            text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).count(),
            "nothing is lost"
        );
        let mut names: Vec<&str> = pairs.names().collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "each name once, with all of its values");
        // Written by the rules of forms, it is read as it was.
        let escaped = |text: &str| {
            text.bytes().fold(String::new(), |mut all, byte| {
                let _ = write!(all, "%{byte:02X}");
                all
            })
        };
        let each =
            pairs.pairs.iter().flat_map(|(name, values)| values.iter().map(move |value| (name, value)));
        let written = each
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect::<Vec<_>>()
            .join("&");
        assert_eq!(Pairs::of_form(written.as_bytes()).unwrap().pairs, pairs.pairs);
        if let Err(unfit) = pairs.read::<Search>() {
            assert!(!unfit.message.is_empty());
        }
    });
}
