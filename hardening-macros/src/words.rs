//! The words that tokens mention, without parsing them.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;

/// Whether a name is one of `names`. Each comparison of an [`Ident`] makes a string of it; this makes one.
pub(crate) fn is_one_of(name: &Ident, names: &[&str]) -> bool {
    names.contains(&&*name.to_string())
}

/// Macros that mention nothing but their arguments.
const KNOWN_MACROS: [&str; 42] = [
    "anyhow",
    "assert",
    "assert_eq",
    "assert_ne",
    "bail",
    "cfg",
    "concat",
    "dbg",
    "debug",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "ensure",
    "env",
    "eprint",
    "eprintln",
    "error",
    "file",
    "format",
    "format_args",
    "include_str",
    "info",
    "join",
    "json",
    "line",
    "matches",
    "panic",
    "pin",
    "print",
    "println",
    "query",
    "select",
    "stringify",
    "todo",
    "trace",
    "try_join",
    "unimplemented",
    "unreachable",
    "vec",
    "warn",
    "write",
    "writeln",
];

/// Whether a text calls a macro that may be one of the user's, and mention any item.
pub(crate) fn calls_macro_of_users(text: &str) -> bool {
    text.match_indices('!').any(|(at, _)| {
        let is_call = text[at + 1..].trim_start().starts_with(['(', '[', '{']);
        let before = text[..at].trim_end();
        let name = before
            .rsplit(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
            .next()
            .unwrap_or_default();
        let is_operand = matches!(name, "if" | "while" | "match" | "return" | "in" | "break" | "else" | "");
        is_call && !is_operand && !KNOWN_MACROS.contains(&name)
    })
}

/// The identifiers in some tokens that may be variables, each with where it stands.
///
/// No variable: a field or method behind `.`, a segment of a path, a lifetime, a macro's name, what an import names, and the name of a
/// field in front of its value. A string mentions what a format string captures, and only among the arguments of a macro. What could be one or the
/// other is a variable, since a copy too few does not compile.
#[derive(Default)]
pub(crate) struct Words {
    /// In the order of the tokens; a name stands here as often as there. A list, since few names are looked up in it.
    variables: Vec<(String, Span)>,
}

impl Words {
    /// The words of `tokens`.
    pub(crate) fn of(tokens: TokenStream) -> Self {
        let mut words = Self::default();
        words.add(tokens);
        words
    }

    /// Adds the words of `tokens`.
    pub(crate) fn add(&mut self, tokens: TokenStream) {
        self.scan(tokens, false, false);
    }

    /// Adds the words of tokens that are arguments of a macro, or the contents of braces.
    fn scan(&mut self, tokens: TokenStream, in_macro: bool, in_braces: bool) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut in_import = false;
        for (at, token) in tokens.iter().enumerate() {
            in_import |= !in_macro && is_import(token, tokens.get(at + 1));
            if in_import {
                in_import = !is_punct(Some(token), ';');
                continue;
            }
            match token {
                TokenTree::Ident(ident) => {
                    let (before, after) = (&tokens[..at], &tokens[at + 1..]);
                    let names_a_field = in_braces && !in_macro && is_field(before, after);
                    if !(names_a_field || is_member(before) || is_segment(before, after) || is_macro(after)) {
                        self.variables.push((ident.unraw().to_string(), ident.span()));
                    }
                }
                TokenTree::Group(group) => {
                    let of_macro = in_macro || is_of_macro(&tokens[..at]);
                    let braces = group.delimiter() == proc_macro2::Delimiter::Brace;
                    self.scan(group.stream(), of_macro, braces);
                }
                TokenTree::Literal(literal) if in_macro => {
                    let names = captured(&literal.to_string()).into_iter();
                    self.variables.extend(names.map(|name| (name, literal.span())));
                }
                TokenTree::Literal(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    /// Adds those of `others`.
    pub(crate) fn merge(&mut self, others: &Self) {
        self.variables.extend(others.variables.iter().cloned());
    }

    /// Whether `name` is among the variables; `r#type` and `type` are one name.
    pub(crate) fn mention(&self, name: &syn::Ident) -> bool {
        let name = name.unraw().to_string();
        self.variables.iter().any(|(known, _)| *known == name)
    }

    /// A binding that the tokens' own `word` sees: its span is theirs, which matters where a macro of the user's wrote
    /// them.
    pub(crate) fn binding(&self, word: &str) -> Option<Ident> {
        let (_, span) = self.variables.iter().find(|(known, _)| known == word)?;
        Some(Ident::new(word, *span))
    }
}

/// Whether `word` is an identifier or a keyword in `tokens`.
pub(crate) fn names(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => names(group.stream(), word),
        _ => false,
    })
}

/// Whether `text` holds `word` with no letter, digit or `_` beside it.
pub(crate) fn holds(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let (before, after) = (&text[..at], &text[at + word.len()..]);
        !before.ends_with(is_of_word) && !after.starts_with(is_of_word)
    })
}

/// `use path::{self, …};`, and no `use<…>` of a type.
pub(crate) fn is_import(token: &TokenTree, next: Option<&TokenTree>) -> bool {
    matches!(token, TokenTree::Ident(name) if name == "use") && !is_punct(next, '<')
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

/// How many times `c` stands at the end of `before`.
fn last(before: &[TokenTree], c: char) -> usize {
    before.iter().rev().take_while(|token| is_punct(Some(token), c)).count()
}

/// `.name` or `'name`; `..name` is a range.
fn is_member(before: &[TokenTree]) -> bool {
    last(before, '.') == 1 || is_punct(before.last(), '\'')
}

/// `name::` or `::name`.
fn is_segment(before: &[TokenTree], after: &[TokenTree]) -> bool {
    last(before, ':') == 2 || (is_punct(after.first(), ':') && is_punct(after.get(1), ':'))
}

/// `name!(…)`; `name != …` is none.
fn is_macro(after: &[TokenTree]) -> bool {
    is_punct(after.first(), '!') && matches!(after.get(1), Some(TokenTree::Group(_) | TokenTree::Ident(_)))
}

/// `name: value` at the beginning of braces or behind a comma.
fn is_field(before: &[TokenTree], after: &[TokenTree]) -> bool {
    (before.is_empty() || is_punct(before.last(), ',')) && is_punct(after.first(), ':')
}

/// Whether a group behind these tokens holds the arguments of a macro or of an attribute.
fn is_of_macro(before: &[TokenTree]) -> bool {
    match before {
        [.., TokenTree::Ident(_), bang] if is_punct(Some(bang), '!') => true,
        // `macro_rules! name { … }`
        [.., bang, TokenTree::Ident(_)] if is_punct(Some(bang), '!') => true,
        [.., hash] => is_punct(Some(hash), '#'),
        [] => false,
    }
}

/// The variables that a string captures when it is a format string: `{name}`, `{name:…}`, `{:name$}` and `{:.name$}`. Braces that
/// hold anything else are another macro's language, and every word in them may be a variable.
fn captured(literal: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = literal;
    while let Some(open) = rest.find('{') {
        let before = &rest[..open];
        rest = &rest[open + 1..];
        if let Some(escaped) = rest.strip_prefix('{') {
            rest = escaped;
            continue;
        }
        let Some(close) = rest.find('}') else { break };
        let inside = rest[..close].trim();
        if before.ends_with("\\u") || inside.starts_with('"') {
            rest = &rest[close + 1..];
            continue;
        }
        let (name, spec) = inside.split_once(':').unwrap_or((inside, ""));
        let words = |text: &str| -> Vec<String> {
            text.split(|c: char| !is_of_word(c)).filter(|word| !word.is_empty()).map(str::to_owned).collect()
        };
        found.extend(words(name));
        let widths = spec.split_inclusive('$').filter_map(|piece| piece.strip_suffix('$'));
        found.extend(widths.filter_map(|piece| words(piece).pop()));
        rest = &rest[close + 1..];
    }
    found
}

fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use quote::{format_ident, quote};

    use super::*;

    fn variables(tokens: TokenStream) -> Vec<String> {
        let mut names: Vec<String> = Words::of(tokens).variables.into_iter().map(|(name, _)| name).collect();
        names.sort();
        names.dedup();
        names
    }

    #[test]
    fn identifiers_and_captures_of_format_strings_are_variables() {
        let words = Words::of(quote!({
            format!("{amount:>4} of", "plain price");
            call(sku, "{other}");
            r#type
        }));
        for (name, mentioned) in
            [("sku", true), ("amount", true), ("price", false), ("type", true), ("other", false)]
        {
            assert_eq!(words.mention(&format_ident!("{name}")), mentioned, "{name}");
        }
        assert!(words.mention(&format_ident!("r#type")));
    }

    #[test]
    fn members_paths_labels_and_field_names_are_none() {
        assert_eq!(variables(quote!(order.price.cents())), ["order"]);
        assert_eq!(variables(quote!(price::of(a) + Price::price)), ["a"]);
        assert_eq!(
            variables(quote!('price: loop {
                break 'price;
            })),
            ["break", "loop"]
        );
        assert_eq!(variables(quote!(S { price: a, cost: b })), ["S", "a", "b"]);
        assert_eq!(variables(quote!(price!(a))), ["a"]);
        assert_eq!(
            variables(quote!({
                use price::{self, cents as c};
                a
            })),
            ["a"]
        );
    }

    #[test]
    fn a_macro_that_may_mention_anything_is_told_from_those_that_do_not() {
        for (text, users) in [
            ("let x = site ! () ;", true),
            ("crate::site!{}", true),
            ("format_!(1)", true),
            ("format!(\"{x}\")", false),
            ("tracing :: info ! (x)", false),
            ("if !(a) { return !{ b }; }", false),
            ("a != (b) && !(c)", false),
        ] {
            assert_eq!(calls_macro_of_users(text), users, "{text}");
        }
    }

    #[test]
    fn a_text_holds_whole_words() {
        for (text, held) in [
            ("order.SITE", true),
            ("use a::{SITE, b}", true),
            ("r#SITE", true),
            ("WEBSITE SITE_ SITEé", false),
        ] {
            assert_eq!(holds(text, "SITE"), held, "{text}");
        }
    }

    #[test]
    fn what_could_be_a_variable_is_one() {
        for tokens in [
            quote!(S { price }),
            quote!(S { a: b, price }),
            quote!(0..price),
            quote!(..price),
            quote!(..=price),
            quote!(price != a),
            quote!(if !price {}),
            quote!(json!({ price: 1 })),
            quote!(|a: u8| price),
            quote!(a ? price : b),
            quote!(price()),
            quote!({ price.cents }),
            quote!({
                let a: u8 = price;
            }),
            quote!(match a {
                1 => price,
                _ => b,
            }),
            quote!(info!(%price)),
            quote!(info!(price, "text")),
        ] {
            let text = tokens.to_string();
            assert!(variables(tokens).contains(&"price".to_owned()), "{text}");
        }
    }

    #[test]
    fn a_string_captures_what_a_format_string_does() {
        for (text, names) in [
            ("{price}", &["price"][..]),
            ("{price:?} {price:>1}", &["price", "price"]),
            ("{:price$} {:.price$} {:>a$.b$}", &["price", "price", "a", "b"]),
            ("{0} {} {{price}} price", &["0"]),
            ("{price.cents + 1}", &["price", "cents", "1"]),
            (r"\u{price}", &[]),
            (r#"{"price": 1}"#, &[]),
            ("{price", &[]),
        ] {
            assert_eq!(captured(text), names, "{text}");
        }
    }
}
