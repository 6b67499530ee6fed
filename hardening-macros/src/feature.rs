//! Attributes that expand to code of a feature that is off.

use proc_macro2::{Span, TokenStream};
use quote::quote;

use crate::attribute::beside;
use crate::function::Function;

/// The item as it is, and one error that says which feature `attribute` needs. A `main` becomes an empty one, since the
/// compiler would complain of an asynchronous one as well.
pub(crate) fn missing(attribute: &str, feature: &str, item: &TokenStream) -> TokenStream {
    let error = syn::Error::new(Span::call_site(), needed(attribute, feature)).to_compile_error();
    match syn::parse2::<Function>(item.clone()) {
        Ok(function) if function.sig.ident == "main" => quote!(fn main() {} #error),
        _ => beside(item, &error),
    }
}

/// Which feature `attribute` needs, and what to write.
pub(crate) fn needed(attribute: &str, feature: &str) -> String {
    let version = concat!(env!("CARGO_PKG_VERSION_MAJOR"), ".", env!("CARGO_PKG_VERSION_MINOR"));
    format!(
        "`{attribute}` needs the feature `{feature}` of `hardening`: write \
         `hardening = {{ version = \"{version}\", features = [\"{feature}\"] }}` in `Cargo.toml`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_feature_is_named_with_what_to_write_and_the_item_stays() {
        let item = quote!(
            async fn relay() -> Result<(), String> {}
        );
        let text = missing("background", "service", &item).to_string();
        assert!(text.starts_with("async fn relay"), "{text}");
        assert!(text.contains("`background` needs the feature `service` of `hardening`"), "{text}");
        assert!(text.contains(r#"features = [\"service\"]"#), "{text}");
        assert_eq!(text.matches("compile_error").count(), 1, "{text}");
    }
}
