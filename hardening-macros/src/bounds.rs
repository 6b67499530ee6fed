//! What the signature says of a type parameter, or of an `impl Trait`.

use syn::{Signature, Type, TypeParamBound, WherePredicate};

/// Traits of which it is known what else they imply: nothing but what [`Bounds::has`] adds.
const KNOWN: &[&str] = &[
    "Any",
    "AsMut",
    "AsRef",
    "AsyncFn",
    "AsyncFnMut",
    "AsyncFnOnce",
    "Borrow",
    "Clone",
    "Copy",
    "Debug",
    "Default",
    "Deref",
    "DerefMut",
    "Display",
    "Eq",
    "Error",
    "Fn",
    "FnMut",
    "FnOnce",
    "From",
    "Future",
    "Hash",
    "Into",
    "IntoFuture",
    "IntoIterator",
    "Iterator",
    "Ord",
    "PartialEq",
    "PartialOrd",
    "Send",
    "Sized",
    "Sync",
    "ToOwned",
    "ToString",
    "Unpin",
];

/// The bounds of a type whose every trait is known.
pub(crate) struct Bounds {
    /// As it is written: `F` or `impl FnOnce()`.
    names: Vec<String>,
}

impl Bounds {
    /// The bounds of `ty` where it is a type parameter of the function or an `impl Trait`, and where each of them is known.
    pub(crate) fn of(sig: &Signature, ty: &Type) -> Option<Self> {
        let mut names = Vec::new();
        match ty {
            Type::ImplTrait(opaque) => known(&opaque.bounds, &mut names)?,
            Type::Paren(inner) => return Self::of(sig, &inner.elem),
            Type::Group(inner) => return Self::of(sig, &inner.elem),
            Type::Path(path) => {
                known(of_parameter(sig, path.path.get_ident()?)?, &mut names)?;
            }
            _ => return None,
        }
        Some(Self { names })
    }

    /// Whether `name` is among them, or follows from them.
    pub(crate) fn has(&self, name: &str) -> bool {
        let implied: &[&str] = match name {
            "Clone" => &["Copy"],
            "Eq" => &["Ord"],
            _ => &[],
        };
        self.names.iter().any(|known| known == name || implied.contains(&known.as_str()))
    }
}

/// Every bound of a type parameter of the function, those of its `where` clause included; `None` for any other name.
pub(crate) fn of_parameter<'s>(
    sig: &'s Signature,
    name: &syn::Ident,
) -> Option<impl Iterator<Item = &'s TypeParamBound>> {
    let param = sig.generics.type_params().find(|param| param.ident == *name)?;
    let predicates = sig.generics.where_clause.iter().flat_map(|clause| &clause.predicates);
    let name = name.clone();
    let of_clause = predicates.filter_map(move |predicate| match predicate {
        WherePredicate::Type(of) if is_name(&of.bounded_ty, &name) => Some(&of.bounds),
        _ => None,
    });
    Some(param.bounds.iter().chain(of_clause.flatten()))
}

fn is_name(ty: &Type, name: &syn::Ident) -> bool {
    matches!(ty, Type::Path(path) if path.path.is_ident(name))
}

/// Adds the names of bounds; `None` when one of them may imply any other.
fn known<'b>(bounds: impl IntoIterator<Item = &'b TypeParamBound>, names: &mut Vec<String>) -> Option<()> {
    for bound in bounds {
        match bound {
            TypeParamBound::Trait(bound) => {
                let name = bound.path.segments.last()?.ident.to_string();
                let of_std = bound
                    .path
                    .segments
                    .first()
                    .is_some_and(|first| first.ident == "std" || first.ident == "core");
                // Many a crate has an `Error` of its own.
                if !KNOWN.contains(&name.as_str()) || (name == "Error" && !of_std) {
                    return None;
                }
                names.push(name);
            }
            TypeParamBound::Lifetime(lifetime) => names.push(lifetime.to_string()),
            _ => return None,
        }
    }
    Some(())
}
