//! One value, read by the kind that its key says.

use std::time::Duration;

use hardening_spec::keys::{Key, Kind};
use hardening_spec::{After, Rate, Ratio, Refusals, Window, suggest};
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, LitStr, Path, Token};

use super::spaced::spaced;
use super::{Pattern, commas, growth, text};

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
    /// A `RetryBudget` of `policy!`.
    Shared(Path),
    After(After),
    Rate(Rate),
    Window(Window),
    Count(u32),
    Bytes(u64),
    Factor(f64),
    Flag,
    Choice(&'static str),
    Pattern(Pattern),
    /// A pattern, and how long what it matches is kept.
    Negative(Pattern, Time),
    Expression(Expr),
    Refusals(Vec<&'static str>),
    Text(LitStr),
    Fields(Vec<Expr>),
}

/// Reads the value of `key`; `label` names it in messages.
pub(super) fn read(label: &str, key: &Key, input: ParseStream) -> syn::Result<(TokenStream, Value)> {
    match key.kind {
        Kind::Expression | Kind::Key => {
            let expr: Expr = input.parse()?;
            if let Expr::Closure(closure) = &expr {
                let body = spaced(&closure.body.to_token_stream());
                let failure = if matches!(key.name, "value" | "retry_after") {
                    ", where the failure is `error`"
                } else {
                    ""
                };
                let message = format!(
                    "`{label}` takes an expression, and this is a closure: write `{body}` alone{failure}"
                );
                return Err(syn::Error::new_spanned(expr, message));
            }
            Ok((expr.to_token_stream(), Value::Expression(expr)))
        }
        Kind::Pattern => {
            let pattern = Pattern::read(label, input)?;
            Ok((pattern.to_token_stream(), Value::Pattern(pattern)))
        }
        Kind::Negative => {
            let pattern = Pattern::read(label, input)?;
            let time = input.parse::<Option<Token![for]>>()?.map(|_| text::until_comma(input));
            let Some(Ok(Value::Duration(time))) = time.map(|time| text::read(Kind::Duration, &time)) else {
                return Err(syn::Error::new_spanned(pattern, format!("`{label}` takes {}", key.form())));
            };
            Ok((pattern.to_token_stream(), Value::Negative(pattern, time)))
        }
        Kind::Fields => {
            let written: TokenTree = input.parse()?;
            let TokenTree::Group(group) = &written else {
                return Err(syn::Error::new_spanned(written, format!("`{label}` takes {}", key.form())));
            };
            let missing = || commas::missing_between_names(&written.to_token_stream());
            let fields: Vec<Expr> = Punctuated::<Expr, Token![,]>::parse_terminated
                .parse2(group.stream())
                .map_err(|error| missing().unwrap_or(error))?
                .into_iter()
                .collect();
            Ok((quote!(#(#fields),*), Value::Fields(fields)))
        }
        _ => {
            let tokens = text::until_comma(input);
            let value = match key.kind {
                Kind::Text => syn::parse2(tokens.clone()).map(Value::Text).map_err(|_| String::new()),
                Kind::Flag => Err(String::new()),
                Kind::Choice(words) => choice(words, &tokens),
                Kind::Ratio | Kind::RatioOrNone if key.name == "budget" && shared(&tokens).is_some() => {
                    shared(&tokens).map(Value::Shared).ok_or_else(String::new)
                }
                Kind::Refusals => return Ok((tokens.clone(), refusals(label, &tokens)?)),
                kind => match growth::instead(key, &tokens) {
                    Some(why) => Err(why),
                    None => text::read(kind, &tokens).map_err(|why| why.0),
                },
            };
            match value {
                Ok(value) => Ok((tokens, value)),
                Err(why) => {
                    let colon = if why.is_empty() { "" } else { ": " };
                    let message = format!("`{label}` takes {}{colon}{why}", key.form());
                    Err(syn::Error::new_spanned(tokens, message))
                }
            }
        }
    }
}

/// A path to a static of `policy!`: its last name is in capitals.
pub(super) fn shared(tokens: &TokenStream) -> Option<Path> {
    if text::is_literal(tokens) {
        return None;
    }
    let path: Path = syn::parse2(tokens.clone()).ok()?;
    let last = path.segments.last()?;
    let name = last.ident.to_string();
    let capitals = name.chars().any(char::is_uppercase) && !name.chars().any(char::is_lowercase);
    (capitals && last.arguments.is_none()).then_some(path)
}

/// Whether a literal, or a word that this kind knows, is a value of `kind`.
pub(super) fn fits(kind: Kind, tokens: &TokenStream) -> bool {
    match kind {
        Kind::Choice(words) => choice(words, tokens).is_ok(),
        Kind::Text => syn::parse2::<LitStr>(tokens.clone()).is_ok(),
        Kind::After | Kind::RangeOrNever if syn::parse2::<Ident>(tokens.clone()).is_ok() => {
            matches!(text::read(kind, tokens), Ok(Value::After(_) | Value::Choice(_)))
        }
        _ => text::is_literal(tokens) && text::read(kind, tokens).is_ok(),
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

fn refusals(label: &str, tokens: &TokenStream) -> syn::Result<Value> {
    let one = |input: ParseStream| input.parse::<Ident>().map(|name| vec![name]);
    let several = |input: ParseStream| {
        let content;
        syn::parenthesized!(content in input);
        Ok(Punctuated::<Ident, Token![,]>::parse_terminated(&content)?.into_iter().collect())
    };
    let form = |_| {
        let wrong = || syn::Error::new_spanned(tokens, format!("`{label}` takes {}", Kind::Refusals.form()));
        commas::missing_between_names(tokens).unwrap_or_else(wrong)
    };
    let given: Vec<Ident> =
        one.parse2(tokens.clone()).or_else(|_| several.parse2(tokens.clone())).map_err(form)?;
    let known = Refusals::NAMES.map(|(name, _)| name);
    let mut kinds = Vec::new();
    for written in given {
        let name = written.to_string();
        let Some(kind) = known.into_iter().find(|kind| *kind == name) else {
            let meant = match suggest::nearest(&name, known) {
                Some(meant) => format!(": did you mean `{meant}`? The"),
                None => "; the".to_owned(),
            };
            let all = hardening_spec::keys::list(&known);
            return Err(syn::Error::new_spanned(
                written,
                format!("`{label}` knows no `{name}`{meant} kinds are {all}"),
            ));
        };
        if kinds.contains(&kind) {
            return Err(syn::Error::new_spanned(
                written,
                format!("`{kind}` is named twice: remove one of the two"),
            ));
        }
        kinds.push(kind);
    }
    if kinds.is_empty() {
        let message = format!("`{label}` names at least one kind, such as `circuit_open`");
        return Err(syn::Error::new_spanned(tokens, message));
    }
    Ok(Value::Refusals(kinds))
}
