//! Listeners: bound with a clear word when they cannot be, and never more connections than were asked for.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
#[cfg(unix)]
use tokio::net::UnixStream;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::address::{Bound, Peer, unix_path};
use super::connection;
use super::server::{Server, Surface};
use super::shutdown::Stage;
use super::socket::Socket;
use super::tls::Tls;
#[cfg(unix)]
use super::unix::FileListener;
use super::wire::Conn;
use crate::context::Principal;

/// A bound listener.
#[derive(Debug)]
pub(crate) enum Listener {
    Port(TcpListener),
    #[cfg(unix)]
    File(FileListener),
}

/// An accepted connection.
enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Listener {
    /// Where it is bound.
    pub(crate) fn bound(&self) -> io::Result<Bound> {
        match self {
            Self::Port(listener) => listener.local_addr().map(Bound::Port),
            #[cfg(unix)]
            Self::File(listener) => Ok(Bound::File(listener.path().to_owned())),
        }
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
        }
    }
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
pub(crate) async fn accept(server: Arc<Server>, surface: Surface, listener: Listener) {
    let http = &server.settings.http;
    let builder = Arc::new(connection::builder(http));
    let places = Arc::new(Semaphore::new(http.connections as usize));
    let mut stages = server.stages();
    // The admin listener answers until everything is over, so that the drain itself can be watched.
    let last = if surface == Surface::Admin { Stage::Done } else { Stage::Draining };
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = reached(&mut stages, last) => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = next(&places, &listener) => accepted,
        };
        match accepted {
            Ok((place, stream, peer)) => {
                let serving = one(&server, surface, &builder, stream, peer);
                connections.spawn(async move {
                    let _place = place;
                    serving.await;
                });
            }
            Err(error) => pause_after(&error).await,
        }
    }
    for (stream, peer) in listener.close() {
        connections.spawn(one(&server, surface, &builder, stream, peer));
    }
    while connections.join_next().await.is_some() {}
}

async fn reached(stages: &mut watch::Receiver<Stage>, last: Stage) {
    // The sender lives as long as the server.
    let _ = stages.wait_for(|stage| *stage >= last).await;
}

/// A place, and then a connection to put there: the rest waits in the backlog.
async fn next(
    places: &Arc<Semaphore>,
    listener: &Listener,
) -> io::Result<(OwnedSemaphorePermit, Stream, Peer)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((place, stream, peer))
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

fn one(
    server: &Arc<Server>,
    surface: Surface,
    builder: &Arc<auto::Builder<TokioExecutor>>,
    stream: Stream,
    peer: Peer,
) -> impl Future<Output = ()> + Send + 'static {
    let (server, builder) = (Arc::clone(server), Arc::clone(builder));
    async move {
        let tls = server.tls.as_ref().filter(|_| surface == Surface::Public);
        let (socket, principal) = match (stream, tls) {
            // The start refuses TLS at a Unix socket.
            #[cfg(unix)]
            (Stream::Unix(stream), _) => (Socket::Unix(stream), None),
            (Stream::Tcp(stream), None) => (Socket::Plain(stream), None),
            (Stream::Tcp(stream), Some(tls)) => match shaken(&server, tls, stream).await {
                Some(shaken) => shaken,
                None => return,
            },
        };
        connection::serve(server, surface, builder, Arc::new(Conn::new(socket, peer, principal))).await;
    }
}

/// Shakes hands; once the service drains, a client has a moment left for it.
async fn shaken(server: &Server, tls: &Tls, stream: TcpStream) -> Option<(Socket, Option<Principal>)> {
    let mut stages = server.stages();
    let drained = async {
        reached(&mut stages, Stage::Draining).await;
        tokio::time::sleep(connection::FIRST_WORD).await;
    };
    tokio::select! {
        biased;
        shaken = tls.shake(stream, tls.handshake_timeout()) => shaken,
        () = drained => None,
    }
}

/// A connection that broke before it was accepted is nothing; running out of descriptors needs a pause.
async fn pause_after(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::error!(%error, "cannot accept connections");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
