//! Listeners: bound with a clear word when they cannot be, and no more connections than there are places.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper_util::server::conn::auto;
use socket2::SockRef;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;

use super::address::{Bound, Peer, unix_path};
use super::client;
use super::connection;
use super::descriptors::{self, Backoff, Spare};
use super::entrance::{self, Introduction, one};
use super::places::{Places, Verdict};
use super::server::{Server, Surface};
use super::shutdown::Stage;
use super::slot::Slot;
use super::socket::{Socket, gives_up_after, holds_little};
use super::streams::Streams;
#[cfg(unix)]
use super::unix::FileListener;
use super::wire::Conn;
use crate::clock;
use crate::settings::{Http, ProxyProtocol};

/// A bound listener.
#[derive(Debug)]
pub(crate) enum Listener {
    Port(TcpListener),
    #[cfg(unix)]
    File(FileListener),
    /// Another's socket, which stays open.
    Shared(Box<Listener>),
}

/// An accepted connection.
pub(super) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Stream {
    /// Bounds what the system holds of answers, and for how long.
    fn bounds(&self, untaken: Duration) {
        if let Self::Tcp(stream) = self {
            let socket = SockRef::from(stream);
            gives_up_after(&socket, untaken);
            holds_little(&socket);
        }
    }
}

impl Listener {
    /// Where it is bound.
    pub(crate) fn bound(&self) -> io::Result<Bound> {
        match self {
            Self::Port(listener) => listener.local_addr().map(Bound::Port),
            #[cfg(unix)]
            Self::File(listener) => Ok(Bound::File(listener.path().to_owned())),
            Self::Shared(listener) => listener.bound(),
        }
    }

    /// The same socket for another who accepts.
    ///
    /// # Errors
    /// When the system has no descriptor for it, or cannot share it.
    pub(super) fn shared(&self) -> io::Result<Self> {
        let shared = match self {
            Self::Port(listener) => {
                let socket = SockRef::from(listener).try_clone()?;
                Self::Port(TcpListener::from_std(socket.into())?)
            }
            #[cfg(unix)]
            Self::File(listener) => Self::File(listener.shared()?),
            Self::Shared(listener) => return listener.shared(),
        };
        Ok(Self::Shared(Box::new(shared)))
    }

    async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Port(listener) => {
                let (stream, peer) = listener.accept().await?;
                // Answers are written whole; waiting for more of them only delays the last packet.
                let _ = stream.set_nodelay(true);
                Ok((Stream::Tcp(stream), Peer::Address(peer)))
            }
            #[cfg(unix)]
            Self::File(listener) => Ok((Stream::Unix(listener.accept().await?), Peer::Local)),
            Self::Shared(listener) => Box::pin(listener.accept()).await,
        }
    }

    /// Closes it and answers what already waits in its backlog, which closing would reset.
    fn close(self) -> Vec<(Stream, Peer)> {
        match self {
            Self::Port(listener) => backlog(listener),
            #[cfg(unix)]
            Self::File(listener) => {
                listener.close().into_iter().map(|stream| (Stream::Unix(stream), Peer::Local)).collect()
            }
            // Those who wait are for the other.
            Self::Shared(_) => Vec::new(),
        }
    }
}

/// Whether connections can come as settings ask.
///
/// # Errors
/// One sentence that names the settings.
pub(super) fn check(http: &Http) -> Result<(), String> {
    if http.proxy_protocol == ProxyProtocol::Required
        && http.trusted_proxies.is_empty()
        && unix_path(&http.listen).is_none()
    {
        return Err("`http.proxy_protocol` is `required`, but nobody may connect: write the addresses of the proxies \
                    in `http.trusted_proxies`"
            .to_owned());
    }
    Ok(())
}

/// Binds `address`, a port or `unix:` and a path; `setting` is its name in messages, `mode` are the permissions of a
/// Unix socket's file.
///
/// # Errors
/// One sentence that names the address and the setting.
pub(crate) async fn bind(address: &str, mode: u32, setting: &str) -> Result<Listener, String> {
    if let Some(path) = unix_path(address) {
        #[cfg(unix)]
        let bound = FileListener::bind(path, mode).map(Listener::File);
        #[cfg(not(unix))]
        let bound = Err(format!("this system has no socket {} of mode {mode:o}", path.display()));
        return bound.map_err(|why| format!("cannot listen on {address}: {why}; change `{setting}`"));
    }
    let failed = |error: io::Error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege".to_owned(),
            _ => error.to_string(),
        };
        format!("cannot listen on {address}: {why}; change `{setting}`")
    };
    let resolved = lookup_host(address).await.map_err(failed)?.next();
    let resolved =
        resolved.ok_or_else(|| format!("cannot listen on {address}: no such host; change `{setting}`"))?;
    TcpListener::bind(resolved).await.map(Listener::Port).map_err(failed)
}

/// Accepts until the service drains, then waits for every connection to end. Dropping it ends them all.
pub(crate) fn accept(
    server: Arc<Server>,
    surface: Surface,
    listener: Listener,
) -> impl Future<Output = ()> + Send + 'static {
    // Before the first request can open anything, and not when this has its first turn.
    let spare = Spare::new(if surface == Surface::Admin { descriptors::SPARE } else { 0 });
    accept_with(server, surface, listener, spare)
}

async fn accept_with(server: Arc<Server>, surface: Surface, listener: Listener, mut spare: Spare) {
    let mut hall = Hall::new(server, surface);
    let mut stages = hall.server.stages();
    // The admin listener answers until everything is over, so that the drain itself can be watched.
    let last = if surface == Surface::Admin { Stage::Done } else { Stage::Draining };
    let mut backoff = Backoff::default();
    let mut pause = None;
    loop {
        let accepted = tokio::select! {
            biased;
            () = reached(&mut stages, last) => break,
            left = hall.one_left(), if !hall.tasks.is_empty() => {
                if left {
                    // Its descriptor is free.
                    pause = None;
                }
                continue;
            }
            accepted = spare.kept_full(after(pause, listener.accept())) => accepted,
        };
        pause = match accepted {
            Ok((stream, peer)) => {
                backoff.accepted();
                hall.comes(stream, peer);
                None
            }
            Err(error) if is_of_the_connection(&error) => None,
            Err(_) if spare.give() => None,
            Err(error) => Some(Instant::now() + backoff.failed(&error, surface.name())),
        };
    }
    for (stream, peer) in listener.close() {
        // Nobody comes after them who could want their places.
        hall.enters(stream, peer);
    }
    while !hall.tasks.is_empty() {
        hall.one_left().await;
    }
}

/// The connections of one listener.
struct Hall {
    server: Arc<Server>,
    surface: Surface,
    builder: Arc<auto::Builder<Streams>>,
    tasks: JoinSet<()>,
    places: Places<Id>,
    slots: HashMap<Id, Arc<Slot>>,
    turned_away: Arc<Semaphore>,
    /// Connections of proxies that have said for whom they are; at most one of each.
    introductions: mpsc::UnboundedReceiver<Introduction>,
    introduces: mpsc::UnboundedSender<Introduction>,
}

impl Hall {
    fn new(server: Arc<Server>, surface: Surface) -> Self {
        let most = if surface == Surface::Admin { server.seats.admin } else { server.seats.public };
        let (introduces, introductions) = mpsc::unbounded_channel();
        Self {
            introductions,
            introduces,
            surface,
            builder: Arc::new(connection::builder(&server.settings.http)),
            tasks: JoinSet::new(),
            places: Places::new(most, server.settings.http.idle_timeout),
            slots: HashMap::new(),
            turned_away: Arc::new(Semaphore::new(descriptors::turned_away(most))),
            server,
        }
    }

    /// A newcomer gets a place, somebody else's if need be, or is turned away. Where a proxy must say whose it is, that comes
    /// first.
    fn comes(&mut self, stream: Stream, peer: Peer) {
        if entrance::is_introduced(&self.server, self.surface) {
            self.asks(stream, peer);
            return;
        }
        let who = self.who(peer);
        let verdict = {
            let slots = &self.slots;
            let idle = |id| slots.get(&id).and_then(|slot| slot.idle());
            self.places.judge(who, idle, clock::now())
        };
        if !self.makes_room(&verdict) {
            self.turn_away(stream, peer);
            return;
        }
        let (id, slot) = self.enters(stream, peer);
        self.places.enter(id, who);
        self.slots.insert(id, slot);
        self.tell();
    }

    /// A connection of a proxy, which has no place until it is known whose it is.
    fn asks(&mut self, stream: Stream, peer: Peer) {
        let stats = self.server.connections.of(self.surface);
        if !entrance::may_introduce(&self.server, peer) {
            stats.not_proxied.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if !self.places.may_ask() {
            stats.refused.fetch_add(1, Ordering::Relaxed);
            self.turn_away(stream, peer);
            return;
        }
        let (id, slot) = self.enters(stream, peer);
        self.places.asks(id);
        self.slots.insert(id, slot);
        self.tell();
    }

    /// Tells those that give way; answers whether there is a place.
    fn makes_room(&self, verdict: &Verdict<Id>) -> bool {
        let stats = self.server.connections.of(self.surface);
        match verdict {
            Verdict::Enter => true,
            Verdict::Displace(gone) => {
                stats.displaced.fetch_add(gone.len() as u64, Ordering::Relaxed);
                for slot in gone.iter().filter_map(|id| self.slots.get(id)) {
                    slot.displace();
                }
                true
            }
            Verdict::Refuse => {
                stats.refused.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }

    fn enters(&mut self, stream: Stream, peer: Peer) -> (Id, Arc<Slot>) {
        stream.bounds(self.server.settings.http.write_timeout);
        let slot = Slot::new();
        let introduces = self.introduces.clone();
        let serving =
            one(&self.server, self.surface, &self.builder, stream, peer, Arc::clone(&slot), introduces);
        let id = self.tasks.spawn(serving).id();
        self.server.connections.of(self.surface).accepted.fetch_add(1, Ordering::Relaxed);
        (id, slot)
    }

    /// A proxy's connection counts for whom it is made, who has no more places through proxies than without.
    fn is_introduced(&mut self, (id, peer, answer): Introduction) {
        // Who came at the very end has no place, and nobody who could want it.
        let keeps = !self.slots.contains_key(&id) || {
            let (who, slots) = (self.who(peer), &self.slots);
            let idle = |id| slots.get(&id).and_then(|slot| slot.idle());
            let verdict = self.places.introduce(id, who, idle, clock::now());
            self.makes_room(&verdict)
        };
        let _ = answer.send(keeps);
    }

    /// By whom places are counted: `None` for a proxy, behind which many are. All those whom a proxy does not name are one.
    fn who(&self, peer: Peer) -> Option<IpAddr> {
        let http = &self.server.settings.http;
        let ip = match peer {
            Peer::Address(address) => Some(address.ip()).filter(|ip| !client::is_proxy(*ip, http))?,
            Peer::Local => return None,
            // At the socket's file the proxy has no address.
            Peer::Unnamed(proxy) => proxy.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |proxy| proxy.ip()),
        };
        Some(client::bucket(ip.to_canonical()))
    }

    fn turn_away(&mut self, stream: Stream, peer: Peer) {
        let Ok(turn) = Arc::clone(&self.turned_away).try_acquire_owned() else { return };
        let tls = self.server.tls.is_some() && self.surface == Surface::Public;
        let socket = match stream {
            // Shaking hands to say no is work.
            Stream::Tcp(_) if tls => return,
            Stream::Tcp(stream) => Socket::new(stream),
            #[cfg(unix)]
            Stream::Unix(stream) => Socket::new(stream),
        };
        let telling =
            connection::turn_away(Arc::clone(&self.server), self.surface, Conn::new(socket, peer, None));
        self.tasks.spawn(async move {
            let _turn = turn;
            telling.await;
        });
    }

    /// Waits for the next connection to end, or to be introduced; answers whether one has ended.
    async fn one_left(&mut self) -> bool {
        let left = tokio::select! {
            biased;
            left = self.tasks.join_next_with_id() => left,
            Some(introduction) = self.introductions.recv() => {
                self.is_introduced(introduction);
                return false;
            }
        };
        let id = match left {
            Some(Ok((id, ()))) => id,
            Some(Err(error)) => error.id(),
            None => return false,
        };
        self.places.leave(id);
        self.slots.remove(&id);
        self.tell();
        true
    }

    fn tell(&self) {
        self.server.connections.of(self.surface).open.store(self.places.len() as u64, Ordering::Relaxed);
    }
}

pub(super) async fn reached(stages: &mut watch::Receiver<Stage>, last: Stage) {
    // The sender lives as long as the server.
    let _ = stages.wait_for(|stage| *stage >= last).await;
}

fn backlog(listener: TcpListener) -> Vec<(Stream, Peer)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let waiting = std::iter::from_fn(|| listener.accept().ok());
    waiting
        .filter_map(|(stream, peer)| {
            stream.set_nonblocking(true).ok()?;
            let _ = stream.set_nodelay(true);
            Some((Stream::Tcp(TcpStream::from_std(stream).ok()?), Peer::Address(peer)))
        })
        .collect()
}

/// A connection that broke before it was accepted is nothing; running out of descriptors needs a pause.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// What `then` answers, begun once the pause is over.
async fn after<T>(pause: Option<Instant>, then: impl Future<Output = T>) -> T {
    if let Some(until) = pause {
        tokio::time::sleep_until(until).await;
    }
    then.await
}
