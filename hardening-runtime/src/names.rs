//! Names of what the catalogue lists: calls, shared policies, health checks and background tasks.
//!
//! What the program's own packages declare keeps its written name. Everything else has its crate in front, so that no two
//! libraries can collide: `inventory_client::fetch`. A name is settled once, before it is first used, from the whole
//! catalogue; which packages are the program's own is known at link time, whatever has been called by then.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::catalogue;
use crate::policy::shared::{self, Listed};
use crate::site::{Place, Site};

/// The package of a `#[hardened_service]`; made by the attribute.
#[doc(hidden)]
#[derive(Debug)]
pub struct ServicePackage(pub &'static str);

inventory::collect!(ServicePackage);

/// What a name is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    /// As it is written, or the path without the crate.
    pub(crate) written: &'static str,
    /// The path of its module; the crate is its first segment.
    pub(crate) module: &'static str,
    /// The package.
    pub(crate) krate: &'static str,
    pub(crate) file: &'static str,
    pub(crate) line: u32,
}

impl From<&Place> for Declared {
    fn from(place: &Place) -> Self {
        let Place { written, module, krate, file, line, .. } = *place;
        Self { written, module, krate, file, line }
    }
}

impl Declared {
    /// The crate as code names it.
    fn root(&self) -> &'static str {
        self.module.split("::").next().unwrap_or(self.krate)
    }

    /// With the crate in front, unless it is written there.
    pub(crate) fn full(&self) -> String {
        let root = self.root();
        if self.is_path() {
            return self.module.to_owned();
        }
        match self.written.strip_prefix(root) {
            Some(rest) if rest.starts_with("::") => self.written.to_owned(),
            _ => format!("{root}::{}", self.written),
        }
    }

    /// Whether the written name is the function's path. A module may be called as its crate is.
    fn is_path(&self) -> bool {
        self.module.strip_prefix(self.root()).and_then(|rest| rest.strip_prefix("::")) == Some(self.written)
    }

    /// Whether `name` is the one with the crate in front.
    pub(crate) fn is_full(&self, name: &str) -> bool {
        let with_crate = name.strip_prefix(self.root()).and_then(|rest| rest.strip_prefix("::"));
        with_crate == Some(self.written) || (name == self.written && !self.is_path() && self.full() == name)
    }
}

/// The packages whose names have no crate in front.
#[derive(Debug, PartialEq, Eq)]
enum Own {
    /// There is one package only.
    Everything,
    /// These.
    Packages(HashSet<&'static str>),
}

impl Own {
    /// Those of services. Without any, those of the crate that was linked as the program or the test. Where that is not known,
    /// the only one.
    fn of<'a>(
        services: impl Iterator<Item = &'static str>,
        places: impl Iterator<Item = &'a Place> + Clone,
    ) -> Self {
        let services: HashSet<_> = services.collect();
        if !services.is_empty() {
            return Self::Packages(services);
        }
        let programs: HashSet<_> =
            places.clone().filter(|place| place.program).map(|place| place.krate).collect();
        if !programs.is_empty() {
            return Self::Packages(programs);
        }
        let packages: HashSet<_> = places.map(|place| place.krate).collect();
        if packages.len() > 1 { Self::Packages(HashSet::new()) } else { Self::Everything }
    }

    fn has(&self, krate: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Packages(own) => own.contains(krate),
        }
    }

    fn linked() -> &'static Self {
        static OWN: OnceLock<Own> = OnceLock::new();
        OWN.get_or_init(|| {
            let services = inventory::iter::<ServicePackage>().map(|service| service.0);
            let places: Vec<&Place> = catalogue::sites()
                .map(Site::place)
                .chain(shared::policies().into_iter().map(Listed::place))
                .collect();
            Self::of(services, places.into_iter())
        })
    }
}

/// A name that a declaration was given because its own was in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Renamed {
    pub(crate) name: &'static str,
    pub(crate) declared: Declared,
}

/// One name for each of `all`, in their order, and those that were not given the name that they would have.
///
/// A foreign name whose form in the environment is in use gets a number behind it: whoever builds the program can change
/// neither crate. Own names stay as they are, unless two services of different packages have the same one; that two of one
/// package are alike is for the start to refuse.
fn settle(own: &Own, all: &[Declared]) -> (Vec<&'static str>, Vec<Renamed>) {
    let mut names: Vec<&'static str> = all.iter().map(|declared| declared.written).collect();
    let (kept, mut foreign): (Vec<usize>, Vec<usize>) =
        (0..all.len()).partition(|&at| own.has(all[at].krate));
    let mut packages: HashMap<String, HashSet<&'static str>> = HashMap::new();
    for &at in &kept {
        packages.entry(env_name(all[at].written)).or_default().insert(all[at].krate);
    }
    let clashes = |at: usize| packages.get(&env_name(all[at].written)).is_some_and(|of| of.len() > 1);
    let (clashing, kept): (Vec<usize>, Vec<usize>) = kept.into_iter().partition(|&at| clashes(at));
    foreign.extend(&clashing);
    let mut used: HashSet<String> = kept.into_iter().map(|at| env_name(all[at].written)).collect();
    foreign.sort_by_key(|&at| {
        let Declared { written, krate, file, line, .. } = all[at];
        (all[at].root(), krate, written, file, line)
    });
    let mut renamed = Vec::new();
    for at in foreign {
        let full = all[at].full();
        let numbered = (2_u32..).map(|number| format!("{full}#{number}"));
        let free = std::iter::once(full.clone()).chain(numbered).find(|name| used.insert(env_name(name)));
        let name = free.unwrap_or_else(|| full.clone());
        let changed = name != full || clashing.contains(&at);
        names[at] = Box::leak(name.into_boxed_str());
        if changed {
            renamed.push(Renamed { name: names[at], declared: all[at] });
        }
    }
    (names, renamed)
}

/// One name for each of the declarations of one kind.
pub(crate) fn linked(all: &[Declared]) -> (Vec<&'static str>, Vec<Renamed>) {
    settle(Own::linked(), all)
}

/// The name of what is in no catalogue.
fn alone(declared: Declared) -> &'static str {
    if Own::linked().has(declared.krate) {
        declared.written
    } else {
        Box::leak(declared.full().into_boxed_str())
    }
}

/// A name that is settled with all others of its kind.
#[derive(Debug, Default)]
pub(crate) struct Name(OnceLock<&'static str>);

impl Name {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The name of what stands at `place`.
    pub(crate) fn get(&self, place: &Place) -> &'static str {
        match self.0.get() {
            Some(name) => name,
            None => self.first(place),
        }
    }

    #[cold]
    fn first(&self, place: &Place) -> &'static str {
        renamed();
        self.0.get_or_init(|| alone(place.into()))
    }

    pub(crate) fn set(&self, name: &'static str) {
        // It is settled once, so there is none before.
        let _ = self.0.set(name);
    }
}

/// The calls and the shared policies whose written names were in use; settles all names when it is first asked.
pub(crate) fn renamed() -> &'static [Renamed] {
    static SETTLED: OnceLock<Vec<Renamed>> = OnceLock::new();
    SETTLED.get_or_init(|| {
        let sites: Vec<_> = catalogue::sites().collect();
        let declared: Vec<_> = sites.iter().map(|site| site.place().into()).collect();
        let (names, mut renamed) = linked(&declared);
        for (site, name) in sites.into_iter().zip(names) {
            site.settled().set(name);
        }
        let policies: Vec<_> = shared::policies();
        let declared: Vec<_> = policies.iter().map(|policy| policy.place().into()).collect();
        let (names, of_policies) = linked(&declared);
        for (policy, name) in policies.into_iter().zip(names) {
            policy.named(name);
        }
        renamed.extend(of_policies);
        renamed
    })
}

/// A name in the environment: upper case, each run of anything but letters and digits one `_`.
pub(crate) fn env_name(name: &str) -> String {
    let mut variable = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_ascii_alphanumeric() {
            variable.push(c.to_ascii_uppercase());
        } else if !variable.ends_with('_') && !variable.is_empty() {
            variable.push('_');
        }
    }
    variable.truncate(variable.trim_end_matches('_').len());
    variable
}

#[cfg(test)]
mod tests;
