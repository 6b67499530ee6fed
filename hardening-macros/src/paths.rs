//! The one place where an expansion's way to the runtime is spelt.

use std::cell::RefCell;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::ParseStream;
use syn::{Path, Token};

use crate::diagnostics::Errors;
use crate::manifest::{self, Dependency};
use crate::words::holds;

/// Quotes tokens whose locals no user token can see, and which see no local of the user.
macro_rules! emit {
    ($($tokens:tt)*) => {
        ::quote::quote_spanned! { ::proc_macro2::Span::mixed_site()=> $($tokens)* }
    };
}
pub(crate) use emit;

/// The name under which a function imports what expansions use.
const ALIAS: &str = "__hardening";

thread_local! {
    /// The paths of the expansion in progress; an expansion runs on one thread.
    static PATHS: RefCell<Paths> = const { RefCell::new(Paths::NONE) };
}

struct Paths {
    /// The path of the crate, where it is not `::hardening`.
    root: Option<Path>,
    /// Whether neither the manifest nor the attribute leads to the crate, which is reported.
    missing: bool,
    /// The import's name, where it is not [`ALIAS`].
    alias: Option<String>,
    /// The name of the import that [`import_beside`] has made.
    beside: Option<Ident>,
}

impl Paths {
    const NONE: Self = Self { root: None, missing: false, alias: None, beside: None };
}

/// Forgets the paths of the expansion before.
pub(crate) fn reset() {
    PATHS.replace(Paths::NONE);
}

/// Finds the path of the crate: `crate = …` where it is written, else the manifest's name for the dependency.
pub(crate) fn find(written: Option<&Path>, errors: &mut Errors) {
    let mut missing = false;
    let root = match written {
        Some(path) => Some(path.clone()),
        None => match manifest::dependency() {
            Dependency::Default => None,
            Dependency::Renamed(name) => {
                let name = Ident::new(&name, Span::call_site());
                Some(syn::parse_quote!(::#name))
            }
            Dependency::Missing => {
                missing = true;
                errors.at_span(
                    Span::call_site(),
                    "this package does not depend on `hardening`: add the dependency, or write `crate = path` with the \
                     path of the crate that re-exports it, such as `crate = company::hardening`",
                );
                None
            }
        },
    };
    PATHS.with_borrow_mut(|paths| (paths.root, paths.missing) = (root, missing));
}

/// Whether no path leads to the crate.
pub(crate) fn is_missing() -> bool {
    PATHS.with_borrow(|paths| paths.missing)
}

/// `crate = path;` at the beginning of a macro's input.
pub(crate) fn leading(input: ParseStream) -> syn::Result<Option<Path>> {
    if !(input.peek(Token![crate]) && input.peek2(Token![=])) {
        return Ok(None);
    }
    input.parse::<Token![crate]>()?;
    input.parse::<Token![=]>()?;
    let path = input.call(Path::parse_mod_style)?;
    input.parse::<Token![;]>()?;
    Ok(Some(path))
}

/// Chooses an import's name that the user's `text` does not mention, since an import is visible in the whole body.
pub(crate) fn avoid(text: &str) {
    let alias = unmentioned(ALIAS, text);
    PATHS.with_borrow_mut(|paths| paths.alias = (alias != ALIAS).then_some(alias));
}

/// `name`, lengthened until no word of `text` is it: items are not hygienic. A word in a string counts as well, which does
/// no harm.
pub(crate) fn unmentioned(name: &str, text: &str) -> String {
    let mut name = name.to_owned();
    while holds(text, &name) {
        name.push('_');
    }
    name
}

/// The path of the crate.
pub(crate) fn root() -> TokenStream {
    PATHS.with_borrow(|paths| {
        paths.root.as_ref().map_or_else(|| emit!(::hardening), ToTokens::to_token_stream)
    })
}

/// Whether the segments before a path's last one are those of the crate.
pub(crate) fn is_root(prefix: &[String]) -> bool {
    prefix == ["hardening"]
        || PATHS.with_borrow(|paths| paths.root.as_ref().is_some_and(|root| names(root) == prefix))
}

/// The names of a path's segments.
pub(crate) fn names(path: &Path) -> Vec<String> {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

/// Everything of the runtime that an expansion may name.
pub(crate) fn absolute() -> TokenStream {
    PATHS.with_borrow(|paths| match (&paths.beside, &paths.root) {
        (Some(import), _) => import.to_token_stream(),
        (None, None) => emit!(::hardening::__private),
        (None, Some(root)) => emit!(#root::__private),
    })
}

/// An import beside the statics of a macro, for [`absolute`]: a written path that leads nowhere is then reported once. The name
/// of an item makes that of the import one that no other macro of the module uses.
pub(crate) fn import_beside(item: Option<&Ident>) -> Option<TokenStream> {
    PATHS.with_borrow_mut(|paths| {
        let (root, item) = (paths.root.as_ref()?, item?);
        let name = Ident::new(&format!("{ALIAS}_{}", item.unraw()), Span::mixed_site());
        let import = emit!(use #root::__private as #name;);
        paths.beside = Some(name);
        Some(import)
    })
}

/// The same inside a function that has [`import`]ed it, where it makes for shorter lines.
pub(crate) fn private() -> Ident {
    private_at(Span::mixed_site())
}

/// The same at a place of the user's: what is wrong with a whole expression of ours is reported there.
pub(crate) fn private_at(at: Span) -> Ident {
    PATHS.with_borrow(|paths| Ident::new(paths.alias.as_deref().unwrap_or(ALIAS), ours_at(at)))
}

/// What makes [`private`] known.
pub(crate) fn import() -> TokenStream {
    let (absolute, alias) = (absolute(), private());
    emit!(use #absolute as #alias;)
}

/// Whether some tokens begin with [`import`], whatever the path of the crate.
pub(crate) fn begin_with_import(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    if !matches!(tokens.peek(), Some(TokenTree::Ident(first)) if first == "use") {
        return false;
    }
    let first: Vec<String> = tokens.map(|token| token.to_string()).take_while(|token| token != ";").collect();
    matches!(&*first, [key, .., private, key_as, alias]
        if key == "use" && private == "__private" && key_as == "as" && alias.starts_with(ALIAS))
}

/// A span at the place of `span` for a name of ours.
pub(crate) fn ours_at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// Tokens at another place.
pub(crate) fn moved_to(at: Span, tokens: TokenStream) -> TokenStream {
    let moved = |token| match token {
        TokenTree::Group(group) => {
            let mut moved = Group::new(group.delimiter(), moved_to(at, group.stream()));
            moved.set_span(at);
            TokenTree::Group(moved)
        }
        mut token => {
            token.set_span(at.resolved_at(token.span()));
            token
        }
    };
    tokens.into_iter().map(moved).collect()
}
