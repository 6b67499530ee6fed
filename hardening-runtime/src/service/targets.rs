//! What settings change: every call, and every policy that calls share.

use hardening_spec::CallSpec;

use crate::catalogue;
use crate::policy::shared::{self, Listed};
use crate::settings::{Call, Loaded};
use crate::site::{Place, Site};

/// A call or a shared policy.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Site(&'static Site),
    Policy(&'static dyn Listed),
}

impl Target {
    pub(super) fn place(self) -> &'static Place {
        match self {
            Self::Site(site) => site.place(),
            Self::Policy(policy) => policy.place(),
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Site(site) => site.name(),
            Self::Policy(policy) => policy.name(),
        }
    }

    pub(super) fn declared(self) -> CallSpec {
        match self {
            Self::Site(site) => *site.declared(),
            Self::Policy(policy) => *policy.declared(),
        }
    }

    /// What is in force, of a call without what it shares.
    fn in_force(self) -> CallSpec {
        match self {
            Self::Site(site) => site.own(),
            Self::Policy(policy) => policy.effective(),
        }
    }

    fn configure(self, spec: &CallSpec) {
        match self {
            Self::Site(site) => site.configure(spec),
            Self::Policy(policy) => policy.configure(spec),
        }
    }

    fn refuses_to_become(self, spec: &CallSpec) -> Option<&'static str> {
        match self {
            Self::Site(site) => site.refuses_to_become(spec),
            Self::Policy(policy) => policy.refuses_to_become(spec),
        }
    }

    fn call(self) -> Call {
        let place = self.place();
        let (shares, policy) = match self {
            Self::Site(site) => (site.shared(), None),
            Self::Policy(policy) => (Vec::new(), Some(policy.attribute())),
        };
        Call {
            name: self.name(),
            file: place.file,
            line: place.line,
            declared: self.declared(),
            shares,
            policy,
        }
    }
}

/// Every call in the binary by name, then every shared policy, and the same as settings take them.
pub(super) fn all() -> (Vec<Target>, Vec<Call>) {
    let mut sites: Vec<_> = catalogue::sites().collect();
    sites.sort_by_key(|site| (site.name(), site.place().file, site.place().line));
    let policies = shared::policies().into_iter().map(Target::Policy);
    let targets: Vec<Target> = sites.into_iter().map(Target::Site).chain(policies).collect();
    let calls = targets.iter().map(|target| target.call()).collect();
    (targets, calls)
}

/// What settings make of a call, or of a shared policy; without what a call shares.
pub(super) fn effective(loaded: &Loaded, section: &str, name: &str) -> Option<CallSpec> {
    let (_, calls) = all();
    let at = calls.iter().position(|call| call.section() == section && call.name == name)?;
    let change = loaded.overrides.iter().find(|change| change.call == at);
    Some(change.map_or(calls[at].declared, |change| change.spec))
}

/// The policies and keys of a call, or of a shared policy, whose value must not be shown.
pub(super) fn hidden(loaded: &Loaded, section: &str, name: &str) -> Vec<(String, String)> {
    let (_, calls) = all();
    let at = calls.iter().position(|call| call.section() == section && call.name == name);
    let change = loaded.overrides.iter().find(|change| Some(change.call) == at);
    change.map(|change| change.hidden.clone()).unwrap_or_default()
}

/// Gives the calls and policies that settings speak of their numbers, all or none, and those of the others that `declared`
/// names by their place the ones that are declared; answers how many changed.
///
/// # Errors
/// With everything that cannot change while the process runs.
pub(super) fn configure(loaded: &Loaded, declared: impl Fn(usize) -> bool) -> Result<usize, Vec<String>> {
    let (targets, _) = all();
    let wanted: Vec<CallSpec> = targets
        .iter()
        .enumerate()
        .map(|(at, target)| {
            let change = loaded.overrides.iter().find(|change| change.call == at);
            let other = || if declared(at) { target.declared() } else { target.in_force() };
            change.map_or_else(other, |change| change.spec)
        })
        .collect();
    let refused: Vec<String> = targets
        .iter()
        .zip(&wanted)
        .filter_map(|(target, spec)| Some((target, target.refuses_to_become(spec)?)))
        .map(|(target, why)| {
            let place = target.place();
            format!("`{}` ({}:{}): {why}", target.name(), place.file, place.line)
        })
        .collect();
    if !refused.is_empty() {
        return Err(refused);
    }
    let mut changed = 0;
    for (target, spec) in targets.into_iter().zip(wanted) {
        if target.in_force() != spec {
            target.configure(&spec);
            changed += 1;
        }
    }
    Ok(changed)
}
