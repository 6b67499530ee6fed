//! What was written where a pattern belongs: a closure, a condition, a list.

use proc_macro2::{Spacing, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, ExprClosure, Pat, Stmt, Token};

use super::spaced::spaced;
use super::text;

/// Whether a value begins as no pattern does, or as one that is nearly always a closure.
pub(super) fn is_suspect(input: ParseStream) -> bool {
    input.peek(Token![|]) || input.peek(Token![||]) || input.peek(Token![move]) || input.peek(Token![!])
}

/// The value up to the next comma: what stands before `for`, and `for` with the time behind it. A closure may have a comma
/// between its arguments.
pub(super) fn value(input: ParseStream) -> (TokenStream, TokenStream) {
    let ahead = input.fork();
    if let Ok(closure) = ahead.parse::<ExprClosure>() {
        input.advance_to(&ahead);
        return (closure.into_token_stream(), text::until_comma(input));
    }
    let written: Vec<TokenTree> = text::until_comma(input).into_iter().collect();
    let is_for = |token: &TokenTree| matches!(token, TokenTree::Ident(name) if name == "for");
    let at = written.iter().position(is_for).unwrap_or(written.len());
    let (value, time) = written.split_at(at);
    (value.iter().cloned().collect(), time.iter().cloned().collect())
}

/// What to write instead of a value that is no pattern, and is followed by `time`.
pub(super) fn instead(label: &str, written: &TokenStream, time: &TokenStream) -> Option<String> {
    let time = if time.is_empty() { String::new() } else { format!(" {}", spaced(time)) };
    if let Some(alternatives) = alternatives(written) {
        return Some(format!("alternatives stand between one `|` each: write `{alternatives}`"));
    }
    let condition = match syn::parse2::<Expr>(written.clone()).ok()? {
        Expr::Closure(closure) => {
            let pattern = match (of_closure(&closure)?, label) {
                // Of every error nothing is said, which is refused.
                (all, "not_executed") if all == "_" => "Error::Connect(_)".to_owned(),
                (pattern, _) => pattern,
            };
            return Some(format!(
                "`{label}` takes a pattern, and this is a closure: write `{label} = {pattern}{time}`"
            ));
        }
        Expr::Unary(not) if matches!(not.op, syn::UnOp::Not(_)) => match not.expr.to_token_stream() {
            inner if Pat::parse_single.parse2(inner.clone()).is_ok() && !is_call(&not.expr) => {
                format!("error if !matches!(error, {})", spaced(&inner))
            }
            inner => format!("{} if !{}", subject(&inner), spaced(&inner)),
        },
        _ => format!("{} if {}", subject(written), spaced(written)),
    };
    Some(format!(
        "`{label}` takes a pattern, and this is a condition, which stands behind `if`: write `{label} = {condition}{time}`"
    ))
}

/// What to write instead of a pattern that is read as one, and cannot be meant: `matches!(…)`, or a list of variants.
pub(super) fn list_or_macro(pat: &Pat) -> Option<String> {
    let elements = match pat {
        Pat::Macro(call) => {
            return matched(&call.mac).map(|pattern| format!("write the pattern alone: `{pattern}`"));
        }
        Pat::Slice(slice) => &slice.elems,
        Pat::Tuple(tuple) => &tuple.elems,
        _ => return None,
    };
    // A tuple of two errors is no error that anybody returns; variants of two types may be.
    let of = |pat: &Pat| {
        let path = match pat {
            Pat::Path(variant) => &variant.path,
            Pat::TupleStruct(variant) => &variant.path,
            Pat::Struct(variant) => &variant.path,
            _ => return None,
        };
        let mut names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        names.pop();
        (!names.is_empty()).then_some(names)
    };
    let first = of(elements.first()?)?;
    let one_type = elements.len() > 1 && elements.iter().all(|element| of(element).as_ref() == Some(&first));
    one_type.then(|| {
        let all: Vec<String> = elements.iter().map(|element| spaced(&element.to_token_stream())).collect();
        format!("alternatives stand between `|`: write `{}`", all.join(" | "))
    })
}

/// The pattern that says what a closure does; nothing for what may be a pattern that begins with `|`.
fn of_closure(closure: &ExprClosure) -> Option<String> {
    let begins_small = |name: &syn::PatIdent| !name.ident.to_string().starts_with(char::is_uppercase);
    let argument = match closure.inputs.first() {
        None => return Some("_".to_owned()),
        Some(Pat::Type(typed)) => &*typed.pat,
        Some(Pat::Ident(name))
            if closure.inputs.len() == 1 && name.subpat.is_none() && !begins_small(name) =>
        {
            return None;
        }
        Some(pat @ (Pat::Ident(_) | Pat::Wild(_) | Pat::Reference(_))) => pat,
        Some(pat) if closure.capture.is_some() || closure.inputs.len() > 1 => pat,
        Some(_) => return None,
    };
    let body = match &*closure.body {
        Expr::Block(block) if let [Stmt::Expr(only, None)] = &block.block.stmts[..] => only,
        body => body,
    };
    if let Expr::Lit(literal) = body
        && matches!(&literal.lit, syn::Lit::Bool(all) if all.value)
    {
        return Some("_".to_owned());
    }
    if let Expr::Macro(call) = body
        && let Some(pattern) = matched(&call.mac)
    {
        return Some(pattern);
    }
    let argument = spaced(&argument.to_token_stream());
    let argument = if argument == "_" { "error" } else { &argument };
    Some(format!("{argument} if {}", spaced(&body.to_token_stream())))
}

/// The pattern of `matches!(value, pattern)`.
fn matched(call: &syn::Macro) -> Option<String> {
    if call.path.segments.last().is_none_or(|last| last.ident != "matches") {
        return None;
    }
    let pattern: TokenStream =
        call.tokens.clone().into_iter().skip_while(|token| !is_punct(token, ',')).skip(1).collect();
    Some(spaced(&pattern).trim_end_matches(',').to_owned())
}

/// `A | B` for `A || B`.
fn alternatives(written: &TokenStream) -> Option<String> {
    let all: Vec<TokenTree> = written.clone().into_iter().collect();
    let at = all.windows(2).position(|pair| {
        matches!(pair, [TokenTree::Punct(one), TokenTree::Punct(other)]
            if one.as_char() == '|' && one.spacing() == Spacing::Joint && other.as_char() == '|')
    });
    let at = at.filter(|at| *at > 0)?;
    let left: TokenStream = all[..at].iter().cloned().collect();
    let right: TokenStream = all[at + 2..].iter().cloned().collect();
    let is_variant = |side: &TokenStream| {
        matches!(
            Pat::parse_single.parse2(side.clone()),
            Ok(Pat::Path(_) | Pat::TupleStruct(_) | Pat::Struct(_))
        ) && side.to_string().contains("::")
    };
    let right = alternatives(&right).or_else(|| is_variant(&right).then(|| spaced(&right)))?;
    is_variant(&left).then(|| format!("{} | {right}", spaced(&left)))
}

/// The value that a condition judges: the name in front of its first `.`.
fn subject(condition: &TokenStream) -> String {
    let all: Vec<TokenTree> = condition.clone().into_iter().collect();
    match &all[..] {
        [TokenTree::Ident(name), dot, ..] if is_punct(dot, '.') => name.to_string(),
        _ => "error".to_owned(),
    }
}

fn is_call(expr: &Expr) -> bool {
    match expr {
        Expr::Macro(_) => true,
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => path
                .path
                .segments
                .last()
                .is_some_and(|last| !last.ident.to_string().starts_with(char::is_uppercase)),
            _ => true,
        },
        _ => false,
    }
}

fn is_punct(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;

    fn said(label: &str, written: &str) -> Option<String> {
        let read = |input: syn::parse::ParseStream| {
            let pattern = Pattern::read(label, input);
            drop(super::text::until_comma(input));
            Ok(pattern.err().map(|error| error.to_string()))
        };
        syn::parse::Parser::parse_str(read, written).expect("tokens")
    }

    #[test]
    fn closures_and_conditions_become_patterns() {
        for (written, pattern) in [
            ("|e| matches!(e, E::A(_))", "E::A(_)"),
            ("|e: &E| e.is_a()", "e if e.is_a()"),
            ("move |e| { matches!(e, E::A | E::B) }", "E::A | E::B"),
            ("|&e| e == 3", "&e if e == 3"),
            ("|_| is_a()", "error if is_a()"),
            ("|_| true", "_"),
            ("|| true", "_"),
            ("|result, attempt| attempt < 3", "result if attempt < 3"),
            ("e.is_a() && !e.is_b()", "e if e.is_a() && !e.is_b()"),
            ("!E::A", "error if !matches!(error, E::A)"),
            ("!e.is_a()", "e if !e.is_a()"),
            ("!is_a(e)", "error if !is_a(e)"),
            ("matches!(e, E::A(_))", "E::A(_)"),
            ("E::A(_) || E::B || E::C", "E::A(_) | E::B | E::C"),
            ("[E::A(_), E::B]", "E::A(_) | E::B"),
            ("(E::A(_), E::B { .. })", "E::A(_) | E::B { .. }"),
            ("e == E::A", "error if e == E::A"),
        ] {
            let said = said("on", written);
            let part =
                [format!("`on = {pattern}`"), format!("write `{pattern}`"), format!("alone: `{pattern}`")];
            let found = said.as_ref().is_some_and(|said| part.iter().any(|part| said.contains(part)));
            assert!(found, "{written}: {said:?}");
        }
        let said = said("negative", "|e| e.is_a() for 10s");
        assert!(
            said.as_ref().is_some_and(|said| said.contains("`negative = e if e.is_a() for 10s`")),
            "{said:?}"
        );
    }

    #[test]
    fn patterns_are_read_as_patterns() {
        for written in [
            "| E::A | E::B",
            "|E::A| E::B",
            "E::A(_) if a || b",
            "Err(E::A(_) | E::B)",
            "e if e.is_a() && !e.is_b()",
            "e @ (E::A | E::B)",
            "(status, _) if status >= 500",
            "(Kind::A, Other::B)",
            "[first, ..]",
            "_",
            "&E::A",
            "-1",
            "500..=599",
            "\"busy\"",
        ] {
            assert_eq!(said("on", written), None, "{written}");
        }
    }
}
