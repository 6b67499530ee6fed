//! A value without its key: which key is meant.

use std::net::SocketAddr;
use std::path::Path;

use hardening_spec::keys::{self, Attribute, Key, Kind};
use hardening_spec::synonyms;
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, LitInt, LitStr, Pat, Token};

use super::spaced::spaced;
use super::{Reader, text, value};

impl Reader<'_> {
    /// A value without a name.
    pub(super) fn positional(&mut self, input: ParseStream, at: &dyn ToTokens) -> syn::Result<()> {
        let attribute = self.policy.attribute;
        let positional = attribute.positional.and_then(|name| attribute.key(name));
        if let Some(key) = positional
            && !self.policy.means(key.name)
        {
            return self.value(key, at, input);
        }
        let name = syn::parse2::<Ident>(at.to_token_stream()).ok();
        // Followed by what is no `=`, such as a colon.
        if let Some(name) = &name
            && let Some(key) = attribute.key(&name.to_string())
        {
            self.policy.meant.push(key.name);
            let message = match key.kind {
                Kind::Flag => format!("`{name}` takes no value: write the name alone"),
                _ => format!("write `{name} = …`: {}", key.form()),
            };
            return Err(syn::Error::new_spanned(name, message));
        }
        let written = text::until_comma(input);
        let own = attribute.name;
        let Some((key, form)) = self.meant(&written) else {
            if positional.is_some() {
                let message = format!("`{own}` takes one value: remove one of the two");
                return Err(syn::Error::new_spanned(written, message));
            }
            let Some(name) = name else {
                let message = format!("`{own}` takes no value without a name; its keys are {}", self.known());
                return Err(syn::Error::new_spanned(written, message));
            };
            return Err(self.unknown(&name));
        };
        self.policy.meant.push(key);
        let no = if positional.is_some() { "one value" } else { "no value" };
        let message = format!(
            "`{own}` takes {no} without a name: write `{key} = {form}`. Its keys are {}",
            self.known()
        );
        Err(syn::Error::new_spanned(written, message))
    }

    /// The key that a value without one is meant for, and the value as that key takes it.
    fn meant(&self, written: &TokenStream) -> Option<(&'static str, String)> {
        let attribute = self.policy.attribute;
        let open = |key: &&Key| !self.policy.means(key.name);
        let shown = spaced(written);
        if let Some(text) = written_for_service(attribute, written) {
            return Some(text);
        }
        // A lifetime is the first number that anybody thinks of, and needs its unit.
        let required = |key: &&Key| key.default == "required" && key.kind == Kind::Duration;
        if let Some(key) = attribute.keys.iter().filter(open).find(required)
            && syn::parse2::<LitInt>(written.clone()).is_ok_and(|number| number.suffix().is_empty())
        {
            return Some((key.name, format!("{shown}s")));
        }
        let first = first(attribute).iter().filter_map(|name| attribute.key(name));
        let mut keys = first.chain(attribute.keys).filter(open);
        if let Some(key) = keys.clone().find(|key| value::fits(key.kind, written)) {
            return Some((key.name, shown));
        }
        let is_pattern = is_pattern(written);
        if let Some(key) = keys.clone().find(|key| key.kind == Kind::Pattern && is_pattern) {
            return Some((key.name, shown));
        }
        let near = |name: &Ident| {
            let is_policy = keys::POLICIES.iter().any(|policy| name == policy.name);
            is_policy || synonyms::meant(&name.to_string(), self.names()).is_some()
        };
        let is_key = match syn::parse2::<Expr>(written.clone()) {
            Ok(Expr::Path(path)) => path.path.get_ident().is_some_and(|name| !near(name)),
            Ok(
                Expr::Field(_) | Expr::MethodCall(_) | Expr::Reference(_) | Expr::Tuple(_) | Expr::Macro(_),
            ) => true,
            _ => false,
        };
        keys.find(|key| key.kind == Kind::Key && is_key).map(|key| (key.name, shown))
    }
}

/// Two values with a comma between them that are one: `10, 1s` for `10/1s`, and `100ms, 10s` for `100ms..10s`.
pub(super) fn pair(kind: Kind, label: &str, input: ParseStream) -> Option<syn::Error> {
    let (first, between) = match kind {
        Kind::Rate => (Kind::Count, "/"),
        Kind::Range | Kind::RangeOrNever => (Kind::Duration, ".."),
        _ => return None,
    };
    let ahead = input.fork();
    let one = text::until_comma(&ahead);
    if !value::fits(first, &one) || ahead.parse::<Token![,]>().is_err() {
        return None;
    }
    let other = text::until_comma(&ahead);
    if !value::fits(Kind::Duration, &other) {
        return None;
    }
    let written = quote!(#one, #other);
    input.advance_to(&ahead);
    let message = format!("`{label}` takes one value: write `{}{between}{}`", spaced(&one), spaced(&other));
    Some(syn::Error::new_spanned(written, message))
}

/// The keys that come to mind first, where several take such a value.
fn first(attribute: &Attribute) -> &'static [&'static str] {
    if attribute.name == keys::CIRCUIT_BREAKER.name {
        &["consecutive", "failure_rate", "open_for"]
    } else {
        &[]
    }
}

/// An address, a port or a file of settings.
fn written_for_service(attribute: &Attribute, written: &TokenStream) -> Option<(&'static str, String)> {
    if attribute.name != keys::HARDENED_SERVICE.name {
        return None;
    }
    if let Ok(port) = syn::parse2::<LitInt>(written.clone()) {
        let port = port.base10_parse::<u16>().ok()?;
        return Some(("listen", format!("\"127.0.0.1:{port}\"")));
    }
    let text = syn::parse2::<LitStr>(written.clone()).ok()?.value();
    if text.parse::<SocketAddr>().is_ok() {
        return Some(("listen", format!("{text:?}")));
    }
    let is_file = Path::new(&text).extension().is_some_and(|extension| extension == "toml");
    is_file.then(|| ("config", format!("{text:?}")))
}

/// Whether a value is the path of a variant, alone or with what it holds; an `Ok` is rather an answer.
fn is_pattern(written: &TokenStream) -> bool {
    let path = |path: &syn::Path| {
        let name = path.segments.last().map(|last| last.ident.to_string()).unwrap_or_default();
        name.starts_with(char::is_uppercase) && name != "Ok"
    };
    let variant = |pat: &Pat| match pat {
        Pat::Path(variant) => path(&variant.path),
        Pat::TupleStruct(variant) => path(&variant.path),
        Pat::Struct(variant) => path(&variant.path),
        _ => false,
    };
    match Pat::parse_multi_with_leading_vert.parse2(written.clone()) {
        Ok(Pat::Or(or)) => or.cases.iter().all(variant),
        Ok(pat) => variant(&pat),
        Err(_) => false,
    }
}
