//! The arguments of a function: what a repeated body has to be given anew.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, FnArg, Ident, Pat, Receiver, ReceiverKind, Signature, Type};

/// How an argument arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passing {
    /// By value: a repeated body needs a clone.
    Owned,
    /// Behind `&`: copied by use.
    Shared,
    /// Behind `&mut`: a repeated body needs a reborrow.
    Exclusive,
}

/// One name that an argument's pattern binds.
#[derive(Clone)]
pub(crate) struct Binding {
    pub(crate) ident: Ident,
    pub(crate) mutable: bool,
    pub(crate) passing: Passing,
    /// The argument's `#[cfg]`s.
    pub(crate) cfg: Vec<Attribute>,
}

/// Every name that the arguments bind, `self` aside.
pub(crate) fn bindings(sig: &Signature) -> Vec<Binding> {
    let mut found = Vec::new();
    for argument in &sig.inputs {
        let FnArg::Typed(typed) = argument else { continue };
        let cfg: Vec<Attribute> =
            typed.attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect();
        names(&typed.pat, Some(&typed.ty), of_type(&typed.ty), &mut |ident, mutable, passing| {
            found.push(Binding { ident: ident.clone(), mutable, passing, cfg: cfg.clone() });
        });
    }
    found
}

/// How `self` arrives.
pub(crate) fn receiver(sig: &Signature) -> Option<Passing> {
    let Receiver { kind, .. } = sig.receiver()?;
    Some(match kind {
        ReceiverKind::Reference(_, _, Some(_)) => Passing::Exclusive,
        ReceiverKind::Reference(_, _, None) => Passing::Shared,
        ReceiverKind::Typed(_, ty) => of_type(ty),
        _ => Passing::Owned,
    })
}

fn of_type(ty: &Type) -> Passing {
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => Passing::Exclusive,
        Type::Reference(_) => Passing::Shared,
        Type::Paren(inner) => of_type(&inner.elem),
        Type::Group(inner) => of_type(&inner.elem),
        _ => Passing::Owned,
    }
}

/// Walks a pattern beside its type, as far as the type is written out.
fn names(pat: &Pat, ty: Option<&Type>, passing: Passing, found: &mut impl FnMut(&Ident, bool, Passing)) {
    match pat {
        Pat::Ident(name) => {
            let by_ref = name.by_ref.map(|_| match name.mutability {
                Some(_) => Passing::Exclusive,
                None => Passing::Shared,
            });
            found(&name.ident, name.mutability.is_some() && by_ref.is_none(), by_ref.unwrap_or(passing));
            if let Some((_, inner)) = &name.subpat {
                names(inner, ty, passing, found);
            }
        }
        Pat::Paren(inner) => names(&inner.pat, ty, passing, found),
        Pat::Reference(inner) => {
            let target = match ty {
                Some(Type::Reference(reference)) => Some(&*reference.elem),
                _ => None,
            };
            names(&inner.pat, target, target.map_or(Passing::Owned, of_type), found);
        }
        Pat::Tuple(tuple) => {
            let types = match ty {
                Some(Type::Tuple(types)) if types.elems.len() == tuple.elems.len() => Some(&types.elems),
                _ => None,
            };
            for (at, element) in tuple.elems.iter().enumerate() {
                let ty = types.and_then(|types| types.get(at));
                names(element, ty, ty.map_or(passing, of_type), found);
            }
        }
        Pat::TupleStruct(tuple) => {
            tuple.elems.iter().for_each(|element| names(element, None, passing, found));
        }
        Pat::Slice(slice) => slice.elems.iter().for_each(|element| names(element, None, passing, found)),
        Pat::Struct(fields) => fields.fields.iter().for_each(|field| names(&field.pat, None, passing, found)),
        _ => {}
    }
}

/// Takes the `mut` from the arguments that `shadowed` names: their copies carry it instead.
pub(crate) fn without_mut(sig: &mut Signature, shadowed: impl Fn(&Ident) -> bool) {
    for argument in &mut sig.inputs {
        match argument {
            FnArg::Typed(typed) => strip(&mut typed.pat, &shadowed),
            FnArg::Receiver(receiver) => {
                let named = Ident::new("self", receiver.self_token.span);
                if shadowed(&named) {
                    receiver.mutability = None;
                }
            }
        }
    }
}

fn strip(pat: &mut Pat, shadowed: &impl Fn(&Ident) -> bool) {
    match pat {
        Pat::Ident(name) => {
            if name.by_ref.is_none() && shadowed(&name.ident) {
                name.mutability = None;
            }
            if let Some((_, inner)) = &mut name.subpat {
                strip(inner, shadowed);
            }
        }
        Pat::Paren(inner) => strip(&mut inner.pat, shadowed),
        Pat::Reference(inner) => strip(&mut inner.pat, shadowed),
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(|element| strip(element, shadowed)),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().for_each(|element| strip(element, shadowed)),
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(|element| strip(element, shadowed)),
        Pat::Struct(fields) => fields.fields.iter_mut().for_each(|field| strip(&mut field.pat, shadowed)),
        _ => {}
    }
}

/// The `&mut` argument that the returned value may borrow from, with the tokens to point at.
pub(crate) fn returned_borrow(sig: &Signature, output: &Type) -> Option<(String, TokenStream)> {
    let lifetimes = Lifetimes::of(output);
    let exclusive = |ty: &Type| match ty {
        Type::Reference(reference) if reference.mutability.is_some() => Some(reference.lifetime.clone()),
        _ => None,
    };
    let mut elided_source = true;
    for argument in &sig.inputs {
        let (name, lifetime, is_self) = match argument {
            FnArg::Receiver(receiver) => match &receiver.kind {
                ReceiverKind::Reference(_, lifetime, Some(_)) => {
                    ("self".to_owned(), Some(lifetime.clone()), true)
                }
                ReceiverKind::Reference(..) => ("self".to_owned(), None, true),
                ReceiverKind::Typed(_, ty) => {
                    ("self".to_owned(), exclusive(ty), matches!(**ty, Type::Reference(_)))
                }
                _ => ("self".to_owned(), None, false),
            },
            FnArg::Typed(typed) => (typed.pat.to_token_stream().to_string(), exclusive(&typed.ty), false),
        };
        if let Some(lifetime) = lifetime {
            let named = lifetime
                .as_ref()
                .is_some_and(|lifetime| lifetimes.named.contains(&lifetime.ident.to_string()));
            if named || (lifetimes.elided && elided_source) {
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
