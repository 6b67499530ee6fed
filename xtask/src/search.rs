//! Annotated functions in the repository's sources, by name.

use std::fs;
use std::path::{Path, PathBuf};

use hardening_spec::keys;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, Stmt, Type};

/// An annotated function.
pub(crate) struct Found {
    /// Below the workspace's folder.
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: usize,
    /// The function with all its attributes.
    pub(crate) attrs: Vec<Attribute>,
    /// The same without the outermost attribute of ours.
    pub(crate) item: TokenStream,
    /// The block of methods that it stands in, emptied.
    pub(crate) methods_of: Option<Type>,
    /// Its name.
    pub(crate) name: String,
}

/// Every annotated function in the file.
pub(crate) fn in_file(root: &Path, file: &Path) -> Vec<Found> {
    let parsed =
        fs::read_to_string(root.join(file)).ok().and_then(|text| Some((syn::parse_file(&text).ok()?, text)));
    let Some((parsed, text)) = parsed else { return Vec::new() };
    let mut search = Search { file, text: &text, found: Vec::new() };
    search.items(&parsed.items);
    search.found
}

/// The repository's Rust files, those that are read first at the front.
pub(crate) fn files(root: &Path) -> Vec<PathBuf> {
    let folders = ["examples", "src", "benches", "tests", "ui-tests", "hardening-runtime"];
    let mut files = Vec::new();
    for folder in folders {
        let mut below = Vec::new();
        collect(root, Path::new(folder), &mut below);
        below.sort();
        files.append(&mut below);
    }
    files
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root.join(folder)).into_iter().flatten().flatten() {
        let path = folder.join(entry.file_name());
        if root.join(&path).is_dir() {
            if entry.file_name() != "target" {
                collect(root, &path, files);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

struct Search<'a> {
    file: &'a Path,
    text: &'a str,
    found: Vec<Found>,
}

impl Search<'_> {
    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Fn(function) => {
                    self.function(&function.attrs, &function.sig.ident.to_string(), item, None);
                    self.statements(&function.block.stmts);
                }
                Item::Mod(module) => {
                    if let Some((_, items)) = &module.content {
                        self.items(items);
                    }
                }
                Item::Impl(block) => {
                    for method in &block.items {
                        if let ImplItem::Fn(function) = method {
                            let of = Some((*block.self_ty).clone());
                            self.function(&function.attrs, &function.sig.ident.to_string(), method, of);
                            self.statements(&function.block.stmts);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            if let Stmt::Item(item) = statement {
                self.items(std::slice::from_ref(item));
            }
        }
    }

    fn function(&mut self, attrs: &[Attribute], name: &str, item: &impl ToTokens, methods_of: Option<Type>) {
        if !attrs.iter().any(|attr| ours(attr).is_some()) {
            return;
        }
        self.found.push(Found {
            file: self.file.to_owned(),
            line: self.line_of(name),
            attrs: attrs.to_vec(),
            item: item.to_token_stream(),
            methods_of,
            name: name.to_owned(),
        });
    }

    /// The first line that defines a function of this name.
    fn line_of(&self, name: &str) -> usize {
        let starts = [format!("fn {name}("), format!("fn {name}<")];
        let defines = |line: &str| starts.iter().any(|start| line.contains(start.as_str()));
        self.text.lines().position(defines).map_or(1, |at| at + 1)
    }
}

/// The name of an attribute of ours; a path that begins with another crate is not.
pub(crate) fn ours(attr: &Attribute) -> Option<&'static str> {
    let segments = &attr.path().segments;
    let last = segments.last()?.ident.to_string();
    if segments.len() > 1 && segments[0].ident != "hardening" {
        return None;
    }
    keys::attribute(&last).map(|attribute| attribute.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::root;

    fn names(source: &str) -> Vec<(String, usize, bool)> {
        let parsed = syn::parse_file(source).unwrap();
        let mut search = Search { file: Path::new("x.rs"), text: source, found: Vec::new() };
        search.items(&parsed.items);
        search.found.into_iter().map(|found| (found.name, found.line, found.methods_of.is_some())).collect()
    }

    #[test]
    fn functions_methods_and_nested_ones_are_found_and_others_are_not() {
        let source = "
#[hardening::timeout(200ms)]
async fn a() -> R {}
#[ntest::timeout(100)]
fn b() {}
mod inner {
    struct S;
    impl S {
        #[retry(attempts = 3, backoff = 20ms..200ms, idempotent)]
        async fn c<T>(&self) -> R {}
    }
    fn d() {
        #[hardened]
        async fn e() {}
    }
}
";
        let expected = [("a".to_owned(), 3, false), ("c".to_owned(), 10, true), ("e".to_owned(), 14, false)];
        assert_eq!(names(source), expected);
    }

    #[test]
    fn examples_are_read_before_tests() {
        let files = files(root());
        let at = |folder: &str| files.iter().position(|file| file.starts_with(folder));
        assert!(at("examples") < at("tests"), "{files:?}");
    }
}
