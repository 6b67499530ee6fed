//! A secret that follows its rotation.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::Secret;
use crate::telemetry::redact::{self, Pin};
use crate::telemetry::text::Family;

/// Why a secret cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretError(pub(super) String);

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SecretError {}

/// A secret whose newest value is always at hand: what [`Setup::secret`](crate::service::Setup::secret) answers. Clones follow
/// the same secret.
#[derive(Clone)]
pub struct SecretHandle {
    pub(super) known: Arc<Known>,
    pub(super) newest: watch::Receiver<Arc<Secret<String>>>,
}

impl SecretHandle {
    /// The newest value. Take it anew for each connection that is made with it.
    pub fn current(&self) -> Arc<Secret<String>> {
        Arc::clone(&self.newest.borrow())
    }

    /// Completes with the next value that this handle has not seen. A secret that is not followed any more, or never changes,
    /// never completes it.
    pub async fn changed(&mut self) -> Arc<Secret<String>> {
        if self.newest.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        Arc::clone(&self.newest.borrow_and_update())
    }

    /// The name in `[secrets]`, or the reference.
    pub fn name(&self) -> &str {
        &self.known.name
    }
}

impl fmt::Debug for SecretHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SecretHandle").field(&self.known.name).finish()
    }
}

/// What is known of a secret besides its value.
#[derive(Debug)]
pub(crate) struct Known {
    pub(super) name: String,
    pub(super) reference: String,
    changed: AtomicU64,
    failed: AtomicU64,
    /// Why its source could not be read the last time.
    why: Mutex<Option<String>>,
    /// Keeps the value that is in force from being told.
    pin: Mutex<Option<Pin>>,
}

impl Known {
    pub(super) fn new(name: String, reference: String) -> Self {
        Self {
            name,
            reference,
            changed: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            why: Mutex::new(None),
            pin: Mutex::new(None),
        }
    }

    /// `secret` comes into force: it is kept out of texts until another does, or nobody has a handle of it.
    pub(super) fn in_force(&self, secret: Secret<String>) -> Arc<Secret<String>> {
        let pin = redact::pin(secret.expose());
        *self.pin.lock().unwrap_or_else(PoisonError::into_inner) = pin;
        Arc::new(secret)
    }

    fn why(&self, why: Option<String>) -> Option<String> {
        std::mem::replace(&mut *self.why.lock().unwrap_or_else(PoisonError::into_inner), why)
    }

    /// Whether the last reading failed, so that the value may be an old one.
    pub(super) fn is_stale(&self) -> bool {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Takes a reading: a new value comes into force, what fails is told once and leaves the old one.
    pub(super) fn take(
        &self,
        newest: &watch::Sender<Arc<Secret<String>>>,
        reading: Result<Secret<String>, String>,
    ) {
        let secret = match reading {
            Ok(secret) => secret,
            Err(why) => {
                if self.why(Some(why.clone())).as_ref() != Some(&why) {
                    self.failed.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(
                        name = self.name,
                        error = why,
                        "a secret cannot be read, its last value stays in force"
                    );
                }
                return;
            }
        };
        let was_stale = self.why(None).is_some();
        if **newest.borrow() != secret {
            newest.send_replace(self.in_force(secret));
            self.changed.fetch_add(1, Ordering::Relaxed);
            tracing::info!(name = self.name, "a secret changed");
        } else if was_stale {
            tracing::info!(name = self.name, "a secret can be read again and has not changed");
        }
    }
}

/// `secret_reload_total` and `secret_stale` of every secret.
pub(crate) fn render(secrets: &[Arc<Known>], out: &mut String) {
    let help = "How often a secret changed, or could not be read again.";
    let mut family = Family::counter(out, "secret_reload_total", help);
    for known in secrets {
        for (result, count) in [("changed", &known.changed), ("failed", &known.failed)] {
            family.sample(&[("name", &known.name), ("result", result)], count.load(Ordering::Relaxed));
        }
    }
    let help = "Whether a secret could not be read the last time, so that its value may be an old one.";
    let mut family = Family::gauge(out, "secret_stale", help);
    for known in secrets {
        family.sample(&[("name", &known.name)], u8::from(known.is_stale()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_last_good_value_stays_and_what_fails_is_counted_once() {
        let known = Arc::new(Known::new("db".to_owned(), "secret://file/x".to_owned()));
        let (newest, receiver) = watch::channel(Arc::new(Secret::from("one")));
        let mut handle = SecretHandle { known: Arc::clone(&known), newest: receiver };
        for _ in 0..3 {
            known.take(&newest, Err("gone".to_owned()));
        }
        assert!(handle.current().is("one") && known.is_stale());
        known.take(&newest, Ok(Secret::from("one")));
        assert!(!known.is_stale());
        known.take(&newest, Err("gone".to_owned()));
        known.take(&newest, Ok(Secret::from("two")));
        assert!(handle.changed().await.is("two") && handle.current().is("two"));
        let mut text = String::new();
        render(&[known], &mut text);
        for line in [
            "secret_reload_total{name=\"db\",result=\"changed\"} 1",
            "secret_reload_total{name=\"db\",result=\"failed\"} 2",
            "secret_stale{name=\"db\"} 0",
        ] {
            assert!(text.lines().any(|written| written == line), "{line} not in {text}");
        }
        assert!(!format!("{handle:?}").contains("two"));
    }

    #[test]
    fn the_value_in_force_is_pinned_until_another_is() {
        let known = Known::new("db".to_owned(), "secret://file/x".to_owned());
        let (newest, receiver) = watch::channel(known.in_force(Secret::from("value-of-the-start")));
        assert!(redact::is_pinned("value-of-the-start"));
        known.take(&newest, Ok(Secret::from("value-of-a-rotation")));
        assert!(receiver.borrow().is("value-of-a-rotation"));
        assert!(redact::is_pinned("value-of-a-rotation") && !redact::is_pinned("value-of-the-start"));
        drop(known);
        assert!(!redact::is_pinned("value-of-a-rotation"));
    }
}
