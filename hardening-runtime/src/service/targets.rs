//! What settings change: every call, and every policy that calls share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use hardening_spec::CallSpec;

pub(super) use crate::catalogue::Target;
use crate::settings::{Call, Loaded};

/// A call or a shared policy as settings take it.
fn call(target: Target) -> Call {
    let place = target.place();
    Call {
        name: target.name(),
        file: place.file,
        line: place.line,
        declared: target.declared(),
        shares: target.shares(),
        policy: target.attribute(),
    }
}

/// Every call in the binary by name, then every shared policy, and the same as settings take them.
pub(super) fn all() -> (Vec<Target>, Vec<Call>) {
    let targets = Target::all();
    let calls = targets.iter().map(|target| call(*target)).collect();
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

/// What each service of the process says of calls and policies, by their places in [`all`].
static SERVICES: Mutex<BTreeMap<u64, BTreeMap<usize, CallSpec>>> = Mutex::new(BTreeMap::new());

/// A service's say in the numbers of calls and policies, of which the process has one set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    service: u64,
}

/// What a service has said counts until this is dropped: then calls and policies are as they are declared, unless another
/// service says the same.
#[derive(Debug)]
pub(super) struct Said(Numbers);

impl Said {
    /// What these settings say, which is in force from now on; what they say nothing of stays as it is.
    ///
    /// # Errors
    /// Those of [`Numbers::configure`].
    pub(super) fn of(loaded: &Loaded) -> Result<Self, Vec<String>> {
        static SERVICE: AtomicU64 = AtomicU64::new(0);
        let service = SERVICE.fetch_add(1, Ordering::Relaxed);
        services().insert(service, BTreeMap::new());
        let this = Self(Numbers { service });
        this.0.configure(loaded, |_| false)?;
        Ok(this)
    }

    /// Who says it.
    pub(super) fn numbers(&self) -> Numbers {
        self.0
    }
}

impl Numbers {
    /// Gives the calls and policies that settings speak of their numbers, all or none, and those of the others that `declared`
    /// names by their place the ones that are declared; answers how many changed.
    ///
    /// # Errors
    /// With everything that cannot change while the process runs, or that another service has set otherwise.
    pub(super) fn configure(
        self,
        loaded: &Loaded,
        declared: impl Fn(usize) -> bool,
    ) -> Result<usize, Vec<String>> {
        let (targets, _) = all();
        let said: BTreeMap<usize, CallSpec> =
            loaded.overrides.iter().map(|change| (change.call, change.spec)).collect();
        let mut services = services();
        let others: Vec<&BTreeMap<usize, CallSpec>> =
            services.iter().filter(|(service, _)| **service != self.service).map(|(_, said)| said).collect();
        let of_others = |at: usize| others.iter().find_map(|said| said.get(&at)).copied();
        let wanted = |at: usize, target: Target| match (said.get(&at).copied(), of_others(at)) {
            (Some(spec), _) | (None, Some(spec)) => spec,
            (None, None) if declared(at) => target.declared(),
            (None, None) => target.in_force(),
        };
        let wanted: Vec<(Target, CallSpec)> =
            targets.iter().enumerate().map(|(at, target)| (*target, wanted(at, *target))).collect();
        let refused: Vec<String> = wanted
            .iter()
            .enumerate()
            .filter_map(|(at, (target, spec))| {
                let otherwise = of_others(at).is_some_and(|other| other != *spec);
                let why = if otherwise { Some(SET_OTHERWISE) } else { target.refuses_to_become(spec) }?;
                let place = target.place();
                Some(format!("`{}` ({}:{}): {why}", target.name(), place.file, place.line))
            })
            .collect();
        if !refused.is_empty() {
            return Err(refused);
        }
        let mut changed = 0;
        for (at, (target, spec)) in wanted.into_iter().enumerate() {
            let shared = !others.is_empty() && said.contains_key(&at) != of_others(at).is_some();
            if shared && spec != target.declared() {
                let call = target.name();
                tracing::warn!(
                    call,
                    "the numbers that one service of this process has set hold for its other services too"
                );
            }
            if target.in_force() != spec {
                target.configure(&spec);
                changed += 1;
            }
        }
        // One that has ended says nothing more.
        if let Some(own) = services.get_mut(&self.service) {
            *own = said;
        }
        Ok(changed)
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        let mut services = services();
        let said = services.remove(&self.0.service).unwrap_or_default();
        let (targets, _) = all();
        for (target, at) in said.into_keys().filter_map(|at| Some((*targets.get(at)?, at))) {
            let declared = target.declared();
            let is_said = services.values().any(|said| said.contains_key(&at));
            if !is_said && target.in_force() != declared && target.refuses_to_become(&declared).is_none() {
                target.configure(&declared);
            }
        }
    }
}

const SET_OTHERWISE: &str = "another service of this process has set other numbers, and a process has one set of them: \
                             give both the same, or start one after the other has ended";

fn services() -> MutexGuard<'static, BTreeMap<u64, BTreeMap<usize, CallSpec>>> {
    SERVICES.lock().unwrap_or_else(PoisonError::into_inner)
}
