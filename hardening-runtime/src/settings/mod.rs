//! Settings: defaults from the attributes, then `hardening.toml`, then the environment.
//!
//! Everything wrong is reported together, each with its file and line or its variable, and nothing
//! serves before all of it is right.

pub mod admin;
mod alerts;
mod apply;
pub(crate) mod auth;
mod cautions;
mod clients;
pub(crate) mod cors;
mod env;
mod file;
pub(crate) mod forms;
mod hidden;
pub mod keys;
mod known;
mod load;
pub(crate) mod origins;
pub(crate) mod problems;
mod route;
mod secrets;
mod shed;
mod switches;
mod task;
mod telemetry;
pub(crate) mod value;

use std::time::Duration;

use hardening_spec::{CallSpec, Rate};
use http::{HeaderName, Method};
use ipnet::IpNet;

pub use alerts::Alerts;
pub use auth::Auth;
pub use clients::{ClientHeader, ProxyProtocol, RateLimitHeaders};
pub(crate) use env::env_name;
pub use hidden::Hidden;
pub(crate) use load::{Call, Sources, load, load_with, reload_with};
pub use route::{Route, RouteLimits};
pub use secrets::SecretReference;
pub use shed::{Shed, ShedLimit};
pub use task::Task;
pub use telemetry::Telemetry;
use value::{Entry, Value};

/// Every setting of a service with its value in force.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `[service]`.
    pub service: Service,
    /// `[http]`.
    pub http: Http,
    /// `[shed]`.
    pub shed: Shed,
    /// `[tls]`.
    pub tls: Tls,
    /// `[auth]`.
    pub auth: Auth,
    /// `[log]`.
    pub log: Log,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// `[alerts]`.
    pub alerts: Alerts,
    /// `[health]`.
    pub health: Health,
    /// `[shutdown]`.
    pub shutdown: Shutdown,
    /// `[admin]`.
    pub admin: admin::Admin,
    /// `[task."name"]`.
    pub tasks: Vec<Task>,
    /// `[route."/pattern"]`.
    pub routes: Vec<Route>,
    /// `[secrets]`.
    pub secrets: Vec<SecretReference>,
}

/// `[service]`.
#[derive(Clone, Debug, Default)]
pub struct Service {
    /// The name in logs and metrics.
    pub name: String,
    /// The source revision.
    pub commit: String,
}

/// `[http]`; sizes in bytes.
#[derive(Clone, Debug, Default)]
pub struct Http {
    /// Where the service serves.
    pub listen: String,
    /// Where metrics and health are served.
    pub admin: String,
    /// The permissions of a Unix socket's file.
    pub socket_mode: u32,
    /// Connections at once.
    pub connections: u32,
    /// Connections at once on the admin listener.
    pub admin_connections: u32,
    /// The longest a request's head may take.
    pub header_timeout: Duration,
    /// How long a connection may idle.
    pub idle_timeout: Duration,
    /// How long an answer may make no progress.
    pub write_timeout: Duration,
    /// The memory of answers that clients are slow to take.
    pub answer_memory: u64,
    /// The memory of bodies and messages of which clients have not sent all.
    pub body_memory: u64,
    /// The size of the header fields.
    pub header_limit: u64,
    /// The size of path and query.
    pub uri_limit: u64,
    /// The size of the body.
    pub body_limit: u64,
    /// The longest the body may take.
    pub body_timeout: Duration,
    /// The request's deadline.
    pub request_timeout: Duration,
    /// Concurrent HTTP/2 streams of one connection.
    pub http2_streams: u32,
    /// Whether a `WebSocket` may be opened over HTTP/2.
    pub http2_websockets: bool,
    /// Upgraded connections at once.
    pub upgraded_connections: u32,
    /// The longest that nothing may pass on one of them.
    pub upgraded_idle_timeout: Duration,
    /// The longest that one of them may last.
    pub upgraded_max_age: Duration,
    /// The largest message of a client's `WebSocket`, in bytes.
    pub websocket_message_limit: u64,
    /// Those who watch health at once on each listener.
    pub health_watchers: u32,
    /// Of them, those of one client.
    pub health_watchers_per_client: u32,
    /// The rate of each client.
    pub rate_limit: Option<Rate>,
    /// The header fields that tell of it.
    pub rate_limit_headers: RateLimitHeaders,
    /// The burst of each client; `None` for the rate's count.
    pub rate_limit_burst: Option<u32>,
    /// The rate of each client for what may be files.
    pub static_rate_limit: Option<Rate>,
    /// Clients remembered.
    pub rate_limit_max_keys: u32,
    /// The rate of each principal.
    pub principal_rate_limit: Option<Rate>,
    /// The rate of each tenant.
    pub tenant_rate_limit: Option<Rate>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The header field in which they name their clients.
    pub client_header: ClientHeader,
    /// The rate of all requests of a peer that may be a proxy which is not in the list.
    pub unlisted_proxy_rate_limit: Option<Rate>,
    /// Whether connections begin with a header of the PROXY protocol.
    pub proxy_protocol: ProxyProtocol,
    /// Whether an `Idempotency-Key` without quotes is taken.
    pub bare_idempotency_keys: bool,
    /// Origins that browsers may call from.
    pub cors_origins: Vec<String>,
    /// Methods that their pages may use; empty for any.
    pub cors_methods: Vec<Method>,
    /// Header fields that their pages may send; empty for any.
    pub cors_headers: Vec<HeaderName>,
    /// Header fields of answers that their pages may read besides the service's own.
    pub cors_expose: Vec<HeaderName>,
    /// Whether their pages may send cookies and other credentials of the browser.
    pub cors_credentials: bool,
    /// How long a browser may keep the answer to a preflight.
    pub cors_max_age: Duration,
    /// The content security policy.
    pub csp: String,
}

/// `[tls]`.
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// The file of the certificate; empty for none.
    pub certificate: String,
    /// The file of its key.
    pub key: String,
    /// The file of the roots of clients' certificates; empty for none.
    pub client_ca: String,
    /// Whether a client must have one.
    pub client_auth: ClientAuth,
    /// The longest that a handshake may take.
    pub handshake_timeout: Duration,
    /// How old a connection may become.
    pub max_connection_age: Duration,
    /// `strict-transport-security`; empty for none.
    pub hsts: String,
}

impl Tls {
    /// Whether nothing asks for it.
    pub(crate) const fn is_off(&self) -> bool {
        self.certificate.is_empty() && self.key.is_empty() && self.client_ca.is_empty()
    }
}

/// `[log]`.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// How lines are written.
    pub format: LogFormat,
    /// What is logged.
    pub level: String,
    /// One line for each request.
    pub access: bool,
    /// Names of fields, headers and parameters whose values are not told, besides the usual ones.
    pub redact: Vec<String>,
    /// Bytes of lines that may wait for whoever reads them.
    pub queue: u64,
}

/// `[health]`.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Where the public listener answers probes.
    pub paths: Vec<String>,
    /// Whether the public listener lists the checks.
    pub verbose: bool,
}

/// `[shutdown]`.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Serving after readiness turned.
    pub pre_drain: Duration,
    /// Finishing accepted requests; `None` for the request deadline.
    pub drain: Option<Duration>,
    /// All background tasks together.
    pub tasks: Duration,
    /// All hooks together.
    pub hooks: Duration,
    /// The whole.
    pub grace: Duration,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line.
    Json,
    /// Text for people.
    Pretty,
}

impl LogFormat {
    const WORDS: &[(&str, Self)] = &[("auto", Self::Auto), ("json", Self::Json), ("pretty", Self::Pretty)];

    fn read(value: &Value) -> Result<Self, String> {
        forms::choice(value, Self::WORDS)
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // the table's signature
    fn show(&self) -> String {
        forms::show_choice(self, Self::WORDS)
    }
}

/// Whether clients must have a certificate, where `client_ca` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// One without is turned away.
    #[default]
    Required,
    /// One without is nobody.
    Optional,
}

impl ClientAuth {
    const WORDS: &[(&str, Self)] = &[("required", Self::Required), ("optional", Self::Optional)];

    fn read(value: &Value) -> Result<Self, String> {
        forms::choice(value, Self::WORDS)
    }

    #[allow(clippy::trivially_copy_pass_by_ref)] // the table's signature
    fn show(&self) -> String {
        forms::show_choice(self, Self::WORDS)
    }
}

impl Default for Settings {
    /// The defaults of the table.
    fn default() -> Self {
        let mut settings = Self {
            service: Service::default(),
            http: Http::default(),
            shed: Shed::default(),
            tls: Tls::default(),
            auth: Auth::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
            alerts: Alerts::default(),
            health: Health::default(),
            shutdown: Shutdown::default(),
            admin: admin::Admin::default(),
            tasks: Vec::new(),
            routes: Vec::new(),
            secrets: Vec::new(),
        };
        for setting in keys::SETTINGS.iter().filter(|setting| !setting.default.is_empty()) {
            // A test of the table keeps every default a value of its form.
            let _ = (setting.set)(&mut settings, &Value::Text(setting.default.to_owned()));
        }
        settings
    }
}

impl Settings {
    /// The longest that accepted requests may take to finish once the listener is closed: unless it is set, the deadline of
    /// requests; of one that is longer than usual, as much as the other parts of the shutdown leave of its whole.
    pub fn drain(&self) -> Duration {
        const USUAL: Duration = Duration::from_secs(15);
        let Shutdown { pre_drain, drain, tasks, hooks, grace } = self.shutdown;
        let left = grace.saturating_sub(pre_drain + tasks + hooks + Duration::from_secs(1));
        drain.unwrap_or_else(|| self.http.request_timeout.min(left.max(USUAL)))
    }

    /// What is said of this background task.
    pub(crate) fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }
}

/// What a settings source changed of one call.
#[derive(Clone, Debug)]
pub(crate) struct CallOverride {
    /// Its place among the calls that were given to [`load`].
    pub(crate) call: usize,
    pub(crate) spec: CallSpec,
    /// The policies and keys whose value came by a reference and must not be shown.
    pub(crate) hidden: Vec<(String, String)>,
}

/// Everything that loading found.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) settings: Settings,
    pub(crate) overrides: Vec<CallOverride>,
    /// Doubtful but valid, one sentence each.
    pub(crate) warnings: Vec<String>,
    /// The sections and keys that a source set, against those left at their default.
    pub(crate) given: Vec<(&'static str, &'static str)>,
    /// Those of them whose value came by a reference and must not be shown.
    pub(crate) hidden: Vec<(&'static str, &'static str)>,
    /// What every source says, later ones over earlier ones.
    pub(crate) entries: Vec<Entry>,
    /// The file as it was before it was read.
    pub(crate) version: crate::files::Version,
    /// Whether the file says anything.
    pub(crate) file_says: bool,
}
