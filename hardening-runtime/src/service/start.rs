//! From a specification and set-up code to a running service.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};

use super::address::Bound;
use super::assembled::Assembled;
use super::auth::Auth;
use super::console::Console;
use super::descriptors::{self, Seats};
use super::health::{self, Health};
use super::mounts::Mounts;
use super::operate::{self, Operation};
use super::panics::{self, Place};
use super::reload::Reloader;
use super::route_limits::RouteTable;
use super::running::Running;
use super::server::{Parts, Server};
use super::setup::{MissingProvision, Setup, with_causes};
use super::signals;
use super::spec::{App, BoxError, ServiceSpec};
use super::starting::{Meanwhile, Starting};
#[cfg(unix)]
use super::systemd::Systemd;
use super::targets::{self, Said};
use super::tls::Tls;
use super::whole;
use super::{limit, listener};
use crate::context::Lifetime;
use crate::settings::{self, Loaded, Settings, Sources};
use crate::telemetry::alerts::Alerts;
use crate::telemetry::held::Held;
use crate::telemetry::traces::{Exporter, Traces};
use crate::telemetry::{facade, log, redact};
use crate::versions;

type Build = Box<
    dyn for<'a> FnOnce(&'a mut Setup) -> Pin<Box<dyn Future<Output = Result<App, BoxError>> + Send + 'a>>
        + Send,
>;

/// A service that has not started: what `#[hardened_service]` makes of a function that is not `main`.
pub struct Service {
    spec: ServiceSpec,
    build: Build,
    sources: Sources,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// The longest that a process waits for what its tasks hold to be dropped.
const LAST_DROPS: Duration = Duration::from_millis(500);

/// Why a service did not start: one line for each thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartError(Vec<String>);

impl StartError {
    pub(super) fn one(message: impl Into<String>) -> Self {
        Self(vec![message.into()])
    }

    /// What is wrong, one sentence each.
    pub fn problems(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for StartError {}

/// What is wrong with a service that an async function runs.
const WITHIN_ANOTHER: &str = "`run` starts a runtime of its own, and was called by code of another one: \
    call it from a `main` that is not `async`, or await `start` instead";

/// Whether the thread must not wait for `runtime`, since it drives another one. Tokio tells only by its panic, whose message
/// names no service.
fn is_within_another(runtime: &Runtime) -> bool {
    Handle::try_current().is_ok() && catch_unwind(AssertUnwindSafe(|| runtime.block_on(async {}))).is_err()
}

/// The body of `main` under `#[hardened_service]`.
pub fn main<F>(spec: ServiceSpec, build: F) -> ExitCode
where
    F: for<'a> FnOnce(&'a mut Setup) -> Pin<Box<dyn Future<Output = Result<App, BoxError>> + Send + 'a>>
        + Send
        + 'static,
{
    new(spec, build).run()
}

/// A service from its specification and its set-up code.
pub fn new<F>(spec: ServiceSpec, build: F) -> Service
where
    F: for<'a> FnOnce(&'a mut Setup) -> Pin<Box<dyn Future<Output = Result<App, BoxError>> + Send + 'a>>
        + Send
        + 'static,
{
    let sources = Sources {
        name: spec.name.to_owned(),
        listen: spec.listen.to_owned(),
        admin: spec.admin.to_owned(),
        grace: spec.grace,
        ..Sources::default()
    };
    Service { spec, build: Box::new(build), sources }
}

impl Service {
    /// Settings in the form of `hardening.toml` that win over the file and the environment: for tests.
    #[must_use]
    pub fn with_settings(mut self, toml: impl Into<String>) -> Self {
        self.sources.overrides = Some(toml.into());
        self
    }

    /// Settings in the form of `hardening.toml` that the file and the environment win over.
    #[must_use]
    pub fn with_defaults(mut self, toml: impl Into<String>) -> Self {
        self.sources.defaults = Some(toml.into());
        self
    }

    /// Runs to the end of the process: the body of a `main`. With `--hardening=describe`, `check`, `probe` or `rules` among its
    /// arguments, or with that as `HARDENING` in the environment, it does that instead of serving.
    pub fn run(mut self) -> ExitCode {
        self.sources.read_process(self.spec.config);
        match operate::asked() {
            Err(why) => return failed(&StartError::one(why)),
            Ok(Some(operation)) => return self.operate(operation),
            Ok(None) => {}
        }
        let loaded = match self.load() {
            Ok(loaded) => loaded,
            Err(error) => return failed(&error),
        };
        let traces = match Traces::new(&loaded.settings, self.spec.version) {
            Ok(traces) => traces,
            Err(problems) => return failed(&StartError(problems)),
        };
        let held = Held::new(&loaded.settings.log, traces.as_ref().map(|(traces, _)| traces));
        let (enters, leaves) = (Arc::clone(&held), Arc::clone(&held));
        let mut runtime = Builder::new_multi_thread();
        runtime.enable_all().on_thread_start(move || enters.enter()).on_thread_unpark(move || leaves.leave());
        let runtime = match runtime.build() {
            Ok(runtime) => runtime,
            Err(error) => return failed(&StartError::one(format!("the runtime cannot start: {error}"))),
        };
        if is_within_another(&runtime) {
            runtime.shutdown_background();
            return failed(&StartError::one(WITHIN_ANOTHER));
        }
        let code = runtime.block_on(async {
            held.enter();
            if let Err(why) = descriptors::raise() {
                tracing::warn!("{why}");
            }
            // Before anything can be connected to.
            let signals = match signals::listen() {
                Ok(signals) => signals,
                Err(error) => {
                    return failed(&StartError::one(format!("signals cannot be received: {error}")));
                }
            };
            #[cfg(unix)]
            let systemd = Systemd::of_environment();
            #[cfg(unix)]
            let starts = systemd.as_ref().map(Systemd::starts);
            let assembled = self.assemble(loaded, traces).await;
            held.decide();
            #[cfg(unix)]
            if let Some(starts) = starts {
                starts.abort();
            }
            match assembled {
                Ok(assembled) => {
                    #[cfg(unix)]
                    if let Some(systemd) = systemd {
                        let longest = whole::plan(&assembled.server.settings).watchdog();
                        systemd.serves(Arc::clone(&assembled.server), longest);
                    }
                    assembled.serve(signals).await
                }
                Err(error) => failed(&error),
            }
        });
        if code == ExitCode::SUCCESS {
            // What handlers hold is dropped before the process ends.
            runtime.shutdown_timeout(LAST_DROPS);
            log::flush(log::LAST_WORDS);
        } else {
            log::flush(log::LAST_WORDS);
            // What still runs was named, and must not keep the process.
            runtime.shutdown_background();
        }
        code
    }

    fn operate(self, operation: Operation) -> ExitCode {
        let loaded = self.load();
        match operation {
            Operation::Describe => operate::describe(&self.spec, loaded.as_ref()),
            Operation::Check => match loaded {
                Ok(loaded) => match self.check(&loaded.settings) {
                    Ok(()) => operate::checked(&loaded),
                    Err(error) => failed(&error),
                },
                Err(error) => failed(&error),
            },
            Operation::Rules => match loaded {
                Ok(loaded) => match Alerts::rules(&loaded.settings) {
                    Ok(rules) => operate::print(rules.trim_end()),
                    Err(why) => failed(&StartError::one(why)),
                },
                Err(error) => failed(&error),
            },
            Operation::Probe => match loaded {
                // Probes are answered on the admin listener, which speaks plainly, and usually on the other one.
                Ok(loaded) if !loaded.settings.tls.is_off() || !has_probes(&loaded.settings) => {
                    operate::probe(&loaded.settings.http.admin)
                }
                Ok(loaded) => operate::probe(&loaded.settings.http.listen),
                Err(error) => failed(&error),
            },
        }
    }

    /// What only the start finds out of settings that are read.
    fn check(&self, settings: &Settings) -> Result<(), StartError> {
        let problems = [
            listener::check(&settings.http).err().map(|problem| vec![problem]),
            Tls::new(&settings.tls).err(),
            Auth::new(settings).err(),
            Traces::new(settings, self.spec.version).err(),
            Alerts::new(settings).err(),
        ];
        let problems: Vec<String> = problems.into_iter().flatten().flatten().collect();
        if problems.is_empty() { Ok(()) } else { Err(StartError(problems)) }
    }

    /// Starts on free ports of the loopback interface, unless settings name others, and without a pre-drain, unless
    /// settings ask for one. The settings file and the environment count as in production.
    ///
    /// # Errors
    /// With everything that keeps the service from starting.
    pub async fn start(mut self) -> Result<Running, StartError> {
        self.sources.read_process(self.spec.config);
        "127.0.0.1:0".clone_into(&mut self.sources.listen);
        "127.0.0.1:0".clone_into(&mut self.sources.admin);
        let mut loaded = self.load()?;
        if !loaded.given.contains(&("shutdown", "pre_drain")) {
            loaded.settings.shutdown.pre_drain = Duration::ZERO;
        }
        let traces = Traces::new(&loaded.settings, self.spec.version).map_err(StartError)?;
        facade::install();
        let assembled = self.assemble(loaded, traces).await?;
        Running::new(assembled)
    }

    fn load(&self) -> Result<Loaded, StartError> {
        let (_, calls) = targets::all();
        let mut problems = whole::twins();
        let loaded = settings::load(&self.sources, &calls);
        problems.extend(loaded.as_ref().err().into_iter().flat_map(|wrong| wrong.0.iter().cloned()));
        let (Ok(loaded), true) = (loaded, problems.is_empty()) else { return Err(StartError(problems)) };
        whole::check(&loaded.settings).map_err(StartError::one)?;
        Ok(loaded)
    }

    async fn assemble(
        self,
        loaded: Loaded,
        traces: Option<(Arc<Traces>, Exporter)>,
    ) -> Result<Assembled, StartError> {
        let said = Said::of(&loaded).map_err(StartError)?;
        panics::install();
        warn(&loaded);
        let settings = &loaded.settings;
        listener::check(&settings.http).map_err(StartError::one)?;
        let tls = Tls::new(&settings.tls).map_err(StartError)?.map(Arc::new);
        let auth = Auth::new(settings).map_err(StartError)?.map(Arc::new);
        let (alerts, senders) = Alerts::new(settings).map_err(StartError)?.unzip();
        // Bound before set-up runs: a port in use is known before any connection is made elsewhere.
        let http = &settings.http;
        let bound = async |address, setting| listener::bind(address, http.socket_mode, setting).await;
        let public = bound(&http.listen, "http.listen").await.map_err(StartError::one)?;
        let admin = bound(&http.admin, "http.admin").await.map_err(StartError::one)?;
        let settings = loaded.settings.clone();
        let probes_chosen = loaded.given.contains(&("health", "paths"));
        let reloader =
            Arc::new(Reloader::new(self.sources, loaded, said.numbers(), tls.clone(), auth.clone()));
        // Whoever may open the file is on this machine.
        let near = admin.bound().is_ok_and(|bound| match bound {
            Bound::Port(address) => address.ip().to_canonical().is_loopback(),
            Bound::File(_) => true,
        });
        let console = || Console::new(Arc::clone(&reloader), near);
        let version = self.spec.version;
        let meanwhile =
            Meanwhile { settings: settings.clone(), version, tls: tls.clone(), console: console() };
        let starting = Starting::begin(meanwhile, &public, &admin);
        // What set-up begins may ask when the service ends.
        let lifetime = Lifetime::begin();
        let mut setup = Setup::new(settings.clone());
        let app = panics::caught(Place::SetUp, (self.build)(&mut setup)).await;
        let app =
            app.map_err(|panic| StartError::one(format!("set-up panicked: {}", redact::text(&panic))))?;
        let app = app.map_err(|error| StartError::one(set_up_failed(&*error)))?;
        let mut priorities = std::mem::take(&mut setup.priorities);
        let mounts = mounted(&app, &setup, &settings, &reloader)?;
        health::say_covered(&mounts, &settings.health.paths, probes_chosen);
        let routes =
            RouteTable::new(std::mem::take(&mut setup.routes), &settings.routes).map_err(StartError::one)?;
        limit::check_routes(&routes).map_err(StartError::one)?;
        for warning in routes.warnings(settings.drain()) {
            tracing::warn!("{warning}");
        }
        priorities.extend(routes.priorities());
        let pools = std::mem::take(&mut setup.pools);
        let (provided, hooks, secrets) = setup.into_parts();
        let checks = health::checks();
        let of_checks = checks.iter().filter_map(|check| {
            // The function knows its name without the crate.
            (check.run)(&provided).err().map(|missing| MissingProvision { name: check.name, ..missing })
        });
        let mut missing: Vec<String> = of_checks.map(|missing| missing.to_string()).collect();
        let (secrets, followers) = secrets.into_parts();
        let health = Arc::new(Health::new(&checks));
        let console = console();
        let (traces, exporter) = traces.unzip();
        // Once everything that the start opens is open.
        let wanted = Seats { public: settings.http.connections, admin: settings.http.admin_connections };
        let seats = descriptors::seats(wanted, starting.descriptors()).map_err(StartError::one)?;
        let parts = Parts {
            settings,
            version,
            app,
            health,
            tls,
            auth,
            console,
            traces,
            alerts,
            priorities,
            routes,
            mounts,
            secrets,
            pools,
            seats,
            lifetime,
        };
        let server = Arc::new(Server::new(parts));
        missing.extend(server.tasks.missing(&provided));
        if !missing.is_empty() {
            return Err(StartError(missing));
        }
        starting.over();
        Ok(Assembled {
            reloader,
            said,
            exporter,
            senders,
            server,
            provided: Arc::new(provided),
            hooks,
            followers,
            public,
            admin,
        })
    }
}

/// Whether the public listener answers what `probe` asks.
fn has_probes(settings: &Settings) -> bool {
    ["/readyz", "/startupz"].iter().all(|wanted| settings.health.paths.iter().any(|path| path == wanted))
}

/// Says what is doubtful.
fn warn(loaded: &Loaded) {
    let of_settings = loaded.warnings.iter().cloned().chain(whole::warnings(&loaded.settings));
    for warning in of_settings.chain(whole::renamed()).chain(versions::others()) {
        tracing::warn!("{warning}");
    }
}

/// What the routes are called, if those that code and settings give limits to are among them.
fn mounted(app: &App, setup: &Setup, settings: &Settings, reloader: &Reloader) -> Result<Mounts, StartError> {
    let mounts = Mounts::of_router(&app.http);
    let calls = app.grpc.as_ref().map(Mounts::of_router).unwrap_or_default();
    let may_be = |pattern: &str| mounts.may_be(pattern) || calls.has_above(pattern);
    if let Some(route) = setup.routes.iter().find(|route| !may_be(&route.pattern)) {
        let near = nearest_route(&route.pattern, &mounts);
        let why = format!("`setup.route(\"{}\", …)`: the router has no such route{near}", route.pattern);
        return Err(StartError::one(why));
    }
    if let Some(route) = settings.routes.iter().find(|route| !may_be(&route.pattern)) {
        let unknown = |loaded: &Loaded| unknown_route(&route.pattern, &mounts, loaded);
        return Err(StartError::one(reloader.look(|in_force| unknown(&in_force.loaded))));
    }
    Ok(mounts)
}

/// What is wrong with limits of a route that the router does not have.
fn unknown_route(pattern: &str, mounts: &Mounts, loaded: &Loaded) -> String {
    let set = loaded.entries.iter().rev().find(
        |entry| matches!(entry.path.as_slice(), [table, known, ..] if table == "route" && known == pattern),
    );
    let place = set.map(|entry| format!("{}: ", entry.origin)).unwrap_or_default();
    let near = nearest_route(pattern, mounts);
    format!("{place}[route.\"{pattern}\"]: the router has no such route{near}")
}

fn nearest_route(pattern: &str, mounts: &Mounts) -> String {
    let near = hardening_spec::suggest::nearest(pattern, mounts.patterns());
    near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

fn set_up_failed(error: &(dyn std::error::Error + 'static)) -> String {
    redact::text(&format!("set-up failed: {}", with_causes(error))).into_owned()
}

/// The one place where a refusal to start is said: standard error, a line each, and exit code 1.
fn failed(error: &StartError) -> ExitCode {
    for problem in error.problems() {
        eprintln!("error: {}", redact::text(problem));
    }
    ExitCode::FAILURE
}
