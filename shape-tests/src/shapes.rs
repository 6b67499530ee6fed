//! The functions of `shapes/*.rs`.
//!
//! Each begins with a line `//# name`, followed by lines that describe it:
//!
//! * `//# call: EXPRESSION`: makes the function's future; the auto traits of this value are compared.
//! * `//# key: EXPRESSION`: the key of `rate_limited`, `cached` and `idempotent`, if other than `7`.
//! * `//# fallback: EXPRESSION`: the value of `fallback`, if other than `Ok(Default::default())`.
//! * `//# auto: !Sync …`: how the plain future differs from `Send + Sync`, not `Unpin`. The plain function is checked too.
//! * `//# keeps: idempotent Sync`: an attribute that holds the result while it waits, so that a future whose result has not this
//!   auto trait loses it.
//! * `//# before: ITEM`: an item before the function, so that the first line below is the attributes'.
//! * `//# pairs`: compiled under each pair of attributes as well, not only under each one and all together.
//! * `//# not retry, a+b: REASON`: attributes, or pairs of them, that the function must not have. The tests print each of
//!   these, and check that it is really refused.
//! * `//# only hardened: REASON`: the same for all others.
//!
//! Then comes the source, with `#[attributes]` where they belong.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::attributes::{ATTRIBUTES, Combination};

/// One function and what it needs.
#[derive(Debug)]
pub struct Shape {
    /// A module's name, unique in its file.
    pub name: String,
    /// The name of its file, without `.rs`.
    pub file: String,
    calls: Vec<String>,
    key: Option<String>,
    fallback: Option<String>,
    autos: Vec<String>,
    /// Attributes that hold the result while they wait, and the auto trait that it has not.
    keeps: Vec<(String, String)>,
    before: Vec<String>,
    /// Whether it is compiled under each pair of attributes too.
    pub in_pairs: bool,
    /// What it must not have, and why.
    pub exclusions: Vec<Exclusion>,
    source: String,
}

/// Attributes that a function must not have.
#[derive(Debug)]
pub struct Exclusion {
    /// `["retry"]`, or a pair.
    pub attributes: Vec<String>,
    /// Why.
    pub reason: String,
}

impl Exclusion {
    fn covers(&self, combination: &Combination) -> bool {
        let has = |name: &String| combination.attributes.iter().any(|attribute| attribute.name == name);
        self.attributes.iter().all(has)
    }
}

impl Shape {
    /// The module's path below that of the combination.
    pub fn path(&self) -> String {
        format!("{}::{}", self.file, self.name)
    }

    /// The attributes of `combination` that this function may have; nothing if it must not have them.
    pub fn allowed(&self, combination: &Combination) -> Option<Combination> {
        let mut allowed = combination.clone();
        for exclusion in &self.exclusions {
            if !exclusion.covers(&allowed) {
                continue;
            }
            if !allowed.stack {
                return None;
            }
            allowed
                .attributes
                .retain(|attribute| exclusion.attributes.iter().all(|name| name != attribute.name));
        }
        Some(allowed)
    }

    /// A module with the function, annotated, and a check of its future's auto traits.
    pub fn module(&self, combination: &Combination) -> String {
        let key = self.key.as_deref().unwrap_or("7");
        let fallback = self.fallback.as_deref().unwrap_or("Ok(Default::default())");
        let method = self.source.contains("self");
        let instances = if method && !key.contains("self") { ", instances = shared" } else { "" };
        let attributes = combination.source(key, fallback, instances);
        let (inner, source): (Vec<&str>, Vec<&str>) =
            self.source.lines().partition(|line| line.starts_with("#!["));
        let mut module = format!("pub mod {} {{\n", self.name);
        for line in inner {
            module.push_str(line);
            module.push('\n');
        }
        module.push_str("#[allow(unused_imports)] use ::shapes_support::*;\n");
        for item in &self.before {
            module.push_str(item);
            module.push('\n');
        }
        module.push_str(&source.join("\n").replace("#[attributes]", &attributes));
        module.push('\n');
        for (at, call) in self.calls.iter().enumerate() {
            let lost = |auto: &str| {
                let has =
                    |name: &String| combination.attributes.iter().any(|attribute| attribute.name == name);
                self.keeps.iter().any(|(name, kept)| kept == auto && has(name))
            };
            for auto in self.autos().into_iter().filter(|auto| !lost(auto)) {
                let (not, name) = auto.strip_prefix('!').map_or(("", auto), |name| ("not_", name));
                let probe = format!("{not}{}", name.to_lowercase());
                let _ = writeln!(
                    module,
                    "#[allow(deprecated)] pub fn {probe}_{at}() {{ ::shapes_support::{probe}(&({call})) }} {PROBE}{auto}"
                );
            }
        }
        module.push_str("}\n");
        module
    }
}

/// Marks the line that checks an auto trait; the trait follows.
pub const PROBE: &str = "// auto: ";

impl Shape {
    /// `Send`, `Sync` and `!Unpin`, as far as nothing else is written.
    fn autos(&self) -> Vec<&str> {
        let mut autos = Vec::from(["Send", "Sync", "!Unpin"]);
        for auto in &self.autos {
            let positive = auto.trim_start_matches('!');
            autos.retain(|default| default.trim_start_matches('!') != positive);
            autos.push(auto);
        }
        autos
    }
}

/// Every shape below `folder`, in a stable order.
///
/// # Errors
/// When a file cannot be read.
///
/// # Panics
/// When a file is not in the format that this module describes.
pub fn read(folder: &Path) -> io::Result<Vec<Shape>> {
    let mut files: Vec<_> = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    files.sort_by_key(fs::DirEntry::file_name);
    let mut shapes: Vec<Shape> = Vec::new();
    for file in files {
        let stem = file.path().file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(file.path())?;
        for shape in parse(&stem, &text) {
            let path = shape.path();
            assert!(shapes.iter().all(|known| known.path() != path), "two shapes are named {path}");
            assert!(shape.source.contains("#[attributes]"), "{path} has no place for attributes");
            assert!(!shape.calls.is_empty(), "{path} has no call");
            shapes.push(shape);
        }
    }
    Ok(shapes)
}

fn parse(file: &str, text: &str) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = Vec::new();
    for line in text.lines() {
        let Some(described) = line.strip_prefix("//# ") else {
            if let Some(shape) = shapes.last_mut() {
                shape.source.push_str(line);
                shape.source.push('\n');
            }
            continue;
        };
        if let Some(shape) = shapes.last_mut()
            && described == "pairs"
        {
            shape.in_pairs = true;
            continue;
        }
        let Some((key, value)) = described.split_once(": ") else {
            shapes.push(Shape {
                name: described.to_owned(),
                file: file.to_owned(),
                calls: Vec::new(),
                key: None,
                fallback: None,
                autos: Vec::new(),
                keeps: Vec::new(),
                before: Vec::new(),
                in_pairs: false,
                exclusions: Vec::new(),
                source: String::new(),
            });
            continue;
        };
        let shape = shapes.last_mut().unwrap_or_else(|| panic!("{file}: `{key}` before the first shape"));
        shape.describe(key, value);
    }
    shapes
}

impl Shape {
    fn describe(&mut self, key: &str, value: &str) {
        let path = self.path();
        match key {
            "call" => self.calls.push(value.to_owned()),
            "key" => self.key = Some(value.to_owned()),
            "fallback" => self.fallback = Some(value.to_owned()),
            "auto" => self.autos.extend(value.split_whitespace().map(str::to_owned)),
            "keeps" => {
                let (attribute, auto) = value.split_once(' ').unwrap_or_else(|| panic!("{path}: `{value}`"));
                self.keeps.push((attribute.to_owned(), auto.to_owned()));
            }
            "before" => self.before.push(value.to_owned()),
            _ => {
                let excluded: Vec<String> = if let Some(kept) = key.strip_prefix("only ") {
                    let all = ATTRIBUTES.iter().map(|attribute| attribute.name.to_owned());
                    all.filter(|name| name != kept).collect()
                } else if let Some(listed) = key.strip_prefix("not ") {
                    listed.split(", ").map(str::to_owned).collect()
                } else {
                    panic!("{path}: unknown description `{key}`");
                };
                for attributes in excluded {
                    let attributes: Vec<String> = attributes.split('+').map(str::to_owned).collect();
                    let known = |name: &String| ATTRIBUTES.iter().any(|attribute| attribute.name == name);
                    assert!(attributes.iter().all(known), "{path}: unknown attribute in {attributes:?}");
                    self.exclusions.push(Exclusion { attributes, reason: value.to_owned() });
                }
            }
        }
    }
}
