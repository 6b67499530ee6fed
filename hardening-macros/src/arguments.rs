//! The arguments of a function: how each of them arrives, and what a returned value may borrow from.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{
    Attribute, FieldPat, FnArg, GenericArgument, Ident, Member, Meta, Pat, PatIdent, PathArguments, Receiver,
    ReceiverKind, Signature, Type,
};

use crate::words::is_one_of;

/// How an argument arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// By value: a repeated body needs a clone.
    Owned,
    /// Behind `&`, or a number: copied by use.
    Copied,
    /// Behind `&mut`: a repeated body needs a reborrow.
    Exclusive,
    /// As an `Option<&mut T>`: a repeated body needs a reborrow of what is in it.
    Optional,
    /// As a `Pin<&mut T>`: a repeated body needs a reborrow.
    Pinned,
}

/// Every name that the arguments bind, `self` aside.
pub(crate) fn bindings(sig: &Signature) -> Vec<Ident> {
    let mut found = Vec::new();
    for argument in &sig.inputs {
        let FnArg::Typed(typed) = argument else { continue };
        visit(&mut typed.pat.clone(), &typed.ty, &mut |name, _| found.push(name.ident.clone()));
    }
    found
}

/// The `#[cfg]`s among some attributes, and what may give one.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    let gives_cfg = |attr: &&Attribute| match &attr.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => crate::words::names(list.tokens.clone(), "cfg"),
        meta => meta.path().is_ident("cfg"),
    };
    attrs.iter().filter(gives_cfg).cloned().collect()
}

/// The attributes of an argument that go with its binding: each `#[cfg]`, and the levels of lints, which judge a binding where it
/// stands.
pub(crate) fn of_binding(attrs: &[Attribute]) -> Vec<Attribute> {
    const LEVELS: [&str; 4] = ["allow", "warn", "deny", "forbid"];
    let mut found = cfgs(attrs);
    let sets_level = |attr: &&Attribute| match &attr.meta {
        Meta::List(list) if list.path.is_ident("cfg_attr") => {
            let sets = |level: &&str| crate::words::names(list.tokens.clone(), level);
            LEVELS.iter().any(sets) && !crate::words::names(list.tokens.clone(), "cfg")
        }
        meta => LEVELS.iter().any(|level| meta.path().is_ident(level)),
    };
    found.extend(attrs.iter().filter(sets_level).cloned());
    found.extend(attrs.iter().filter(|attr| expects_of_binding(attr)).cloned());
    found
}

/// Whether an attribute expects what a binding alone can fulfil: at the argument of a binding that stands elsewhere nothing would.
pub(crate) fn expects_of_binding(attr: &Attribute) -> bool {
    attr.path().is_ident("expect") && judges_bindings(attr)
}

/// Whether each lint of an attribute looks at bindings alone.
fn judges_bindings(attr: &Attribute) -> bool {
    const LINTS: [&str; 4] = ["unused_mut", "unused_variables", "unused_assignments", "unused"];
    let Meta::List(list) = &attr.meta else { return false };
    let text = list.tokens.to_string();
    text.split(',')
        .map(str::trim)
        .filter(|lint| !lint.starts_with("reason"))
        .all(|lint| LINTS.contains(&lint))
}

/// How `self` arrives.
pub(crate) fn receiver(sig: &Signature) -> Option<Passing> {
    let Receiver { kind, .. } = sig.receiver()?;
    Some(match kind {
        ReceiverKind::Reference(_, _, Some(_)) => Passing::Exclusive,
        ReceiverKind::Reference(_, _, None) => Passing::Copied,
        ReceiverKind::Typed(_, ty) => of_type(ty),
        _ => Passing::Owned,
    })
}

/// Numbers and the like: small, without a destructor, and shareable.
const COPIED: [&str; 16] = [
    "bool", "char", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
    "f32", "f64",
];

/// How an argument of this type arrives.
pub(crate) fn of_type(ty: &Type) -> Passing {
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => Passing::Exclusive,
        Type::Reference(_) => Passing::Copied,
        Type::Paren(inner) => of_type(&inner.elem),
        Type::Group(inner) => of_type(&inner.elem),
        Type::Path(path) if path.path.get_ident().is_some_and(|name| is_one_of(name, &COPIED)) => {
            Passing::Copied
        }
        Type::Path(path) => match path.path.segments.last() {
            Some(last) if holds_exclusive(&last.arguments) && last.ident == "Option" => Passing::Optional,
            Some(last) if holds_exclusive(&last.arguments) && last.ident == "Pin" => Passing::Pinned,
            _ => Passing::Owned,
        },
        _ => Passing::Owned,
    }
}

/// Whether `<&mut T>` stands behind a name.
fn holds_exclusive(arguments: &PathArguments) -> bool {
    let PathArguments::AngleBracketed(arguments) = arguments else { return false };
    matches!(arguments.args.first(), Some(GenericArgument::Type(ty)) if of_type(ty) == Passing::Exclusive)
}

/// Visits every name that a pattern binds.
pub(crate) fn visit(pat: &mut Pat, ty: &Type, found: &mut impl FnMut(&mut PatIdent, Passing)) {
    names(pat, Some(ty), of_type(ty), found);
}

/// Walks a pattern beside its type, as far as the type is written out.
fn names(pat: &mut Pat, ty: Option<&Type>, passing: Passing, found: &mut impl FnMut(&mut PatIdent, Passing)) {
    match pat {
        Pat::Ident(name) => {
            let bound = match (name.by_ref.is_some(), name.mutability.is_some()) {
                (false, _) => passing,
                (true, false) => Passing::Copied,
                (true, true) => Passing::Exclusive,
            };
            found(name, bound);
            if let Some((_, inner)) = &mut name.subpat {
                names(inner, ty, passing, found);
            }
        }
        Pat::Paren(inner) => names(&mut inner.pat, ty, passing, found),
        Pat::Reference(inner) => {
            let target = match ty.map(bare) {
                Some(Type::Reference(reference)) => Some(&*reference.elem),
                _ => None,
            };
            names(&mut inner.pat, target, target.map_or(Passing::Owned, of_type), found);
        }
        Pat::Tuple(tuple) => {
            let types = match ty.map(bare) {
                Some(Type::Tuple(types)) if types.elems.len() == tuple.elems.len() => Some(&types.elems),
                _ => None,
            };
            for (at, element) in tuple.elems.iter_mut().enumerate() {
                let ty = types.and_then(|types| types.get(at));
                names(element, ty, ty.map_or(inside(passing), of_type), found);
            }
        }
        Pat::TupleStruct(tuple) => {
            tuple.elems.iter_mut().for_each(|element| names(element, None, inside(passing), found));
        }
        Pat::Slice(slice) => {
            slice.elems.iter_mut().for_each(|element| names(element, None, inside(passing), found));
        }
        Pat::Struct(fields) => {
            for field in &mut fields.fields {
                names(&mut field.pat, None, inside(passing), found);
                spell_out(field);
            }
        }
        _ => {}
    }
}

/// Writes the field in front of a name that is not the field's any more.
fn spell_out(field: &mut FieldPat) {
    if let (Member::Named(member), Pat::Ident(name)) = (&field.member, &*field.pat)
        && *member != name.ident
    {
        field.colon_token.get_or_insert_default();
    }
}

/// A type without what a macro or parentheses put around it.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        ty => ty,
    }
}

/// How a part of a value arrives that arrives so.
fn inside(whole: Passing) -> Passing {
    match whole {
        Passing::Optional | Passing::Pinned => Passing::Owned,
        other => other,
    }
}

/// The `&mut` argument that the returned value may borrow from, with the tokens to point at.
pub(crate) fn returned_borrow(sig: &Signature, output: &Type) -> Option<(String, TokenStream)> {
    let mut lifetimes = None;
    let exclusive = |ty: &Type| match ty {
        Type::Reference(reference) if reference.mutability.is_some() => Some(reference.lifetime.clone()),
        _ => None,
    };
    let mut elided_source = true;
    for argument in &sig.inputs {
        let (pat, lifetime, is_self) = match argument {
            FnArg::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Reference(_, lifetime, Some(_)) => (None, Some(lifetime.clone()), true),
                ReceiverKind::Reference(..) => (None, None, true),
                ReceiverKind::Typed(_, ty) => (None, exclusive(ty), matches!(**ty, Type::Reference(_))),
                _ => (None, None, false),
            },
            FnArg::Typed(typed) => (Some(&typed.pat), exclusive(&typed.ty), false),
        };
        if let Some(lifetime) = lifetime {
            let lifetimes = lifetimes.get_or_insert_with(|| Lifetimes::of(output));
            let named = lifetime
                .as_ref()
                .is_some_and(|lifetime| lifetimes.named.contains(&lifetime.ident.to_string()));
            if named || (lifetimes.elided && elided_source) {
                let name = pat.map_or_else(|| "self".to_owned(), |pat| pat.to_token_stream().to_string());
                return Some((name, argument.to_token_stream()));
            }
        }
        // An elided lifetime in the output is that of `self`, when `self` is a reference.
        elided_source &= !is_self;
    }
    None
}

/// The lifetimes that a type mentions.
#[derive(Default)]
struct Lifetimes {
    named: Vec<String>,
    elided: bool,
}

impl Lifetimes {
    fn of(ty: &Type) -> Self {
        let mut lifetimes = Self::default();
        lifetimes.scan(ty.to_token_stream());
        lifetimes
    }

    fn scan(&mut self, tokens: TokenStream) {
        use proc_macro2::TokenTree;
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '&' => {
                    let named =
                        matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'');
                    self.elided |= !named;
                }
                TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                    if let Some(TokenTree::Ident(name)) = tokens.next() {
                        self.elided |= name == "_";
                        self.named.push(name.to_string());
                    }
                }
                TokenTree::Group(group) => self.scan(group.stream()),
                _ => {}
            }
        }
    }
}
