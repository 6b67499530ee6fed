//! How often the console hears wrong tokens, actions without one, and actions that break rules: each is charged, so that nobody
//! guesses at will, fills the log, or keeps whoever has the token out.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hardening_spec::{Rate, RateLimitSpec};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::sleep;

use crate::clock;
use crate::once_a_minute::OnceAMinute;
use crate::policy::rate_limit::{Charge, Decision, Limiter};
use crate::service::address::Peer;
use crate::service::client::Client;

/// How long a wrong token waits for its answer, and every token of an address whose wrong ones are used up.
pub(super) const WRONG_TOKEN_WAITS: Duration = Duration::from_millis(250);

/// Tokens of such addresses that are looked at at once. With the wait, sixteen a second in all: too few to guess by, and enough
/// for every connection of the listener to have its turn within seconds.
const LOOKS: usize = 4;

/// Wrong tokens, or actions without one, of each client.
const OF_STRANGERS: Rate = Rate::per_secs(10, 60);
/// Actions of each client that has the token and breaks a rule.
const OF_OPERATORS: Rate = Rate::per_secs(60, 60);
/// Clients remembered.
const CLIENTS: u32 = 1000;

/// What one client is charged for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offence {
    /// A token that is not the one.
    WrongToken,
    /// An action without a token.
    NoToken,
    /// An action that breaks a rule.
    BreaksRule,
}

/// The limits of one console.
#[derive(Debug)]
pub(super) struct Throttle {
    limits: [Limiter; 3],
    looks: Semaphore,
    /// Connections that wait for a look.
    waiting: Mutex<HashSet<SocketAddr>>,
    warning: OnceAMinute,
}

impl Throttle {
    pub(super) fn new() -> Self {
        let limit = |rate: Rate| {
            let spec = RateLimitSpec {
                burst: Some(rate.count),
                keyed: true,
                max_keys: CLIENTS,
                ..RateLimitSpec::new(rate)
            };
            Limiter::new("console", spec)
        };
        Self {
            limits: [OF_STRANGERS, OF_STRANGERS, OF_OPERATORS].map(limit),
            looks: Semaphore::new(LOOKS),
            waiting: Mutex::default(),
            warning: OnceAMinute::default(),
        }
    }

    /// Charges a client for what it may turn out to have done, before that is known: many at once are no way around it.
    ///
    /// # Errors
    /// With how long it has to wait.
    pub(super) fn charge(&self, client: Client, offence: Offence) -> Result<(), Duration> {
        let now = clock::now();
        let charge = Charge::keyed(&client.key, 1);
        match self.limits[offence as usize].check(charge.key(), 1, now) {
            Decision::Allowed { .. } => Ok(()),
            Decision::Refused { retry_after, .. } => {
                if self.warning.is_due(now) {
                    tracing::warn!(
                        client = %crate::service::address::Shown(client.ip),
                        "the console refuses a client after too many wrong tokens, actions without `[admin] token`, or refused \
                         actions; they are counted in `admin_actions_total` and not noted one by one"
                    );
                }
                Err(retry_after)
            }
        }
    }

    /// It had done nothing of the kind.
    pub(super) fn refund(&self, client: Client, offence: Offence) {
        self.limits[offence as usize].refund(Charge::keyed(&client.key, 1), clock::now());
    }

    /// The turn of a token from this machine whose wrong ones are used up. All processes of a machine have one address, and one
    /// of them must not keep the others out; so each connection has a look at a time, after a wait, and there are few at once.
    /// `None` for every other client.
    pub(super) async fn look(&self, client: Client, peer: Peer) -> Option<Look<'_>> {
        let near = client.ip.is_none_or(|ip| ip.to_canonical().is_loopback());
        if !near {
            return None;
        }
        let connection = match peer {
            Peer::Address(address) if !self.waiting().insert(address) => return None,
            Peer::Address(address) => Some(Waiting { throttle: self, address }),
            // The admin listener asks no proxy for a name.
            Peer::Local | Peer::Unnamed(_) => None,
        };
        let permit = self.looks.acquire().await.ok()?;
        sleep(WRONG_TOKEN_WAITS).await;
        Some(Look { _permit: permit, _connection: connection })
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, HashSet<SocketAddr>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One token may be looked at.
#[derive(Debug)]
pub(super) struct Look<'t> {
    _permit: SemaphorePermit<'t>,
    _connection: Option<Waiting<'t>>,
}

/// A connection that waits for a look, until it is dropped.
#[derive(Debug)]
struct Waiting<'t> {
    throttle: &'t Throttle,
    address: SocketAddr,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.throttle.waiting().remove(&self.address);
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::service::client::{self, Claim};

    fn client(ip: &str) -> Client {
        let ip = ip.parse().ok();
        Client { ip, vouched: false, key: client::key(ip), claim: Claim::None }
    }

    fn peer(port: u16) -> Peer {
        Peer::Address(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    #[tokio::test(start_paused = true)]
    async fn each_offence_has_a_limit_of_its_own_for_each_client() {
        let throttle = Throttle::new();
        for offence in [Offence::WrongToken, Offence::NoToken] {
            for _ in 0..10 {
                assert_eq!(throttle.charge(client("192.0.2.1"), offence), Ok(()));
            }
            assert!(throttle.charge(client("192.0.2.1"), offence).is_err());
            assert_eq!(throttle.charge(client("192.0.2.2"), offence), Ok(()));
            throttle.refund(client("192.0.2.1"), offence);
            assert_eq!(throttle.charge(client("192.0.2.1"), offence), Ok(()));
        }
        assert_eq!(throttle.charge(client("192.0.2.1"), Offence::BreaksRule), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn looks_are_few_and_every_connection_has_its_turn() {
        let throttle = Throttle::new();
        let here = client("127.0.0.1");
        assert!(throttle.look(client("192.0.2.1"), peer(1)).await.is_none(), "only on this machine");
        let began = Instant::now();
        let mut crowd = tokio::task::JoinSet::new();
        let throttle = std::sync::Arc::new(throttle);
        for port in 1..=40 {
            let throttle = std::sync::Arc::clone(&throttle);
            crowd.spawn(async move { throttle.look(here, peer(port)).await.is_some() });
        }
        tokio::task::yield_now().await;
        assert!(throttle.look(here, peer(40)).await.is_none(), "a connection has one look at a time");
        assert!(throttle.look(here, peer(41)).await.is_some(), "whoever comes last has a turn");
        assert_eq!(began.elapsed(), WRONG_TOKEN_WAITS * 11, "four at once");
        while let Some(looked) = crowd.join_next().await {
            assert!(looked.unwrap());
        }
        assert!(throttle.waiting().is_empty() && throttle.look(client("::1"), Peer::Local).await.is_some());
    }
}
