//! `cargo xtask expand NAME [FILE]`: one function's formatted expansion.

use std::path::{Path, PathBuf};

use hardening_spec::suggest::nearest;
use proc_macro2::TokenStream;
use quote::quote;
use syn::Meta;
use syn::parse::Parser;

use crate::run::{Done, root};
use crate::search::{self, Found, ours};

pub(crate) fn run(name: &str, file: Option<&str>) -> Done {
    let files = match file {
        Some(file) => vec![below_root(file)?],
        None => search::files(root()),
    };
    let found: Vec<Found> = files.iter().flat_map(|file| search::in_file(root(), file)).collect();
    let matching: Vec<&Found> = found.iter().filter(|found| found.name == name).collect();
    let [first, others @ ..] = matching.as_slice() else {
        return Err(unknown(name, &found));
    };
    println!("// {}:{}\n{}", first.file.display(), first.line, expanded(first)?.trim_end());
    if !others.is_empty() {
        let places: Vec<String> = others.iter().map(|found| found.file.display().to_string()).collect();
        eprintln!("also in {}: name the file to see that one", places.join(", "));
    }
    Ok(())
}

/// A path as it was typed, from here or from the workspace's folder.
fn below_root(file: &str) -> Done<PathBuf> {
    let typed = Path::new(file);
    let candidates = [typed.to_owned(), root().join(typed)];
    let known =
        candidates.iter().find(|path| path.is_file()).ok_or_else(|| format!("there is no file {file}"))?;
    let absolute = known.canonicalize().map_err(|error| format!("{file}: {error}"))?;
    Ok(absolute.strip_prefix(root()).map_or(absolute.clone(), Path::to_owned))
}

fn unknown(name: &str, found: &[Found]) -> String {
    match nearest(name, found.iter().map(|found| found.name.as_str())) {
        Some(near) => format!("no annotated function is named `{name}`; did you mean `{near}`?"),
        None => format!("no annotated function is named `{name}`"),
    }
}

/// The function as the compiler sees it, formatted.
pub(crate) fn expanded(found: &Found) -> Done<String> {
    let outermost = found.attrs.iter().find_map(|attr| Some((ours(attr)?, attr)));
    let Some((name, attr)) = outermost else {
        return Err(format!("`{}` has no attribute of ours", found.name));
    };
    let arguments = match &attr.meta {
        Meta::List(list) => list.tokens.clone(),
        Meta::Path(_) | Meta::NameValue(_) => TokenStream::new(),
    };
    let item = without(attr, found)?;
    let mut tokens = expansion::of(name, arguments, &item)?;
    if let Some(of) = &found.methods_of {
        tokens = quote!(impl #of { #tokens });
    }
    let file = |tokens| syn::parse2(tokens).map_err(|error| format!("the expansion is no Rust: {error}"));
    file(tokens.clone())?;
    Ok(expansion::formatted(tokens, |tokens| {
        file(tokens).map_or_else(|error| error, |file| prettyplease::unparse(&file))
    }))
}

/// The function's tokens without the attribute that is being expanded.
fn without(attr: &syn::Attribute, found: &Found) -> Done<TokenStream> {
    let split = |input: syn::parse::ParseStream<'_>| {
        let attrs = input.call(syn::Attribute::parse_outer)?;
        Ok((attrs, input.parse::<TokenStream>()?))
    };
    let (mut attrs, rest) =
        split.parse2(found.item.clone()).map_err(|error| format!("`{}`: {error}", found.name))?;
    let text = |attr: &syn::Attribute| quote!(#attr).to_string();
    if let Some(at) = attrs.iter().position(|other| text(other) == text(attr)) {
        attrs.remove(at);
    }
    Ok(quote!(#(#attrs)* #rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, name: &str) -> Found {
        let all = search::in_file(root(), Path::new(file));
        all.into_iter().find(|found| found.name == name).unwrap_or_else(|| panic!("no {name} in {file}"))
    }

    #[test]
    fn the_quickstart_expands_to_one_loop_without_an_attribute_of_ours() {
        let text = expanded(&found("examples/quickstart.rs", "price")).unwrap();
        for part in
            ["static SITE:", ".with_attempts(3)", "let settled = loop {", ".run_fallback(", "\"fallback\""]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(
            !text.contains("#[retry") && !text.contains("#[fallback") && !text.contains("compile_error"),
            "{text}"
        );
    }

    #[test]
    fn a_check_keeps_its_function_and_is_registered() {
        let text = expanded(&found("examples/quickstart.rs", "supplier")).unwrap();
        assert!(text.contains("async fn supplier(") && text.contains("register_check!(CHECK)"), "{text}");
    }

    #[test]
    fn a_name_that_nobody_has_gets_the_nearest() {
        let found = search::in_file(root(), Path::new("examples/quickstart.rs"));
        assert!(unknown("prize", &found).contains("did you mean `price`?"));
        assert!(!unknown("zzzzzzzz", &found).contains("did you mean"));
    }
}
