//! From an attribute and its item to the item's expansion: parse, harvest, check, expand.

use hardening_spec::keys::Attribute;
use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

use crate::diagnostics::Errors;
use crate::function::Function;
use crate::{check, expand, harvest, ide, paths};

/// Expands the outermost attribute of a call, together with its siblings.
pub(crate) fn policy(
    attribute: &'static Attribute,
    arguments: TokenStream,
    item: &TokenStream,
) -> TokenStream {
    let written = arguments.to_string();
    if written == harvest::PROOF {
        return TokenStream::new();
    }
    let mut function = match Function::read(attribute.name, item) {
        Ok(function) => function,
        Err(item) => return item,
    };
    // Before the arguments and the siblings' attributes are read: every word of the user's that the expansion repeats.
    let text = format!("{written} {item}");
    let mut errors = Errors::default();
    let hints = ide::hints(attribute, &arguments, &function.attrs);
    let harvest = harvest::take(attribute, arguments, &text, &mut function, &mut errors);
    function
        .lift_patterns(harvest.policies.iter().flat_map(|policy| &policy.entries).map(|entry| &entry.tokens));
    paths::avoid(&text);
    // A macro of the user's may mention a static of that name, whose text is elsewhere: items are not hygienic.
    let site = if crate::words::calls_macro_of_users(&text) { "__HARDENING_SITE" } else { "SITE" };
    let site = paths::unmentioned(site, &text);
    let imports = expand::imports(&harvest.imports);
    let call = check::form(attribute.name, &function, &mut errors)
        .map(|form| (check::call(&function, &form, harvest, &mut errors), form));
    let clean = errors.is_empty();
    let errors = errors.finish();
    match call {
        Some((call, form)) if clean => expand::function(function, &form, &call, &site, &hints),
        _ => {
            // An import that is no longer used would be a second error after the first.
            function.prepend(&quote!(#imports #hints));
            beside(&function, &errors)
        }
    }
}

/// The item first, so that its name exists whatever is wrong with its attributes.
pub(crate) fn beside(item: &impl ToTokens, errors: &TokenStream) -> TokenStream {
    quote!(#item #errors)
}
