//! Values with a written form: their tokens are joined again and read by `hardening_spec::units`,
//! so that an attribute and a settings file know the same forms.

use hardening_spec::keys::Kind;
use hardening_spec::units::{self, Malformed};
use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::{Expr, LitStr, Token};

use super::value::{Time, Value};

/// The tokens up to the next comma outside any group; a lone value that a `macro_rules!` handed over is unwrapped.
pub(super) fn until_comma(input: ParseStream) -> TokenStream {
    let mut tokens = Vec::new();
    while !input.is_empty() && !input.peek(Token![,]) {
        tokens.extend(input.parse::<TokenTree>());
    }
    match &tokens[..] {
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::None => group.stream(),
        _ => tokens.into_iter().collect(),
    }
}

/// Reads a duration, range, ratio, rate, window or number; `Err` says why it is none.
pub(super) fn read(kind: Kind, tokens: &TokenStream) -> Result<Value, Malformed> {
    let text = joined(tokens);
    match kind {
        Kind::After
            if text.strip_prefix('p').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) =>
        {
            units::after(&text).map(Value::After)
        }
        Kind::Duration | Kind::After => time(tokens).map(Value::Duration),
        Kind::Window => match time(tokens) {
            Ok(Time::Const(tokens)) => Ok(Value::Duration(Time::Const(tokens))),
            _ => units::window(&text).map(Value::Window),
        },
        Kind::RangeOrNever if text == "never" => Ok(Value::Choice("never")),
        Kind::Range | Kind::RangeOrNever => range(tokens, &text),
        Kind::Ratio => units::ratio(&text).map(Value::Ratio),
        Kind::RatioOrNone if text == "none" => Ok(Value::Budget(None)),
        Kind::RatioOrNone => units::ratio(&text).map(|ratio| Value::Budget(Some(ratio))),
        Kind::Rate => units::rate(&text).map(Value::Rate),
        Kind::Count | Kind::CountOrZero => count(tokens, &text).map(Value::Count),
        Kind::Bytes => units::bytes(&text).map(Value::Bytes),
        Kind::Factor => factor(tokens, &text).map(Value::Factor),
        _ => Err(Malformed("this key takes no such value".to_owned())),
    }
}

/// A literal duration, or an expression that is one.
fn time(tokens: &TokenStream) -> Result<Time, Malformed> {
    if is_literal(tokens) {
        return units::duration(&joined(tokens)).map(Time::Known);
    }
    match syn::parse2::<Expr>(tokens.clone()) {
        Ok(Expr::Path(path)) if ["true", "false", "none"].iter().any(|word| path.path.is_ident(word)) => {
            Err(Malformed(format!("`{}` is not a duration", path.path.to_token_stream())))
        }
        Ok(Expr::Lit(_)) => Err(Malformed(format!("`{}` is not a duration", joined(tokens)))),
        Ok(expr) => Ok(Time::Const(expr.to_token_stream())),
        Err(error) => Err(Malformed(error.to_string())),
    }
}

fn range(tokens: &TokenStream, text: &str) -> Result<Value, Malformed> {
    let is_number = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if let Some((from, to)) = text.split_once("..")
        && is_number(from)
        && is_number(to)
    {
        let range = units::range(text)?;
        return Ok(Value::Range(Time::Known(range.from), Time::Known(range.to)));
    }
    let all: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let dots = all.windows(2).position(|pair| {
        matches!(pair, [TokenTree::Punct(a), TokenTree::Punct(b)]
        if a.as_char() == '.' && a.spacing() == Spacing::Joint && b.as_char() == '.')
    });
    let Some(at) = dots else {
        if is_literal(tokens) {
            return units::range(&joined(tokens))
                .map(|range| Value::Range(Time::Known(range.from), Time::Known(range.to)));
        }
        return time(tokens).map(|time| Value::Range(time.clone(), time));
    };
    let (from, to) = (all[..at].iter(), all[at + 2..].iter());
    let (from, to) = (quote!(#(#from)*), quote!(#(#to)*));
    let to_text = joined(&to);
    if is_literal(&from) && (is_literal(&to) || to_text.starts_with('=')) {
        let range = units::range(&format!("{}..{to_text}", joined(&from)))?;
        return Ok(Value::Range(Time::Known(range.from), Time::Known(range.to)));
    }
    Ok(Value::Range(time(&from)?, time(&to)?))
}

fn count(tokens: &TokenStream, text: &str) -> Result<u32, Malformed> {
    if text.starts_with('-') {
        return Err(Malformed(format!("`{text}` is negative")));
    }
    let wrong = || Malformed(format!("`{text}` is not a whole number"));
    let literal: syn::LitInt = syn::parse2(tokens.clone()).map_err(|_| wrong())?;
    match literal.suffix() {
        "" | "u32" => {}
        _ => return Err(wrong()),
    }
    literal.base10_parse().map_err(|_| Malformed(format!("`{text}` is more than {}", u32::MAX)))
}

fn factor(tokens: &TokenStream, text: &str) -> Result<f64, Malformed> {
    if text.starts_with('-') {
        return Err(Malformed(format!("`{text}` is negative")));
    }
    let wrong = || Malformed(format!("`{text}` is not a number"));
    match syn::parse2::<syn::Lit>(tokens.clone()).map_err(|_| wrong())? {
        syn::Lit::Int(int) if int.suffix().is_empty() => int.base10_parse().map_err(|_| wrong()),
        syn::Lit::Float(float) if float.suffix().is_empty() => float.base10_parse().map_err(|_| wrong()),
        _ => Err(wrong()),
    }
}

/// Whether a value begins like a literal, a sign included.
pub(super) fn is_literal(tokens: &TokenStream) -> bool {
    match tokens.clone().into_iter().next() {
        Some(TokenTree::Literal(_)) => true,
        Some(TokenTree::Punct(sign)) => sign.as_char() == '-',
        _ => false,
    }
}

/// The tokens as one text without blanks; a single string literal gives what it holds.
pub(super) fn joined(tokens: &TokenStream) -> String {
    let text = shown(tokens);
    // Parsing costs more than a look, and nearly no value is a string.
    match text.contains('"').then(|| syn::parse2::<LitStr>(tokens.clone())) {
        Some(Ok(text)) => text.value(),
        _ => text,
    }
}

/// The tokens as one text without blanks.
pub(super) fn shown(tokens: &TokenStream) -> String {
    tokens.clone().into_iter().map(|token| token.to_string()).collect()
}
