//! Keys that are arguments of a type parameter, or of a type that shows that it borrows.

use hardening_spec::keys;
use quote::ToTokens;
use syn::{Expr, ExprLit, FnArg, GenericArgument, Lit, Pat, PathArguments, Signature, Type};

use super::shape::shown;
use crate::arguments::bindings;
use crate::bounds::Bounds;
use crate::diagnostics::Errors;
use crate::function::{Function, only_argument};
use crate::syntax::Policy;

/// What a key of a cached result is; any other key is `Hash`.
const KEPT: [&str; 6] = ["Hash", "Eq", "Clone", "Send", "Sync", "'static"];

/// Tuples are hashed up to twelve members.
const MEMBERS: usize = 12;

/// Refuses a tuple of more members than the language can hash.
pub(super) fn members(policies: &[Policy], errors: &mut Errors) {
    for policy in policies {
        for key in ["key", "fingerprint"].into_iter().filter_map(|key| policy.expression(key)) {
            if let Expr::Tuple(tuple) = key
                && let Some(further) = tuple.elems.get(MEMBERS)
            {
                let message = format!(
                    "a key has at most {MEMBERS} members: put some of them into a tuple of their own, such as `(a, (b, c))`"
                );
                errors.at(further, message);
            }
        }
    }
}

/// Refuses a text where a name or a format string is meant: it is the same for every call.
pub(super) fn texts(function: &Function, policies: &[Policy], errors: &mut Errors) {
    let names = bindings(&function.sig);
    for policy in policies {
        for key in ["key", "fingerprint"] {
            let Some(written) = policy.expression(key) else { continue };
            each_member(written, &mut |member| {
                let Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) = member else { return };
                let value = text.value();
                let instead = if names.iter().any(|name| *name == value) {
                    value
                } else if value.contains('{') {
                    format!("format!({})", text.to_token_stream())
                } else {
                    return;
                };
                errors.at(member, format!("this text is the same for every call: write `{instead}`"));
            });
        }
    }
}

/// A type parameter says what a key has to be.
pub(super) fn generic(function: &Function, policies: &[Policy], errors: &mut Errors) {
    for policy in policies {
        let wanted: &[&str] = if policy.name() == keys::CACHED.name { &KEPT } else { &KEPT[..1] };
        for key in ["key", "fingerprint", "owner"].into_iter().filter_map(|key| policy.expression(key)) {
            each_member(key, &mut |member| {
                let Some((name, ty)) = argument(&function.sig, member) else { return };
                let ty = behind_references(ty);
                let Some(bounds) = Bounds::of(&function.sig, ty) else { return };
                let missing: Vec<&str> = wanted.iter().copied().filter(|bound| !bounds.has(bound)).collect();
                if missing.is_empty() {
                    return;
                }
                let (missing, written) = (missing.join(" + "), shown(ty));
                let bound = match ty {
                    Type::ImplTrait(_) => format!("write `{written} + {missing}`"),
                    _ => format!("add the bound `{written}: {missing}`"),
                };
                let or = if bounds.has("AsRef") {
                    format!(", or take what it refers to: `{name}.as_ref()`")
                } else {
                    String::new()
                };
                let kept = if wanted.len() > 1 { "kept" } else { "hashed" };
                errors.at(member, format!("`{name}` is {kept} as a key: {bound}{or}"));
            });
        }
    }
}

/// Arguments in a key whose type shows a lifetime: their type is either known to have an owned form, or has to have one.
pub(super) fn borrowed(key: &Expr, sig: &Signature) -> Vec<String> {
    let mut found = Vec::new();
    each_member(key, &mut |member| {
        if let Some((name, ty)) = argument(sig, member)
            && shows_lifetime(optional_reference(ty).unwrap_or_else(|| behind_references(ty)))
        {
            found.push(name);
        }
    });
    found
}

/// Calls `visit` with each member of tuples that are written out.
fn each_member<'e>(key: &'e Expr, visit: &mut impl FnMut(&'e Expr)) {
    match key {
        Expr::Paren(inside) => each_member(&inside.expr, visit),
        Expr::Group(inside) => each_member(&inside.expr, visit),
        Expr::Reference(reference) => each_member(&reference.expr, visit),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|member| each_member(member, visit)),
        other => visit(other),
    }
}

/// The type of the argument that an expression names.
fn argument<'s>(sig: &'s Signature, member: &Expr) -> Option<(String, &'s Type)> {
    let Expr::Path(path) = member else { return None };
    let name = path.path.get_ident()?;
    sig.inputs.iter().find_map(|argument| match argument {
        FnArg::Typed(typed) => match &*typed.pat {
            Pat::Ident(pattern) if pattern.ident == *name => Some((name.to_string(), &*typed.ty)),
            _ => None,
        },
        FnArg::Receiver(_) => None,
    })
}

fn behind_references(ty: &Type) -> &Type {
    match ty {
        Type::Reference(reference) => behind_references(&reference.elem),
        Type::Paren(inner) => behind_references(&inner.elem),
        Type::Group(inner) => behind_references(&inner.elem),
        other => other,
    }
}

/// `T` of `Option<&T>`, of which the runtime knows the owned form.
fn optional_reference(ty: &Type) -> Option<&Type> {
    match only_argument(ty, "Option")? {
        Type::Reference(reference) => Some(&reference.elem),
        _ => None,
    }
}

/// `Sku<'_>`, `(Sku, &str)`, and the same inside a type that nests.
fn shows_lifetime(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => {
            reference.lifetime.as_ref().is_none_or(|lifetime| lifetime.ident != "static")
                || shows_lifetime(&reference.elem)
        }
        Type::Paren(inner) => shows_lifetime(&inner.elem),
        Type::Group(inner) => shows_lifetime(&inner.elem),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else { return false };
            let PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
            arguments.args.iter().any(|argument| match argument {
                GenericArgument::Lifetime(lifetime) => lifetime.ident != "static",
                GenericArgument::Type(ty) => shows_lifetime(ty),
                _ => false,
            })
        }
        Type::Tuple(tuple) => tuple.elems.iter().any(shows_lifetime),
        Type::Slice(slice) => shows_lifetime(&slice.elem),
        Type::Array(array) => shows_lifetime(&array.elem),
        _ => false,
    }
}
