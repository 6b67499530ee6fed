//! Arguments that a repeated body uses up, where the signature shows that there is no second one.

use hardening_spec::keys;
use syn::{FnArg, Pat, Signature, Type, TypeParamBound};

use super::shape::shown;
use crate::bounds::Bounds;
use crate::diagnostics::Errors;
use crate::function::{Form, Function, only_argument};
use crate::syntax::Policy;
use crate::words::Words;

/// Closures and futures that can be used once, in a body that runs again.
pub(super) fn used_once(function: &Function, form: &Form, policies: &[Policy], errors: &mut Errors) {
    let repeats = |policy: &&Policy| [keys::RETRY.name, keys::HEDGED.name].contains(&policy.name());
    let Some(policy) = policies.iter().find(repeats) else { return };
    for argument in &function.sig.inputs {
        let FnArg::Typed(typed) = argument else { continue };
        let Pat::Ident(name) = &*typed.pat else { continue };
        if let Some(instead) = instead(&function.sig, &typed.ty, policy.name())
            && Words::of(form.body.clone()).mention(&name.ident)
        {
            let why = format!(
                "`{}` runs the body again, and each run needs its own `{}`",
                policy.name(),
                name.ident
            );
            errors.at(&typed.ty, format!("{why}: {instead}"));
        }
    }
}

/// What to write instead of a type that has no second value.
fn instead(sig: &Signature, ty: &Type, policy: &str) -> Option<String> {
    if let Some(called) = boxed(ty) {
        let call = shown(&called).replacen(&closure_of(&shown(&called)), "Fn", 1);
        // An `Arc` is sent where what it holds is shared.
        let shared = if call.contains("Send") && !call.contains("Sync") { " + Sync" } else { "" };
        return Some(format!("a boxed closure is not `Clone`: take `Arc<dyn {call}{shared}>`"));
    }
    let bounds = Bounds::of(sig, ty)?;
    if bounds.has("Clone") {
        return None;
    }
    let written = shown(ty);
    let cloned = if matches!(ty, Type::ImplTrait(_)) {
        format!("write `{written} + Clone`")
    } else {
        format!("add the bound `{written}: Clone`")
    };
    let lent = |by: &str, closure: &str| match ty {
        Type::ImplTrait(_) => {
            format!(", or take `{by}{}`", written.replacen(&closure_of(&written), closure, 1))
        }
        _ => format!(", or take `{by}{written}` where `{written}` is `{closure}`"),
    };
    if bounds.has("FnOnce") || bounds.has("AsyncFnOnce") {
        let closure = if bounds.has("FnOnce") { "Fn" } else { "AsyncFn" };
        return Some(format!("{cloned}{}", lent("&", closure)));
    }
    if bounds.has("FnMut") || bounds.has("AsyncFnMut") {
        let closure = if bounds.has("FnMut") { "FnMut" } else { "AsyncFnMut" };
        let or = if policy == keys::HEDGED.name { String::new() } else { lent("&mut ", closure) };
        return Some(format!("{cloned}{or}"));
    }
    if bounds.has("Fn") || bounds.has("AsyncFn") {
        let closure = if bounds.has("Fn") { "Fn" } else { "AsyncFn" };
        return Some(format!("{cloned}{}", lent("&", closure)));
    }
    if bounds.has("Future") || bounds.has("IntoFuture") {
        return Some(
            "a future runs once: take a closure that makes one, such as `&impl AsyncFn() -> T`".to_owned(),
        );
    }
    // What the compiler would say of it names a trait of ours.
    if bounds.has("Iterator") {
        return Some(cloned);
    }
    Some(format!(
        "{cloned}, or take `&{}`",
        if written.contains(' ') { format!("({written})") } else { written }
    ))
}

/// The closure in a `Box<dyn FnOnce()>`, as its bounds.
fn boxed(ty: &Type) -> Option<TypeParamBounds> {
    let Type::TraitObject(object) = only_argument(ty, "Box")? else { return None };
    let is_closure = object.bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => bound
            .path
            .segments
            .last()
            .is_some_and(|last| ["Fn", "FnMut", "FnOnce"].iter().any(|name| last.ident == name)),
        _ => false,
    });
    is_closure.then(|| object.bounds.clone())
}

type TypeParamBounds = syn::punctuated::Punctuated<TypeParamBound, syn::Token![+]>;

/// The closure's trait as it is written.
fn closure_of(written: &str) -> String {
    let words = written.split(|c: char| !c.is_alphanumeric());
    let names = ["AsyncFnOnce", "AsyncFnMut", "AsyncFn", "FnOnce", "FnMut", "Fn"];
    words.filter(|word| names.contains(word)).map(str::to_owned).next().unwrap_or_default()
}
