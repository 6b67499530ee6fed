//! What a function must look like for its policies to take effect.

use hardening_spec::keys;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{PathArguments, Type};

use super::names;
use crate::arguments::{Passing, of_type, receiver, returned_borrow, visit};
use crate::diagnostics::Errors;
use crate::expand::unknown_capture;
use crate::function::{Form, Function};
use crate::syntax::Policy;
use crate::words::{Words, is_one_of};

/// Types that are no `Result` under any import.
pub(super) const OTHER_TYPES: &[&str] = &[
    "bool",
    "char",
    "str",
    "u8",
    "u16",
    "u32",
    "u64",
    "u128",
    "usize",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "f32",
    "f64",
    "String",
    "Vec",
    "Option",
    "Box",
    "Rc",
    "Arc",
    "Cow",
    "HashMap",
    "HashSet",
    "BTreeMap",
    "BTreeSet",
    "VecDeque",
    "PathBuf",
    "OsString",
    "Duration",
    "Instant",
    "SystemTime",
    "PhantomData",
];

/// A function that has no asynchronous body.
pub(super) fn not_async(name: &str, function: &Function, errors: &mut Errors) {
    let sig = &function.sig;
    if function.body.is_none() {
        let message =
            format!("`{name}` needs a body: write it on the method in the `impl`, not on its declaration");
        errors.at(&sig.ident, message);
    } else if function
        .body
        .as_ref()
        .is_some_and(|body| body.stream().to_string().starts_with("let body = async"))
    {
        // As `#[tokio::test]` and `#[tokio::main]` leave it.
        let message = format!(
            "an attribute above `{name}` has made `{}` synchronous: write `#[{name}]` above that one",
            sig.ident
        );
        errors.at(&sig.ident, message);
    } else {
        errors.at(
            sig.fn_token,
            format!("`{name}` works on asynchronous functions: write `async fn {}`", sig.ident),
        );
    }
}

/// What refuses, cuts or repeats a call answers a `Result`.
pub(super) fn result(function: &Function, form: &Form, policies: &[Policy], errors: &mut Errors) {
    let needing: Vec<&str> =
        policies.iter().map(Policy::name).filter(|name| *name != keys::HARDENED.name).collect();
    let Some(first) = needing.first() else { return };
    let why = || {
        if needing.len() > 1 {
            format!("{} refuse, cut or repeat a call", listed(&needing))
        } else {
            format!("`{first}` can refuse, cut or repeat a call")
        }
    };
    let wanted = "where `E: From<hardening::Rejected>`";
    match &form.output {
        None => {
            let message = format!(
                "{}, so `{}` answers a `Result`: write `-> Result<(), E>` {wanted}",
                why(),
                function.sig.ident
            );
            errors.at(&function.sig.ident, message);
        }
        Some(output) if certainly_no_result(output) || is_parameter(function, output) => {
            let (why, shown) = (why(), shown(output));
            errors.at(
                output,
                format!("{why}, so it needs a `Result` here: write `Result<{shown}, E>` {wanted}"),
            );
        }
        Some(_) => {}
    }
}

/// Whether a type is a type parameter of the function.
fn is_parameter(function: &Function, ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    function.sig.generics.type_params().any(|param| path.path.is_ident(&param.ident))
}

pub(super) fn listed(names: &[&str]) -> String {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        let name = format!("`{name}`");
        if !unique.contains(&name) {
            unique.push(name);
        }
    }
    match unique.split_last() {
        Some((last, first)) if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => unique.concat(),
    }
}

/// Whether the last word of a type is `Result`, with what it is a result of: without, it may be anything that the user gave this name.
pub(crate) fn is_result(ty: &Type) -> bool {
    match ty {
        Type::Path(path) => path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == "Result" && !matches!(last.arguments, PathArguments::None)),
        Type::Paren(inner) => is_result(&inner.elem),
        Type::Group(inner) => is_result(&inner.elem),
        _ => false,
    }
}

/// A path that is known neither as a `Result` nor as something else.
pub(super) fn may_be_alias(ty: &Type) -> bool {
    match ty {
        Type::Paren(inner) => may_be_alias(&inner.elem),
        Type::Group(inner) => may_be_alias(&inner.elem),
        Type::Path(_) => !certainly_no_result(ty),
        _ => false,
    }
}

/// A path may be an alias of a `Result`; these are none by their form or their name.
fn certainly_no_result(ty: &Type) -> bool {
    match ty {
        Type::Path(_) => named_in(ty, OTHER_TYPES),
        Type::Paren(inner) => certainly_no_result(&inner.elem),
        Type::Group(inner) => certainly_no_result(&inner.elem),
        Type::Infer(_) | Type::Macro(_) | Type::Verbatim(_) => false,
        _ => true,
    }
}

/// Whether a type is one of these names: alone, with arguments, or behind the standard library's path.
pub(super) fn named_in(ty: &Type, names: &[&str]) -> bool {
    let Type::Path(path) = ty else { return false };
    let segments = &path.path.segments;
    let Some((first, last)) = segments.first().zip(segments.last()) else { return false };
    let alone = segments.len() == 1
        || is_one_of(&first.ident, &["std", "core", "alloc"])
        || !matches!(last.arguments, PathArguments::None);
    alone && is_one_of(&last.ident, names)
}

/// A type as it would be written.
pub(super) fn shown(tokens: impl ToTokens) -> String {
    let mut text = tokens.to_token_stream().to_string();
    for (spaced, tight) in [
        (" < ", "<"),
        ("< ", "<"),
        (" >", ">"),
        ("& ", "&"),
        (" :: ", "::"),
        ("( ", "("),
        (" (", "("),
        (" )", ")"),
        (" ,", ","),
    ] {
        text = text.replace(spaced, tight);
    }
    text.replace("-(", "- (").replace("->(", "-> (").replace("->", " ->").replace("  ", " ")
}

/// A copy of `self` cannot be named in a string of which only its macro knows whether it is a format string.
pub(super) fn captured_self(function: &Function, form: &Form, policies: &[Policy], errors: &mut Errors) {
    let mentions_self = |policy: &Policy| policy.entries.iter().any(|entry| names(&entry.tokens, "self"));
    let copied = policies.iter().any(|policy| match policy.name() {
        "retry" | "hedged" => true,
        "circuit_breaker" | "fallback" => mentions_self(policy),
        _ => false,
    });
    if !copied || form.is_boxed() || matches!(receiver(&function.sig), None | Some(Passing::Copied)) {
        return;
    }
    if let Some(text) = unknown_capture(form.body.clone()) {
        let message = "the body gets a copy of `self`, which this string cannot name: write `{}` or `{:?}` there, \
                       and `self` behind the string";
        errors.at(text, message);
    }
}

/// What executions side by side ask of their function.
pub(super) fn side_by_side(function: &Function, form: &Form, policies: &[Policy], errors: &mut Errors) {
    if !policies.iter().any(|policy| policy.name() == keys::HEDGED.name) {
        return;
    }
    if let Some(retry) = policies.iter().find(|policy| policy.name() == keys::RETRY.name) {
        let message = "`retry` and `hedged` multiply executions: keep `hedged` for a dependency that is slow at times, \
                       or `retry` for one that fails at times";
        errors.at_span(retry.at, message);
    }
    let words = Words::of(form.body.clone());
    for argument in &function.sig.inputs {
        let name = match argument {
            syn::FnArg::Receiver(_)
                if matches!(receiver(&function.sig), Some(Passing::Exclusive | Passing::Pinned)) =>
            {
                "self".to_owned()
            }
            syn::FnArg::Typed(typed) if exclusive(&typed.ty) => typed.pat.to_token_stream().to_string(),
            syn::FnArg::Typed(typed) => {
                // A part of a value, by its type or by `ref mut`.
                visit(&mut typed.pat.clone(), &typed.ty, &mut |name, passing| {
                    if is_exclusive(passing) && words.mention(&name.ident) {
                        errors.at(&*name, not_twice(&name.ident.to_string()));
                    }
                });
                continue;
            }
            syn::FnArg::Receiver(_) => continue,
        };
        errors.at(argument, not_twice(&name));
    }
}

fn not_twice(name: &str) -> String {
    format!(
        "`hedged` runs two bodies at once, and they cannot both have `{name}`: take it by `&` or by value"
    )
}

fn exclusive(ty: &Type) -> bool {
    is_exclusive(of_type(ty))
}

const fn is_exclusive(passing: Passing) -> bool {
    matches!(passing, Passing::Exclusive | Passing::Optional | Passing::Pinned)
}

/// State belongs to the function, so a method says what its instances share.
pub(super) fn instances(function: &Function, policies: &[Policy], errors: &mut Errors) {
    if function.sig.receiver().is_none() {
        return;
    }
    let keeps = |policy: &&Policy| [keys::CACHED.name, keys::IDEMPOTENT.name].contains(&policy.name());
    for policy in policies.iter().filter(keeps) {
        let key = policy.get("key");
        if policy.means("instances") || key.is_some_and(|key| names(&key.tokens, "self")) {
            continue;
        }
        let message = "results are kept for the function, not for an instance, and this key is the same for all of them: \
                       name `self` in it, such as `key = (self.id, sku)`, or write `instances = shared`";
        match key {
            Some(key) => errors.at(&key.tokens, message),
            None => errors.at_span(policy.at, message),
        }
    }
}

/// What a kept result asks of its function.
pub(super) fn kept(function: &Function, policies: &[Policy], errors: &mut Errors) {
    let Some(cached) = policies.iter().find(|policy| policy.name() == keys::CACHED.name) else { return };
    if !cached.has("stale_while_revalidate") {
        return;
    }
    for argument in &function.sig.inputs {
        let borrowed = match argument {
            syn::FnArg::Receiver(_) => self::receiver(&function.sig) != Some(Passing::Owned),
            syn::FnArg::Typed(typed) => borrows(&typed.ty),
        };
        if borrowed {
            let message = "a load in the background outlives its caller, so this argument must be an owned one: \
                           take it by value, or remove `stale_while_revalidate`";
            errors.at(argument, message);
        }
    }
}

/// Whether a type says that it borrows.
fn borrows(ty: &Type) -> bool {
    fn any(tokens: TokenStream) -> bool {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '&' => return true,
                TokenTree::Punct(punct)
                    if punct.as_char() == '\''
                        && !matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static") =>
                {
                    return true;
                }
                TokenTree::Group(group) if any(group.stream()) => return true,
                _ => {}
            }
        }
        false
    }
    any(ty.to_token_stream())
}

/// A repeated body cannot hand out what it borrowed exclusively.
pub(super) fn replay(function: &Function, form: &Form, policies: &[Policy], errors: &mut Errors) {
    let Some(retry) = policies.iter().find(|policy| policy.name() == keys::RETRY.name) else { return };
    let Some(output) = &form.output else { return };
    if let Some((name, argument)) = returned_borrow(&function.sig, output) {
        let message = format!(
            "`{}` runs the body again, but the returned value borrows from `{name}`, which the next attempt needs: \
             return an owned value, or take `{name}` by `&`",
            retry.name()
        );
        errors.at(argument, message);
    }
}
