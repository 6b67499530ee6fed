//! What has numbers that can change: every call, and every policy that calls share.

use hardening_spec::CallSpec;

use super::sites;
use crate::policy::shared::{self, Listed};
use crate::site::{Place, Site};

/// A call or a shared policy.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    Site(&'static Site),
    Policy(&'static dyn Listed),
}

impl Target {
    /// Every call in the binary by name, then every shared policy.
    pub(crate) fn all() -> Vec<Self> {
        let mut sites: Vec<_> = sites().collect();
        sites.sort_by_key(|site| (site.name(), site.place().file, site.place().line));
        let policies = shared::policies().into_iter().map(Self::Policy);
        sites.into_iter().map(Self::Site).chain(policies).collect()
    }

    pub(crate) fn place(self) -> &'static Place {
        match self {
            Self::Site(site) => site.place(),
            Self::Policy(policy) => policy.place(),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Site(site) => site.name(),
            Self::Policy(policy) => policy.name(),
        }
    }

    /// The section of its tables in settings.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Site(_) => "call",
            Self::Policy(_) => "policy",
        }
    }

    /// Of a shared policy: its attribute.
    pub(crate) fn attribute(self) -> Option<&'static str> {
        match self {
            Self::Site(_) => None,
            Self::Policy(policy) => Some(policy.attribute()),
        }
    }

    /// Its policies that are shared, as settings name them, each with its own name.
    pub(crate) fn shares(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Site(site) => site.shared(),
            Self::Policy(_) => Vec::new(),
        }
    }

    /// What the attributes say.
    pub(crate) fn declared(self) -> CallSpec {
        match self {
            Self::Site(site) => *site.declared(),
            Self::Policy(policy) => *policy.declared(),
        }
    }

    /// What is in force, of a call without what it shares.
    pub(crate) fn in_force(self) -> CallSpec {
        match self {
            Self::Site(site) => site.own(),
            Self::Policy(policy) => policy.effective(),
        }
    }

    pub(crate) fn configure(self, spec: &CallSpec) {
        match self {
            Self::Site(site) => site.configure(spec),
            Self::Policy(policy) => policy.configure(spec),
        }
    }

    /// Why these numbers cannot be put in force while the process runs.
    pub(crate) fn refuses_to_become(self, spec: &CallSpec) -> Option<&'static str> {
        match self {
            Self::Site(site) => site.refuses_to_become(spec),
            Self::Policy(policy) => policy.refuses_to_become(spec),
        }
    }
}
