//! TLS of the service's listener: its certificate, which may change while it runs, and those of its clients.

mod files;
mod identity;
mod validity;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustls::server::danger::ClientCertVerifier;
use rustls::{HandshakeKind, ServerConfig};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use self::files::Loaded;
pub(super) use self::files::Version;
pub(super) use self::validity::{Over, Validity};
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
    in_force: watch::Sender<Arc<InForce>>,
    /// When the certificate expires, in seconds since 1970.
    expires: AtomicU64,
    handshakes: [AtomicU64; Handshake::ALL.len()],
    applied: AtomicU64,
    refused: AtomicU64,
    /// Connections by why they were drained.
    drained: [AtomicU64; Over::ALL.len()],
}

/// What the files gave that were read last.
#[derive(Debug)]
struct InForce {
    /// What connections that are accepted from now on speak with.
    config: Arc<ServerConfig>,
    /// What certificates of clients must lead to, of old connections too.
    clients: Option<Arc<dyn ClientCertVerifier>>,
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
        let Loaded { in_force, expires } = files::load(settings)?;
        warn_of_expiry(expires);
        Ok(Some(Self {
            settings: settings.clone(),
            began_with,
            in_force: watch::Sender::new(Arc::new(in_force)),
            expires: AtomicU64::new(expires),
            handshakes: Default::default(),
            applied: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            drained: Default::default(),
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

    /// Reads the files again as they were `looked` at. Connections that are there go on with what they began with, if the certificates
    /// of their clients still verify.
    pub(super) fn reload(&self, cause: &'static str, looked: Version) {
        let read = read_unchanged(&looked, || self.version(), || files::load(&self.settings));
        let Some(loaded) = read else { return };
        match loaded {
            Ok(Loaded { in_force, expires }) => {
                self.in_force.send_replace(Arc::new(in_force));
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
        self: &Arc<Self>,
        stream: TcpStream,
        patience: Duration,
    ) -> Option<(Socket, Option<Principal>, Validity)> {
        let began_with = Arc::clone(&self.in_force.borrow());
        let config = Arc::clone(&began_with.config);
        let shaken = tokio::time::timeout(patience, TlsAcceptor::from(config).accept(stream)).await;
        let (ended, shaken) = match shaken {
            Ok(Ok(stream)) => {
                let session = stream.get_ref().1;
                let chain = session.peer_certificates().unwrap_or_default().to_vec();
                let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
                let mut validity = Validity::new(self, chain);
                // A session that is resumed was verified when it began, and the roots may have changed during the handshake.
                let again = resumed || !Arc::ptr_eq(&began_with, &self.in_force.borrow());
                match if again { validity.check() } else { Ok(()) } {
                    Ok(()) => (Handshake::Done, Some((stream, validity))),
                    Err(why) => {
                        tracing::debug!(why = why.name(), "a client's certificate no longer verifies");
                        (Handshake::Failed, None)
                    }
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(%error, "TLS handshake failed");
                (Handshake::Failed, None)
            }
            Err(_) => (Handshake::TimedOut, None),
        };
        self.handshakes[ended as usize].fetch_add(1, Ordering::Relaxed);
        let (stream, validity) = shaken?;
        let principal = stream.get_ref().1.peer_certificates().and_then(identity::of);
        Some((Socket::new(stream), principal, validity))
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
        let mut family = Family::counter(
            out,
            "tls_connections_drained_total",
            "Connections that were drained for their age or their client's certificate.",
        );
        for cause in Over::ALL {
            let count = self.drained[cause as usize].load(Ordering::Relaxed);
            family.sample(&[("cause", cause.name())], count);
        }
    }
}

fn warn_of_expiry(expires: u64) {
    let left = expires.saturating_sub(wall_clock());
    if left < 7 * 24 * 3600 {
        tracing::warn!(days = left / (24 * 3600), "the certificate expires soon");
    }
}
