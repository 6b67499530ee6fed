//! The sibling attributes of one function → one set, so that the written order never matters.

use hardening_spec::MAX_RATE_LIMITS;
use hardening_spec::keys::{self, Attribute};
use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::parse::Parser;
use syn::{Meta, Path};

use crate::diagnostics::Errors;
use crate::function::Function;
use crate::paths;
use crate::syntax::{self, Policy};

/// Every policy of one function.
pub(crate) struct Harvest {
    /// In canonical order; several rate limits in the order in which they were written.
    pub(crate) policies: Vec<Policy>,
    /// The names under which siblings were imported, in canonical order.
    pub(crate) imports: Vec<Path>,
}

/// Takes the siblings of `outermost` from `function`.
///
/// `text` is that of the attribute and its item.
pub(crate) fn take(
    outermost: &'static Attribute,
    arguments: TokenStream,
    text: &str,
    function: &mut Function,
    errors: &mut Errors,
) -> Harvest {
    let mut policies = syntax::read(outermost, Span::call_site(), arguments, errors);
    // Siblings may be named by the crate's path, which any of them may give.
    let written = policies.iter().find_map(|policy| policy.krate.clone());
    // Nearly no function names a crate, and a look at the text costs less than one at every attribute.
    let of_siblings = || text.contains("crate").then(|| crate_of_siblings(function)).flatten();
    let krate = written.or_else(of_siblings);
    paths::find(krate.as_ref(), errors);
    let mut imports = Vec::new();
    function.attrs.retain(|attr| {
        let path = attr.path();
        let Some(sibling) = sibling(path) else { return true };
        if path.get_ident().is_some() {
            imports.push((rank(sibling), path.clone()));
        }
        let arguments = match &attr.meta {
            Meta::Path(_) => TokenStream::new(),
            Meta::List(list) => list.tokens.clone(),
            Meta::NameValue(pair) => {
                let meant = match sibling.positional {
                    Some(_) => pair.value.to_token_stream().to_string().replace('"', ""),
                    None => sibling.keys[0].name.to_owned() + " = …",
                };
                errors.at(
                    pair,
                    format!(
                        "an attribute's values stand in parentheses: write `#[{}({meant})]`",
                        sibling.name
                    ),
                );
                return false;
            }
        };
        let at = path.segments.last().map_or_else(Span::call_site, |last| last.ident.span());
        policies.extend(syntax::read(sibling, at, arguments, errors));
        false
    });
    if let Some(krate) = &krate {
        refuse_other_paths(krate, &policies, errors);
    }
    policies.sort_by_key(|policy| rank(policy.attribute));
    imports.sort_by_key(|(rank, _)| *rank);
    imports.dedup_by_key(|(rank, _)| *rank);
    refuse_duplicates(&policies, errors);
    Harvest { policies, imports: imports.into_iter().map(|(_, path)| path).collect() }
}

/// Refuses a second `crate = …` that is not the same as the first: the function's attributes act as one.
fn refuse_other_paths(krate: &Path, policies: &[Policy], errors: &mut Errors) {
    let named = paths::names(krate);
    for other in policies.iter().filter_map(|policy| policy.krate.as_ref()) {
        if paths::names(other) != named {
            let first = named.join("::");
            let message = format!(
                "the attributes of one function have one path to `hardening`, and another one says `crate = {first}`: write that \
                 here too, or leave it out"
            );
            errors.at(other, message);
        }
    }
}

/// `crate = …` of an attribute that has the name of one of ours.
fn crate_of_siblings(function: &Function) -> Option<Path> {
    let named = |path: &Path| {
        path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            keys::POLICIES.iter().any(|policy| policy.name == name)
        })
    };
    let lists = function.attrs.iter().filter_map(|attr| match &attr.meta {
        Meta::List(list) if named(&list.path) => Some(list.tokens.clone()),
        _ => None,
    });
    let written = lists.filter(|tokens| tokens.to_string().contains("crate"));
    written.into_iter().find_map(|tokens| {
        let mut tokens = tokens.into_iter().skip_while(|token| token.to_string() != "crate");
        tokens.next()?;
        tokens.next().filter(|token| token.to_string() == "=")?;
        let path = tokens.take_while(|token| token.to_string() != ",").collect();
        Path::parse_mod_style.parse2(path).ok()
    })
}

/// The arguments of an attribute that stands where `siblings!` put it: it takes away an item that another crate's attribute of
/// that name would leave, and which does not compile.
pub(crate) const PROOF: &str = "__sibling";

/// The policy that an attribute's path names: ours by one segment, or through the path of `hardening`. Other crates'
/// paths are theirs.
pub(crate) fn sibling(path: &Path) -> Option<&'static Attribute> {
    let name = last_name(path)?;
    keys::POLICIES.into_iter().find(|policy| policy.name == name)
}

fn names(path: &Path, attribute: &Attribute) -> bool {
    last_name(path).is_some_and(|name| name == attribute.name)
}

/// The name at the end of a path that may be one of ours.
fn last_name(path: &Path) -> Option<String> {
    let mut segments = paths::names(path);
    let last = segments.pop()?;
    (segments.is_empty() || paths::is_root(&segments)).then_some(last)
}

/// Refuses a second attribute of the same name, and takes it away, so that no second error follows from it.
pub(crate) fn refuse_twice(attribute: &'static Attribute, function: &mut Function, errors: &mut Errors) {
    function.attrs.retain(|attr| {
        let again = names(attr.path(), attribute);
        if again {
            errors.at(attr.path(), format!("`{}` is written twice: remove one of the two", attribute.name));
        }
        !again
    });
}

fn rank(attribute: &Attribute) -> usize {
    keys::POLICIES.iter().position(|policy| policy.name == attribute.name).unwrap_or(usize::MAX)
}

fn refuse_duplicates(policies: &[Policy], errors: &mut Errors) {
    let mut limits = 0;
    for (at, policy) in policies.iter().enumerate() {
        let name = policy.name();
        let earlier = policies[..at].iter().filter(|other| other.name() == name);
        if name != keys::RATE_LIMITED.name {
            if earlier.count() > 0 {
                errors.at_span(policy.at, format!("`{name}` is written twice: remove one of the two"));
            }
            continue;
        }
        limits += 1;
        if limits > MAX_RATE_LIMITS {
            errors.at_span(policy.at, format!("a function carries at most {MAX_RATE_LIMITS} rate limits"));
        } else if earlier.into_iter().any(|other| charged(other) == charged(policy)) {
            let message =
                "this rate limit charges the same as another: remove one, or give it another `key` or `per`";
            errors.at_span(policy.at, message);
        }
    }
}

/// What a rate limit charges: two with the same answer would be one.
fn charged(limit: &Policy) -> (Option<String>, Option<String>, &'static str) {
    let shared = limit.shared.as_ref().map(|path| path.to_token_stream().to_string());
    (shared, limit.get("key").map(|key| key.tokens.to_string()), limit.choice("per").unwrap_or("call"))
}
