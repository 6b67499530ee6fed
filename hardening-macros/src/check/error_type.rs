//! Error types that can never report a refusal, or be logged: nobody may write the implementation that they lack.

use hardening_spec::keys;
use syn::{Signature, Type};

use super::shape::{OTHER_TYPES, is_result, listed, named_in, shown};
use crate::bounds::Bounds;
use crate::diagnostics::Errors;
use crate::expand::last_type;
use crate::function::{Form, Function, only_argument};
use crate::syntax::Policy;

/// What refuses, times out or repeats a call returns an error that can report a refusal.
pub(super) fn refusals(function: &Function, form: &Form, policies: &[Policy], errors: &mut Errors) {
    let needing: Vec<&str> =
        policies.iter().map(Policy::name).filter(|name| *name != keys::HARDENED.name).collect();
    let Some(error) = form.output.as_ref().and_then(error_of) else { return };
    if needing.is_empty() {
        return;
    }
    let refuse = || format!("{} refuse{}", listed(&needing), if needing.len() == 1 { "s" } else { "" });
    if let Some(bounds) = Bounds::of(&function.sig, error) {
        if !bounds.has("From") && !matches!(error, Type::ImplTrait(_)) {
            let (refuse, error_shown) = (refuse(), shown(error));
            let message = format!(
                "{refuse} calls with `hardening::Rejected`, and `{error_shown}` need not be made of it: add the bound \
                 `{error_shown}: From<hardening::Rejected>`"
            );
            errors.at(error, message);
        }
        return;
    }
    if cfg!(not(feature = "grpc")) && is_status(error) {
        let message = format!(
            "{} calls with `hardening::Rejected`, and a `tonic::Status` is made of it with `hardening`'s feature \
             `grpc`: turn it on",
            refuse()
        );
        errors.at(error, message);
        return;
    }
    if !never_refuses(error) {
        return;
    }
    let instead = if matches!(error, Type::Tuple(tuple) if !tuple.elems.is_empty()) {
        "return `(StatusCode, String)`, a `Response`, `hardening::Problem`, or `hardening::Rejected` itself"
    } else {
        "return `hardening::Rejected` itself, an enum of your own with `impl From<hardening::Rejected>`, `anyhow::Error` or \
         `Box<dyn std::error::Error + Send + Sync>`"
    };
    let message = format!(
        "{} calls with `hardening::Rejected`, and no `{}` can be made of it: {instead}",
        refuse(),
        shown(error)
    );
    errors.at(error, message);
}

/// Whether a type is written as `tonic::Status`.
fn is_status(ty: &Type) -> bool {
    match ty {
        Type::Group(inner) => is_status(&inner.elem),
        Type::Path(path) if path.path.segments.len() == 2 => {
            shown(ty).trim_start_matches("::") == "tonic::Status"
        }
        _ => false,
    }
}

/// What is run by the service returns an error that can be logged.
pub(crate) fn logged(noun: &str, sig: &Signature, errors: &mut Errors) {
    let syn::ReturnType::Type(_, output) = &sig.output else { return };
    let Some(error) = error_of(output) else { return };
    let never = match error {
        Type::Tuple(_) | Type::Array(_) | Type::Slice(_) | Type::FnPtr(_) | Type::Ptr(_) => true,
        Type::Path(_) => ["Vec", "Option", "HashMap", "BTreeMap", "Duration", "PathBuf", "OsString"]
            .iter()
            .any(|name| named_in(error, &[*name])),
        _ => false,
    };
    if never {
        let message = format!(
            "the error of {noun} is logged, so it is `Display`, and `{}` is not: return `String`, `hardening::BoxError` or an error \
             of your own",
            shown(error)
        );
        errors.at(error, message);
    }
}

/// `E` of `Result<T, E>`, where both are written.
fn error_of(output: &Type) -> Option<&Type> {
    let error = last_type(output);
    (is_result(output) && !std::ptr::eq(error, output)).then_some(error)
}

/// Errors of the standard library under names that nobody gives an error of their own.
const OTHER_ERRORS: &[&str] = &[
    "AddrParseError",
    "FromUtf8Error",
    "Infallible",
    "ParseBoolError",
    "ParseCharError",
    "ParseFloatError",
    "ParseIntError",
    "PoisonError",
    "SystemTimeError",
    "TryFromIntError",
    "TryFromSliceError",
    "Utf8Error",
];

/// Types of the standard library for which no crate but ours and theirs may write `From<Rejected>`, by their form or name.
fn never_refuses(ty: &Type) -> bool {
    match ty {
        Type::Paren(inner) => never_refuses(&inner.elem),
        Type::Group(inner) => never_refuses(&inner.elem),
        Type::Array(_) | Type::Slice(_) | Type::FnPtr(_) | Type::Ptr(_) | Type::Never(_) => true,
        // `&Own` may have it.
        Type::Reference(reference) => never_refuses(&reference.elem),
        Type::Tuple(tuple) => {
            let status_and_text =
                tuple.elems.len() == 2 && !(never_refuses(&tuple.elems[0]) || is_other_text(&tuple.elems[1]));
            !status_and_text
        }
        Type::Path(_) => {
            if named_in(ty, &["Option", "Box", "Rc", "Arc"]) {
                // `From<T>` for these is written for every `T`; `Box<str>` and `Box<dyn Error>` are made of other things than
                // what they hold.
                let held = ["Option", "Rc", "Arc"].into_iter().find_map(|name| only_argument(ty, name));
                return held.is_some_and(never_refuses);
            }
            named_in(ty, OTHER_TYPES) || named_in(ty, OTHER_ERRORS)
        }
        _ => false,
    }
}

/// Whether the second member of a pair is no `String` under any import.
fn is_other_text(ty: &Type) -> bool {
    match ty {
        Type::Path(_) => {
            !named_in(ty, &["String"])
                && (never_refuses(ty) || named_in(ty, &["Json", "Html", "Option", "Box"]))
        }
        Type::Paren(inner) => is_other_text(&inner.elem),
        Type::Group(inner) => is_other_text(&inner.elem),
        _ => true,
    }
}
