//! Tokens as a person writes them, for messages that say what to write.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};

/// What stands before the next token.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// Nothing, or an operator that has its blank.
    Start,
    /// A name or a literal.
    Word,
    /// A keyword, behind which parentheses call nothing.
    Keyword,
    /// A group, or `?`.
    Group,
    /// `.`, `::`, a sign, or the `!` of a macro.
    Tight,
}

/// The tokens with blanks where they are usual.
pub(super) fn spaced(tokens: &TokenStream) -> String {
    const KEYWORDS: [&str; 8] = ["as", "else", "for", "if", "in", "match", "return", "move"];
    let mut text = String::new();
    let mut before = Before::Start;
    let mut tokens = tokens.clone().into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(_) | TokenTree::Literal(_) => {
                let word = token.to_string();
                if !matches!(before, Before::Start | Before::Tight) {
                    text.push(' ');
                }
                text.push_str(&word);
                before = if KEYWORDS.contains(&&*word) { Before::Keyword } else { Before::Word };
            }
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{ ", " }"),
                    Delimiter::None => ("", ""),
                };
                let apart = match before {
                    Before::Keyword => true,
                    Before::Word | Before::Group => group.delimiter() == Delimiter::Brace,
                    Before::Start | Before::Tight => false,
                };
                let inside = spaced(&group.stream());
                text.extend([if apart { " " } else { "" }, open, &inside, close]);
                before = Before::Group;
            }
            TokenTree::Punct(first) => {
                let mut operator = String::from(first.as_char());
                let mut joint = first.spacing() == Spacing::Joint;
                while joint && let Some(TokenTree::Punct(next)) = tokens.peek() {
                    operator.push(next.as_char());
                    joint = next.spacing() == Spacing::Joint;
                    tokens.next();
                }
                let value = matches!(before, Before::Word | Before::Group);
                let calls = matches!(tokens.peek(), Some(TokenTree::Group(_)));
                let last = tokens.peek().is_none();
                before = match &*operator {
                    "." | "::" | ".." | "..=" | "'" | "#" => Before::Tight,
                    "!" if value && calls => Before::Tight,
                    "?" | "%" if value && (last || operator == "?") => Before::Group,
                    "," | ";" | ":" => {
                        text.push_str(&operator);
                        if !last {
                            text.push(' ');
                        }
                        before = Before::Start;
                        continue;
                    }
                    _ if value => {
                        text.extend([" ", &operator, if last { "" } else { " " }]);
                        before = Before::Start;
                        continue;
                    }
                    _ => {
                        if before == Before::Keyword {
                            text.push(' ');
                        }
                        Before::Tight
                    }
                };
                text.push_str(&operator);
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_as_they_were_written() {
        for text in [
            "Error::Busy(_) | Error::NotFound { .. }",
            "e if matches!(e, Error::Busy(_)) && !e.is_fatal()",
            "e @ Error::Busy(1..=3)",
            "100ms..2s",
            "12.5%",
            "&order.id",
            "(a, &b)",
            "if a == -1 { b } else { c? }",
            "x as u32",
        ] {
            assert_eq!(spaced(&text.parse().expect("tokens")), text);
        }
    }
}
