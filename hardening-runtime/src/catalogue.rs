//! The link-time catalogue: every site of every crate in the binary.

use hardening_spec::suggest::nearest;

use crate::policy::circuit_breaker::Circuit;
use crate::site::Site;

/// One entry of the catalogue; made by the attributes.
#[doc(hidden)]
#[derive(Debug)]
pub struct Entry(pub &'static Site);

inventory::collect!(Entry);

/// Every annotated function in the binary, in no particular order.
pub fn sites() -> impl Iterator<Item = &'static Site> {
    inventory::iter::<Entry>().map(|entry| entry.0)
}

/// The site of this name.
pub fn site(name: &str) -> Option<&'static Site> {
    sites().find(|site| site.name() == name)
}

/// A name that is in no catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCircuit {
    /// The name that was asked for.
    pub name: String,
    /// The nearest call that has a circuit breaker.
    pub nearest: Option<&'static str>,
}

impl std::fmt::Display for UnknownCircuit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no call named `{}` has a circuit breaker", self.name)?;
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for UnknownCircuit {}

/// The circuit of the call of this name, to look at and to force.
///
/// # Errors
/// When no call of this name carries `#[circuit_breaker]`; the error names the nearest one that does.
pub fn circuit(name: &str) -> Result<Circuit, UnknownCircuit> {
    let guarded = || sites().filter(|site| site.effective().circuit_breaker.is_some());
    guarded().find(|site| site.name() == name).and_then(Site::circuit).ok_or_else(|| UnknownCircuit {
        name: name.to_owned(),
        nearest: nearest(name, guarded().map(Site::name)),
    })
}
