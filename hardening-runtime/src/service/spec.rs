//! What `#[hardened_service]` says, and what its function may return.

use std::time::Duration;

use axum::Router;

/// Any error, as set-up code returns them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What set-up code returns.
pub type Result<T, E = BoxError> = std::result::Result<T, E>;

/// The arguments of `#[hardened_service]`.
#[derive(Clone, Copy, Debug)]
pub struct ServiceSpec {
    /// The service's name.
    pub name: &'static str,
    /// The package's version.
    pub version: &'static str,
    /// The package.
    pub krate: &'static str,
    /// Where it serves, unless settings say otherwise.
    pub listen: &'static str,
    /// Where metrics and health are served, unless settings say otherwise.
    pub admin: &'static str,
    /// The longest a shutdown may take, unless settings say otherwise.
    pub grace: Duration,
    /// The settings file; `None` for `hardening.toml` where it exists.
    pub config: Option<&'static str>,
}

/// What a service answers with: its routes.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) http: Router,
    /// What gRPC requests go to; without it they go where all go.
    pub(crate) grpc: Option<Router>,
}

impl App {
    fn http(http: Router) -> Self {
        Self { http, grpc: None }
    }
}

/// What the function under `#[hardened_service]` may return.
#[diagnostic::on_unimplemented(
    message = "a service is set up by a function that returns its routes, and `{Self}` is no such type",
    label = "write `hardening::Result<Router>`",
    note = "any error that becomes a `hardening::BoxError` will do: a `String`, or a type with `std::error::Error`",
    note = "routes that still lack their state get it by `.with_state(…)`; a service around the routes becomes routes by `Router::new().fallback_service(…)`"
)]
pub trait IntoApp {
    /// The routes, or why there are none.
    ///
    /// # Errors
    /// What set-up failed with.
    fn into_app(self) -> Result<App>;
}

impl IntoApp for Router {
    fn into_app(self) -> Result<App> {
        Ok(App::http(self))
    }
}

#[diagnostic::do_not_recommend]
impl<E: Into<BoxError>> IntoApp for std::result::Result<Router, E> {
    fn into_app(self) -> Result<App> {
        self.map(App::http).map_err(Into::into)
    }
}
