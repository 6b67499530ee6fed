//! Delays as other libraries write them, and how they are written here.

use hardening_spec::keys::{Key, Kind};
use hardening_spec::units;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use super::text;

/// Kinds of growth that other libraries name; the last four do not grow.
const WORDS: [&str; 10] = [
    "exponential",
    "exponential_backoff",
    "expo",
    "linear",
    "fibonacci",
    "random",
    "fixed",
    "constant",
    "immediate",
    "interval",
];

/// What to write instead of a duration or a range that another library would understand; nothing for what may be an expression of the
/// user's.
pub(super) fn instead(key: &Key, tokens: &TokenStream) -> Option<String> {
    let ranges = matches!(key.kind, Kind::Range | Kind::RangeOrNever);
    if !ranges && !matches!(key.kind, Kind::Duration | Kind::After | Kind::Window) {
        return None;
    }
    let all: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let word = match &all[..] {
        [TokenTree::Ident(name), ..] => Some(name.to_string()).filter(|name| WORDS.contains(&&**name)),
        _ => None,
    };
    let top = durations(all.iter().filter(|token| matches!(token, TokenTree::Literal(_))));
    let inside = all.iter().filter_map(|token| match token {
        TokenTree::Group(group) => Some(group.stream()),
        _ => None,
    });
    let inside: Vec<String> = inside.flat_map(|tokens| durations(&flat(tokens))).collect();
    let range = text::shown(tokens).contains("..");
    // A suffix such as `ms` is none of Rust's, so nothing that holds one in parentheses is an expression.
    let other = !inside.is_empty()
        || (word.is_some() && all.len() == 1)
        || (ranges && !range && top.len() == 1 && all.len() > 1 && operator(&all))
        || (ranges && !range && top.len() > 1 && operator(&all));
    if !other {
        return None;
    }
    let found = if inside.is_empty() { top } else { inside };
    if !ranges {
        return Some(format!("write the duration alone, `{}`", found.first().map_or("250ms", |first| first)));
    }
    let constant = word.as_deref().is_some_and(|word| WORDS[6..].contains(&word));
    let (from, to) = match &found[..] {
        [] => ("50ms".to_owned(), "2s".to_owned()),
        [only] if constant => {
            return Some(format!("write one duration, `{only}`, for the same delay each time"));
        }
        [only] => (only.clone(), cap(only)),
        [first, .., last] => (first.clone(), last.clone()),
    };
    if constant && found.is_empty() {
        return Some("write one duration, such as `100ms`, for the same delay each time".to_owned());
    }
    let ordered = units::range(&format!("{from}..{to}")).is_ok();
    let (from, to) = if ordered { (from, to) } else { (to, from) };
    let factor = if key.name == "backoff" {
        ", and how fast with `factor`, which is `2` if nothing is written"
    } else {
        ""
    };
    Some(format!("write `{from}..{to}`, which grows from the first to the second{factor}"))
}

/// Whether something other than literals stands between durations: `1m 30s` is one.
fn operator(tokens: &[TokenTree]) -> bool {
    tokens.iter().any(|token| match token {
        TokenTree::Ident(_) => true,
        TokenTree::Punct(punct) => {
            matches!(punct.as_char(), '*' | '-' | '+' | '^' | '~' | ':' | '>' | '/' | '|')
        }
        TokenTree::Group(_) | TokenTree::Literal(_) => false,
    }) && !matches!(&tokens[0], TokenTree::Punct(minus) if minus.as_char() == '-')
}

/// The tokens, and those in their groups.
fn flat(tokens: TokenStream) -> Vec<TokenTree> {
    let each = |token| match token {
        TokenTree::Group(group) => flat(group.stream()),
        token => vec![token],
    };
    tokens.into_iter().flat_map(each).collect()
}

fn durations<'t>(tokens: impl IntoIterator<Item = &'t TokenTree>) -> Vec<String> {
    let literal = |token: &TokenTree| {
        let text = token.to_token_stream().to_string();
        units::duration(&text).is_ok().then_some(text)
    };
    tokens.into_iter().filter_map(literal).collect()
}

/// An end for a range whose beginning alone is written.
fn cap(from: &str) -> String {
    let from = units::duration(from).unwrap_or_default();
    units::show((from * 20).max(std::time::Duration::from_secs(2)))
}

#[cfg(test)]
mod tests {
    use hardening_spec::keys;

    use super::*;

    fn of(attribute: &keys::Attribute, key: &str, written: &str) -> Option<String> {
        instead(attribute.key(key).expect("a key"), &written.parse().expect("tokens"))
    }

    #[test]
    fn delays_of_other_libraries_become_ranges() {
        for (written, part) in [
            ("exponential(100ms, 2)", "`100ms..2s`"),
            ("exponential", "`50ms..2s`"),
            ("exponential(100ms, max = 10s)", "`100ms..10s`"),
            ("exponential(base = 1s)", "`1s..20s`"),
            ("Backoff::exponential(100ms).max(10s)", "`100ms..10s`"),
            ("(100ms, 10s)", "`100ms..10s`"),
            ("[10s, 100ms]", "`100ms..10s`"),
            ("100ms * 2", "`100ms..2s`"),
            ("100ms - 10s", "`100ms..10s`"),
            ("100ms to 10s", "`100ms..10s`"),
            ("fixed(100ms)", "one duration, `100ms`"),
            ("constant", "one duration, such as `100ms`"),
        ] {
            let said = of(&keys::RETRY, "backoff", written);
            assert!(said.as_ref().is_some_and(|said| said.contains(part)), "{written}: {said:?}");
        }
        for (attribute, key) in [(&keys::CIRCUIT_BREAKER, "open_for"), (&keys::BACKGROUND, "restart")] {
            let said = of(attribute, key, "exponential(1s, 60s)").expect("another form");
            assert!(said.contains("`1s..60s`") && !said.contains("factor"), "{said}");
        }
        let said = of(&keys::TIMEOUT, "after", "secs(5s)").expect("another form");
        assert!(said.contains("`5s`"), "{said}");
    }

    #[test]
    fn what_is_written_here_or_may_be_an_expression_is_left_alone() {
        for written in [
            "100ms",
            "100ms..10s",
            "100ms..=10s",
            "1m 30s",
            "FIRST..LAST",
            "FIRST",
            "FIRST * 2",
            "delays(2)",
            "-5ms",
            "Duration::from_millis(100)",
            "exponential(FIRST, 2)",
            "50",
            "1.5s",
            "\"exponential\"",
        ] {
            assert_eq!(of(&keys::RETRY, "backoff", written), None, "{written}");
        }
    }
}
