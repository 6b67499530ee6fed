//! The expansion of one item, from the very sources that the attributes are built of.

#[path = "../../../hardening-macros/src/arguments.rs"]
mod arguments;
#[path = "../../../hardening-macros/src/attribute.rs"]
mod attribute;
#[path = "../../../hardening-macros/src/background.rs"]
mod background;
#[path = "../../../hardening-macros/src/bounds.rs"]
mod bounds;
#[path = "../../../hardening-macros/src/check/mod.rs"]
mod check;
#[path = "../../../hardening-macros/src/diagnostics.rs"]
mod diagnostics;
#[path = "../../../hardening-macros/src/expand/mod.rs"]
mod expand;
#[allow(dead_code, reason = "no feature is missing here")]
#[path = "../../../hardening-macros/src/feature.rs"]
mod feature;
#[path = "../../../hardening-macros/src/function.rs"]
mod function;
#[path = "../../../hardening-macros/src/harvest.rs"]
mod harvest;
#[path = "../../../hardening-macros/src/health_check.rs"]
mod health_check;
#[path = "../../../hardening-macros/src/ide.rs"]
mod ide;
#[path = "../../../hardening-macros/src/layered.rs"]
mod layered;
#[path = "../../../hardening-macros/src/manifest.rs"]
mod manifest;
#[path = "../../../hardening-macros/src/model.rs"]
mod model;
#[path = "../../../hardening-macros/src/numbers.rs"]
mod numbers;
#[path = "../../../hardening-macros/src/paths.rs"]
mod paths;
#[path = "../../../hardening-macros/src/provided.rs"]
mod provided;
#[path = "../../../hardening-macros/src/refused.rs"]
mod refused;
#[path = "../../../hardening-macros/src/service.rs"]
mod service;
#[path = "../../../hardening-macros/src/shared.rs"]
mod shared;
#[path = "../../../hardening-macros/src/shown.rs"]
mod shown;
#[path = "../../../hardening-macros/src/syntax/mod.rs"]
mod syntax;
#[path = "../../../hardening-macros/src/words.rs"]
mod words;

extern crate proc_macro;

use hardening_spec::keys;
use proc_macro2::TokenStream;

/// Formats an expansion; `unparse` formats a file.
pub fn formatted(tokens: TokenStream, unparse: impl FnOnce(TokenStream) -> String) -> String {
    shown::with_macros(&unparse(shown::with_calls(tokens)))
}

/// Expands `item` as the compiler would under `#[name(arguments)]`, its outermost attribute of ours.
///
/// # Errors
/// When `name` is none of our attributes.
pub fn of(name: &str, arguments: TokenStream, item: &TokenStream) -> Result<TokenStream, String> {
    let known =
        if matches!(name, "policy" | "policies") { Some(&keys::HARDENED) } else { keys::attribute(name) };
    let known = known.ok_or_else(|| format!("`{name}` is none of our attributes"))?;
    let expanded = |arguments: TokenStream, item: &TokenStream| match name {
        "background" => background::expand(arguments, item),
        "health_check" => health_check::expand(arguments, item),
        "hardened_service" => service::expand(arguments, item),
        "policy" => shared::expand(arguments),
        "policies" => layered::expand(arguments),
        _ => attribute::policy(known, arguments, item),
    };
    Ok(diagnostics::guarded(expanded, arguments, item))
}
