//! For tests: faults at any call by its name, what happened in order, states reset, and promises drilled.
//!
//! Behind the feature `testing`, which belongs into `[dev-dependencies]`: without it none of this is compiled, and no call pays
//! for it. It brings tokio's `test-util`, so time can be paused: `#[tokio::test(start_paused = true)]`.

mod drill;
mod drills;
mod fault;
mod record;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardening_spec::keys::list;
use hardening_spec::suggest::nearest;

use crate::catalogue;
use crate::policy::shared;
use crate::site::Site;

pub use drills::{Promise, Report, drill};
pub use fault::{Fault, Injection, inject};
pub(crate) use fault::{Injected, Pending, decide};
pub(crate) use record::happened;
pub use record::{Event, Recorder, What, record};

/// Seeds what is random in policies on this thread: jitter, the share that an adaptive breaker refuses, faults at a rate.
pub fn seed(seed: u64) {
    fastrand::seed(seed);
}

/// Gives every call and every shared policy the state that it begins with: circuits closed, limits and budgets full, caches and
/// idempotency stores empty. Who is inside a bulkhead stays inside, metrics stay as they are, and so do settings.
pub fn reset() {
    for site in catalogue::sites() {
        site.state().reset();
    }
    for policy in shared::policies() {
        policy.reset();
    }
}

/// The process to itself: no other test that asks for it runs meanwhile, states are reset and faults gone when it begins and
/// when it ends. States belong to the process, so tests of one call that run side by side need this.
#[derive(Debug)]
#[must_use = "dropping it ends it"]
pub struct Alone {
    _lock: MutexGuard<'static, ()>,
}

/// Waits for the process to itself.
pub fn alone() -> Alone {
    static ONE: Mutex<()> = Mutex::new(());
    // A test that failed has left nothing behind that the reset does not clear.
    let lock = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    fault::clear();
    reset();
    Alone { _lock: lock }
}

impl Drop for Alone {
    fn drop(&mut self) {
        fault::clear();
        reset();
    }
}

/// A call that must be there, with policies that it must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    call: String,
    policies: Vec<String>,
}

impl From<&str> for Expected {
    /// `orders::price`, or `orders::price: timeout, retry`.
    fn from(text: &str) -> Self {
        let (call, policies) = match text.rsplit_once(": ") {
            Some((call, policies)) => (call, policies),
            None => (text, ""),
        };
        let policies = policies.split([',', ' ']).filter(|policy| !policy.is_empty());
        Self { call: call.trim().to_owned(), policies: policies.map(str::to_owned).collect() }
    }
}

impl<const N: usize> From<(&str, [&str; N])> for Expected {
    fn from((call, policies): (&str, [&str; N])) -> Self {
        Self { call: call.to_owned(), policies: policies.map(str::to_owned).to_vec() }
    }
}

impl From<(&str, &[&str])> for Expected {
    fn from((call, policies): (&str, &[&str])) -> Self {
        Self { call: call.to_owned(), policies: policies.iter().map(|policy| (*policy).to_owned()).collect() }
    }
}

/// Asserts that these calls are in the binary, each with at least the policies that are named: a policy that went missing, or a
/// crate that the linker left out, fails here.
///
/// ```no_run
/// hardening_runtime::testing::assert_calls(["orders::price: timeout, retry, circuit_breaker"]);
/// hardening_runtime::testing::assert_calls([("orders::price", ["timeout", "retry"])]);
/// ```
///
/// # Panics
/// With everything that is missing.
#[track_caller]
pub fn assert_calls<E: Into<Expected>>(expected: impl IntoIterator<Item = E>) {
    let missing: Vec<String> = expected.into_iter().flat_map(|expected| missing(&expected.into())).collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

fn missing(expected: &Expected) -> Vec<String> {
    let Some(site) = catalogue::site(&expected.call) else { return vec![unknown(&expected.call)] };
    let has = policies(site);
    let lacks = expected.policies.iter().filter(|policy| !has.contains(&policy.as_str()));
    let place = site.place();
    lacks
        .map(|policy| {
            let has = if has.is_empty() { "nothing".to_owned() } else { list(&has).replace(" or ", " and ") };
            format!("`{}` ({}:{}) has no `{policy}`; it has {has}", expected.call, place.file, place.line)
        })
        .collect()
}

fn unknown(call: &str) -> String {
    let near = nearest(call, catalogue::sites().map(Site::name));
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    format!("there is no call `{call}`{near}")
}

/// The policies that a call's attributes declare, as settings name them.
fn policies(site: &Site) -> Vec<&'static str> {
    let spec = site.declared();
    let all = [
        ("requires", spec.requires.is_some()),
        ("timeout", spec.timeout.is_some()),
        ("deadline", spec.deadline.is_some()),
        ("retry", spec.retry.is_some()),
        ("circuit_breaker", spec.circuit_breaker.is_some()),
        ("rate_limited", spec.rate_limits[0].is_some()),
        ("rate_limited_2", spec.rate_limits[1].is_some()),
        ("rate_limited_3", spec.rate_limits[2].is_some()),
        ("rate_limited_4", spec.rate_limits[3].is_some()),
        ("bulkhead", spec.bulkhead.is_some()),
        ("fallback", spec.fallback.is_some()),
        ("cached", spec.cached.is_some()),
        ("hedged", spec.hedged.is_some()),
        ("idempotent", spec.idempotent.is_some()),
    ];
    all.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect()
}

/// The site of a name that a test gave.
#[track_caller]
fn site(call: &str) -> &'static Site {
    catalogue::site(call).unwrap_or_else(|| panic!("{}", unknown(call)))
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.call, self.policies.join(", "))
    }
}
