//! One value, read by the kind that its key says.

use std::time::Duration;

use hardening_spec::keys::Kind;
use hardening_spec::{Rate, Ratio, Refusals, Window, suggest};
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitStr, Token};

use super::{Pattern, text};

/// A length of time.
#[derive(Clone)]
pub(crate) enum Time {
    /// A literal, whose value the rules can judge.
    Known(Duration),
    /// A const expression, left to the compiler.
    Const(TokenStream),
}

impl Time {
    /// The value, where it is a literal.
    pub(crate) fn known(&self) -> Option<Duration> {
        match self {
            Self::Known(value) => Some(*value),
            Self::Const(_) => None,
        }
    }
}

/// What stands behind a key.
pub(crate) enum Value {
    Duration(Time),
    Range(Time, Time),
    Ratio(Ratio),
    Budget(Option<Ratio>),
    Rate(Rate),
    Window(Window),
    Count(u32),
    Factor(f64),
    Flag,
    Choice(&'static str),
    Pattern(Pattern),
    Expression(Expr),
    Refusals(Vec<&'static str>),
    Text(LitStr),
    Fields(Vec<Expr>),
}

/// Reads the value of a key of `kind`; `label` names it in messages.
pub(super) fn read(label: &str, kind: Kind, input: ParseStream) -> syn::Result<(TokenStream, Value)> {
    match kind {
        Kind::Expression | Kind::Key => {
            let expr: Expr = input.parse()?;
            Ok((expr.to_token_stream(), Value::Expression(expr)))
        }
        Kind::Pattern => {
            let pattern = Pattern::read(input)?;
            Ok((pattern.to_token_stream(), Value::Pattern(pattern)))
        }
        Kind::Fields => {
            let content;
            syn::parenthesized!(content in input);
            let fields: Vec<Expr> =
                Punctuated::<Expr, Token![,]>::parse_terminated(&content)?.into_iter().collect();
            Ok((quote!(#(#fields),*), Value::Fields(fields)))
        }
        _ => {
            let tokens = text::until_comma(input);
            let value = match kind {
                Kind::Text => syn::parse2(tokens.clone()).map(Value::Text).map_err(|_| String::new()),
                Kind::Flag => Err(String::new()),
                Kind::Choice(words) => choice(words, &tokens),
                Kind::Refusals => refusals(&tokens),
                _ => text::read(kind, &tokens).map_err(|why| why.0),
            };
            match value {
                Ok(value) => Ok((tokens, value)),
                Err(why) => {
                    let colon = if why.is_empty() { "" } else { ": " };
                    let message = format!("`{label}` takes {}{colon}{why}", kind.form());
                    Err(syn::Error::new_spanned(tokens, message))
                }
            }
        }
    }
}

fn choice(words: &[&'static str], tokens: &TokenStream) -> Result<Value, String> {
    let given = text::joined(tokens);
    match words.iter().find(|word| **word == given) {
        Some(word) if syn::parse2::<Ident>(tokens.clone()).is_ok() => Ok(Value::Choice(word)),
        Some(word) => Err(format!("write `{word}` without quotes")),
        None => Err(suggest::nearest(&given, words.iter().copied())
            .map(|meant| format!("did you mean `{meant}`?"))
            .unwrap_or_default()),
    }
}

fn refusals(tokens: &TokenStream) -> Result<Value, String> {
    let one = |input: ParseStream| input.parse::<Ident>().map(|name| vec![name]);
    let several = |input: ParseStream| {
        let content;
        syn::parenthesized!(content in input);
        Ok(Punctuated::<Ident, Token![,]>::parse_terminated(&content)?.into_iter().collect())
    };
    let given: Vec<Ident> =
        one.parse2(tokens.clone()).or_else(|_| several.parse2(tokens.clone())).map_err(|_| String::new())?;
    let known = Refusals::NAMES.map(|(name, _)| name);
    let mut kinds = Vec::new();
    for name in given {
        let name = name.to_string();
        let Some(kind) = known.into_iter().find(|kind| *kind == name) else {
            let meant = suggest::nearest(&name, known).map(|meant| format!("did you mean `{meant}`? "));
            let all = hardening_spec::keys::list(&known);
            return Err(format!(
                "there is no kind `{name}`; {}the kinds are {all}",
                meant.unwrap_or_default()
            ));
        };
        if kinds.contains(&kind) {
            return Err(format!("`{kind}` is named twice"));
        }
        kinds.push(kind);
    }
    if kinds.is_empty() { Err("name at least one kind".to_owned()) } else { Ok(Value::Refusals(kinds)) }
}
