//! How long one connection may go on: while its client's certificate verifies, and no longer than `tls.max_connection_age`.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::{CertificateError, Error};
use tokio::sync::watch;
use tokio::time::Instant;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{InForce, Tls};
use crate::clock::{reached, since_1970};

/// Connections that began together do not end together: each may be younger by up to this share.
const SPREAD: f64 = 0.1;

/// Why a connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// It is as old as one may become.
    Age,
    /// A certificate of its client has expired.
    Expired,
    /// Its client's certificate leads to no root that is in force.
    Unverified,
}

impl Over {
    pub(super) const ALL: [Self; 3] = [Self::Age, Self::Expired, Self::Unverified];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Expired => "expired",
            Self::Unverified => "unverified",
        }
    }

    /// Whether its client may ask for nothing more.
    pub(crate) const fn is_of_the_client(self) -> bool {
        !matches!(self, Self::Age)
    }
}

/// What one connection may go on by.
#[derive(Debug)]
pub(crate) struct Validity {
    tls: Arc<Tls>,
    in_force: watch::Receiver<Arc<InForce>>,
    /// What the client has shown; nothing where it showed no certificate.
    chain: Vec<CertificateDer<'static>>,
    /// When a certificate of it expires next.
    expires: Option<Instant>,
    /// When the connection is as old as it may become.
    aged: Option<Instant>,
}

impl Validity {
    /// That of a connection whose client has shown this chain.
    pub(super) fn new(tls: &Arc<Tls>, chain: Vec<CertificateDer<'static>>) -> Self {
        let age = tls.settings.max_connection_age.mul_f64(1.0 - SPREAD * fastrand::f64());
        let (in_force, expires) = (tls.in_force.subscribe(), next_expiry(&chain));
        // Too far away to be a moment is never.
        Self { tls: Arc::clone(tls), in_force, chain, expires, aged: Instant::now().checked_add(age) }
    }

    /// Whether the client's certificate verifies now, by what is in force now.
    ///
    /// # Errors
    /// With why not.
    pub(super) fn check(&mut self) -> Result<(), Over> {
        let in_force = self.in_force.borrow_and_update();
        let (Some(verifier), Some((leaf, others))) = (&in_force.clients, self.chain.split_first()) else {
            return Ok(());
        };
        let verified = verifier.verify_client_cert(leaf, others, UnixTime::since_unix_epoch(since_1970()));
        verified.map(|_| ()).map_err(|error| match error {
            Error::InvalidCertificate(
                CertificateError::Expired | CertificateError::ExpiredContext { .. },
            ) => Over::Expired,
            _ => Over::Unverified,
        })
    }

    /// Completes once the connection must end.
    pub(crate) async fn over(&mut self) -> Over {
        let over = loop {
            tokio::select! {
                biased;
                () = reached(self.aged) => break Over::Age,
                () = reached(self.expires) => self.expires = next_expiry(&self.chain),
                // The sender lives as long as the server.
                _ = self.in_force.changed() => {}
            }
            if let Err(over) = self.check() {
                break over;
            }
        };
        self.tls.drained[over as usize].fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        over
    }
}

/// When the first of these that has not expired yet does.
fn next_expiry(chain: &[CertificateDer<'_>]) -> Option<Instant> {
    let now = since_1970();
    let ends = chain.iter().filter_map(|certificate| {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        // The second that it names is its last.
        let end = u64::try_from(certificate.validity().not_after.timestamp()).ok()?.checked_add(1)?;
        Duration::from_secs(end).checked_sub(now).filter(|left| !left.is_zero())
    });
    Instant::now().checked_add(ends.min()?)
}
