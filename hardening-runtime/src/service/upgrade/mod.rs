//! Upgraded connections: `WebSocket`, and whatever else a handler speaks on its client's connection.
//!
//! A request that asks for another protocol is handed to its handler with an upgrade of our own making. Once the handler has
//! agreed, bytes are passed on between the two, so that we know when nothing passes, where a frame ends, and what still
//! runs. Plain requests pay one look for it.

mod frames;
mod made;
mod pump;
mod shares;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::DuplexStream;
use tokio::sync::Notify;

use self::shares::Shares;
use super::account::Account;
use super::memory::Unfinished;
use super::route_limits::OfRoute;
use super::server::Server;
use super::shutdown::Stage;
use super::wire::Conn;
use crate::clock;
use crate::settings::Http;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::telemetry::text::Family;

/// What is spoken once a connection is upgraded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Protocol {
    WebSocket,
    Other,
}

impl Protocol {
    const ALL: [Self; 2] = [Self::WebSocket, Self::Other];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Other => "other",
        }
    }
}

/// A code and a reason.
type Close = (u16, &'static str);

const GOES_AWAY: u16 = 1001;

/// How an upgraded connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By its client or its handler.
    Ended,
    /// With the service.
    Drained,
    /// Nothing had passed for too long.
    Idle,
    /// It had lasted for too long.
    Old,
    /// Another connection needed its place.
    Displaced,
    /// A message was larger than it may be.
    Oversized,
    /// A message did not come in time.
    Slow,
    /// There were too many frames that bring no message further.
    Flooded,
    /// Others needed the memory of a message that had not come to its end.
    Crowded,
    /// Its client took nothing.
    Stalled,
    /// By force, since it did not end when it was asked to.
    Cut,
    /// It never began: there were too many.
    Refused,
}

impl End {
    const ALL: [Self; 12] = [
        Self::Ended,
        Self::Drained,
        Self::Idle,
        Self::Old,
        Self::Displaced,
        Self::Oversized,
        Self::Slow,
        Self::Flooded,
        Self::Crowded,
        Self::Stalled,
        Self::Cut,
        Self::Refused,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Drained => "drained",
            Self::Idle => "idle",
            Self::Old => "too_old",
            Self::Displaced => "displaced",
            Self::Oversized => "too_large",
            Self::Slow => "too_slow",
            Self::Flooded => "flooded",
            Self::Crowded => "crowded",
            Self::Stalled => "stalled",
            Self::Cut => "cut",
            Self::Refused => "refused",
        }
    }

    /// What a WebSocket is told (RFC 6455, section 7.4.1).
    const fn reason(self) -> Option<Close> {
        match self {
            Self::Drained => Some((GOES_AWAY, "the service stops")),
            Self::Idle => Some((GOES_AWAY, "idle for too long")),
            Self::Old => Some((GOES_AWAY, "open for too long")),
            Self::Displaced => Some((GOES_AWAY, "others wait for a place")),
            Self::Oversized => Some((1009, "a message is larger than the service takes")),
            Self::Slow => Some((1008, "a message did not come in time")),
            Self::Flooded => Some((1008, "too many frames without data")),
            Self::Crowded => Some((1013, "others need the memory of a message")),
            Self::Ended | Self::Stalled | Self::Cut | Self::Refused => None,
        }
    }
}

/// The upgraded connections of the service.
#[derive(Debug)]
pub(crate) struct Upgrades {
    most: u64,
    open: AtomicU64,
    ends: [[AtomicU64; End::ALL.len()]; Protocol::ALL.len()],
    routes: Mutex<BTreeMap<(Protocol, Arc<str>), u64>>,
    shares: Mutex<Shares>,
}

impl Upgrades {
    pub(crate) fn new(http: &Http) -> Self {
        Self {
            most: http.upgraded_connections.into(),
            open: AtomicU64::new(0),
            ends: Default::default(),
            routes: Mutex::default(),
            shares: Mutex::default(),
        }
    }

    /// How many there are.
    pub(crate) fn open(&self) -> u64 {
        self.open.load(Ordering::Acquire)
    }

    /// How many there are of each protocol and route.
    pub(crate) fn by_route(&self) -> Vec<(Protocol, Arc<str>, u64)> {
        let routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.iter().map(|((protocol, route), count)| (*protocol, Arc::clone(route), *count)).collect()
    }

    /// The same by what they are called while the service waits for them.
    pub(crate) fn busy(&self) -> Vec<(String, u64)> {
        let named = |(protocol, route, count): (Protocol, Arc<str>, u64)| {
            (format!("{} {route}", protocol.name()), count)
        };
        self.by_route().into_iter().map(named).collect()
    }

    fn shares(&self) -> MutexGuard<'_, Shares> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Self>, protocol: Protocol, route: Arc<str>, client: Option<IpAddr>) -> Option<Held> {
        let Some((number, gives_way)) = self.shares().enter(self.most, client) else {
            self.count(protocol, End::Refused);
            return None;
        };
        self.open.fetch_add(1, Ordering::AcqRel);
        let key = (protocol, route);
        *self.routes.lock().unwrap_or_else(PoisonError::into_inner).entry(key.clone()).or_default() += 1;
        Some(Held { all: Arc::clone(self), key, number, gives_way, end: End::Ended })
    }

    fn count(&self, protocol: Protocol, end: End) {
        self.ends[protocol as usize][end as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Writes them.
    pub(crate) fn render(&self, out: &mut String) {
        let open = self.by_route();
        let told = "Connections on which another protocol is spoken now.";
        let mut family = Family::gauge(out, "http_upgraded_connections", told);
        for protocol in Protocol::ALL {
            let of_it = open.iter().filter(|(spoken, ..)| *spoken == protocol);
            family.sample(&[("protocol", protocol.name())], of_it.map(|(.., count)| count).sum::<u64>());
        }
        let told = "Upgraded connections by how they ended.";
        let mut family = Family::counter(out, "http_upgraded_connections_ended_total", told);
        for protocol in Protocol::ALL {
            for end in End::ALL {
                let count = self.ends[protocol as usize][end as usize].load(Ordering::Relaxed);
                family.sample(&[("protocol", protocol.name()), ("end", end.name())], count);
            }
        }
    }
}

/// One of the upgraded connections, until it is dropped.
#[derive(Debug)]
struct Held {
    all: Arc<Upgrades>,
    key: (Protocol, Arc<str>),
    number: u64,
    gives_way: Arc<Notify>,
    end: End,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut routes = self.all.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = routes.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                routes.remove(&self.key);
            }
        }
        drop(routes);
        self.all.shares().ended(self.number);
        self.all.count(self.key.0, self.end);
        self.all.open.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A request that asks for another protocol.
#[derive(Debug)]
pub(crate) struct Asked {
    client: OnUpgrade,
    handler: DuplexStream,
    protocol: Protocol,
    /// `CONNECT` instead of `Upgrade`.
    connects: bool,
    /// Over HTTP/2 a stream is upgraded and not the connection.
    stream: bool,
}

impl Asked {
    /// Takes what the client's upgrade is made of from a request, and puts ours in its place.
    pub(crate) fn of(parts: &mut Parts) -> Option<Self> {
        // Few requests have any extension yet.
        if parts.extensions.is_empty() {
            return None;
        }
        let client = parts.extensions.remove::<OnUpgrade>()?;
        let Some((handler, upgrade)) = made::made() else {
            parts.extensions.insert(client);
            return None;
        };
        parts.extensions.insert(upgrade);
        let connects = parts.method == Method::CONNECT;
        let named = if connects {
            parts.extensions.get::<hyper::ext::Protocol>().map(AsRef::as_ref)
        } else {
            parts.headers.get(header::UPGRADE).map(HeaderValue::as_bytes)
        };
        let websocket = named.is_some_and(|named: &[u8]| named.eq_ignore_ascii_case(b"websocket"));
        let protocol = if websocket { Protocol::WebSocket } else { Protocol::Other };
        let stream = parts.version == Version::HTTP_2;
        Some(Self { client, handler, protocol, connects, stream })
    }

    /// Whether an answer agrees to it.
    pub(crate) fn is_agreed(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        if self.connects {
            status.is_success()
        } else {
            status == StatusCode::SWITCHING_PROTOCOLS && headers.contains_key(header::UPGRADE)
        }
    }

    /// Its handler has agreed. False where there are too many.
    pub(crate) fn begin(self, account: &Account) -> bool {
        let Account { server, conn, .. } = account;
        let (named, client) = (account.route_name(), account.request.client_ip);
        let Some(held) = server.upgrades.enter(self.protocol, named, client) else { return false };
        let stream = self.stream;
        let upgraded = Upgraded { asked: self, held, client, route: account.route.clone() };
        if stream {
            let server = Arc::clone(server);
            // Its connection is busy until that has ended.
            let busy = Busy::of(conn);
            tokio::spawn(async move {
                upgraded.run(&server, &busy.0, std::future::pending()).await;
            });
        } else {
            conn.upgrade(upgraded);
        }
        true
    }
}

/// A connection or a stream on which another protocol is spoken.
#[derive(Debug)]
pub(crate) struct Upgraded {
    asked: Asked,
    held: Held,
    client: Option<IpAddr>,
    /// Limits of its route.
    route: Option<Arc<OfRoute>>,
}

/// A connection on which something is done.
struct Busy(Arc<Conn>);

impl Busy {
    fn of(conn: &Arc<Conn>) -> Self {
        conn.stream_began(clock::now());
        Self(Arc::clone(conn))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.request_ended(clock::now(), true, false);
    }
}

impl Upgraded {
    /// Speaks until it has ended. `over` completes when its connection must end.
    pub(crate) async fn run(mut self, server: &Server, conn: &Conn, over: impl Future<Output = End>) -> End {
        let (http, route) = (&server.settings.http, self.route.as_deref());
        let times = pump::Times {
            idle: http.upgraded_idle_timeout,
            age: http.upgraded_max_age,
            write: OfRoute::write_timeout(route, http),
            message: http.websocket_message_limit,
            coming: OfRoute::body_timeout(route, http),
        };
        let Asked { client, handler, protocol, .. } = self.asked;
        let Ok(client) = client.await else { return End::Ended };
        let mut stages = server.stages();
        let gives_way = Arc::clone(&self.held.gives_way);
        let asked = async {
            tokio::select! {
                // The sender lives as long as the server.
                _ = stages.wait_for(|stage| *stage >= Stage::Draining) => End::Drained,
                end = over => end,
                () = gives_way.notified() => End::Displaced,
            }
        };
        let unfinished = Unfinished::new(&server.bodies, self.client);
        let spoken = pump::run(protocol, TokioIo::new(client), handler, times, conn, unfinished, asked);
        self.held.end = tokio::select! {
            end = spoken => end,
            () = server.is_cut() => End::Cut,
        };
        self.held.end
    }
}
