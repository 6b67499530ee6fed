//! Whether an error, as it is written, can be kept for those who wait for a load.

use syn::visit_mut::{VisitMut, visit_type_mut};
use syn::{Lifetime, Signature, Type, TypeParamBound};

use crate::bounds::of_parameter;
use crate::expand::last_type;

/// Whether nothing in the error of `output` shows that it borrows: what a type parameter stands for may, unless its bounds
/// say `'static`, and so may what `Self` stands for.
pub(super) fn is_lasting(output: &Type, sig: &Signature) -> bool {
    let mut found = Borrows { sig, any: false };
    found.visit_type_mut(&mut last_type(output).clone());
    !found.any
}

struct Borrows<'s> {
    sig: &'s Signature,
    any: bool,
}

impl VisitMut for Borrows<'_> {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        self.any |= lifetime.ident != "static";
    }

    fn visit_type_mut(&mut self, ty: &mut Type) {
        self.any |= match ty {
            Type::ImplTrait(_) | Type::Infer(_) | Type::Macro(_) => true,
            Type::Reference(reference) => reference.lifetime.is_none(),
            Type::Path(path) => {
                path.qself.is_some()
                    || path.path.segments.first().is_some_and(|first| {
                        first.ident == "Self"
                            || is_parameter_that_may_borrow(self.sig, &first.ident)
                            || looks_like_a_parameter(&path.path, self.sig)
                    })
            }
            _ => false,
        };
        visit_type_mut(self, ty);
    }
}

/// Whether a name is one that type parameters have, and not one of the function's own: then it is of the `impl` around it, whose
/// bounds the attribute does not see. A type of such a name that does last is handed on as text, which compiles.
fn looks_like_a_parameter(path: &syn::Path, sig: &Signature) -> bool {
    let Some(name) = path.get_ident() else { return false };
    let text = name.to_string();
    let short = text.len() <= 2 && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit());
    short && !sig.generics.type_params().any(|param| param.ident == *name)
}

fn is_parameter_that_may_borrow(sig: &Signature, name: &syn::Ident) -> bool {
    let lasts = |bound: &TypeParamBound| match bound {
        TypeParamBound::Lifetime(lifetime) => lifetime.ident == "static",
        TypeParamBound::Trait(bound) => bound.path.segments.last().is_some_and(|last| last.ident == "Any"),
        _ => false,
    };
    of_parameter(sig, name).is_some_and(|mut bounds| !bounds.any(lasts))
}
