//! Reads secrets, and again when they change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hardening_spec::keys::list;
use hardening_spec::suggest::nearest;
use tokio::sync::watch;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{sleep, timeout};

use super::provider::Provider;
use super::{Known, Secret, SecretError, SecretHandle, SecretProvider, file, parts, read, trimmed, variable};
use crate::files::{Version, read_unchanged, version};
use crate::service::panics::{self, Place};
use crate::service::{LOOK_EVERY, Watched};
use crate::settings::SecretReference;
use crate::telemetry::redact;

/// The longest that a provider may take.
const PATIENCE: Duration = Duration::from_secs(10);

type Sender = watch::Sender<Arc<Secret<String>>>;

/// The secrets of one service; dropping it ends their following.
#[derive(Default)]
pub(crate) struct Secrets {
    named: Vec<SecretReference>,
    providers: Vec<Arc<dyn Provider>>,
    handles: Vec<SecretHandle>,
    followers: JoinSet<()>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Secrets").field(&self.handles).finish()
    }
}

impl Secrets {
    pub(crate) fn new(named: Vec<SecretReference>) -> Self {
        Self { named, ..Self::default() }
    }

    /// What metrics tell, and what follows.
    pub(crate) fn into_parts(self) -> (Vec<Arc<Known>>, JoinSet<()>) {
        (self.handles.into_iter().map(|handle| handle.known).collect(), self.followers)
    }

    pub(crate) fn add(&mut self, provider: impl SecretProvider) -> Result<(), SecretError> {
        let scheme = SecretProvider::scheme(&provider).to_owned();
        if self.schemes().contains(&scheme.as_str()) {
            return Err(SecretError(format!("there is a provider of `secret://{scheme}/…` already")));
        }
        self.providers.push(Arc::new(provider));
        Ok(())
    }

    fn schemes(&self) -> Vec<&str> {
        ["file", "env"].into_iter().chain(self.providers.iter().map(|provider| provider.scheme())).collect()
    }

    /// The secret of this name or reference, read now and followed from now on.
    pub(crate) async fn get(&mut self, wanted: &str) -> Result<SecretHandle, SecretError> {
        let reference = self.reference(wanted)?;
        if let Some(known) = self.handles.iter().find(|handle| handle.known.reference == reference) {
            return Ok(known.clone());
        }
        let Some((scheme, path)) = parts(&reference) else {
            return Err(SecretError("a reference is `secret://scheme/path`".to_owned()));
        };
        let failed = |why: String| SecretError(format!("secret `{wanted}`: {why}"));
        let known = Arc::new(Known::new(wanted.to_owned(), reference.clone()));
        let handle = match scheme {
            "env" => {
                let secret = Secret::new(variable(path).map_err(failed)?);
                // Nothing follows, since a process' environment stays.
                let newest = watch::channel(known.in_force(secret)).1;
                SecretHandle { known, newest }
            }
            "file" => {
                let path = file(path);
                let version = version(&path);
                let secret = Secret::new(read(&path).map_err(failed)?);
                let (sender, newest) = watch::channel(known.in_force(secret));
                self.followers.spawn(follow_file(path, version, Arc::clone(&known), sender));
                SecretHandle { known, newest }
            }
            _ => {
                let Some(provider) = self.providers.iter().find(|provider| provider.scheme() == scheme)
                else {
                    let known = list(&self.schemes());
                    return Err(failed(format!(
                        "nobody provides `secret://{scheme}/…`; known schemes: {known}; \
                         `setup.secret_provider(…)` adds one"
                    )));
                };
                let secret = ask(&**provider, path).await.map_err(failed)?;
                let (sender, newest) = watch::channel(known.in_force(secret));
                let provider = Arc::clone(provider);
                self.followers.spawn(follow(provider, path.to_owned(), Arc::clone(&known), sender));
                SecretHandle { known, newest }
            }
        };
        self.handles.push(handle.clone());
        Ok(handle)
    }

    fn reference(&self, wanted: &str) -> Result<String, SecretError> {
        if wanted.starts_with("secret://") {
            return Ok(wanted.to_owned());
        }
        if let Some(named) = self.named.iter().find(|named| named.name == wanted) {
            return Ok(named.reference.clone());
        }
        let near = nearest(wanted, self.named.iter().map(|named| named.name.as_str()));
        let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
        Err(SecretError(format!(
            "settings name no secret `{wanted}`{near}; write `{wanted} = \"secret://file/…\"` below `[secrets]`"
        )))
    }
}

async fn follow_file(path: PathBuf, version_read: Version, known: Arc<Known>, newest: Sender) {
    let mut watched = Watched::new(version_read);
    loop {
        sleep(LOOK_EVERY).await;
        let at = path.clone();
        let Ok(looked) = spawn_blocking(move || version(&at)).await else { continue };
        // What could not be read may be read now, whether or not it looks the same.
        if watched.changed(looked) || known.is_stale() {
            let at = path.clone();
            let read = move || read_unchanged(&looked, || version(&at), || read(&at));
            if let Ok(Some(reading)) = spawn_blocking(read).await {
                known.take(&newest, reading.map(Secret::new));
            }
        }
    }
}

async fn follow(provider: Arc<dyn Provider>, path: String, known: Arc<Known>, newest: Sender) {
    loop {
        // Spread, so that many instances do not ask at once.
        let pause = provider.every().as_secs_f64() * (0.9 + 0.2 * fastrand::f64());
        // What no clock can hold is for ever.
        let pause = Duration::try_from_secs_f64(pause).unwrap_or(Duration::MAX);
        sleep(pause.max(Duration::from_millis(10))).await;
        known.take(&newest, ask(&*provider, &path).await);
    }
}

async fn ask(provider: &dyn Provider, path: &str) -> Result<Secret<String>, String> {
    // A call that panics before it waits is caught as well.
    let fetched = panics::caught(Place::Elsewhere, async { provider.fetch(path).await });
    match timeout(PATIENCE, fetched).await {
        Ok(Ok(Ok(secret))) => {
            let bytes = secret.expose().clone().into_bytes();
            trimmed(bytes, "what the provider answered").map(Secret::new)
        }
        Ok(Ok(Err(error))) => Err(redact::text(&error.to_string()).into_owned()),
        Ok(Err(panic)) => Err(format!("the provider panicked: {panic}")),
        Err(_) => Err("the provider did not answer within 10s".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::service::BoxError;

    /// Panics when it is asked for the second time, and answers each other time with how often it was asked.
    struct Clumsy {
        asked: AtomicU32,
        every: Duration,
    }

    impl SecretProvider for Clumsy {
        fn scheme(&self) -> &'static str {
            "clumsy"
        }

        async fn fetch(&self, path: &str) -> Result<Secret<String>, BoxError> {
            let asked = self.asked.fetch_add(1, Ordering::SeqCst);
            assert!(asked != 1, "nobody thought of this");
            Ok(Secret::new(format!("{path} {asked}")))
        }

        fn every(&self) -> Duration {
            self.every
        }
    }

    async fn clumsy(asked: u32, every: Duration) -> (Secrets, Result<SecretHandle, SecretError>) {
        let mut secrets = Secrets::default();
        secrets.add(Clumsy { asked: AtomicU32::new(asked), every }).unwrap();
        let handle = secrets.get("secret://clumsy/key").await;
        (secrets, handle)
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_that_panics_is_asked_again() {
        let (_secrets, handle) = clumsy(0, Duration::from_secs(30)).await;
        let mut handle = handle.unwrap();
        assert!(handle.current().is("key 0"));
        sleep(Duration::from_secs(40)).await;
        assert!(handle.known.is_stale() && handle.current().is("key 0"));
        let next = timeout(Duration::from_mins(5), handle.changed()).await;
        assert!(next.expect("it is asked again").is("key 2"));
        let (_, refused) = clumsy(1, Duration::from_secs(30)).await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.contains("`secret://clumsy/key`") && refused.contains("nobody thought of this"),
            "{refused}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_provider_may_say_never() {
        let (mut secrets, handle) = clumsy(0, Duration::MAX).await;
        assert!(handle.unwrap().current().is("key 0"));
        let ended = timeout(Duration::from_hours(24), secrets.followers.join_next()).await;
        assert!(ended.is_err(), "{ended:?}");
    }
}
