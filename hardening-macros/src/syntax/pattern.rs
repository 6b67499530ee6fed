//! Patterns over what a body returned.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::parse::ParseStream;
use syn::parse::discouraged::Speculative;
use syn::visit_mut::{VisitMut, visit_pat_ident_mut};
use syn::{Expr, Ident, Pat, PatIdent, Token};

use super::misread;
use crate::words::Words;

/// A pattern with an optional guard.
#[derive(Clone)]
pub(crate) struct Pattern {
    pat: Pat,
    guard: Option<Expr>,
}

impl Pattern {
    /// Reads a pattern. A lone name is refused: it would match everything, and is nearly always a
    /// variant whose import was forgotten. One that its own guard judges is meant.
    ///
    /// `label` names its key in messages.
    pub(super) fn read(label: &str, input: ParseStream) -> syn::Result<Self> {
        let begin = input.fork();
        let wrong = || {
            let ahead = begin.fork();
            let (written, time) = misread::value(&ahead);
            let message = misread::instead(label, &written, &time)?;
            input.advance_to(&ahead);
            Some(syn::Error::new_spanned(written, message))
        };
        if misread::is_suspect(input)
            && let Some(error) = wrong()
        {
            return Err(error);
        }
        let parsed = Self::parse(input);
        let ends = input.is_empty() || input.peek(Token![,]) || input.peek(Token![for]);
        let pattern = match parsed {
            Ok(pattern) if ends => pattern,
            Ok(pattern) => match wrong() {
                Some(error) => return Err(error),
                None => pattern,
            },
            Err(error) => return Err(wrong().unwrap_or(error)),
        };
        if let Some(message) = misread::list_or_macro(&pattern.pat) {
            return Err(syn::Error::new_spanned(&pattern.pat, message));
        }
        let judged = Words::of(pattern.guard.to_token_stream());
        if let Some(name) = pattern.lone_name(&judged) {
            let message = if name.to_string().starts_with(char::is_uppercase) {
                format!(
                    "`{name}` alone is a new variable that matches everything: \
                     write the path of a variant, such as `Error::{name}`, or `_` for every error"
                )
            } else {
                format!(
                    "`{name}` alone is a new variable that matches everything: write the path of a variant, such as \
                     `Error::NotFound`, a condition, such as `error if {name}(error)`, or `_` for every error"
                )
            };
            return Err(syn::Error::new_spanned(name, message));
        }
        Ok(pattern)
    }

    fn parse(input: ParseStream) -> syn::Result<Self> {
        let pat = Pat::parse_multi_with_leading_vert(input)?;
        let guard = match input.parse::<Option<Token![if]>>()? {
            Some(_) => Some(input.parse::<Expr>()?),
            None => None,
        };
        Ok(Self { pat, guard })
    }

    /// The pattern over `Result<T, E>`: what does not begin with `Ok` or `Err` is about the error.
    pub(crate) fn over_result(&self) -> TokenStream {
        let Self { pat, guard } = self;
        let guard = guard.as_ref().map(|guard| quote!(if #guard));
        let alternatives = self.alternatives();
        if alternatives.iter().all(|alternative| !about_result(alternative)) {
            return quote!(::core::result::Result::Err(#pat) #guard);
        }
        let alternatives = alternatives.iter().map(|alternative| {
            if about_result(alternative) {
                quote!(#alternative)
            } else {
                quote!(::core::result::Result::Err(#alternative))
            }
        });
        quote!(#(#alternatives)|* #guard)
    }

    /// The alternative that begins with `Ok`, if there is one.
    pub(crate) fn over_ok(&self) -> Option<&Pat> {
        self.alternatives().into_iter().find(|alternative| begins_with(alternative, "Ok"))
    }

    /// Whether it matches every error there is, as far as its form tells.
    pub(crate) fn is_catch_all(&self) -> bool {
        self.guard.is_none()
            && self.alternatives().into_iter().any(|alternative| irrefutable(inside_err(alternative)))
    }

    /// The pattern over the error alone, where nothing but the error's type tells whether it matches every error.
    pub(crate) fn over_error(&self) -> Option<TokenStream> {
        if self.guard.is_some() {
            return None;
        }
        let alternatives: Vec<&Pat> = self.alternatives().into_iter().map(inside_err).collect();
        let known = alternatives.iter().any(|alternative| about_result(alternative));
        (!known).then(|| quote!(#(#alternatives)|*))
    }

    /// A name that is a variable, and looks as if it were meant to be a variant; at the top any name.
    fn lone_name(&self, judged: &Words) -> Option<Ident> {
        let top = self.alternatives().into_iter().find_map(|alternative| match alternative {
            Pat::Ident(name) if name.subpat.is_none() => Some(name.ident.clone()),
            _ => None,
        });
        let mut capitals = Capitals(None);
        capitals.visit_pat_mut(&mut self.pat.clone());
        [top, capitals.0].into_iter().flatten().find(|name| !judged.mention(name))
    }

    /// The condition behind it.
    pub(super) fn guard(&self) -> Option<&Expr> {
        self.guard.as_ref()
    }

    pub(super) fn alternatives(&self) -> Vec<&Pat> {
        fn flatten<'a>(pat: &'a Pat, found: &mut Vec<&'a Pat>) {
            match pat {
                Pat::Or(or) => or.cases.iter().for_each(|case| flatten(case, found)),
                Pat::Paren(inner) => flatten(&inner.pat, found),
                other => found.push(other),
            }
        }
        let mut found = Vec::new();
        flatten(&self.pat, &mut found);
        found
    }
}

impl ToTokens for Pattern {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { pat, guard } = self;
        let guard = guard.as_ref().map(|guard| quote!(if #guard));
        tokens.extend(quote!(#pat #guard));
    }
}

fn about_result(pat: &Pat) -> bool {
    begins_with(pat, "Ok") || begins_with(pat, "Err")
}

/// Whether `pat` is `variant(…)`, bare or through `Result`; a crate's own `io::Err` is not.
pub(super) fn begins_with(pat: &Pat, variant: &str) -> bool {
    let path = match pat {
        Pat::TupleStruct(tuple) => &tuple.path,
        Pat::Struct(fields) => &fields.path,
        Pat::Ident(name) => {
            return name.subpat.as_ref().is_some_and(|(_, inner)| begins_with(inner, variant));
        }
        Pat::Reference(inner) => return begins_with(&inner.pat, variant),
        Pat::Paren(inner) => return begins_with(&inner.pat, variant),
        _ => return false,
    };
    let mut names = path.segments.iter().rev();
    names.next().is_some_and(|last| last.ident == variant)
        && names.next().is_none_or(|before| before.ident == "Result")
}

/// The pattern inside `Err(…)`, or the pattern itself.
fn inside_err(pat: &Pat) -> &Pat {
    match pat {
        Pat::TupleStruct(tuple) if begins_with(pat, "Err") && tuple.elems.len() == 1 => &tuple.elems[0],
        other => other,
    }
}

/// The pattern inside `Ok(…)` or `Err(…)`, or the pattern itself.
pub(super) fn inside(pat: &Pat) -> &Pat {
    match pat {
        Pat::TupleStruct(tuple) if about_result(pat) && tuple.elems.len() == 1 => &tuple.elems[0],
        other => other,
    }
}

/// The first variable named like a variant or a constant.
struct Capitals(Option<Ident>);

impl VisitMut for Capitals {
    fn visit_pat_ident_mut(&mut self, name: &mut PatIdent) {
        if self.0.is_none() && name.ident.to_string().starts_with(char::is_uppercase) {
            self.0 = Some(name.ident.clone());
        }
        visit_pat_ident_mut(self, name);
    }
}

pub(super) fn irrefutable(pat: &Pat) -> bool {
    match pat {
        Pat::Wild(_) | Pat::Rest(_) => true,
        Pat::Ident(name) => name.subpat.as_ref().is_none_or(|(_, inner)| irrefutable(inner)),
        Pat::Paren(inner) => irrefutable(&inner.pat),
        Pat::Reference(inner) => irrefutable(&inner.pat),
        Pat::Or(or) => or.cases.iter().any(irrefutable),
        Pat::Tuple(tuple) => tuple.elems.iter().all(irrefutable),
        _ => false,
    }
}
