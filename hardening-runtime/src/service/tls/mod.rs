//! TLS of the service's listener: its certificate, which may change while it runs, and those of its clients.

mod files;
mod identity;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use self::files::Loaded;
pub(super) use self::files::Version;
use super::socket::Socket;
use crate::clock::wall_clock;
use crate::context::Principal;
use crate::files::read_unchanged;
use crate::settings;
use crate::telemetry::text::Family;

/// The TLS of one listener.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: settings::Tls,
    /// The files as they were before they were read at the start.
    began_with: Version,
    /// What connections that are accepted from now on speak with.
    config: RwLock<Arc<ServerConfig>>,
    /// When the certificate expires, in seconds since 1970.
    expires: AtomicU64,
    handshakes: [AtomicU64; Handshake::ALL.len()],
    applied: AtomicU64,
    refused: AtomicU64,
}

/// How a handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Handshake {
    Done,
    Failed,
    TimedOut,
}

impl Handshake {
    const ALL: [Self; 3] = [Self::Done, Self::Failed, Self::TimedOut];

    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
        }
    }
}

impl Tls {
    /// The TLS that settings ask for, `None` for none.
    ///
    /// # Errors
    /// What is wrong with which file, a sentence each.
    pub(crate) fn new(settings: &settings::Tls) -> Result<Option<Self>, Vec<String>> {
        if settings.is_off() {
            return Ok(None);
        }
        let began_with = files::version(settings);
        let Loaded { config, expires } = files::load(settings)?;
        warn_of_expiry(expires);
        Ok(Some(Self {
            settings: settings.clone(),
            began_with,
            config: RwLock::new(Arc::new(config)),
            expires: AtomicU64::new(expires),
            handshakes: Default::default(),
            applied: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// The files as they were when the start read them.
    pub(super) fn began_with(&self) -> Version {
        self.began_with
    }

    /// The files as they are now.
    pub(super) fn version(&self) -> Version {
        files::version(&self.settings)
    }

    /// Reads the files again as they were `looked` at. Connections that are there go on with what they began with.
    pub(super) fn reload(&self, cause: &'static str, looked: Version) {
        let read = read_unchanged(&looked, || self.version(), || files::load(&self.settings));
        let Some(loaded) = read else { return };
        match loaded {
            Ok(Loaded { config, expires }) => {
                *self.config.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(config);
                self.expires.store(expires, Ordering::Relaxed);
                self.applied.fetch_add(1, Ordering::Relaxed);
                tracing::info!(cause, expires, "certificate reloaded");
                warn_of_expiry(expires);
            }
            Err(problems) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                for problem in problems {
                    tracing::error!(cause, "certificate refused, the one before stays in force: {problem}");
                }
            }
        }
    }

    /// The longest that a handshake may take.
    pub(super) fn handshake_timeout(&self) -> Duration {
        self.settings.handshake_timeout
    }

    /// Shakes hands with a client; `None` when that failed or took too long.
    pub(super) async fn shake(
        &self,
        stream: TcpStream,
        patience: Duration,
    ) -> Option<(Socket, Option<Principal>)> {
        let config = Arc::clone(&self.config.read().unwrap_or_else(PoisonError::into_inner));
        let shaken = tokio::time::timeout(patience, TlsAcceptor::from(config).accept(stream)).await;
        let (ended, stream) = match shaken {
            Ok(Ok(stream)) => (Handshake::Done, Some(stream)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                (Handshake::Failed, None)
            }
            Err(_) => (Handshake::TimedOut, None),
        };
        self.handshakes[ended as usize].fetch_add(1, Ordering::Relaxed);
        let stream = stream?;
        let principal = stream.get_ref().1.peer_certificates().and_then(identity::of);
        Some((Socket::new(stream), principal))
    }

    /// Writes its metrics.
    pub(super) fn render(&self, out: &mut String) {
        let expiry = "When the certificate expires, in seconds since 1970.";
        let expires = self.expires.load(Ordering::Relaxed);
        Family::gauge(out, "tls_certificate_expiry_seconds", expiry).sample(&[], expires);
        let mut family = Family::counter(out, "tls_handshakes_total", "TLS handshakes by their result.");
        for handshake in Handshake::ALL {
            let count = self.handshakes[handshake as usize].load(Ordering::Relaxed);
            family.sample(&[("result", handshake.name())], count);
        }
        let mut family = Family::counter(
            out,
            "tls_certificate_reloads_total",
            "Reloads of the certificate by their result.",
        );
        for (result, count) in [("applied", &self.applied), ("refused", &self.refused)] {
            family.sample(&[("result", result)], count.load(Ordering::Relaxed));
        }
    }
}

fn warn_of_expiry(expires: u64) {
    let left = expires.saturating_sub(wall_clock());
    if left < 7 * 24 * 3600 {
        tracing::warn!(days = left / (24 * 3600), "the certificate expires soon");
    }
}
