//! Where secrets come from besides files and the environment.

use std::pin::Pin;
use std::time::Duration;

use super::Secret;
use crate::service::BoxError;

/// A store of secrets of the program's own choice, asked for `secret://<scheme>/<path>`; given to
/// [`Setup::secret_provider`](crate::service::Setup::secret_provider).
pub trait SecretProvider: Send + Sync + 'static {
    /// The scheme, such as `vault`; not `file` or `env`.
    fn scheme(&self) -> &str;

    /// The secret at `path`. It is asked for at the start and then every [`every`](Self::every), and has ten seconds each time.
    /// While it fails, the last good value stays.
    ///
    /// # Errors
    /// Why there is none; told in the log, so without secrets.
    fn fetch(&self, path: &str) -> impl Future<Output = Result<Secret<String>, BoxError>> + Send;

    /// How often it is asked again.
    fn every(&self) -> Duration {
        Duration::from_mins(1)
    }
}

type Fetched<'f> = Pin<Box<dyn Future<Output = Result<Secret<String>, BoxError>> + Send + 'f>>;

/// Any provider.
pub(super) trait Provider: Send + Sync {
    fn scheme(&self) -> &str;
    fn fetch<'f>(&'f self, path: &'f str) -> Fetched<'f>;
    fn every(&self) -> Duration;
}

impl<P: SecretProvider> Provider for P {
    fn scheme(&self) -> &str {
        SecretProvider::scheme(self)
    }

    fn fetch<'f>(&'f self, path: &'f str) -> Fetched<'f> {
        Box::pin(SecretProvider::fetch(self, path))
    }

    fn every(&self) -> Duration {
        SecretProvider::every(self)
    }
}
