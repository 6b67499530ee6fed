//! Commas that were forgotten between the arguments of an attribute.
//!
//! Each is reported once and supplied, so that the arguments on both sides are read as they were meant.

use hardening_spec::keys::{self, Attribute, Kind};
use proc_macro2::{Delimiter, Ident, Punct, Spacing, TokenStream, TokenTree};

use crate::diagnostics::Errors;
use crate::words::is_one_of;

/// The arguments with a comma wherever one is missing.
pub(super) fn supplied(
    attribute: &'static Attribute,
    arguments: TokenStream,
    errors: &mut Errors,
) -> TokenStream {
    let tokens: Vec<TokenTree> = arguments.clone().into_iter().collect();
    let mut missing = Vec::new();
    for (at, token) in tokens.iter().enumerate().skip(1) {
        if is_punct(token, ';') {
            errors.at(token, "arguments are separated by commas: write `,` instead of `;`");
            missing.push(at);
        } else if let TokenTree::Ident(name) = token
            && ends_value(&tokens[..at])
            && let Some(form) = beginning(attribute, name, &tokens[at + 1..])
        {
            errors.at(name, format!("a comma is missing before `{name}`: write `, {form}`"));
            missing.push(at);
        }
    }
    if missing.is_empty() {
        return arguments;
    }
    let mut supplied = Vec::new();
    for (at, token) in tokens.into_iter().enumerate() {
        if missing.contains(&at) {
            let mut comma = Punct::new(',', Spacing::Alone);
            comma.set_span(token.span());
            supplied.push(TokenTree::Punct(comma));
            if is_punct(&token, ';') {
                continue;
            }
        }
        supplied.push(token);
    }
    supplied.into_iter().collect()
}

/// The second of two names in parentheses without a comma between them.
pub(super) fn missing_between_names(list: &TokenStream) -> Option<syn::Error> {
    let mut tokens = list.clone().into_iter();
    let Some(TokenTree::Group(group)) = tokens.next() else { return None };
    let inside: Vec<TokenTree> = group.stream().into_iter().collect();
    let second = inside.windows(2).find_map(|pair| match pair {
        [TokenTree::Ident(_), TokenTree::Ident(second)] => Some(second),
        _ => None,
    })?;
    Some(syn::Error::new_spanned(second, format!("a comma is missing before `{second}`: write `, {second}`")))
}

/// How the argument is written that begins with `name` and goes on with `rest`, if one begins there. Behind a value no name
/// stands in Rust, so a name with `=` is an argument whatever it is called.
fn beginning(attribute: &'static Attribute, name: &Ident, rest: &[TokenTree]) -> Option<String> {
    if is_equals(rest) {
        return Some(format!("{name} = …"));
    }
    let called = |rest: &[TokenTree]| matches!(rest.first(), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
    let text = name.to_string();
    if let Some(key) = attribute.key(&text) {
        return match key.kind {
            Kind::Flag if ends(rest) => Some(text),
            Kind::Fields if called(rest) => Some(format!("{text}(…)")),
            _ => None,
        };
    }
    let nests =
        attribute.name == keys::HARDENED.name && keys::POLICIES[1..].iter().any(|policy| policy.name == text);
    match nests {
        true if called(rest) => Some(format!("{text}(…)")),
        true if ends(rest) => Some(text),
        _ => None,
    }
}

/// Whether an argument that is its name alone ends in front of these tokens.
fn ends(rest: &[TokenTree]) -> bool {
    match rest.first() {
        None | Some(TokenTree::Ident(_)) => true,
        Some(token) => is_punct(token, ',') || is_punct(token, ';'),
    }
}

/// Whether a value may end with these tokens.
fn ends_value(before: &[TokenTree]) -> bool {
    /// Behind which a name belongs to what came before.
    const GO_ON: [&str; 20] = [
        "as", "async", "break", "const", "dyn", "else", "fn", "for", "if", "impl", "in", "let", "loop",
        "match", "move", "mut", "ref", "return", "unsafe", "while",
    ];
    match before {
        [.., TokenTree::Literal(_), percent] if is_punct(percent, '%') => true,
        [.., TokenTree::Ident(name)] => !is_one_of(name, &GO_ON),
        [.., token] => matches!(token, TokenTree::Literal(_) | TokenTree::Group(_)) || is_punct(token, '?'),
        [] => false,
    }
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

/// `=`, and neither `==` nor `=>`.
fn is_equals(tokens: &[TokenTree]) -> bool {
    match tokens {
        [TokenTree::Punct(equals), TokenTree::Punct(next), ..] => {
            let longer = equals.spacing() == Spacing::Joint && matches!(next.as_char(), '=' | '>');
            equals.as_char() == '=' && !longer
        }
        [equals, ..] => is_punct(equals, '='),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commas(attribute: &'static Attribute, arguments: &str) -> (String, usize) {
        let mut errors = Errors::default();
        let arguments = arguments.parse().expect("tokens");
        let supplied = supplied(attribute, arguments, &mut errors).to_string();
        let found = errors.len();
        drop(errors.finish());
        (supplied.replace(' ', ""), found)
    }

    #[test]
    fn a_comma_is_supplied_wherever_an_argument_begins_without_one() {
        for (attribute, written, read) in [
            (
                &keys::RETRY,
                "attempts = 3 backoff = 1s..2s idempotent",
                "attempts=3,backoff=1s..2s,idempotent",
            ),
            (&keys::RETRY, "idempotent attempts = 3; factor = 2", "idempotent,attempts=3,factor=2"),
            (&keys::RETRY, "on = E::A(_) if x.y() not_on = E::B", "on=E::A(_)ifx.y(),not_on=E::B"),
            (&keys::CIRCUIT_BREAKER, "failure_rate = 50% adaptive", "failure_rate=50%,adaptive"),
            (&keys::CACHED, "negative = E::A for 10s ttl = 1s", "negative=E::Afor10s,ttl=1s"),
            (&keys::FALLBACK, "other(x).await? within = 1s", "other(x).await?,within=1s"),
            (
                &keys::HARDENED,
                "retry(x) timeout(1s) bulkhead name = \"a\"",
                "retry(x),timeout(1s),bulkhead,name=\"a\"",
            ),
            (&keys::HARDENED, "timeout = 1s span_fields(a)", "timeout=1s,span_fields(a)"),
        ] {
            let (supplied, found) = commas(attribute, written);
            assert_eq!(supplied, read);
            assert_eq!(found, read.matches(',').count(), "{written}");
        }
    }

    #[test]
    fn what_is_one_value_stays_whole() {
        for (attribute, written) in [
            (&keys::RETRY, "attempts = 3, on = E::A if idempotent, not_on = E::B | idempotent"),
            (&keys::RETRY, "on = e @ E::A { idempotent, attempts: 3 }, retry_after = error.budget"),
            (&keys::CIRCUIT_BREAKER, "key = a % adaptive, ignore = E::A if x == adaptive"),
            (&keys::BULKHEAD, "key = if let Some(max) = a { max } else { queue }, max = 3"),
            (&keys::FALLBACK, "if a { b } else { on }, within = 1s"),
            (&keys::FALLBACK, "x as Box<dyn Iterator<Item = u8>>"),
            (&keys::CACHED, "key = match on { a => max_bytes == b, _ => c }, ttl = 1s"),
            (&keys::HARDENED, "retry(on = E::A, idempotent), timeout = Duration::from_secs(1)"),
            (&keys::TIMEOUT, "1s 2s"),
        ] {
            assert_eq!(commas(attribute, written).1, 0, "{written}");
        }
    }
}
