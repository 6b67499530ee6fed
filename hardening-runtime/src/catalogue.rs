//! The link-time catalogue: every site of every crate in the binary.

mod numbers;
mod target;

use std::hash::Hash;

use hardening_spec::suggest::nearest;

use crate::names::Declared;
use crate::policy::cache::Cache;
use crate::policy::circuit_breaker::Circuit;
use crate::policy::rate_limit::hash_key;
use crate::policy::shared::{self, Listed, Metered};
use crate::site::Site;

pub use self::numbers::configure;
pub(crate) use self::target::Target;

/// One entry of the catalogue; made by the attributes.
#[doc(hidden)]
#[derive(Debug)]
pub struct Entry(pub &'static Site);

inventory::collect!(Entry);

/// Every annotated function in the binary, in no particular order.
pub fn sites() -> impl Iterator<Item = &'static Site> {
    inventory::iter::<Entry>().map(|entry| entry.0)
}

/// The site of this name. The name with the crate in front finds it too, whichever program or test the crate is in.
pub fn site(name: &str) -> Option<&'static Site> {
    find_named(sites, name)
}

fn find_named<I: Iterator<Item = &'static Site>>(sites: impl Fn() -> I, name: &str) -> Option<&'static Site> {
    let with_crate = |site: &&Site| Declared::from(site.place()).is_full(name);
    sites().find(|site| site.name() == name).or_else(|| sites().find(with_crate))
}

/// No call of a name has the policy that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCall {
    /// The name that was asked for.
    pub name: String,
    /// The policy.
    pub policy: &'static str,
    /// The nearest call that has the policy.
    pub nearest: Option<&'static str>,
}

impl std::fmt::Display for UnknownCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no call named `{}` has a `{}`", self.name, self.policy)?;
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownCall {}

/// The circuit of the call of this name, or of the shared policy, to look at and to force.
///
/// # Errors
/// When no call of this name carries `#[circuit_breaker]`; the error names the nearest one that does.
pub fn circuit(name: &str) -> Result<Circuit, UnknownCall> {
    let one = |site: &'static Site| {
        site.declared().circuit_breaker.is_some_and(|breaker| !breaker.keyed && breaker.adaptive.is_none())
    };
    let policies = shared::policies();
    let named = policies.iter().find(|policy| policy.name() == name);
    let with_crate = || policies.iter().find(|policy| Declared::from(policy.place()).is_full(name));
    let shared = named.or_else(with_crate).copied();
    match shared.map(Listed::metered) {
        Some(Metered::Breaker(breaker)) => Ok(Circuit(breaker)),
        _ => find(name, "circuit_breaker", one, Site::circuit).map_err(|unknown| {
            let breakers = policies.iter().filter(|policy| policy.attribute() == unknown.policy);
            let names = unknown.nearest.into_iter().chain(breakers.map(|policy| policy.name()));
            UnknownCall { nearest: nearest(name, names), ..unknown }
        }),
    }
}

/// The circuit that a key has of the call of this name, to look at and to force; it is asked as the function's
/// `key = …` gives it, and may be another key's once it is idle and every place is taken.
///
/// # Errors
/// When no call of this name carries `#[circuit_breaker(key = …)]`; the error names the nearest one that does.
pub fn circuit_of<K: Hash + ?Sized>(name: &str, key: &K) -> Result<Circuit, UnknownCall> {
    let keyed = |site: &'static Site| site.declared().circuit_breaker.is_some_and(|breaker| breaker.keyed);
    find(name, "circuit_breaker(key = …)", keyed, |site| site.circuit_of(hash_key(key)))
}

/// The cache of the call of this name, to look at and to invalidate.
///
/// # Errors
/// When no call of this name carries `#[cached]`; the error names the nearest one that does.
pub fn cache(name: &str) -> Result<Cache, UnknownCall> {
    find(name, "cached", |site| site.declared().cached.is_some(), Cache::of)
}

fn find<T>(
    name: &str,
    policy: &'static str,
    has: impl Fn(&'static Site) -> bool,
    get: impl Fn(&'static Site) -> Option<T>,
) -> Result<T, UnknownCall> {
    let known = || sites().filter(|site| has(site));
    find_named(known, name).and_then(get).ok_or_else(|| UnknownCall {
        name: name.to_owned(),
        policy,
        nearest: nearest(name, known().map(Site::name)),
    })
}
