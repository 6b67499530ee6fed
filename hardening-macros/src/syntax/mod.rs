//! Tokens of an attribute → typed values, each beside the tokens it was read from.
//!
//! The tables of `hardening_spec::keys` drive everything here; no key is spelt in this module.

mod bare;
mod commas;
mod growth;
mod matched;
mod misread;
mod pattern;
mod spaced;
mod text;
mod value;

use hardening_spec::keys::{self, Attribute, Key, Kind};
use hardening_spec::synonyms;
use proc_macro2::{Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Ident, Path, Token, token};

pub(crate) use pattern::Pattern;
pub(crate) use value::{Time, Value};

use crate::diagnostics::Errors;

/// One attribute as it was written.
pub(crate) struct Policy {
    pub(crate) attribute: &'static Attribute,
    /// Where a mistake of the whole attribute is shown.
    pub(crate) at: Span,
    pub(crate) entries: Vec<Entry>,
    /// The static of `policy!` that it stands for.
    pub(crate) shared: Option<Path>,
    /// `crate = …`: the path under which `hardening` is known.
    pub(crate) krate: Option<Path>,
    /// Keys that were meant, though their value or their spelling is wrong; none of them is missing.
    meant: Vec<&'static str>,
}

/// One key with its value.
pub(crate) struct Entry {
    pub(crate) key: &'static Key,
    /// The value as written; for a flag, its name.
    pub(crate) tokens: TokenStream,
    pub(crate) value: Value,
}

impl Policy {
    /// The value of `key`, if it was written.
    pub(crate) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key.name == key)
    }

    /// Whether `key` was written.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Whether `key` was written, or something that was meant to be it.
    pub(crate) fn means(&self, key: &str) -> bool {
        self.has(key) || self.meant.contains(&key)
    }

    /// The pattern of `key`, if it was written.
    pub(crate) fn pattern(&self, key: &str) -> Option<&Pattern> {
        match &self.get(key)?.value {
            Value::Pattern(pattern) => Some(pattern),
            _ => None,
        }
    }

    /// The expression of `key`, if it was written.
    pub(crate) fn expression(&self, key: &str) -> Option<&Expr> {
        match &self.get(key)?.value {
            Value::Expression(expr) => Some(expr),
            _ => None,
        }
    }

    /// The word of `key`, if it was written.
    pub(crate) fn choice(&self, key: &str) -> Option<&'static str> {
        match self.get(key)?.value {
            Value::Choice(word) => Some(word),
            _ => None,
        }
    }

    /// The name as it was written.
    pub(crate) fn name(&self) -> &'static str {
        self.attribute.name
    }
}

/// Reads the arguments of `attribute`: the attribute itself, then those that `#[hardened(…)]` holds.
pub(crate) fn read(
    attribute: &'static Attribute,
    at: Span,
    arguments: TokenStream,
    errors: &mut Errors,
) -> Vec<Policy> {
    let arguments = commas::supplied(attribute, arguments, errors);
    let mut reader = Reader {
        policy: Policy { attribute, at, entries: Vec::new(), shared: None, krate: None, meant: Vec::new() },
        nested: Vec::new(),
        errors,
    };
    let parsed = (|input: ParseStream| {
        reader.arguments(input);
        Ok(())
    })
    .parse2(arguments);
    let Reader { policy, nested, .. } = reader;
    if let Err(error) = parsed {
        errors.push(error);
    }
    for key in attribute.keys {
        if key.default == "required" && !policy.means(key.name) && policy.shared.is_none() {
            let form = key.form();
            let missing = if attribute.positional == Some(key.name) {
                format!("`{}` needs {form}", attribute.name)
            } else {
                format!("`{}` needs `{}`, {form}", attribute.name, key.name)
            };
            errors.at_span(at, format!("{missing}: write `{}`", attribute.example));
        }
    }
    std::iter::once(policy).chain(nested).collect()
}

/// The attributes that may stand for a static of `policy!`.
const SHARABLE: [&str; 3] = [keys::CIRCUIT_BREAKER.name, keys::RATE_LIMITED.name, keys::BULKHEAD.name];

struct Reader<'a> {
    policy: Policy,
    nested: Vec<Policy>,
    errors: &'a mut Errors,
}

/// How one argument begins.
enum Head {
    /// `name = …`
    Named(Ident),
    /// `name(…)`
    Called(Ident),
    /// `name`
    Word(Ident),
    /// Anything else.
    Bare,
}

fn head(input: ParseStream) -> Head {
    let ahead = input.fork();
    let Ok(name) = Ident::parse_any(&ahead) else { return Head::Bare };
    let ends = |ahead: ParseStream| ahead.is_empty() || ahead.peek(Token![,]);
    if ends(&ahead) {
        return Head::Word(name);
    }
    if ahead.peek(Token![=]) && !ahead.peek(Token![==]) && !ahead.peek(Token![=>]) {
        return Head::Named(name);
    }
    if ahead.peek(token::Paren) && ahead.parse::<TokenTree>().is_ok() && ends(&ahead) {
        return Head::Called(name);
    }
    Head::Bare
}

impl Reader<'_> {
    /// Reads every argument; a mistake skips to the next comma, so that the others are read too.
    fn arguments(&mut self, input: ParseStream) {
        while !input.is_empty() {
            if let Ok(comma) = input.parse::<Token![,]>() {
                let message = "nothing stands in front of this comma: remove it";
                self.errors.push(syn::Error::new_spanned(comma, message));
            } else if let Err(error) = self.argument(input) {
                self.errors.push(error);
                while !input.is_empty() && !input.peek(Token![,]) {
                    let _: syn::Result<TokenTree> = input.parse();
                }
            } else if !input.is_empty() && !input.peek(Token![,]) {
                self.errors.push(input.error("expected `,`"));
                while !input.is_empty() && !input.peek(Token![,]) {
                    let _: syn::Result<TokenTree> = input.parse();
                }
            }
            let _: syn::Result<Token![,]> = input.parse();
        }
    }

    fn argument(&mut self, input: ParseStream) -> syn::Result<()> {
        let attribute = self.policy.attribute;
        let head = head(input);
        if SHARABLE.contains(&attribute.name)
            && matches!(head, Head::Word(_) | Head::Bare)
            && let Some(path) = value::shared(&text::until_comma(&input.fork()))
        {
            text::until_comma(input);
            if self.policy.shared.is_some() {
                let message =
                    format!("`{}` stands for one shared policy: remove one of the two", attribute.name);
                return Err(syn::Error::new_spanned(path, message));
            }
            self.policy.shared = Some(path);
            return Ok(());
        }
        match head {
            Head::Named(name) if name == "crate" => {
                name_and_equals(input)?;
                let value = text::until_comma(input);
                return self.krate(&name, value);
            }
            Head::Named(name) => {
                if let Some(key) = attribute.key(&name.to_string()) {
                    name_and_equals(input)?;
                    return self.value(key, &name, input);
                }
                let Some(nested) = self.nested(&name) else { return Err(self.unknown(&name)) };
                if nested.positional.is_none() {
                    let example = nested.example.trim_start_matches("#[").trim_end_matches(']');
                    return Err(syn::Error::new_spanned(
                        &name,
                        format!("`{name}` takes parentheses: write `{example}`"),
                    ));
                }
                name_and_equals(input)?;
                let value = text::until_comma(input);
                self.nest(nested, &name, value);
            }
            Head::Called(name) => {
                let key = attribute.key(&name.to_string());
                if let Some(key) = key.filter(|key| key.kind == Kind::Fields) {
                    Ident::parse_any(input)?;
                    return self.value(key, &name, input);
                }
                if let Some(nested) = self.nested(&name) {
                    Ident::parse_any(input)?;
                    let content;
                    syn::parenthesized!(content in input);
                    self.nest(nested, &name, content.parse()?);
                    return Ok(());
                }
                if let (Some(key), None) = (key, attribute.positional) {
                    self.policy.meant.push(key.name);
                    let message = format!("write `{} = …`: {}", key.name, key.form());
                    return Err(syn::Error::new_spanned(&name, message));
                }
                return self.positional(input, &name);
            }
            Head::Word(name) => match attribute.key(&name.to_string()) {
                Some(key) if key.kind == Kind::Flag => {
                    Ident::parse_any(input)?;
                    self.insert(key, &name, name.to_token_stream(), Value::Flag);
                }
                Some(key) if attribute.positional.is_none() => {
                    self.policy.meant.push(key.name);
                    let message = format!("`{name}` needs a value, {}: write `{name} = …`", key.form());
                    return Err(syn::Error::new_spanned(&name, message));
                }
                _ => match self.nested(&name) {
                    Some(nested) => {
                        Ident::parse_any(input)?;
                        self.nest(nested, &name, TokenStream::new());
                    }
                    None => return self.positional(input, &name),
                },
            },
            Head::Bare => {
                let at = input.cursor().token_tree().map_or(TokenStream::new(), |(token, _)| token.into());
                return self.positional(input, &at);
            }
        }
        Ok(())
    }

    fn value(&mut self, key: &'static Key, at: &dyn ToTokens, input: ParseStream) -> syn::Result<()> {
        let label = match self.policy.attribute.positional {
            Some(positional) if positional == key.name => self.policy.name(),
            _ => key.name,
        };
        self.policy.meant.push(key.name);
        if input.is_empty() || input.peek(Token![,]) {
            return Err(syn::Error::new_spanned(at, format!("`{label}` needs a value: {}", key.form())));
        }
        if let Some(error) = bare::pair(key.kind, label, input) {
            return Err(error);
        }
        let (tokens, value) = value::read(label, key, input)?;
        self.insert(key, at, tokens, value);
        Ok(())
    }

    fn insert(&mut self, key: &'static Key, at: &dyn ToTokens, tokens: TokenStream, value: Value) {
        if self.policy.has(key.name) {
            let name = self.policy.name();
            let message = if self.policy.attribute.positional == Some(key.name) {
                format!("`{name}` takes one value: remove one of the two")
            } else {
                format!("`{}` is given twice: remove one of the two", key.name)
            };
            self.errors.at(at.to_token_stream(), message);
            return;
        }
        self.policy.entries.push(Entry { key, tokens, value });
    }

    /// `crate = path`.
    fn krate(&mut self, at: &Ident, value: TokenStream) -> syn::Result<()> {
        let Ok(path) = Path::parse_mod_style.parse2(value.clone()) else {
            let message = "`crate` takes the path of the crate that is or re-exports `hardening`, such as \
                           `crate = company::hardening`";
            return Err(if value.is_empty() {
                syn::Error::new_spanned(at, message)
            } else {
                syn::Error::new_spanned(value, message)
            });
        };
        if self.policy.krate.is_some() {
            return Err(syn::Error::new_spanned(at, "`crate` is given twice: remove one of the two"));
        }
        self.policy.krate = Some(path);
        Ok(())
    }

    /// The policy that `name` stands for inside `#[hardened(…)]`.
    fn nested(&self, name: &Ident) -> Option<&'static Attribute> {
        if self.policy.name() != keys::HARDENED.name {
            return None;
        }
        keys::POLICIES.into_iter().find(|policy| name == policy.name && policy.name != keys::HARDENED.name)
    }

    fn nest(&mut self, attribute: &'static Attribute, name: &Ident, arguments: TokenStream) {
        self.nested.extend(read(attribute, name.span(), arguments, self.errors));
    }

    fn unknown(&mut self, name: &Ident) -> syn::Error {
        let attribute = self.policy.attribute;
        if let Some(nested) = self.nested(name) {
            let example = nested.example.trim_start_matches("#[").trim_end_matches(']');
            let message = format!("`{name}` takes parentheses and nothing behind them: write `{example}`");
            return syn::Error::new_spanned(name, message);
        }
        if let ([only], Some(_)) = (attribute.keys, attribute.positional) {
            self.policy.meant.push(only.name);
            let message = format!("`{}` has no key `{name}`: write `{}`", attribute.name, attribute.example);
            return syn::Error::new_spanned(name, message);
        }
        let nearest = synonyms::meant(&name.to_string(), self.names());
        if nearest.is_none()
            && let Some(other) = keys::POLICIES.into_iter().find(|policy| name == policy.name)
        {
            let message = format!(
                "`{}` has no key `{name}`, which is an attribute of its own: write `{}` beside this one",
                attribute.name, other.example
            );
            return syn::Error::new_spanned(name, message);
        }
        self.policy.meant.extend(nearest);
        let meant = match nearest {
            Some(nearest) => format!(": did you mean `{nearest}`? Its"),
            None => "; its".to_owned(),
        };
        let message = format!("`{}` has no key `{name}`{meant} keys are {}", attribute.name, self.known());
        syn::Error::new_spanned(name, message)
    }

    /// Every name that may be written, policies inside `#[hardened(…)]` included.
    fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        let attribute = self.policy.attribute;
        let policies = if attribute.name == keys::HARDENED.name { &keys::POLICIES[1..] } else { &[] };
        attribute.keys.iter().map(|key| key.name).chain(policies.iter().map(|policy| policy.name))
    }

    fn known(&self) -> String {
        listed(self.names())
    }
}

fn name_and_equals(input: ParseStream) -> syn::Result<()> {
    Ident::parse_any(input)?;
    input.parse::<Token![=]>()?;
    Ok(())
}

/// `a`, `b` and `c`.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}
