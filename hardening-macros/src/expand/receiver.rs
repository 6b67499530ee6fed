//! A copy of `self` under another name, since `self` cannot be bound anew.

use proc_macro2::{Delimiter, Ident, Literal, TokenStream, TokenTree};
use quote::quote;

use crate::function::with_stream;
use crate::words::is_import;

/// Macros whose strings are format strings.
const FORMATTING: [&str; 26] = [
    "format",
    "format_args",
    "print",
    "println",
    "eprint",
    "eprintln",
    "write",
    "writeln",
    "panic",
    "assert",
    "assert_eq",
    "assert_ne",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "todo",
    "unimplemented",
    "unreachable",
    "trace",
    "debug",
    "info",
    "warn",
    "error",
    "anyhow",
    "bail",
    "ensure",
];

/// The name by which a format string means the copy.
const CAPTURED: &str = "__self";

/// `self` → `this` throughout, except in paths, imports and visibilities, and inside items that have a `self` of their own.
pub(super) fn rename(tokens: TokenStream, this: &Ident) -> TokenStream {
    let mut renamed = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut in_item = false;
    // The last name, and whether a `!` has come after it.
    let mut called = (String::new(), false);
    let mut in_import = false;
    while let Some(token) = tokens.next() {
        let in_macro = called.1 && FORMATTING.contains(&&*called.0);
        in_import |= is_import(&token, tokens.peek());
        if in_import || (called == ("pub".to_owned(), false) && is_parenthesized(&token)) {
            in_import &= !matches!(&token, TokenTree::Punct(end) if end.as_char() == ';');
            called = (String::new(), false);
            renamed.extend([token]);
            continue;
        }
        let token = match token {
            TokenTree::Ident(name) if name == "self" => {
                let is_path =
                    matches!(tokens.peek(), Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
                called = (String::new(), false);
                if is_path { TokenTree::Ident(name) } else { located(this, &name).into() }
            }
            TokenTree::Ident(name) => {
                in_item |= name == "impl" || name == "trait";
                called = (name.to_string(), false);
                TokenTree::Ident(name)
            }
            TokenTree::Group(group) if in_item && group.delimiter() == Delimiter::Brace => {
                in_item = false;
                TokenTree::Group(group)
            }
            TokenTree::Group(group) => {
                let stream = rename(group.stream(), this);
                let stream = if in_macro { capture(stream, this) } else { stream };
                called = (String::new(), false);
                TokenTree::Group(with_stream(&group, stream))
            }
            TokenTree::Punct(punct) => {
                in_item &= punct.as_char() != ';';
                called.1 = punct.as_char() == '!' && !called.0.is_empty();
                TokenTree::Punct(punct)
            }
            other @ TokenTree::Literal(_) => other,
        };
        renamed.extend([token]);
    }
    renamed
}

fn is_parenthesized(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis)
}

/// `this` at the place of a `self`.
fn located(this: &Ident, at: &Ident) -> Ident {
    Ident::new("this", this.span().located_at(at.span()))
}

/// `"{self}"` → `"{__self}", __self = this`.
fn capture(arguments: TokenStream, this: &Ident) -> TokenStream {
    let mut captures = false;
    let mut captured: Vec<TokenTree> = Vec::new();
    for token in arguments {
        captured.push(match token {
            TokenTree::Literal(text) if mentions_self(&text) => {
                let renamed = text.to_string().replace("{self", &format!("{{{CAPTURED}"));
                let mut renamed: Literal = renamed.parse().unwrap_or_else(|_| text.clone());
                renamed.set_span(text.span());
                captures = true;
                TokenTree::Literal(renamed)
            }
            other => other,
        });
    }
    if !captures {
        return quote!(#(#captured)*);
    }
    if matches!(captured.last(), Some(TokenTree::Punct(comma)) if comma.as_char() == ',') {
        captured.pop();
    }
    let name = Ident::new(CAPTURED, this.span());
    quote!(#(#captured)*, #name = #this)
}

/// Whether a format string captures `self`.
fn mentions_self(text: &Literal) -> bool {
    let shown = text.to_string().replace("{{", "");
    shown.contains("{self}") || shown.contains("{self:")
}

/// The first string inside the arguments of a macro, of which it is not known whether it is a format string, that
/// names `self`.
pub(crate) fn unknown_capture(tokens: TokenStream) -> Option<Literal> {
    find(tokens, false)
}

fn find(tokens: TokenStream, in_macro: bool) -> Option<Literal> {
    let mut called = (String::new(), false);
    for token in tokens {
        match token {
            TokenTree::Literal(text) if in_macro && mentions_self(&text) => return Some(text),
            TokenTree::Group(group) => {
                let known = called.1 && FORMATTING.contains(&&*called.0);
                // What stands deeper inside a known macro is no format string of its own.
                let found = if known {
                    let groups =
                        group.stream().into_iter().filter(|token| !matches!(token, TokenTree::Literal(_)));
                    find(groups.collect(), false)
                } else {
                    find(group.stream(), in_macro || called.1)
                };
                if found.is_some() {
                    return found;
                }
            }
            TokenTree::Punct(punct) => {
                called.1 = punct.as_char() == '!' && !called.0.is_empty();
                continue;
            }
            TokenTree::Ident(name) => {
                called = (name.to_string(), false);
                continue;
            }
            TokenTree::Literal(_) => {}
        }
        called = (String::new(), false);
    }
    None
}
