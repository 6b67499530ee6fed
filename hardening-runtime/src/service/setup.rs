//! What set-up code has at hand, and what it leaves behind for checks and the shutdown.

use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::pools::{Pool, PoolState, PoolWaits};
use super::shed::Priority;
use super::spec::BoxError;
use crate::secret::{SecretError, SecretHandle, SecretProvider, Secrets};
use crate::settings::{Route, RouteLimits, Settings};

/// The hand that `#[hardened_service]` gives to set-up code.
#[derive(Debug)]
pub struct Setup {
    settings: Settings,
    provided: Provided,
    pub(super) hooks: Vec<Hook>,
    pub(super) priorities: Vec<(String, Priority)>,
    pub(super) routes: Vec<Route>,
    pub(super) pools: Vec<Pool>,
    secrets: Secrets,
}

impl Setup {
    pub(super) fn new(settings: Settings) -> Self {
        let secrets = Secrets::new(settings.secrets.clone());
        Self {
            settings,
            provided: Provided::default(),
            hooks: Vec::new(),
            priorities: Vec::new(),
            routes: Vec::new(),
            pools: Vec::new(),
            secrets,
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Lays `value` aside for health checks and background tasks that ask for it by its type. A second value of one type
    /// replaces the first.
    pub fn provide<T: Send + Sync + 'static>(&mut self, value: T) {
        self.provided.values.insert(TypeId::of::<T>(), Arc::new(value));
    }

    /// Runs `hook` when the last request has been answered; the last one registered runs first. An error is
    /// logged and makes the exit code 1.
    pub fn on_shutdown<F, R>(&mut self, name: &'static str, hook: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = R> + Send + 'static,
        R: HookResult,
    {
        let run = move || -> HookFuture { Box::pin(async move { hook().await.into_result() }) };
        self.hooks.push(Hook { name, run: Box::new(run) });
    }

    /// Says how much the requests of a route matter when the service has more to do than it can: those of the lowest
    /// priority are refused first. `pattern` is the route's, as the router has it; `[shed]` of the settings wins over it.
    pub fn priority(&mut self, pattern: impl Into<String>, priority: Priority) {
        self.priorities.push((pattern.into(), priority));
    }

    /// Gives the requests of a route limits of its own. `pattern` is the route's, as the router has it, or `/static/*` for all that
    /// begins with `/static/`; `[route."/pattern"]` of the settings wins over it, key by key.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use hardening_runtime::service::Setup;
    /// # use hardening_runtime::settings::RouteLimits;
    /// # fn set_up(setup: &mut Setup) {
    /// setup.route("/upload/{id}", RouteLimits::new().body_limit(300 << 20).body_timeout(Duration::from_secs(60)));
    /// # }
    /// ```
    pub fn route(&mut self, pattern: impl Into<String>, limits: RouteLimits) {
        self.routes.push(Route { pattern: pattern.into(), limits });
    }

    /// Shows a pool of connections in `db_pool_connections{pool,state}`: each time the metrics are read, `state` is asked, which must
    /// not wait. What is answered takes down how long somebody waited for a connection, in `db_pool_wait_seconds{pool}`. A second
    /// pool of one name takes the place of the first and goes on with its waits.
    pub fn pool(
        &mut self,
        name: impl Into<String>,
        state: impl Fn() -> PoolState + Send + Sync + 'static,
    ) -> PoolWaits {
        let name = name.into();
        let before = self.pools.iter().position(|pool| pool.name == name);
        let waits = before.map_or_else(PoolWaits::default, |at| self.pools.remove(at).waits);
        self.pools.push(Pool { name, state: Box::new(state), waits: waits.clone() });
        waits
    }

    /// The secret of a name in `[secrets]`, or of a reference such as `secret://file/run/secrets/key`. It is read now, and
    /// again when it changes: the handle always has the newest value, and the last good one while it cannot be read.
    ///
    /// # Errors
    /// When there is no such name, nobody provides the scheme, or the secret cannot be read, is empty, blank, larger than
    /// 64 KiB or no UTF-8.
    pub async fn secret(&mut self, name: &str) -> Result<SecretHandle, SecretError> {
        self.secrets.get(name).await
    }

    /// From now on `provider` is asked for references of its scheme.
    ///
    /// # Errors
    /// When its scheme has a provider already; `file` and `env` have.
    pub fn secret_provider(&mut self, provider: impl SecretProvider) -> Result<(), SecretError> {
        self.secrets.add(provider)
    }

    pub(super) fn into_parts(self) -> (Provided, Vec<Hook>, Secrets) {
        (self.provided, self.hooks, self.secrets)
    }
}

type HookFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>>;

/// One shutdown hook.
pub(super) struct Hook {
    pub(super) name: &'static str,
    pub(super) run: Box<dyn FnOnce() -> HookFuture + Send>,
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hook").field(&self.name).finish()
    }
}

/// What a shutdown hook may return: nothing, or a result.
pub trait HookResult {
    /// The result.
    ///
    /// # Errors
    /// What the hook failed with.
    fn into_result(self) -> Result<(), BoxError>;
}

impl HookResult for () {
    fn into_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> HookResult for Result<(), E> {
    fn into_result(self) -> Result<(), BoxError> {
        self.map_err(|error| with_causes(&*error.into()).into())
    }
}

/// An error and what it came from, in one line. What only passes on what its cause says is told once.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |told, cause| {
        let cause = cause.to_string();
        if told.ends_with(&cause) { told } else { format!("{told}: {cause}") }
    })
}

/// The values that set-up code provided, by type.
#[derive(Default)]
pub struct Provided {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Provided {
    /// The value of type `T`, for the check of this name.
    ///
    /// # Errors
    /// When set-up provided none.
    pub fn get<T: Send + Sync + 'static>(&self, check: &'static str) -> Result<Arc<T>, MissingProvision> {
        self.find("health check", check)
    }

    /// The value of type `T`, for the background task of this name.
    ///
    /// # Errors
    /// When set-up provided none.
    pub fn for_task<T: Send + Sync + 'static>(&self, task: &'static str) -> Result<Arc<T>, MissingProvision> {
        self.find("background task", task)
    }

    fn find<T: Send + Sync + 'static>(
        &self,
        kind: &'static str,
        name: &'static str,
    ) -> Result<Arc<T>, MissingProvision> {
        let value = self.values.get(&TypeId::of::<T>()).cloned();
        let missing = MissingProvision { kind, name, wanted: type_name::<T>() };
        value.and_then(|value| value.downcast().ok()).ok_or(missing)
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provided({} values)", self.values.len())
    }
}

/// A health check or a background task asks for a type that set-up did not provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProvision {
    /// What asks: `health check` or `background task`.
    pub kind: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The type.
    pub wanted: &'static str,
}

impl fmt::Display for MissingProvision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the {} `{}` takes a `{}`, which set-up did not provide: call `setup.provide(…)` with one",
            self.kind, self.name, self.wanted
        )
    }
}

impl std::error::Error for MissingProvision {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_s_error_is_told_with_its_causes() {
        #[derive(Debug)]
        struct Outer(&'static str, std::fmt::Error);
        impl fmt::Display for Outer {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }
        impl std::error::Error for Outer {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                Some(&self.1)
            }
        }
        let told = |own| Err::<(), _>(Outer(own, fmt::Error)).into_result().unwrap_err().to_string();
        let cause = fmt::Error.to_string();
        assert_eq!(told("the journal is not written"), format!("the journal is not written: {cause}"));
        assert_eq!(told(cause.clone().leak()), cause);
    }

    #[test]
    fn values_are_found_by_type_and_missing_ones_named() {
        let mut setup = Setup::new(Settings::default());
        setup.provide(7_u32);
        setup.provide(String::from("a"));
        setup.provide(8_u32);
        let (provided, ..) = setup.into_parts();
        assert_eq!(*provided.get::<u32>("check").unwrap(), 8);
        let missing = provided.get::<u64>("database").unwrap_err();
        assert!(
            missing.to_string().contains("`database`") && missing.to_string().contains("`u64`"),
            "{missing}"
        );
    }
}
