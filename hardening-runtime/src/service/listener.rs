//! Listeners: bound with a clear word when they cannot be, and never more connections than were asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream, lookup_host};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::connection;
use super::server::{Server, Surface};
use super::shutdown::Stage;
use super::socket::Socket;
use super::tls::Tls;
use super::wire::Conn;
use crate::context::Principal;

/// Binds `address`; `setting` is its name in messages.
///
/// # Errors
/// One sentence that names the address and the setting.
pub(crate) async fn bind(address: &str, setting: &str) -> Result<TcpListener, String> {
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
    TcpListener::bind(resolved).await.map_err(failed)
}

/// Accepts until the service drains, then waits for every connection to end. Dropping it ends them all.
pub(crate) async fn accept(server: Arc<Server>, surface: Surface, listener: TcpListener) {
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
    for (stream, peer) in backlog(listener) {
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
    listener: &TcpListener,
) -> io::Result<(OwnedSemaphorePermit, TcpStream, SocketAddr)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((place, stream, peer))
}

/// Closes the listener and answers what already waits in its backlog, which closing would reset.
fn backlog(listener: TcpListener) -> Vec<(TcpStream, SocketAddr)> {
    let Ok(listener) = listener.into_std() else { return Vec::new() };
    let waiting = std::iter::from_fn(|| listener.accept().ok());
    waiting
        .filter_map(|(stream, peer)| {
            stream.set_nonblocking(true).ok()?;
            Some((TcpStream::from_std(stream).ok()?, peer))
        })
        .collect()
}

fn one(
    server: &Arc<Server>,
    surface: Surface,
    builder: &Arc<auto::Builder<TokioExecutor>>,
    stream: TcpStream,
    peer: SocketAddr,
) -> impl Future<Output = ()> + Send + 'static {
    // Answers are written whole; waiting for more of them only delays the last packet.
    let _ = stream.set_nodelay(true);
    let (server, builder) = (Arc::clone(server), Arc::clone(builder));
    async move {
        let tls = server.tls.as_ref().filter(|_| surface == Surface::Public);
        let (socket, principal) = match tls {
            None => (Socket::Plain(stream), None),
            Some(tls) => match shaken(&server, tls, stream).await {
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
