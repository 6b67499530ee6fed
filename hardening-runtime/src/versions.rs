//! Other versions of this crate in the program: their calls are in registries of their own, which nothing here sees.

use hardening_link::Version;
#[cfg(feature = "service")]
use hardening_link::versions;

use crate::catalogue;
use crate::policy::shared;

/// Tells this version from another source of the same number.
struct This;

const NUMBER: &str = env!("CARGO_PKG_VERSION");

hardening_link::inventory::submit! { Version::new::<This>(NUMBER, packages) }

/// The packages that declare a call, a policy, a check or a task with this version.
fn packages() -> Vec<&'static str> {
    let sites = catalogue::sites().map(|site| site.place().krate);
    let policies = shared::policies().into_iter().map(|policy| policy.place().krate);
    #[cfg(feature = "service")]
    let sites = sites
        .chain(crate::service::health::checks().into_iter().map(|check| check.krate))
        .chain(crate::service::tasks::tasks().into_iter().map(|task| task.krate));
    sites.chain(policies).collect()
}

/// One sentence for each other version with which something is declared.
#[cfg(feature = "service")]
pub(crate) fn others() -> Vec<String> {
    others_of::<This>(versions())
}

#[cfg(feature = "service")]
fn others_of<'a, M: 'static>(all: impl Iterator<Item = &'a Version>) -> Vec<String> {
    let mut others: Vec<_> = all
        .filter(|version| !version.is_of::<M>())
        .map(|version| (version.number(), version.packages()))
        .filter(|(_, packages)| !packages.is_empty())
        .collect();
    others.sort();
    let told = |(number, packages): (&str, Vec<&str>)| {
        let packages: Vec<String> = packages.iter().map(|package| format!("`{package}`")).collect();
        format!(
            "hardening {number} is in this program beside {NUMBER}: the calls, policies, checks and tasks of {} use it, and have no \
             settings, metrics or shutdown here; let everything depend on one version, `cargo tree -i hardening@{number}` shows \
             what asks for the other",
            packages.join(", ")
        )
    };
    others.into_iter().map(told).collect()
}

#[cfg(all(test, feature = "service"))]
mod tests {
    use super::*;

    struct Later;
    struct Idle;
    struct Fork;

    #[test]
    fn every_other_version_that_something_uses_is_named_with_who_uses_it() {
        let own = Version::new::<This>(NUMBER, || vec!["shop"]);
        let later =
            Version::new::<Later>("0.2.0", || vec!["price-client", "inventory-client", "price-client"]);
        let idle = Version::new::<Idle>("0.3.0", Vec::new);
        // The same number from somewhere else.
        let fork = Version::new::<Fork>(NUMBER, || vec!["stock-client"]);
        let told = others_of::<This>([&own, &later, &idle, &fork].into_iter());
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(
            told[0].starts_with(&format!("hardening {NUMBER} is in this program beside {NUMBER}")),
            "{told:?}"
        );
        assert!(told[0].contains("tasks of `stock-client` use it"), "{told:?}");
        assert!(told[1].starts_with("hardening 0.2.0 is in this program"), "{told:?}");
        assert!(told[1].contains("tasks of `inventory-client`, `price-client` use it"), "{told:?}");
        assert!(told[1].contains("`cargo tree -i hardening@0.2.0`"), "{told:?}");
    }

    #[test]
    fn this_version_is_listed_once() {
        assert_eq!(versions().filter(|version| version.is_of::<This>()).count(), 1);
        assert_eq!(others(), Vec::<String>::new());
    }
}
